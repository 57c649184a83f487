/* For http*.c and listen.c only. */
#ifndef CROFT_OS_HTTP_INSIDE_H
#define CROFT_OS_HTTP_INSIDE_H

#include "os/http.h"

#include "base/vec.h"
#include "os/wire.h"

#include <sys/socket.h>

struct bufferevent;
struct evbuffer;
struct client_conn;
struct server_conn;
struct event;

struct http {
    struct net_port port;
    struct loop *loop;
    const struct tls *tls;
    struct http_listener *listeners;
    struct server_conn *server_conns;
    size_t server_conns_length;
    struct client_conn *client_conns;
    struct call *calls;
    struct map *places;    /* key of pool_key() -> struct place: idle connections */
    struct map *preferred; /* "address address" -> the http itself while the second one is preferred */
    size_t idle_conns;
};

/* http_server.c */
void server_accept(struct http *http, const struct http_listen_options *options, int fd);
void server_free_all(struct http *http);
void server_answer(void *self, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, const void *body, size_t body_size);
void server_start(void *self, struct exchange *exchange, int status, const struct header *headers,
                  size_t headers_length, void (*gone)(void *ctx), void *ctx);
void server_chunk(void *self, struct exchange *exchange, const void *data, size_t size);
void server_end(void *self, struct exchange *exchange);
void server_on_gone(void *self, struct exchange *exchange, void (*gone)(void *ctx), void *ctx);

/* listen.c */
void listeners_free_all(struct http *http);

/* http_client.c: calls. */
struct call *client_call(void *self, const struct peer *peer, const struct request *request,
                         int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                         void (*done)(void *ctx, const struct answer *answer), void *ctx);
void client_cancel(void *self, struct call *call);
void client_free_all(struct http *http);
/* What the connection of a call tells it. After call_failed() and call_answered() the call is no longer the
 * connection's; the call itself may be gone. */
void call_connected(struct call *call);
/* Nothing was sent. lives: as in struct answer. */
void call_unconnected(struct call *call, const struct error *error, bool lives);
void call_broken(struct call *call, bool reused, bool heard, const struct error *error);
/* Head complete: true when pieces of the body are to be given to call_piece(). */
bool call_began(struct call *call, const struct wire_head *head);
void call_piece(struct call *call, const char *data, size_t size);
void call_progressed(struct call *call);
void call_answered(struct call *call, const struct wire_head *head, const struct buf *body);

/* http_pool.c: connections to peers. */
struct conn_target {
    const char *address;
    const char *name; /* "controller" or "host/NAME"; NULL: not checked */
    bool tls;
};
/* An idle connection, made busy with the call; NULL when there is none. */
struct client_conn *pool_take(struct http *http, const struct conn_target *target, struct call *call);
/* A new one; tells the call later. False: at once clear that it cannot be; *ret_lives as in struct answer. */
MUST_CHECK bool pool_connect(struct http *http, const struct conn_target *target, int64_t timeout_ms,
                             struct call *call, struct client_conn **ret_conn, bool *ret_lives,
                             struct error *err);
void pool_send(struct client_conn *conn, const struct buf *head, const struct buf *body, bool to_head);
/* Whether the other side's kernel has taken in all that was sent: then the machine lives. */
bool pool_acknowledged(const struct client_conn *conn);
void pool_abandon(struct client_conn *conn); /* its call leaves; the connection closes */
void pool_forget(struct http *http, const struct conn_target *target); /* closes the idle ones */
void pool_free_all(struct http *http);

/* http.c: shared. */
MUST_CHECK bool socket_parse_address(const char *text, struct sockaddr_storage *ret_address,
                                     socklen_t *ret_size, struct error *err);
void socket_tune(int fd);
void socket_format_peer(int fd, char *out, size_t size); /* "127.0.0.1:40312"; "" when it is not known */
struct bufferevent *socket_bufferevent(struct http *http, int fd, void *ssl, bool server);
/* Takes a head off the input: 1 with it (size bytes, valid until the input changes), 0 not yet, -1 too large.
 * *searched is where the search goes on. The caller drains it. */
int input_head(struct evbuffer *input, size_t *searched, const char **ret_head, size_t *ret_size);
struct event *timer_event(struct http *http, void (*fire)(int fd, short what, void *ctx), void *ctx);
void timer_start(struct event *event, int64_t delay_ms);

#endif
