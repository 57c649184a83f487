/* One request on its way there, and what comes back. A call (the asker's) and an exchange (the server's) know
 * each other while both are there; what travels back is a parcel, and parcels of one call arrive in order. */
#include "sim/net_inside.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/text.h"

#include <string.h>

enum { CONNECT_MS_MAX = 1000 }; /* as in os/http_client.c: then the other address is tried */

struct call {
    struct sim_machine *from;
    struct arena *arena;
    struct peer peer;
    struct request request;
    int address, tried; /* of peer: in use; how many were */
    int64_t timeout_ms, last_us;
    struct timer *transit, *timeout;
    struct exchange *exchange;
    struct vec parcels; /* struct parcel * */
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
    struct sim_machine *to, *from;
    int path;
    struct call *call; /* NULL: nobody waits for the answer any more */
    struct arena *arena;
    bool lose_answer, started;
    const char *address; /* that it came to */
    struct request request;
    struct sender sender;
    struct timer *leaving, *late;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

enum parcel_kind { PARCEL_HEAD, PARCEL_CHUNK, PARCEL_END, PARCEL_BROKEN, PARCEL_REFUSED };

struct parcel {
    struct call *call;
    struct sim_machine *by;
    int path;
    enum parcel_kind kind;
    struct timer *timer;
    struct arena *arena;
    int status;
    const struct header *headers;
    size_t headers_length;
    struct buf data;
    bool last;
};

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
static void parcel_free(struct parcel *parcel);
static bool shows(const struct sim_machine *machine, const struct peer *peer);
static void fail(struct call *call, enum error_code code, bool lives, const char *why);
static void finish(struct call *call, const struct answer *answer);
static void leave(void *ctx);
static const struct header *copy_headers(struct arena *arena, const struct header *headers, size_t length);
static void forget(struct vec *vec, const void *pointer);

struct call *message_call(void *self, const struct peer *peer, const struct request *request,
                          int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                          void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    struct sim_machine *machine = self;
    struct call *call = mem_alloc(sizeof(*call));

    ASSERT(done);
    call->from = machine;
    call->arena = arena_new();
    call->peer = *peer;
    call->peer.name = arena_strdup(call->arena, peer->name);
    for (size_t i = 0; i < peer->addresses_length; i++)
        call->peer.addresses[i] = arena_strdup(call->arena, peer->addresses[i]);
    call->request = *request;
    call->request.method = arena_strdup(call->arena, request->method);
    call->request.path = arena_strdup(call->arena, request->path);
    call->request.headers = copy_headers(call->arena, request->headers, request->headers_length);
    if (request->body_size > 0) {
        char *body = arena_alloc(call->arena, request->body_size + 1);
        memcpy(body, request->body, request->body_size);
        call->request.body = body;
    }
    call->timeout_ms = timeout_ms;
    call->parcels = VEC_OF(struct parcel *);
    call->chunk = chunk;
    call->done = done;
    call->ctx = ctx;
    *(struct call **)vec_push(&machine->calls) = call;
    const struct clock_port *clock = machine->net->clock;
    call->timeout = clock->after(clock->self, timeout_ms * 1000, time_out, call);
    if (peer->addresses_length == 2 && peer->only_address < 0) {
        CLEANUP_MEM char *key = preference(call);
        call->address = map_get(machine->second, key) ? 1 : 0;
    } else {
        call->address = peer->only_address > 0 ? peer->only_address : 0;
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
        buf_add(&parcel->data, body, body_size);
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
    buf_add(&parcel->data, data, size);
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
    const struct clock_port *clock = call->from->net->clock;
    struct exchange *exchange = call->exchange;

    clock->cancel(clock->self, call->transit);
    clock->cancel(clock->self, call->timeout);
    while (call->parcels.length > 0)
        parcel_free(*(struct parcel **)vec_at(&call->parcels, 0));
    if (exchange) {
        exchange->call = NULL;
        if (tell)
            exchange->leaving = clock->after(clock->self, net_latency_us(call->from->net), leave, exchange);
    }
    forget(&call->from->calls, call);
    vec_free(&call->parcels);
    buf_free(&call->body);
    arena_free(call->arena);
    mem_free(call);
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
    forget(&exchange->to->exchanges, exchange);
    arena_free(exchange->arena);
    mem_free(exchange);
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
    struct exchange *exchange = mem_alloc(sizeof(*exchange));
    struct arena *arena = arena_new();
    struct request *request = &exchange->request;

    exchange->arena = arena;
    exchange->to = place->machine;
    exchange->from = call->from;
    exchange->path = place->path;
    exchange->address = arena_strdup(arena, call->peer.addresses[call->address]);
    exchange->lose_answer = fate->lose_answer;
    *(struct exchange **)vec_push(&place->machine->exchanges) = exchange;
    *request = call->request;
    request->method = arena_strdup(arena, request->method);
    request->path = arena_strdup(arena, request->path);
    request->headers = copy_headers(arena, request->headers, request->headers_length);
    if (request->body_size > 0) {
        char *body = arena_alloc(arena, request->body_size + 1);
        memcpy(body, request->body, request->body_size);
        request->body = body;
    }
    for (size_t i = 0; i < request->headers_length; i++)
        if (strcasecmp(request->headers[i].name, "Authorization") == 0 &&
            text_starts(request->headers[i].value, "Bearer "))
            exchange->sender.token = request->headers[i].value + strlen("Bearer ");
    if (call->peer.tls) {
        exchange->sender.role = call->from->role;
        exchange->sender.name = arena_strdup(arena, call->from->certificate_name);
    }
    exchange->sender.address =
        call->from == place->machine ? "127.0.0.1:40000" : arena_printf(arena, "%s:40000", call->from->name);
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
    const struct place *place = map_get(exchange->to->net->places, exchange->address);
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
    struct parcel *parcel = mem_alloc(sizeof(*parcel));
    int64_t now_us = clock->steady_us(clock->self), at_us = now_us + net_latency_us(by->net);

    if (at_us < call->last_us) at_us = call->last_us;
    call->last_us = at_us;
    parcel->call = call;
    parcel->by = by;
    parcel->path = path;
    parcel->kind = kind;
    parcel->arena = arena_new();
    parcel->timer = clock->after(clock->self, at_us - now_us, come_back, parcel);
    *(struct parcel **)vec_push(&call->parcels) = parcel;
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
    if (parcel->kind == PARCEL_HEAD) {
        call->status = parcel->status;
        call->headers = copy_headers(call->arena, parcel->headers, parcel->headers_length);
        call->headers_length = parcel->headers_length;
        clock->cancel(clock->self, call->timeout);
        call->timeout = NULL;
    }
    struct buf data = parcel->data;
    parcel->data = (struct buf){0};
    parcel_free(parcel);
    bool pieces = call->chunk && call->status == 200;
    if (!pieces) buf_add(&call->body, data.data, data.size);
    if (last) {
        struct answer answer = {.status = call->status,
                                .headers = call->headers,
                                .headers_length = call->headers_length,
                                .body = buf_text(&call->body),
                                .body_size = call->body.size};
        if (pieces && data.size > 0) call->chunk(call->ctx, data.data, data.size);
        finish(call, &answer);
    } else if (pieces && data.size > 0) {
        call->chunk(call->ctx, data.data, data.size); /* may cancel */
    }
    buf_free(&data);
}

static void parcel_free(struct parcel *parcel)
{
    const struct clock_port *clock = parcel->by->net->clock;
    clock->cancel(clock->self, parcel->timer);
    forget(&parcel->call->parcels, parcel);
    buf_free(&parcel->data);
    arena_free(parcel->arena);
    mem_free(parcel);
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
    void (*done)(void *ctx, const struct answer *answer) = call->done;
    void *ctx = call->ctx;
    struct arena *arena = call->arena;
    struct buf body = call->body;

    call->arena = NULL;
    call->body = (struct buf){0};
    call_drop(call, true);
    done(ctx, answer);
    buf_free(&body);
    arena_free(arena);
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

static void forget(struct vec *vec, const void *pointer)
{
    for (size_t i = 0; i < vec->length; i++) {
        if (*(void **)vec_at(vec, i) != pointer) continue;
        vec_remove(vec, i);
        return;
    }
    UNREACHABLE();
}
