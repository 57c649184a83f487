#include "control/internal.h"
#include "control/notices.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void changed(void *ctx, enum record_kind kind, const char *name, const struct record *record);
static void tell_all(struct controller *controller);
static void time_begin(struct controller *controller);
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
    controller->refused = map_new();
    controller->load = load_new();
    controller->planner = planner_new();
    controller->news_farms = map_new();
    controller->news_hosts = map_new();
    controller->news_owed = map_new();
    controller->news_everywhere = true;
    controller->started_us = clock->steady_us(clock->self);
    if (!mirror_new(options->store, changed, controller, &controller->mirror, err) ||
        !documents_load(controller, err) || !usage_begin(controller, err)) {
        controller_free(controller);
        return false;
    }
    time_begin(controller);
    controller->load_since_ms = control_now_ms(controller);
    tell_all(controller);
    controller->tick = clock->after(clock->self, 0, tick, controller);
    keep_start(controller);
    sizing_start(controller);
    filters_start(controller);
    leases_start(controller);
    if (!notices_start(controller, err)) {
        controller_free(controller);
        return false;
    }
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
    power_free(controller);
    clock->cancel(clock->self, controller->keep);
    sizing_stop(controller);
    filters_stop(controller);
    leases_stop(controller);
    rights_free(controller->refused);
    notices_stop(controller);
    while (map_next(controller->sessions, &cursor, NULL, &session))
        session_free(session);
    map_free(controller->sessions);
    denied_free(controller->denied);
    library_free(controller->idle);
    load_free(controller->load);
    planner_free(controller->planner); /* it points into the mirror */
    map_free(controller->news_farms);
    map_free(controller->news_hosts);
    map_free(controller->news_owed);
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

/* The wall clock, but never back: states last for a time, and a clock that was set back an hour would make
 * each of them last an hour more. It goes on at the pace of the steady clock until the wall's has caught up.
 */
int64_t control_now_ms(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t wall_ms = clock->wall_ms(clock->self), steady_us = clock->steady_us(clock->self);
    int64_t least_ms = controller->time_ms + (steady_us - controller->time_us) / 1000;

    if (wall_ms <= least_ms) return least_ms;
    controller->time_ms = wall_ms;
    controller->time_us = steady_us;
    return wall_ms;
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
    if (kind == RECORD_FARM && !record) load_farm_gone(controller, name);
    if (kind == RECORD_INSTANCE) load_instance_changed(controller, name, record ? record->object : NULL);
    if (kind == RECORD_CONTACT) notices_contact_changed(controller, name);
    filters_changed(controller, kind, name, record ? record->object : NULL);
    leases_changed(controller, kind, name);
    if (!record || record->revision != controller->decided_revision)
        news_of(controller, kind, name, record ? record->object : NULL);
    if (record)
        planner_put(controller->planner, kind, record->object);
    else
        planner_delete(controller->planner, kind, name);
    think_soon(controller);
}

/* What the store held when this controller began. */
static void tell_all(struct controller *controller)
{
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        size_t length = 0;
        const struct record *const *records =
            mirror_list(controller->mirror, (enum record_kind)kind, &length);
        for (size_t i = 0; i < length; i++)
            planner_put(controller->planner, (enum record_kind)kind, records[i]->object);
    }
}

/* Not before anything that a controller before this one has written: its clock may have been ahead. */
static void time_begin(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    const struct snapshot *grid = mirror_snapshot(controller->mirror);

    controller->time_us = clock->steady_us(clock->self);
    for (size_t i = 0; i < grid->instances_length; i++)
        if (grid->instances[i].since_ms > controller->time_ms)
            controller->time_ms = grid->instances[i].since_ms;
    for (size_t i = 0; i < grid->host_facts_length; i++)
        if (grid->host_facts[i].since_ms > controller->time_ms)
            controller->time_ms = grid->host_facts[i].since_ms;
}

static void tick(void *ctx)
{
    struct controller *controller = ctx;
    const struct clock_port *clock = controller->options.clock;
    controller->tick = clock->after(clock->self, hosts_tick(controller), tick, controller);
    denied_tick(controller);
    load_tick(controller);
}
