/* Connections to peers: one call at a time on each, kept for the next call to the same place. */
#include "base/mem.h"
#include "base/text.h"
#include "os/http_inside.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDLE_TIMEOUT_MS 30000 /* well below a server's, so that it is not the server that closes first */
#define IDLE_CONNECTIONS_MAX ((size_t)512)
#define SMALL_BODY_SIZE_MAX ((size_t)16 * 1024)

enum client_state {
    CLIENT_CONNECTING, /* TCP */
    CLIENT_SHAKING,    /* TLS */
    CLIENT_IDLE,
    CLIENT_HEAD, /* sent, or being sent; the answer's head is not complete */
    CLIENT_BODY,
};

struct place {
    char *key;
    struct client_conn *idle;
};

struct client_conn {
    struct http *http;
    struct client_conn *next; /* of all */
    struct client_conn **place_in_all;
    struct client_conn *next_idle;
    struct client_conn **place_in_idle;
    char *key;
    char *address;
    char *name;
    enum client_state state;
    int fd; /* while connecting */
    bool tls;
    struct loop_watch *connecting;
    struct bufferevent *bev;
    struct event *timer; /* for connecting, for being idle */
    struct call *call;   /* NULL while idle */
    struct wire_head head;
    struct wire_body reading;
    struct buf body;
    size_t searched;
    bool to_head;
    bool pieces; /* the call wants the body as it comes */
    bool reused; /* an earlier call was answered on it */
    bool heard;  /* bytes came since the request */
    unsigned inside;
    bool closed;
};

static char *pool_key(const struct conn_target *target);
static int open_socket(const char *address, bool *ret_lives, struct error *err);
static void tcp_connected(void *ctx, unsigned ready);
static void conn_ready(struct client_conn *conn);
static void conn_read(struct bufferevent *bev, void *ctx);
static bool take_head(struct client_conn *conn);
static bool take_body(struct client_conn *conn);
static bool take_step(struct client_conn *conn, const char *data, size_t size, size_t *ret_used);
static void complete(struct client_conn *conn);
static void conn_event(struct bufferevent *bev, short what, void *ctx);
static void conn_timer(int fd, short what, void *ctx);
static void give_up(struct client_conn *conn, const struct error *error, bool lives);
static void break_call(struct client_conn *conn, enum error_code code, const char *why);
static void make_idle(struct client_conn *conn);
static void leave_idle(struct client_conn *conn);
static bool still_open(const struct client_conn *conn);
static void conn_close(struct client_conn *conn);
static const char *who(const struct client_conn *conn);

struct client_conn *pool_take(struct http *http, const struct conn_target *target, struct call *call)
{
    CLEANUP_MEM char *key = pool_key(target);
    for (;;) {
        struct place *place = map_get(http->places, key);
        if (place == NULL) return NULL;
        struct client_conn *conn = place->idle;
        if (!still_open(conn)) {
            conn_close(conn); /* may free the place */
            continue;
        }
        leave_idle(conn);
        conn->call = call;
        return conn;
    }
}

bool pool_connect(struct http *http, const struct conn_target *target, int64_t timeout_ms, struct call *call,
                  struct client_conn **ret_conn, bool *ret_lives, struct error *err)
{
    if (target->tls && http->tls == NULL)
        return error_set(err, ERROR_UNREACHABLE, "cannot reach %s with TLS: no authority is known",
                         target->address);
    int fd = open_socket(target->address, ret_lives, err);
    if (fd < 0) return false;
    struct client_conn *conn = mem_alloc(sizeof(*conn));
    conn->http = http;
    conn->key = pool_key(target);
    conn->address = mem_strdup(target->address);
    conn->name = mem_strdup(target->name);
    conn->tls = target->tls;
    conn->fd = fd;
    conn->call = call;
    conn->next = http->client_conns;
    conn->place_in_all = &http->client_conns;
    if (conn->next != NULL) conn->next->place_in_all = &conn->next;
    http->client_conns = conn;
    conn->timer = timer_event(http, conn_timer, conn);
    timer_start(conn->timer, timeout_ms);
    conn->connecting = loop_watch_fd(http->loop, fd, LOOP_WRITE, tcp_connected, conn);
    *ret_conn = conn;
    return true;
}

void pool_send(struct client_conn *conn, const struct buf *head, const struct buf *body, bool to_head)
{
    conn->state = CLIENT_HEAD;
    conn->to_head = to_head;
    conn->heard = false;
    conn->searched = 0;
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    /* Small ones in one piece: one segment, and with TLS one record. */
    evbuffer_expand(output, head->size + (body->size <= SMALL_BODY_SIZE_MAX ? body->size : 0));
    evbuffer_add(output, head->data, head->size);
    if (body->size > 0) evbuffer_add(output, body->data, body->size);
}

/* Its process may be busy, stopped or hung: its kernel acknowledges all the same. A kept connection says
 * nothing of it while part of the request is still here: what was acknowledged then was said before. */
bool pool_acknowledged(const struct client_conn *conn)
{
    if (conn->reused && evbuffer_get_length(bufferevent_get_output(conn->bev)) > 0) return false;
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    int fd = conn->bev != NULL ? bufferevent_getfd(conn->bev) : conn->fd;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_ESTABLISHED &&
           info.tcpi_unacked == 0;
}

void pool_abandon(struct client_conn *conn)
{
    conn->call = NULL;
    conn_close(conn);
}

void pool_forget(struct http *http, const struct conn_target *target)
{
    CLEANUP_MEM char *key = target != NULL ? pool_key(target) : NULL;
    struct client_conn *next;
    for (struct client_conn *conn = http->client_conns; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == CLIENT_IDLE && (key == NULL || text_equal(conn->key, key))) conn_close(conn);
    }
}

void pool_free_all(struct http *http)
{
    while (http->client_conns != NULL)
        conn_close(http->client_conns);
}

static char *pool_key(const struct conn_target *target)
{
    if (!target->tls) return mem_strdup(target->address);
    return mem_printf("%s %s", target->address, target->name != NULL ? target->name : "");
}

/* A socket on its way to the address, or -1. */
static int open_socket(const char *text, bool *ret_lives, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!socket_parse_address(text, &address, &size, err)) {
        err->code = ERROR_UNREACHABLE;
        return -1;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        socket_tune(fd);
        if (connect(fd, (struct sockaddr *)&address, size) == 0 || errno == EINPROGRESS) return fd;
    }
    int failure = errno;
    *ret_lives = failure == ECONNREFUSED;
    if (fd >= 0) close(fd);
    error_errno(err, failure, "cannot reach %s", text);
    err->code = ERROR_UNREACHABLE;
    return -1;
}

static void tcp_connected(void *ctx, unsigned ready)
{
    struct client_conn *conn = ctx;
    int failure = 0;
    socklen_t size = sizeof(failure);
    struct error error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0) failure = errno;
    if (failure != 0) {
        error_errno(&error, failure, "cannot reach %s at %s", who(conn), conn->address);
        give_up(conn, &error, failure == ECONNREFUSED);
        return;
    }
    SSL *ssl = NULL;
    if (conn->tls && (ssl = tls_connect(conn->http->tls)) == NULL) {
        error_set(&error, ERROR_FAILED, "cannot begin TLS with %s", conn->address);
        give_up(conn, &error, false);
        return;
    }
    loop_watch_end(conn->connecting);
    conn->connecting = NULL;
    conn->bev = socket_bufferevent(conn->http, conn->fd, ssl, false);
    conn->fd = -1; /* the bufferevent's now */
    bufferevent_setcb(conn->bev, conn_read, NULL, conn_event, conn);
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
    conn->state = CLIENT_SHAKING;
    if (!conn->tls) conn_ready(conn);
}

static void conn_ready(struct client_conn *conn)
{
    event_del(conn->timer);
    struct error error;
    if (conn->tls) {
        CLEANUP_MEM char *name = tls_peer_identity(bufferevent_openssl_get_ssl(conn->bev));
        if (conn->name != NULL && !text_equal(name, conn->name)) {
            error_set(&error, ERROR_UNREACHABLE, "%s at %s shows the certificate of %s", conn->name,
                      conn->address, name != NULL ? name : "nobody");
            give_up(conn, &error, false);
            return;
        }
    }
    call_connected(conn->call);
}

static void conn_read(struct bufferevent *bev, void *ctx)
{
    struct client_conn *conn = ctx;
    conn->inside++;
    bool more = true;
    while (more && !conn->closed) {
        if (conn->state == CLIENT_HEAD) {
            more = take_head(conn);
        } else if (conn->state == CLIENT_BODY) {
            more = take_body(conn);
        } else {
            more = false;
            /* Bytes that nobody asked for: what would they answer? */
            if (evbuffer_get_length(bufferevent_get_input(bev)) > 0) conn_close(conn);
        }
    }
    conn->inside--;
    if (conn->closed) mem_free(conn);
}

static bool take_head(struct client_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    const char *text = NULL;
    size_t size = 0;
    if (evbuffer_get_length(input) == 0) return false;
    conn->heard = true;
    int found = input_head(input, &conn->searched, &text, &size);
    if (found == 0) return false;
    if (found < 0 || !wire_parse_answer(text, size, conn->to_head, &conn->head)) {
        break_call(conn, ERROR_UNREACHABLE, "does not answer in HTTP");
        return true;
    }
    evbuffer_drain(input, size);
    if (conn->head.status < 200) { /* RFC 9110 section 15.2: the answer is still to come */
        wire_head_free(&conn->head);
        return true;
    }
    conn->reading = wire_body_of(&conn->head);
    conn->state = CLIENT_BODY;
    conn->pieces = call_began(conn->call, &conn->head);
    return true;
}

static bool take_body(struct client_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    bool more = true;
    while (more && !conn->closed) {
        struct evbuffer_iovec part = {0};
        if (evbuffer_peek(input, -1, NULL, &part, 1) <= 0) part = (struct evbuffer_iovec){.iov_base = ""};
        size_t used = 0;
        more = take_step(conn, part.iov_base, part.iov_len, &used);
        if (!conn->closed && used > 0) evbuffer_drain(input, used);
        if (!more && !conn->closed && conn->state == CLIENT_BODY && conn->reading.length == WIRE_NO_BODY) {
            complete(conn);
            return true;
        }
    }
    return false;
}

/* False: stop, because all is used up, or the body is complete (its length is WIRE_NO_BODY then), or broken.
 */
static bool take_step(struct client_conn *conn, const char *data, size_t size, size_t *ret_used)
{
    const char *piece = NULL;
    size_t piece_size = 0;
    switch (wire_body_step(&conn->reading, data, size, ret_used, &piece, &piece_size)) {
    case WIRE_MORE:
        return false;
    case WIRE_DONE:
        conn->reading.length = WIRE_NO_BODY;
        return false;
    case WIRE_BAD:
        break_call(conn, ERROR_UNREACHABLE, "broke the coding of its answer");
        return false;
    case WIRE_PIECE:
        break;
    }
    if (conn->pieces) {
        call_piece(conn->call, piece, piece_size); /* may cancel, and so close */
        return true;
    }
    if (conn->body.size + piece_size > WIRE_BODY_SIZE_MAX) {
        break_call(conn, ERROR_TOO_LARGE, "answers with more than 16 MiB");
        return false;
    }
    buf_add(&conn->body, piece, piece_size);
    call_progressed(conn->call);
    return true;
}

/* Hands the answer over; the connection is free for the next call before that, which may come from inside. */
static void complete(struct client_conn *conn)
{
    struct call *call = conn->call;
    struct wire_head head = conn->head;
    struct buf body = conn->body;
    conn->head = (struct wire_head){0};
    conn->body = (struct buf){0};
    conn->call = NULL;
    bool clean = head.keep_alive && evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0 &&
                 evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0;
    if (clean) {
        make_idle(conn);
    } else {
        conn_close(conn);
    }
    call_answered(call, &head, &body);
    wire_head_free(&head);
    buf_free(&body);
}

static void conn_event(struct bufferevent *bev, short what, void *ctx)
{
    struct client_conn *conn = ctx;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        if (conn->state == CLIENT_SHAKING) conn_ready(conn);
        return;
    }
    if (conn->state == CLIENT_IDLE) {
        conn_close(conn);
        return;
    }
    char why[256] = "closed the connection";
    int failure = EVUTIL_SOCKET_ERROR();
    if ((what & BEV_EVENT_ERROR) != 0 && !conn->tls && failure != 0)
        snprintf(why, sizeof(why), "%s", strerrordesc_np(failure));
    if (conn->tls)
        tls_failure(bufferevent_openssl_get_ssl(bev), bufferevent_get_openssl_error(bev), why, sizeof(why));
    if (conn->state == CLIENT_SHAKING) {
        struct error error;
        error_set(&error, ERROR_UNREACHABLE, "cannot trust or be trusted by %s at %s: %s", who(conn),
                  conn->address, why);
        give_up(conn, &error, false);
    } else if (conn->state == CLIENT_BODY && conn->reading.length == WIRE_TO_CLOSE &&
               (what & BEV_EVENT_EOF) != 0) {
        complete(conn);
    } else {
        break_call(conn, ERROR_UNREACHABLE, why);
    }
}

static void conn_timer(int fd, short what, void *ctx)
{
    struct client_conn *conn = ctx;
    if (conn->state == CLIENT_IDLE) {
        conn_close(conn);
        return;
    }
    struct error error;
    error_set(&error, ERROR_TIMEOUT, "cannot reach %s at %s in time", who(conn), conn->address);
    give_up(conn, &error, pool_acknowledged(conn));
}

/* It could not be established: nothing was sent. */
static void give_up(struct client_conn *conn, const struct error *error, bool lives)
{
    struct error copy = *error;
    if (copy.code != ERROR_TIMEOUT) copy.code = ERROR_UNREACHABLE;
    struct call *call = conn->call;
    conn->call = NULL;
    conn_close(conn);
    call_unconnected(call, &copy, lives);
}

/* It broke with a request under way. */
static void break_call(struct client_conn *conn, enum error_code code, const char *why)
{
    struct error error;
    error_set(&error, code, "%s at %s %s", who(conn), conn->address, why);
    struct call *call = conn->call;
    bool reused = conn->reused;
    bool heard = conn->heard;
    conn->call = NULL;
    conn_close(conn);
    call_broken(call, reused, heard, &error);
}

static void make_idle(struct client_conn *conn)
{
    if (conn->http->idle_conns >= IDLE_CONNECTIONS_MAX) {
        conn_close(conn);
        return;
    }
    struct place *place = map_get(conn->http->places, conn->key);
    if (place == NULL) {
        place = mem_alloc(sizeof(*place));
        place->key = mem_strdup(conn->key);
        map_put(conn->http->places, conn->key, place);
    }
    conn->state = CLIENT_IDLE;
    conn->reused = true;
    conn->next_idle = place->idle;
    conn->place_in_idle = &place->idle;
    if (conn->next_idle != NULL) conn->next_idle->place_in_idle = &conn->next_idle;
    place->idle = conn;
    conn->http->idle_conns++;
    timer_start(conn->timer, IDLE_TIMEOUT_MS);
}

static void leave_idle(struct client_conn *conn)
{
    event_del(conn->timer);
    *conn->place_in_idle = conn->next_idle;
    if (conn->next_idle != NULL) conn->next_idle->place_in_idle = conn->place_in_idle;
    conn->http->idle_conns--;
    conn->state = CLIENT_HEAD;
    struct place *place = map_get(conn->http->places, conn->key);
    ASSERT(place != NULL);
    if (place->idle != NULL) return;
    map_remove(conn->http->places, conn->key);
    mem_free(place->key);
    mem_free(place);
}

/* A server that restarted has closed it, but the loop may not have come by yet. */
static bool still_open(const struct client_conn *conn)
{
    char byte;
    ssize_t got = recv(bufferevent_getfd(conn->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static void conn_close(struct client_conn *conn)
{
    ASSERT(!conn->closed && conn->call == NULL);
    if (conn->state == CLIENT_IDLE) leave_idle(conn);
    conn->closed = true;
    *conn->place_in_all = conn->next;
    if (conn->next != NULL) conn->next->place_in_all = conn->place_in_all;
    loop_watch_end(conn->connecting);
    event_free(conn->timer);
    if (conn->fd >= 0) close(conn->fd);
    if (conn->bev != NULL) bufferevent_free(conn->bev);
    wire_head_free(&conn->head);
    buf_free(&conn->body);
    mem_free(conn->key);
    mem_free(conn->address);
    mem_free(conn->name);
    if (conn->inside == 0) mem_free(conn);
}

static const char *who(const struct client_conn *conn)
{
    return conn->name != NULL ? conn->name : "the server";
}
