/* The serving side: one state machine a connection (drawn in README.md). */
#include "base/mem.h"
#include "base/text.h"
#include "os/http_inside.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define REQUEST_TIMEOUT_MS 30000 /* for a head; for each BODY_WINDOW of a body */
#define BODY_WINDOW_SIZE ((size_t)256 * 1024)
#define IDLE_TIMEOUT_MS 75000 /* longer than a client of ours keeps an idle connection */
#define LINGER_TIMEOUT_MS 5000
#define STREAM_BEHIND_SIZE_MAX ((size_t)4 * 1024 * 1024)
#define ANSWERS_BEHIND_SIZE_MAX ((size_t)1024 * 1024) /* no further request is begun while more waits */
#define EARLY_INPUT_SIZE_MAX ((size_t)256 * 1024)     /* of requests sent before the answer to the last */
#define SERVER_CONNECTIONS_MAX ((size_t)8192)
#define SMALL_BODY_SIZE_MAX ((size_t)16 * 1024)

enum server_state {
    SERVER_HEAD, /* waits for a request, or for the rest of its head */
    SERVER_BODY,
    SERVER_HANDLING, /* the handler has it */
    SERVER_STREAMING,
    SERVER_CLOSING,   /* sends what is left */
    SERVER_LINGERING, /* sent; reads on until the other side closes, or a reset would eat the last answer */
    SERVER_DROPPING,  /* did not read its stream: gone() is due from the loop */
};

struct server_conn {
    struct http *http;
    struct server_conn *next;
    struct server_conn **place;
    struct bufferevent *bev;
    struct event *timer;
    struct loop_later *dropping;
    enum server_state state;
    struct exchange *exchange; /* from its head on */
    net_handler handler;
    void *handler_ctx;
    char *identity; /* of its certificate; NULL: none */
    char address[64];
    size_t searched;
    size_t output_seen; /* when the timer was last started */
    size_t window;      /* bytes of the body since the timer was last started */
    bool request_begun; /* the timer is the one of REQUEST_TIMEOUT_MS */
    unsigned inside;    /* callbacks of ours on the stack */
    bool closed;
};

struct exchange {
    struct server_conn *conn;
    struct wire_head head;
    struct wire_body reading;
    struct buf body;
    void (*gone)(void *ctx);
    void *gone_ctx;
    bool chunked;
    bool silent; /* streams to a method without a body */
};

static void conn_read(struct bufferevent *bev, void *ctx);
static void conn_written(struct bufferevent *bev, void *ctx);
static void conn_event(struct bufferevent *bev, short what, void *ctx);
static void conn_timer(int fd, short what, void *ctx);
static void conn_proceed(struct server_conn *conn);
static bool take_head(struct server_conn *conn);
static bool begin_request(struct server_conn *conn, const char *head, size_t size);
static bool take_body(struct server_conn *conn);
static bool take_piece(struct server_conn *conn, const char *data, size_t size, size_t *ret_used);
static void handle(struct server_conn *conn);
static void reject(struct server_conn *conn, int status);
static void add_problem(struct buf *ret_json, int status);
static void finish_exchange(struct exchange *exchange, bool keep_alive);
static void begin_closing(struct server_conn *conn);
static void begin_lingering(struct server_conn *conn);
static void drop_stream(void *ctx);
static void conn_close(struct server_conn *conn, bool tell);
static void exchange_free(struct exchange *exchange);
static void restart_timer(struct server_conn *conn, int64_t delay_ms);
static size_t input_size(const struct server_conn *conn);
static size_t output_size(const struct server_conn *conn);
static bool answer_keeps_alive(const struct exchange *exchange, const struct header *headers, size_t length);

void server_accept(struct http *http, const struct http_listen_options *options, int fd)
{
    const struct tls *tls = options->tls_files ? tls_files_newest(options->tls_files) : http->tls;
    SSL *ssl = NULL;
    if (http->server_conns_length >= SERVER_CONNECTIONS_MAX ||
        (options->tls && (ssl = tls_accept(tls, options->allow_anonymous)) == NULL)) {
        close(fd);
        return;
    }
    socket_tune(fd);
    struct server_conn *conn = mem_alloc(sizeof(*conn));
    conn->http = http;
    conn->handler = options->handler;
    conn->handler_ctx = options->ctx;
    conn->next = http->server_conns;
    conn->place = &http->server_conns;
    if (conn->next != NULL) conn->next->place = &conn->next;
    http->server_conns = conn;
    http->server_conns_length++;
    socket_format_peer(fd, conn->address, sizeof(conn->address));
    conn->timer = timer_event(http, conn_timer, conn);
    conn->bev = socket_bufferevent(http, fd, ssl, true);
    bufferevent_setcb(conn->bev, conn_read, conn_written, conn_event, conn);
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
    conn->request_begun = true;
    restart_timer(conn, REQUEST_TIMEOUT_MS);
}

void server_free_all(struct http *http)
{
    while (http->server_conns != NULL)
        conn_close(http->server_conns, false);
}

void server_answer(void *self, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, const void *body, size_t body_size)
{
    struct server_conn *conn = exchange->conn;
    ASSERT(conn->state == SERVER_HANDLING);
    bool keep_alive = answer_keeps_alive(exchange, headers, headers_length);
    bool has_body = wire_has_body(exchange->head.method, status);
    /* A HEAD request is told the size that a GET would have got. */
    bool tell_size = status >= 200 && status != 204 && status != 304;
    CLEANUP_BUF struct buf text = {0};
    wire_add_answer(&text, status, headers, headers_length, tell_size ? (int64_t)body_size : -1, false,
                    keep_alive);
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    if (!has_body) body_size = 0;
    bool small = body_size <= SMALL_BODY_SIZE_MAX;
    /* One piece: one segment, and with TLS one record. */
    if (small && body_size > 0) buf_add(&text, body, body_size);
    evbuffer_add(output, text.data, text.size);
    if (!small) evbuffer_add(output, body, body_size);
    finish_exchange(exchange, keep_alive);
}

void server_start(void *self, struct exchange *exchange, int status, const struct header *headers,
                  size_t headers_length, void (*gone)(void *ctx), void *ctx)
{
    struct server_conn *conn = exchange->conn;
    ASSERT(conn->state == SERVER_HANDLING);
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
    exchange->silent = !wire_has_body(exchange->head.method, status);
    exchange->chunked = !exchange->head.minor_0 && !exchange->silent;
    bool keep_alive =
        answer_keeps_alive(exchange, headers, headers_length) && (exchange->chunked || exchange->silent);
    exchange->head.keep_alive = keep_alive;
    CLEANUP_BUF struct buf text = {0};
    wire_add_answer(&text, status, headers, headers_length, -1, exchange->chunked, keep_alive);
    evbuffer_add(bufferevent_get_output(conn->bev), text.data, text.size);
    conn->state = SERVER_STREAMING;
}

void server_chunk(void *self, struct exchange *exchange, const void *data, size_t size)
{
    struct server_conn *conn = exchange->conn;
    if (conn->state == SERVER_DROPPING || exchange->silent || size == 0) return;
    ASSERT(conn->state == SERVER_STREAMING);
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    if (evbuffer_get_length(output) + size > STREAM_BEHIND_SIZE_MAX && evbuffer_get_length(output) > 0) {
        conn->state = SERVER_DROPPING;
        conn->dropping = loop_later(conn->http->loop, drop_stream, conn);
        return;
    }
    if (exchange->chunked) evbuffer_add_printf(output, "%zx\r\n", size);
    evbuffer_add(output, data, size);
    if (exchange->chunked) evbuffer_add(output, "\r\n", 2);
}

void server_end(void *self, struct exchange *exchange)
{
    struct server_conn *conn = exchange->conn;
    if (conn->state == SERVER_DROPPING) {
        conn->exchange = NULL; /* no one is left to be told */
        exchange_free(exchange);
        return;
    }
    ASSERT(conn->state == SERVER_STREAMING);
    if (exchange->chunked) evbuffer_add(bufferevent_get_output(conn->bev), "0\r\n\r\n", 5);
    finish_exchange(exchange, exchange->head.keep_alive);
}

void server_on_gone(void *self, struct exchange *exchange, void (*gone)(void *ctx), void *ctx)
{
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
}

static void conn_read(struct bufferevent *bev, void *ctx)
{
    conn_proceed(ctx);
}

static void conn_written(struct bufferevent *bev, void *ctx)
{
    struct server_conn *conn = ctx;
    if (output_size(conn) > 0) return;
    if (conn->state == SERVER_CLOSING) {
        begin_lingering(conn);
    } else {
        conn_proceed(conn); /* may have waited for room */
    }
}

static void conn_event(struct bufferevent *bev, short what, void *ctx)
{
    struct server_conn *conn = ctx;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        SSL *ssl = bufferevent_openssl_get_ssl(bev);
        if (ssl != NULL && conn->identity == NULL) conn->identity = tls_peer_identity(ssl);
        return;
    }
    /* Only the reading half ended, and answers are on their way: the other side said all it had to say. */
    bool sending = (conn->state == SERVER_HEAD || conn->state == SERVER_CLOSING) && output_size(conn) > 0;
    if ((what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0 && sending) {
        bufferevent_disable(bev, EV_READ);
        begin_closing(conn);
        return;
    }
    conn_close(conn, true);
}

static void conn_timer(int fd, short what, void *ctx)
{
    struct server_conn *conn = ctx;
    size_t left = output_size(conn);
    if ((conn->state == SERVER_HEAD || conn->state == SERVER_CLOSING) && left > 0 &&
        left < conn->output_seen) {
        restart_timer(conn, IDLE_TIMEOUT_MS); /* reads slowly, but reads */
        return;
    }
    conn_close(conn, true);
}

/* Takes what has arrived as far as the state allows. */
static void conn_proceed(struct server_conn *conn)
{
    if (conn->inside > 0) return;
    conn->inside++;
    bool more = true;
    while (more && !conn->closed) {
        switch (conn->state) {
        case SERVER_HEAD:
            more = take_head(conn);
            break;
        case SERVER_BODY:
            more = take_body(conn);
            break;
        case SERVER_CLOSING:
        case SERVER_LINGERING:
            evbuffer_drain(bufferevent_get_input(conn->bev), input_size(conn));
            more = false;
            break;
        case SERVER_HANDLING:
        case SERVER_STREAMING:
        case SERVER_DROPPING:
            more = false;
            break;
        }
    }
    conn->inside--;
    if (conn->closed) {
        mem_free(conn);
    } else if (input_size(conn) > EARLY_INPUT_SIZE_MAX) {
        conn_close(conn, true);
    }
}

/* True: something changed, look again. */
static bool take_head(struct server_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    size_t size = evbuffer_get_length(input);
    if (size == 0 || output_size(conn) > ANSWERS_BEHIND_SIZE_MAX) return false;
    if (!conn->request_begun) {
        conn->request_begun = true;
        restart_timer(conn, REQUEST_TIMEOUT_MS);
    }
    /* RFC 9112 section 2.2: an empty line before a request is passed over. */
    char start[2];
    if (conn->searched == 0 && evbuffer_copyout(input, start, 2) == 2 && memcmp(start, "\r\n", 2) == 0) {
        evbuffer_drain(input, 2);
        return true;
    }
    const char *head = NULL;
    int found = input_head(input, &conn->searched, &head, &size);
    if (found == 0) return false;
    if (found < 0) {
        reject(conn, 431);
        return true;
    }
    bool begun = begin_request(conn, head, size);
    if (begun) evbuffer_drain(input, size);
    return true;
}

static bool begin_request(struct server_conn *conn, const char *text, size_t size)
{
    struct wire_head head;
    int status;
    if (!wire_parse_request(text, size, &head, &status)) {
        reject(conn, status);
        return false;
    }
    if (head.length == WIRE_SIZED && head.content_size > WIRE_BODY_SIZE_MAX) {
        wire_head_free(&head);
        reject(conn, 413);
        return false;
    }
    struct exchange *exchange = mem_alloc(sizeof(*exchange));
    exchange->conn = conn;
    exchange->head = head;
    exchange->reading = wire_body_of(&head);
    conn->exchange = exchange;
    conn->state = SERVER_BODY;
    conn->window = 0;
    if (head.length == WIRE_NO_BODY) return true;
    restart_timer(conn, REQUEST_TIMEOUT_MS);
    if (head.expects_continue && !head.minor_0)
        evbuffer_add(bufferevent_get_output(conn->bev), "HTTP/1.1 100 Continue\r\n\r\n", 25);
    return true;
}

static bool take_body(struct server_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    if (conn->exchange->reading.length == WIRE_NO_BODY) {
        handle(conn);
        return true;
    }
    struct evbuffer_iovec part;
    while (evbuffer_peek(input, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
        size_t used = 0;
        bool go_on = take_piece(conn, part.iov_base, part.iov_len, &used);
        evbuffer_drain(input, used);
        if (go_on) continue;
        if (conn->state == SERVER_BODY) handle(conn);
        return true;
    }
    return false;
}

/* True: the body wants more. False: it is complete (still SERVER_BODY), or refused. */
static bool take_piece(struct server_conn *conn, const char *data, size_t size, size_t *ret_used)
{
    struct exchange *exchange = conn->exchange;
    const char *piece = NULL;
    size_t piece_size = 0;
    switch (wire_body_step(&exchange->reading, data, size, ret_used, &piece, &piece_size)) {
    case WIRE_PIECE:
        if (exchange->body.size + piece_size > WIRE_BODY_SIZE_MAX) {
            reject(conn, 413);
            return false;
        }
        buf_add(&exchange->body, piece, piece_size);
        conn->window += piece_size;
        if (conn->window >= BODY_WINDOW_SIZE) {
            conn->window = 0;
            restart_timer(conn, REQUEST_TIMEOUT_MS);
        }
        return exchange->reading.length != WIRE_SIZED || exchange->reading.left > 0;
    case WIRE_MORE:
        return true;
    case WIRE_DONE:
        return false;
    case WIRE_BAD:
        break;
    }
    reject(conn, 400);
    return false;
}

static void handle(struct server_conn *conn)
{
    struct exchange *exchange = conn->exchange;
    event_del(conn->timer);
    conn->state = SERVER_HANDLING;
    struct request request = {.method = exchange->head.method,
                              .path = exchange->head.path,
                              .headers = exchange->head.headers,
                              .headers_length = exchange->head.headers_length,
                              .body = exchange->body.size > 0 ? exchange->body.data : NULL,
                              .body_size = exchange->body.size};
    struct sender sender = {.address = conn->address};
    if (text_equal(conn->identity, "controller")) {
        sender.role = ROLE_CONTROLLER;
    } else if (conn->identity != NULL) {
        sender.role = ROLE_HOST;
        sender.name = conn->identity + strlen("host/");
    }
    const char *authorization = wire_find(request.headers, request.headers_length, "Authorization");
    if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
        sender.token = authorization + 7 + strspn(authorization + 7, " ");
    conn->handler(conn->handler_ctx, exchange, &request, &sender);
}

/* Answers without the handler, and closes: where the next request begins is not known. */
static void reject(struct server_conn *conn, int status)
{
    if (conn->exchange != NULL) exchange_free(conn->exchange);
    conn->exchange = NULL;
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_BUF struct buf problem = {0};
    const struct header type = {"Content-Type", "application/problem+json"};
    add_problem(&problem, status);
    wire_add_answer(&text, status, &type, 1, (int64_t)problem.size, false, false);
    buf_add(&text, problem.data, problem.size);
    evbuffer_add(bufferevent_get_output(conn->bev), text.data, text.size);
    begin_closing(conn);
}

/* RFC 9457, with the limit that was passed. */
static void add_problem(struct buf *ret_json, int status)
{
    buf_printf(ret_json, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"",
               wire_reason(status), status);
    if (status == 413)
        buf_printf(ret_json, "past the limit of %zu MiB a request", WIRE_BODY_SIZE_MAX >> 20);
    else if (status == 431)
        buf_printf(ret_json, "past the limit of %zu KiB for the head of a request", WIRE_HEAD_SIZE_MAX >> 10);
    else
        buf_add_text(ret_json, "this is no HTTP/1.1 request that can be understood");
    /* The members of the API's own, for programs that read them. */
    buf_printf(ret_json, "\",\"code\":\"%s\",\"file\":\"\",\"field\":\"\",\"line\":0,\"column\":0}",
               error_code_name(error_from_http_status(status)));
}

static void finish_exchange(struct exchange *exchange, bool keep_alive)
{
    struct server_conn *conn = exchange->conn;
    conn->exchange = NULL;
    exchange_free(exchange);
    if (!keep_alive) {
        begin_closing(conn);
        return;
    }
    conn->state = SERVER_HEAD;
    conn->request_begun = false;
    restart_timer(conn, IDLE_TIMEOUT_MS);
    if (conn->inside == 0 && input_size(conn) > 0)
        bufferevent_trigger(conn->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void begin_closing(struct server_conn *conn)
{
    conn->state = SERVER_CLOSING;
    restart_timer(conn, REQUEST_TIMEOUT_MS);
    /* Nothing left to send: let the loop come by all the same. */
    if (output_size(conn) == 0)
        bufferevent_trigger(conn->bev, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void begin_lingering(struct server_conn *conn)
{
    conn->state = SERVER_LINGERING;
    if ((bufferevent_get_enabled(conn->bev) & EV_READ) == 0) { /* the other side had ended already */
        conn_close(conn, true);
        return;
    }
    shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
    restart_timer(conn, LINGER_TIMEOUT_MS);
}

static void drop_stream(void *ctx)
{
    struct server_conn *conn = ctx;
    conn->dropping = NULL;
    conn_close(conn, true);
}

static void conn_close(struct server_conn *conn, bool tell)
{
    ASSERT(!conn->closed);
    conn->closed = true;
    *conn->place = conn->next;
    if (conn->next != NULL) conn->next->place = conn->place;
    conn->http->server_conns_length--;
    loop_later_cancel(conn->http->loop, conn->dropping);
    event_free(conn->timer);
    bufferevent_free(conn->bev);
    mem_free(conn->identity);
    struct exchange *exchange = conn->exchange;
    if (conn->inside == 0) mem_free(conn);
    if (exchange == NULL) return;
    void (*gone)(void *ctx) = exchange->gone;
    void *gone_ctx = exchange->gone_ctx;
    exchange_free(exchange);
    if (tell && gone != NULL) gone(gone_ctx);
}

static void exchange_free(struct exchange *exchange)
{
    wire_head_free(&exchange->head);
    buf_free(&exchange->body);
    mem_free(exchange);
}

static void restart_timer(struct server_conn *conn, int64_t delay_ms)
{
    conn->output_seen = output_size(conn);
    timer_start(conn->timer, delay_ms);
}

static size_t input_size(const struct server_conn *conn)
{
    return evbuffer_get_length(bufferevent_get_input(conn->bev));
}

static size_t output_size(const struct server_conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

static bool answer_keeps_alive(const struct exchange *exchange, const struct header *headers, size_t length)
{
    const char *connection = wire_find(headers, length, "Connection");
    return exchange->head.keep_alive && (connection == NULL || strcasecmp(connection, "close") != 0);
}
