#include "control/internal.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void changed(void *ctx, enum record_kind kind, const char *name, const struct record *record);
static uint64_t fact_hash(const struct host_fact *fact);
static void tick(void *ctx);

bool controller_new(const struct controller_options *options, struct controller **ret_controller,
                    struct error *err)
{
    struct controller *controller = mem_alloc(sizeof(*controller));
    const struct clock_port *clock = options->clock;

    controller->options = *options;
    controller->sessions = map_new();
    controller->looks = VEC_OF(struct look *);
    controller->orders = VEC_OF(struct order *);
    controller->denied = map_new();
    controller->idle = map_new();
    controller->started_us = clock->steady_us(clock->self);
    controller->documents_stale = true;
    if (!mirror_new(options->store, changed, controller, &controller->mirror, err) ||
        !documents_load(controller, err)) {
        controller_free(controller);
        return false;
    }
    controller->tick = clock->after(clock->self, 0, tick, controller);
    keep_start(controller);
    think_soon(controller);
    *ret_controller = controller;
    return true;
}

void controller_free(struct controller *controller)
{
    if (!controller) return;
    const struct clock_port *clock = controller->options.clock;
    size_t cursor = 0;
    void *session = NULL;

    clock->cancel(clock->self, controller->think_soon);
    clock->cancel(clock->self, controller->think_later);
    clock->cancel(clock->self, controller->tick);
    hosts_free(controller);
    clock->cancel(clock->self, controller->keep);
    while (map_next(controller->sessions, &cursor, NULL, &session))
        session_free(session);
    map_free(controller->sessions);
    denied_free(controller->denied);
    library_free(controller->idle);
    mirror_free(controller->mirror);
    mem_free(controller);
}

struct mirror *controller_mirror(struct controller *controller)
{
    return controller->mirror;
}

struct store *controller_store(struct controller *controller)
{
    return controller->options.store;
}

const struct controller_options *controller_options_of(struct controller *controller)
{
    return &controller->options;
}

void controller_ask_agent(struct controller *controller, const char *host, const struct request *request,
                          int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                          void (*done)(void *ctx, const struct answer *answer), void *ctx,
                          struct call **ret_call)
{
    const struct net_port *net = controller->options.net;
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    struct peer peer = {.role = ROLE_HOST, .name = host, .tls = true, .only_address = -1};

    /* An unknown host has no address: the call then fails as an unreachable one, by the usual way. */
    if (record) peer = hosts_peer(record->object, -1);
    *ret_call = net->call(net->self, &peer, request, timeout_ms, chunk, done, ctx);
}

void control_log(struct controller *controller, const char *what, const struct error *err)
{
    const struct clock_port *clock = controller->options.clock;
    char time[32];
    CLEANUP_MEM char *line =
        mem_printf("%s %s: %s (%s:%d)", text_format_time(time, clock->wall_ms(clock->self)), what,
                   err->message, err->source_file, err->source_line);
    if (controller->options.log)
        controller->options.log(controller->options.log_ctx, line);
    else
        fprintf(stderr, "%s\n", line);
}

void control_dispatch(struct controller *controller)
{
    struct error err;
    if (store_dispatch(controller->options.store, &err)) return;
    control_log(controller, "reading the store's changes", &err);
    abort();
}

static void changed(void *ctx, enum record_kind kind, const char *name, const struct record *record)
{
    struct controller *controller = ctx;

    think_soon(controller);
    if (record && record->revision <= controller->documents_revision) return; /* decided with them */
    if (kind == RECORD_HOST_FACT && record) {
        struct session *session = session_get(controller, name);
        uint64_t hash = fact_hash(record->object);
        if (hash == session->fact_hash) return;
        session->fact_hash = hash;
    }
    controller->documents_stale = true;
}

/* All but how far the host is with its own document, and what is for people: each document is confirmed, and
 * that must not make every other one be looked at. */
static uint64_t fact_hash(const struct host_fact *fact)
{
    const char *const texts[] = {fact->name, fact->boot, fact->addresses[0], fact->addresses[1],
                                 fact->outside};
    const uint32_t numbers[] = {(uint32_t)fact->state, fact->fenced, fact->given_up, fact->underlay};
    uint64_t hash = text_hash(TEXT_HASH_SEED, numbers, sizeof(numbers));

    for (size_t i = 0; i < LENGTH(texts); i++)
        hash = text_hash(hash, texts[i], strlen(texts[i]) + 1);
    return hash;
}

static void tick(void *ctx)
{
    struct controller *controller = ctx;
    const struct clock_port *clock = controller->options.clock;
    controller->tick = clock->after(clock->self, hosts_tick(controller), tick, controller);
    denied_tick(controller);
}
