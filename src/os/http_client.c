/* The asking side: a call, its addresses, its time-out. Connections are http_pool.c's. */
#include "base/mem.h"
#include "base/text.h"
#include "os/http_inside.h"

#include <event2/event.h>

/* A second address gets its chance even when the first one swallows packets without a word. */
#define CONNECT_TIMEOUT_MS_MAX 1000
#define ADDRESSES_MAX 2

struct call {
    struct http *http;
    struct call *next;
    struct call **place;
    char *name;
    char *addresses[ADDRESSES_MAX];
    size_t addresses_length;
    bool tls;
    bool fixed_address; /* only_address */
    bool to_head;
    bool safe; /* RFC 9110 section 9.2.1: may be sent again when a kept connection broke unheard */
    bool repeated;
    bool lives;
    size_t address; /* the one in use */
    size_t tried;
    struct buf head;
    struct buf body;
    int64_t timeout_ms;
    struct event *timer;
    struct client_conn *conn;
    struct loop_later *failing;
    struct error error;
    bool streaming;
    void (*chunk)(void *ctx, const char *data, size_t size);
    void (*done)(void *ctx, const struct answer *answer);
    void *ctx;
};

static void try_addresses(struct call *call, bool reuse);
static struct conn_target target_of(const struct call *call);
static void fail(struct call *call, const struct error *error);
static void deliver_failure(void *ctx);
static void timed_out(int fd, short what, void *ctx);
static void finish(struct call *call, const struct answer *answer);
static void call_free(struct call *call);
static char *identity_text(const struct peer *peer);
static char *preference_key(const struct call *call);
static bool second_preferred(const struct call *call);
static void prefer(struct call *call, size_t address);

struct call *client_call(void *self, const struct peer *peer, const struct request *request,
                         int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                         void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    struct http *http = self;
    ASSERT(timeout_ms > 0 && done != NULL);
    ASSERT(peer->addresses_length >= 1 && peer->addresses_length <= ADDRESSES_MAX);
    ASSERT(peer->only_address < (int)peer->addresses_length);
    struct call *call = mem_alloc(sizeof(*call));
    call->http = http;
    call->name = identity_text(peer);
    call->addresses_length = peer->addresses_length;
    for (size_t i = 0; i < peer->addresses_length; i++)
        call->addresses[i] = mem_strdup(peer->addresses[i]);
    call->tls = peer->tls;
    call->fixed_address = peer->only_address >= 0;
    call->to_head = text_equal(request->method, "HEAD");
    call->safe =
        call->to_head || text_equal(request->method, "GET") || text_equal(request->method, "OPTIONS");
    call->timeout_ms = timeout_ms;
    call->chunk = chunk;
    call->done = done;
    call->ctx = ctx;
    call->next = http->calls;
    call->place = &http->calls;
    if (call->next != NULL) call->next->place = &call->next;
    http->calls = call;
    call->timer = timer_event(http, timed_out, call);
    timer_start(call->timer, timeout_ms);
    if (call->fixed_address) {
        call->address = (size_t)peer->only_address;
    } else if (second_preferred(call)) {
        call->address = 1;
    }
    wire_add_request(&call->head, request, call->addresses[call->address]);
    buf_add(&call->body, request->body, request->body_size);
    try_addresses(call, true);
    return call;
}

void client_cancel(void *self, struct call *call)
{
    if (call == NULL) return;
    if (call->conn != NULL) pool_abandon(call->conn);
    call_free(call);
}

void client_free_all(struct http *http)
{
    while (http->calls != NULL)
        client_cancel(http, http->calls);
}

void call_connected(struct call *call)
{
    if (!call->fixed_address) prefer(call, call->address);
    pool_send(call->conn, &call->head, &call->body, call->to_head);
}

void call_unconnected(struct call *call, const struct error *error, bool lives)
{
    if (lives) call->lives = true;
    call->conn = NULL;
    call->error = *error;
    call->tried++;
    if (call->fixed_address || call->tried == call->addresses_length) {
        fail(call, error);
        return;
    }
    call->address = 1 - call->address;
    try_addresses(call, true);
}

void call_broken(struct call *call, bool reused, bool heard, const struct error *error)
{
    call->conn = NULL;
    struct conn_target target = target_of(call);
    pool_forget(call->http, &target);
    if (reused && !heard && call->safe && !call->repeated) {
        call->repeated = true;
        try_addresses(call, false);
        return;
    }
    if (!call->fixed_address && call->addresses_length > 1) prefer(call, 1 - call->address);
    fail(call, error);
}

bool call_began(struct call *call, const struct wire_head *head)
{
    call->streaming = call->chunk != NULL && head->status == 200;
    if (call->streaming) event_del(call->timer);
    return call->streaming;
}

void call_piece(struct call *call, const char *data, size_t size)
{
    call->chunk(call->ctx, data, size);
}

void call_progressed(struct call *call)
{
    if (!call->streaming) timer_start(call->timer, call->timeout_ms);
}

void call_answered(struct call *call, const struct wire_head *head, const struct buf *body)
{
    call->conn = NULL;
    struct answer answer = {.status = head->status,
                            .headers = head->headers,
                            .headers_length = head->headers_length,
                            .body = buf_text(body),
                            .body_size = body->size};
    finish(call, &answer);
}

/* From the address in use on, until one accepts or none is left. */
static void try_addresses(struct call *call, bool reuse)
{
    struct conn_target target = target_of(call);
    if (reuse) {
        call->conn = pool_take(call->http, &target, call);
        if (call->conn != NULL) {
            pool_send(call->conn, &call->head, &call->body, call->to_head);
            return;
        }
    }
    int64_t connect_ms = call->timeout_ms;
    if (!call->fixed_address && call->tried + 1 < call->addresses_length) {
        connect_ms = connect_ms / 2 + 1;
        if (connect_ms > CONNECT_TIMEOUT_MS_MAX) connect_ms = CONNECT_TIMEOUT_MS_MAX;
    }
    struct error error;
    bool lives = false;
    if (pool_connect(call->http, &target, connect_ms, call, &call->conn, &lives, &error)) return;
    call_unconnected(call, &error, lives); /* comes back here at most once */
}

static struct conn_target target_of(const struct call *call)
{
    return (struct conn_target){
        .address = call->addresses[call->address], .name = call->name, .tls = call->tls};
}

/* done() is called from the loop, wherever this was noticed. */
static void fail(struct call *call, const struct error *error)
{
    call->error = *error;
    event_del(call->timer);
    if (call->failing == NULL) call->failing = loop_later(call->http->loop, deliver_failure, call);
}

static void deliver_failure(void *ctx)
{
    struct call *call = ctx;
    call->failing = NULL;
    struct error error = call->error;
    struct answer answer = {.body = "", .error = &error, .lives = call->lives};
    finish(call, &answer);
}

static void timed_out(int fd, short what, void *ctx)
{
    struct call *call = ctx;
    struct error error;
    error_set(&error, ERROR_TIMEOUT, "%s at %s did not answer within %lld ms",
              call->name != NULL ? call->name : "the server", call->addresses[call->address],
              (long long)call->timeout_ms);
    if (call->conn != NULL) {
        call->lives |= pool_acknowledged(call->conn);
        pool_abandon(call->conn);
    }
    call->conn = NULL;
    /* This path may swallow packets: the next call takes a new connection, if possible on the other path. */
    struct conn_target target = target_of(call);
    pool_forget(call->http, &target);
    if (!call->fixed_address && call->addresses_length > 1) prefer(call, 1 - call->address);
    fail(call, &error);
}

static void finish(struct call *call, const struct answer *answer)
{
    void (*done)(void *ctx, const struct answer *answer) = call->done;
    void *ctx = call->ctx;
    call_free(call);
    done(ctx, answer);
}

static void call_free(struct call *call)
{
    *call->place = call->next;
    if (call->next != NULL) call->next->place = call->place;
    loop_later_cancel(call->http->loop, call->failing);
    event_free(call->timer);
    for (size_t i = 0; i < ADDRESSES_MAX; i++)
        mem_free(call->addresses[i]);
    mem_free(call->name);
    buf_free(&call->head);
    buf_free(&call->body);
    mem_free(call);
}

/* As a certificate says it; NULL: whoever it is. */
static char *identity_text(const struct peer *peer)
{
    switch (peer->role) {
    case ROLE_NONE:
        return NULL;
    case ROLE_CONTROLLER:
        return mem_strdup("controller");
    case ROLE_HOST:
        return mem_printf("host/%s", peer->name);
    }
    UNREACHABLE();
}

static char *preference_key(const struct call *call)
{
    return mem_printf("%s %s", call->addresses[0], call->addresses[1]);
}

static bool second_preferred(const struct call *call)
{
    if (call->addresses_length < 2) return false;
    CLEANUP_MEM char *key = preference_key(call);
    return map_get(call->http->preferred, key) != NULL;
}

/* Only those that prefer their second address are remembered. */
static void prefer(struct call *call, size_t address)
{
    if (call->addresses_length < 2) return;
    CLEANUP_MEM char *key = preference_key(call);
    if (address == 0) {
        map_remove(call->http->preferred, key);
    } else {
        map_put(call->http->preferred, key, call->http);
    }
}
