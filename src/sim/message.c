/* One request on its way there, and what comes back. A call (the asker's) and an exchange (the server's) know
 * each other while both are there; what travels back is a parcel, and parcels of one call arrive in order.
 * Each stands in an arena of its own with all that it points to. */
#include "sim/net_inside.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/text.h"

#include <string.h>

enum { CONNECT_MS_MAX = 1000 }; /* as in os/http_client.c: then the other address is tried */

struct call {
    struct link link;
    struct sim_machine *from; /* NULL: it is over */
    struct arena *arena;
    struct peer peer;
    struct request request;
    int address, tried; /* of peer: in use; how many were */
    int64_t timeout_ms, last_us;
    struct timer *transit, *timeout;
    struct exchange *exchange;
    struct chain parcels; /* struct parcel */
    /* of an answer that began */
    int status;
    const struct header *headers;
    size_t headers_length;
    struct buf body;
    void (*chunk)(void *ctx, const char *data, size_t size);
    void (*done)(void *ctx, const struct answer *answer);
    void *ctx;
};

struct exchange {
    struct link link;
    struct sim_machine *to, *from;
    const struct place *place; /* that it came to */
    int path;
    struct call *call; /* NULL: nobody waits for the answer any more */
    struct arena *arena;
    bool lose_answer, started;
    struct request request;
    struct sender sender;
    struct timer *leaving, *late;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

enum parcel_kind { PARCEL_HEAD, PARCEL_CHUNK, PARCEL_END, PARCEL_BROKEN, PARCEL_REFUSED };

struct parcel {
    struct link link;
    struct call *call;
    struct sim_machine *by;
    int path;
    enum parcel_kind kind;
    struct timer *timer;
    struct arena *arena;
    int status;
    const struct header *headers;
    size_t headers_length;
    const char *data; /* followed by a zero byte */
    size_t size;
    bool last;
};

static void call_end(struct call *call, bool tell);
static void call_free(struct call *call);
static void set_out(struct call *call);
static void arrive(void *ctx);
static void next_address(void *ctx);
static bool has_next(const struct call *call);
static void serve(struct call *call, const struct place *place, const struct sim_fate *fate, bool repeat);
static void hand_over(void *ctx);
static void time_out(void *ctx);
static void prefer(struct call *call, int address);
static char *preference(const struct call *call);
static struct parcel *send_back(struct call *call, struct sim_machine *by, int path, enum parcel_kind kind);
static struct parcel *send_head(struct exchange *exchange, int status, const struct header *headers,
                                size_t headers_length);
static void come_back(void *ctx);
static void unpack(struct call *call, const struct parcel *parcel, bool last);
static void parcel_free(struct parcel *parcel);
static bool shows(const struct sim_machine *machine, const struct peer *peer);
static void fail(struct call *call, enum error_code code, bool lives, const char *why);
static void finish(struct call *call, const struct answer *answer);
static void leave(void *ctx);
static const struct header *copy_headers(struct arena *arena, const struct header *headers, size_t length);
static char *copy(struct arena *arena, const void *data, size_t size);

struct call *message_call(void *self, const struct peer *peer, const struct request *request,
                          int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                          void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    struct sim_machine *machine = self;
    struct arena *arena = arena_new();
    struct call *call = arena_alloc(arena, sizeof(*call));

    ASSERT(done);
    call->from = machine;
    call->arena = arena;
    call->peer = *peer;
    call->peer.name = arena_strdup(call->arena, peer->name);
    for (size_t i = 0; i < peer->addresses_length; i++) {
        bool used = peer->only_address < 0 || (size_t)peer->only_address == i;
        call->peer.addresses[i] = used ? arena_strdup(call->arena, peer->addresses[i]) : NULL;
    }
    call->request = *request;
    call->request.method = arena_strdup(call->arena, request->method);
    call->request.path = arena_strdup(call->arena, request->path);
    call->request.headers = copy_headers(call->arena, request->headers, request->headers_length);
    if (request->body_size > 0) call->request.body = copy(call->arena, request->body, request->body_size);
    call->timeout_ms = timeout_ms;
    call->chunk = chunk;
    call->done = done;
    call->ctx = ctx;
    chain_add(&machine->calls, &call->link);
    const struct clock_port *clock = machine->net->clock;
    call->timeout = clock->after(clock->self, timeout_ms * 1000, time_out, call);
    if (peer->only_address > 0) call->address = peer->only_address;
    if (peer->addresses_length == 2 && peer->only_address < 0 && map_length(machine->second) > 0) {
        CLEANUP_MEM char *key = preference(call);
        call->address = map_get(machine->second, key) ? 1 : 0;
    }
    if (peer->addresses_length > 0) set_out(call);
    return call;
}

void message_cancel(void *self, struct call *call)
{
    if (call) call_drop(call, true);
}

void message_answer(void *self, struct exchange *exchange, int status, const struct header *headers,
                    size_t headers_length, const void *body, size_t body_size)
{
    ASSERT(!exchange->started);
    if (exchange->call && !exchange->lose_answer) {
        struct parcel *parcel = send_head(exchange, status, headers, headers_length);
        parcel->data = copy(parcel->arena, body, body_size);
        parcel->size = body_size;
        parcel->last = true;
    }
    exchange_drop(exchange, false);
}

void message_start(void *self, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, void (*gone)(void *ctx), void *ctx)
{
    ASSERT(!exchange->started);
    exchange->started = true;
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
    if (exchange->call) send_head(exchange, status, headers, headers_length);
}

void message_chunk(void *self, struct exchange *exchange, const void *data, size_t size)
{
    ASSERT(exchange->started);
    if (!exchange->call) return;
    struct parcel *parcel = send_back(exchange->call, exchange->to, exchange->path, PARCEL_CHUNK);
    parcel->data = copy(parcel->arena, data, size);
    parcel->size = size;
}

void message_end(void *self, struct exchange *exchange)
{
    ASSERT(exchange->started);
    if (exchange->call) send_back(exchange->call, exchange->to, exchange->path, PARCEL_END);
    exchange_drop(exchange, false);
}

void message_on_gone(void *self, struct exchange *exchange, void (*gone)(void *ctx), void *ctx)
{
    ASSERT(!exchange->started);
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
}

void call_drop(struct call *call, bool tell)
{
    call_end(call, tell);
    call_free(call);
}

void exchange_drop(struct exchange *exchange, bool tell)
{
    const struct clock_port *clock = exchange->to->net->clock;

    clock->cancel(clock->self, exchange->leaving);
    clock->cancel(clock->self, exchange->late);
    if (exchange->call) {
        exchange->call->exchange = NULL;
        if (tell) send_back(exchange->call, exchange->to, exchange->path, PARCEL_BROKEN);
    }
    chain_remove(&exchange->to->exchanges, &exchange->link);
    arena_free(exchange->arena);
}

/* Nobody waits for it any more; the call itself is there until it is freed. */
static void call_end(struct call *call, bool tell)
{
    const struct clock_port *clock = call->from->net->clock;
    struct exchange *exchange = call->exchange;

    clock->cancel(clock->self, call->transit);
    clock->cancel(clock->self, call->timeout);
    while (call->parcels.first)
        parcel_free((struct parcel *)call->parcels.first);
    if (exchange) {
        exchange->call = NULL;
        if (tell)
            exchange->leaving = clock->after(clock->self, net_latency_us(call->from->net), leave, exchange);
    }
    chain_remove(&call->from->calls, &call->link);
    call->from = NULL;
}

static void call_free(struct call *call)
{
    buf_free(&call->body);
    arena_free(call->arena);
}

static void set_out(struct call *call)
{
    const struct clock_port *clock = call->from->net->clock;
    call->tried++;
    call->transit = clock->after(clock->self, net_latency_us(call->from->net), arrive, call);
}

static void arrive(void *ctx)
{
    struct call *call = ctx;
    struct sim_net *net = call->from->net;
    const struct clock_port *clock = net->clock;
    const struct place *place = map_get(net->places, call->peer.addresses[call->address]);
    struct sim_fate fate = {0};

    call->transit = NULL;
    if (!place || !net_reaches(call->from, place->machine, place->path)) {
        int64_t wait_ms = call->timeout_ms / 2 + 1;
        if (wait_ms > CONNECT_MS_MAX) wait_ms = CONNECT_MS_MAX;
        if (has_next(call)) call->transit = clock->after(clock->self, wait_ms * 1000, next_address, call);
        return;
    }
    if (!place->handler) {
        send_back(call, place->machine, place->path, PARCEL_REFUSED);
        return;
    }
    if (call->tried > 1) prefer(call, call->address);
    if (call->peer.tls && !shows(place->machine, &call->peer)) {
        fail(call, ERROR_UNREACHABLE, false, "shows another one's certificate");
        return;
    }
    if (net->meddle)
        net->meddle(net->meddle_ctx, call->from->name, place->machine->name, &call->request, &fate);
    if (fate.late_us > 0) serve(call, place, &fate, true);
    if (fate.lose || fate.late_us > 0 || net_happens(net, net->weather.lost_per_1000)) return;
    if (fate.repeat || net_happens(net, net->weather.repeated_per_1000)) serve(call, place, &fate, true);
    serve(call, place, &fate, false);
}

static void next_address(void *ctx)
{
    struct call *call = ctx;
    call->transit = NULL;
    call->address = 1 - call->address;
    set_out(call);
}

static bool has_next(const struct call *call)
{
    return call->peer.only_address < 0 && call->peer.addresses_length == 2 && call->tried < 2;
}

/* A repeat is a request whose first connection broke right after, a late one stood in a queue until its asker
 * gave up: nobody waits for their answers. */
static void serve(struct call *call, const struct place *place, const struct sim_fate *fate, bool repeat)
{
    const struct clock_port *clock = call->from->net->clock;
    struct arena *arena = arena_new();
    struct exchange *exchange = arena_alloc(arena, sizeof(*exchange));
    struct request *request = &exchange->request;

    exchange->arena = arena;
    exchange->to = place->machine;
    exchange->from = call->from;
    exchange->path = place->path;
    exchange->place = place;
    exchange->lose_answer = fate->lose_answer;
    chain_add(&place->machine->exchanges, &exchange->link);
    *request = call->request;
    request->method = arena_strdup(arena, request->method);
    request->path = arena_strdup(arena, request->path);
    request->headers = copy_headers(arena, request->headers, request->headers_length);
    if (request->body_size > 0) request->body = copy(arena, request->body, request->body_size);
    for (size_t i = 0; i < request->headers_length; i++)
        if (strcasecmp(request->headers[i].name, "Authorization") == 0 &&
            text_starts(request->headers[i].value, "Bearer "))
            exchange->sender.token = request->headers[i].value + strlen("Bearer ");
    if (call->peer.tls) {
        exchange->sender.role = call->from->role;
        exchange->sender.name = arena_strdup(arena, call->from->certificate_name);
    }
    exchange->sender.address = call->from == place->machine ? "127.0.0.1:40000" : call->from->sends_from;
    if (fate->late_us > 0) {
        exchange->late = clock->after(clock->self, fate->late_us, hand_over, exchange);
        return;
    }
    if (repeat) {
        exchange->leaving = clock->after(clock->self, net_latency_us(call->from->net), leave, exchange);
    } else {
        exchange->call = call;
        call->exchange = exchange;
    }
    hand_over(exchange);
}

static void hand_over(void *ctx)
{
    struct exchange *exchange = ctx;
    const struct clock_port *clock = exchange->to->net->clock;
    const struct place *place = exchange->place;
    int64_t held_us = net_held_us(exchange->to);

    if (held_us > 0) {
        exchange->late = clock->after(clock->self, held_us, hand_over, exchange);
        return;
    }
    if (exchange->late && !exchange->call && !exchange->leaving)
        exchange->leaving = clock->after(clock->self, net_latency_us(exchange->to->net), leave, exchange);
    exchange->late = NULL;
    if (place->handler)
        place->handler(place->ctx, exchange, &exchange->request, &exchange->sender);
    else
        exchange_drop(exchange, false);
}

static void time_out(void *ctx)
{
    struct call *call = ctx;
    call->timeout = NULL;
    if (call->peer.only_address < 0 && call->peer.addresses_length == 2) prefer(call, 1 - call->address);
    fail(call, ERROR_TIMEOUT, call->exchange != NULL, "did not answer in time");
}

/* Only those that are better reached by their second address are remembered. */
static void prefer(struct call *call, int address)
{
    if (address == 0 && map_length(call->from->second) == 0) return;
    CLEANUP_MEM char *key = preference(call);
    if (address == 1)
        map_put(call->from->second, key, call->from);
    else
        map_remove(call->from->second, key);
}

static char *preference(const struct call *call)
{
    return mem_printf("%s %s", call->peer.addresses[0], call->peer.addresses[1]);
}

static struct parcel *send_back(struct call *call, struct sim_machine *by, int path, enum parcel_kind kind)
{
    const struct clock_port *clock = by->net->clock;
    struct arena *arena = arena_new();
    struct parcel *parcel = arena_alloc(arena, sizeof(*parcel));
    int64_t now_us = clock->steady_us(clock->self), at_us = now_us + net_latency_us(by->net);

    if (at_us < call->last_us) at_us = call->last_us;
    call->last_us = at_us;
    parcel->call = call;
    parcel->by = by;
    parcel->path = path;
    parcel->kind = kind;
    parcel->arena = arena;
    parcel->timer = clock->after(clock->self, at_us - now_us, come_back, parcel);
    chain_add(&call->parcels, &parcel->link);
    return parcel;
}

static struct parcel *send_head(struct exchange *exchange, int status, const struct header *headers,
                                size_t headers_length)
{
    struct parcel *parcel = send_back(exchange->call, exchange->to, exchange->path, PARCEL_HEAD);
    parcel->status = status;
    parcel->headers = copy_headers(parcel->arena, headers, headers_length);
    parcel->headers_length = headers_length;
    return parcel;
}

static void come_back(void *ctx)
{
    struct parcel *parcel = ctx;
    struct call *call = parcel->call;
    const struct clock_port *clock = call->from->net->clock;
    bool last = parcel->last || parcel->kind == PARCEL_END;
    int64_t held_us = net_held_us(call->from);

    if (held_us > 0) {
        parcel->timer = clock->after(clock->self, held_us, come_back, parcel);
        return;
    }
    parcel->timer = NULL;
    if (!net_reaches(parcel->by, call->from, parcel->path) ||
        (parcel->last && net_happens(call->from->net, call->from->net->weather.lost_per_1000))) {
        parcel_free(parcel);
        return;
    }
    if (parcel->kind == PARCEL_BROKEN || parcel->kind == PARCEL_REFUSED) {
        bool refused = parcel->kind == PARCEL_REFUSED;
        parcel_free(parcel);
        if (refused && has_next(call))
            next_address(call);
        else
            fail(call, ERROR_UNREACHABLE, refused, refused ? "refuses connections" : "broke the connection");
        return;
    }
    chain_remove(&call->parcels, &parcel->link);
    if (parcel->kind == PARCEL_HEAD) {
        call->status = parcel->status;
        /* What is whole is read while the parcel is there. */
        call->headers =
            last ? parcel->headers : copy_headers(call->arena, parcel->headers, parcel->headers_length);
        call->headers_length = parcel->headers_length;
        clock->cancel(clock->self, call->timeout);
        call->timeout = NULL;
    }
    unpack(call, parcel, last);
    arena_free(parcel->arena);
}

/* The body: a piece for whoever takes it so, or more of the whole, which is there with the last. */
static void unpack(struct call *call, const struct parcel *parcel, bool last)
{
    bool pieces = call->chunk && call->status == 200, whole = last && call->body.size == 0;
    struct answer answer = {.status = call->status, .headers = call->headers, .body = ""};

    if (!pieces && !whole) buf_add(&call->body, parcel->data, parcel->size);
    if (pieces && parcel->size > 0)
        call->chunk(call->ctx, parcel->data, parcel->size); /* if not the last, may cancel */
    if (!last) return;
    answer.headers_length = call->headers_length;
    if (!pieces && !whole) answer.body = buf_text(&call->body);
    if (!pieces && !whole) answer.body_size = call->body.size;
    if (!pieces && whole && parcel->size > 0) answer.body = parcel->data;
    if (!pieces && whole) answer.body_size = parcel->size;
    finish(call, &answer);
}

static void parcel_free(struct parcel *parcel)
{
    const struct clock_port *clock = parcel->by->net->clock;
    clock->cancel(clock->self, parcel->timer);
    chain_remove(&parcel->call->parcels, &parcel->link);
    arena_free(parcel->arena);
}

/* Whether the machine's certificate is the peer's. */
static bool shows(const struct sim_machine *machine, const struct peer *peer)
{
    if (peer->role == ROLE_NONE) return true;
    return machine->role == peer->role &&
           (peer->role != ROLE_HOST || text_equal(machine->certificate_name, peer->name));
}

static void fail(struct call *call, enum error_code code, bool lives, const char *why)
{
    struct error err;
    const char *address = call->peer.addresses_length ? call->peer.addresses[call->address] : "no address";
    struct answer answer = {.body = "", .error = &err, .lives = lives};

    error_set(&err, code, "%s at %s %s", call->peer.name ? call->peer.name : "the server", address, why);
    finish(call, &answer);
}

/* The answer may point into the call: it is freed after its done, which may not touch it any more. */
static void finish(struct call *call, const struct answer *answer)
{
    call_end(call, true);
    call->done(call->ctx, answer);
    call_free(call);
}

/* The asker has left. If the news cannot pass, the exchange stays as it is: half open. */
static void leave(void *ctx)
{
    struct exchange *exchange = ctx;
    void (*gone)(void *ctx) = exchange->gone;
    void *gone_ctx = exchange->gone_ctx;

    int64_t held_us = net_held_us(exchange->to);

    exchange->leaving = NULL;
    if (held_us > 0) {
        const struct clock_port *clock = exchange->to->net->clock;
        exchange->leaving = clock->after(clock->self, held_us, leave, exchange);
        return;
    }
    if (!net_reaches(exchange->from, exchange->to, exchange->path)) return;
    exchange_drop(exchange, false);
    if (gone) gone(gone_ctx);
}

static const struct header *copy_headers(struct arena *arena, const struct header *headers, size_t length)
{
    struct header *copy = arena_alloc_array(arena, length, sizeof(*copy));
    for (size_t i = 0; i < length; i++)
        copy[i] =
            (struct header){arena_strdup(arena, headers[i].name), arena_strdup(arena, headers[i].value)};
    return copy;
}

/* With a zero byte behind it. */
static char *copy(struct arena *arena, const void *data, size_t size)
{
    char *bytes = arena_alloc(arena, size + 1);
    if (size > 0) memcpy(bytes, data, size);
    return bytes;
}
