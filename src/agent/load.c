/* How much is asked of the farms here, and how fast they answer: what balancers count and the few requests
 * that they tell of become one small report a second. Nothing is kept for a controller that does not answer:
 * totals tell it all when it is back. */
#include "observe/load.h"
#include "agent/internal.h"
#include "base/text.h"
#include "observe/window.h"

#include <string.h>

enum { REPORT_US = 1000 * 1000, REPORT_TIMEOUT_MS = 2000 };

struct meter_server {
    char *name; /* short */
    int64_t open;
    struct window requests, connections;
    bool counted; /* HAProxy has it still */
};

struct meter_frontend {
    char *name;
    struct balance_counters totals;
    int64_t taken_us; /* 0: no totals yet */
    struct histogram times;
    struct map *servers; /* name -> struct meter_server */
};

/* One balancer. */
struct meter {
    struct map *frontends; /* name -> struct meter_frontend */
};

static void tick(void *ctx);
static void posted(void *ctx, const struct answer *answer);
static void forget_gone(struct agent *agent);
static const struct unit *measured_unit(const struct agent *agent, const char *name);
static struct meter_frontend *frontend_of(struct agent *agent, const char *balancer, const char *name);
static struct meter_server *server_of(struct meter_frontend *frontend, const char *name);
static void drop_uncounted(struct meter *meter);
static void write_balancer(const struct unit *unit, struct meter *meter, struct arena *arena,
                           struct load_balancer *ret_balancer);
static void write_frontend(struct meter_frontend *meter, struct arena *arena,
                           struct load_frontend *ret_frontend);
static void meter_free(struct meter *meter);
static void server_free(struct meter_server *server);

void load_start(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    if (!agent->load_next)
        agent->load_next = clock->after_together(clock->self, REPORT_US, REPORT_US, tick, agent);
}

void load_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    const struct net_port *net = agent->options.net;
    size_t cursor = 0;
    void *value = NULL;

    clock->cancel(clock->self, agent->load_next);
    agent->load_next = NULL;
    net->cancel(net->self, agent->load_call);
    agent->load_call = NULL;
    while (map_next(agent->meters, &cursor, NULL, &value))
        meter_free(value);
    map_free(agent->meters);
    agent->meters = NULL;
    stalls_free(agent);
}

void load_forget(struct agent *agent, const char *name)
{
    struct meter *meter = map_remove(agent->meters, name);
    if (meter) meter_free(meter);
    mem_free(map_remove(agent->stalls, name));
}

void load_sample(void *ctx, const char *balancer, const struct balance_sample *sample)
{
    struct agent *agent = ctx;
    if (!measured_unit(agent, balancer)) return;
    struct meter_frontend *frontend = frontend_of(agent, balancer, sample->frontend);

    /* Without an answer there is no time of it: those are counted as refused. */
    if (sample->head_us < 0) return;
    histogram_add(&frontend->times, sample->head_us, (uint32_t)sample->weight);
    if (!sample->server[0]) return;
    struct meter_server *server = server_of(frontend, sample->server);
    window_add(&server->requests, sample->head_us);
    if (sample->connect_us >= 0) window_add(&server->connections, sample->connect_us);
}

void load_counted(void *ctx, const char *balancer, int64_t taken_us, const struct balance_counters *counters,
                  size_t length)
{
    struct agent *agent = ctx;
    struct meter *meter = map_get(agent->meters, balancer);
    if (!measured_unit(agent, balancer)) return;
    for (size_t i = 0; i < length; i++) {
        struct meter_frontend *frontend = frontend_of(agent, balancer, counters[i].frontend);
        if (counters[i].server[0]) {
            struct meter_server *server = server_of(frontend, counters[i].server);
            server->open = counters[i].open;
            server->counted = true;
        } else {
            frontend->totals = counters[i];
            frontend->taken_us = taken_us;
        }
    }
    if (meter) drop_uncounted(meter);
}

static void tick(void *ctx)
{
    struct agent *agent = ctx;
    const struct net_port *net = agent->options.net;
    const struct clock_port *clock = agent->options.clock;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    struct load_balancer *balancers = NULL;
    struct load_report report = {.host = agent->options.host->name,
                                 .boot = agent->options.boot,
                                 .sent_us = clock->steady_us(clock->self)};
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    agent->load_next = clock->after_together(clock->self, REPORT_US, REPORT_US, tick, agent);
    forget_gone(agent);
    agent->stalls_turn = !agent->stalls_turn; /* every other time: files of each instance are read for it */
    if (agent->stalls_turn) report.instances = stalls_measure(agent, arena, &report.instances_length);
    if (!agent->greeted || agent->load_call) return;
    if (map_length(agent->meters) == 0 && report.instances_length == 0) return;
    report.balancers = balancers = arena_alloc_array(arena, map_length(agent->meters), sizeof(*balancers));
    while (map_next(agent->meters, &cursor, &name, &value)) {
        const struct unit *unit = measured_unit(agent, name);
        if (unit) write_balancer(unit, value, arena, &balancers[report.balancers_length++]);
    }
    schema_write(&schema_load_report, NULL, &report, &json);
    const struct request request = {
        .method = "POST", .path = "/agent/load", .body = json.data, .body_size = json.size};
    struct peer peer = controllers_now(agent);
    agent->load_call = net->call(net->self, &peer, &request, REPORT_TIMEOUT_MS, NULL, posted, agent);
}

/* One that was lost is not sent again: the next one is better. */
static void posted(void *ctx, const struct answer *answer)
{
    ((struct agent *)ctx)->load_call = NULL;
}

static void forget_gone(struct agent *agent)
{
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    while (map_next(agent->meters, &cursor, &name, &value)) {
        if (measured_unit(agent, name)) continue;
        map_remove(agent->meters, name);
        meter_free(value);
    }
}

/* A balancer that serves here; NULL: it is none, or not any more. */
static const struct unit *measured_unit(const struct agent *agent, const char *name)
{
    const struct unit *unit = map_get(agent->units, name);
    return unit && unit->state == UNIT_UP && unit->have && unit->have->frontends_length > 0 ? unit : NULL;
}

static struct meter_frontend *frontend_of(struct agent *agent, const char *balancer, const char *name)
{
    struct meter *meter = map_get(agent->meters, balancer);
    if (!meter) {
        meter = mem_alloc(sizeof(*meter));
        meter->frontends = map_new();
        map_put(agent->meters, balancer, meter);
    }
    struct meter_frontend *frontend = map_get(meter->frontends, name);
    if (frontend) return frontend;
    frontend = mem_alloc(sizeof(*frontend));
    frontend->name = mem_strdup(name);
    frontend->servers = map_new();
    map_put(meter->frontends, name, frontend);
    return frontend;
}

static struct meter_server *server_of(struct meter_frontend *frontend, const char *name)
{
    struct meter_server *server = map_get(frontend->servers, name);
    if (server) return server;
    server = mem_alloc(sizeof(*server));
    server->name = mem_strdup(name);
    server->requests = window_new(load_limits[MODULE_REQUESTS].window);
    server->connections = window_new(load_limits[MODULE_CONNECTIONS].window);
    map_put(frontend->servers, name, server);
    return server;
}

/* Those that HAProxy has no more. */
static void drop_uncounted(struct meter *meter)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(meter->frontends, &cursor, NULL, &value)) {
        struct meter_frontend *frontend = value;
        size_t at = 0;
        const char *name = NULL;
        while (map_next(frontend->servers, &at, &name, &value)) {
            struct meter_server *server = value;
            if (!server->counted) map_remove(frontend->servers, name);
            if (server->counted)
                server->counted = false;
            else
                server_free(server);
        }
    }
}

static void write_balancer(const struct unit *unit, struct meter *meter, struct arena *arena,
                           struct load_balancer *ret_balancer)
{
    struct load_frontend *frontends =
        arena_alloc_array(arena, map_length(meter->frontends), sizeof(*frontends));
    size_t cursor = 0;
    void *value = NULL;

    *ret_balancer = (struct load_balancer){
        .instance = unit->name, .incarnation = unit->have->incarnation, .frontends = frontends};
    while (map_next(meter->frontends, &cursor, NULL, &value)) {
        struct meter_frontend *frontend = value;
        if (frontend->taken_us == 0) continue;
        write_frontend(frontend, arena, &frontends[ret_balancer->frontends_length++]);
    }
}

/* The times go with it. */
static void write_frontend(struct meter_frontend *meter, struct arena *arena,
                           struct load_frontend *ret_frontend)
{
    struct load_server *servers = arena_alloc_array(arena, map_length(meter->servers), sizeof(*servers));
    const struct balance_counters *totals = &meter->totals;
    CLEANUP_BUF struct buf times = {0};
    size_t cursor = 0, length = 0;
    void *value = NULL;

    histogram_write(&meter->times, &times);
    meter->times = (struct histogram){0};
    while (map_next(meter->servers, &cursor, NULL, &value)) {
        const struct meter_server *server = value;
        struct load_server *shown = &servers[length++];
        *shown = (struct load_server){server->name, server->open, -1, -1};
        if (!window_mean_us(&server->requests, &shown->requests_us)) shown->requests_us = -1;
        if (!window_mean_us(&server->connections, &shown->connections_us)) shown->connections_us = -1;
    }
    *ret_frontend = (struct load_frontend){
        .name = meter->name,
        .units = totals->units,
        .refused = totals->refused,
        .failed = totals->failed > totals->refused ? totals->failed - totals->refused : 0,
        .bytes = totals->bytes,
        .open = totals->open,
        .queued = totals->queued,
        .taken_us = meter->taken_us,
        .times = arena_strdup(arena, buf_text(&times)),
        .servers = servers,
        .servers_length = length,
    };
}

static void meter_free(struct meter *meter)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(meter->frontends, &cursor, NULL, &value)) {
        struct meter_frontend *frontend = value;
        size_t at = 0;
        while (map_next(frontend->servers, &at, NULL, &value))
            server_free(value);
        map_free(frontend->servers);
        mem_free(frontend->name);
        mem_free(frontend);
    }
    map_free(meter->frontends);
    mem_free(meter);
}

static void server_free(struct meter_server *server)
{
    mem_free(server->name);
    mem_free(server);
}
