#include "driver/fake/inside.h"

#include "base/text.h"

#include <stdint.h>

const char *const fake_change_names[FAKE_CHANGES] = {
    [FAKE_MADE] = "made",         [FAKE_STARTED] = "runs",         [FAKE_ENDED] = "ended",
    [FAKE_FROZEN] = "frozen",     [FAKE_THAWED] = "thawed",        [FAKE_WIPED] = "wiped",
    [FAKE_FARM_SET] = "network",  [FAKE_FARM_GONE] = "no network", [FAKE_PORT_MADE] = "port",
    [FAKE_PORT_GONE] = "no port", [FAKE_POWER_LOST] = "power lost"};

static void host_free(struct fake_host *host);

struct fake_world *fake_world_new(const struct clock_port *clock)
{
    struct fake_world *world = mem_alloc(sizeof(*world));
    world->clock = clock;
    world->hosts = map_new();
    world->scripts = map_new();
    world->running = map_new();
    world->demands = map_new();
    return world;
}

void fake_world_free(struct fake_world *world)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!world) return;
    while (map_next(world->hosts, &cursor, NULL, &value))
        host_free(value);
    for (cursor = 0; map_next(world->scripts, &cursor, NULL, &value);)
        mem_free(value);
    map_free(world->hosts);
    map_free(world->scripts);
    map_free(world->running);
    for (cursor = 0; map_next(world->demands, &cursor, NULL, &value);)
        mem_free(value);
    map_free(world->demands);
    mem_free(world);
}

void fake_world_ask(struct fake_world *world, const char *farm, const char *frontend,
                    const struct fake_demand *demand)
{
    CLEANUP_MEM char *key = mem_printf("%s %s", farm, frontend);
    struct fake_demand *kept = map_get(world->demands, key);
    size_t cursor = 0;
    void *value = NULL;

    ASSERT(demand->rate_millis >= 0 && demand->service_us > 0);
    if (!kept) {
        kept = mem_alloc(sizeof(*kept));
        map_put(world->demands, key, kept);
    }
    *kept = *demand;
    while (map_next(world->hosts, &cursor, NULL, &value))
        if (((struct fake_host *)value)->balance) balance_asked(((struct fake_host *)value)->balance);
}

void fake_world_watch(struct fake_world *world, void (*changed)(void *ctx, const struct fake_change *change),
                      void *ctx)
{
    world->changed = changed;
    world->changed_ctx = ctx;
}

/* Counts what runs, so that to judge costs nothing. */
void world_tell(struct fake_world *world, const struct fake_change *change)
{
    if (change->kind == FAKE_STARTED || change->kind == FAKE_ENDED) {
        size_t copies = (size_t)(uintptr_t)map_get(world->running, change->instance);
        if (change->kind == FAKE_STARTED) {
            world->twice += copies == 1;
            map_put(world->running, change->instance, (void *)(uintptr_t)(copies + 1));
        } else {
            ASSERT(copies > 0);
            world->twice -= copies == 2;
            if (copies > 1)
                map_put(world->running, change->instance, (void *)(uintptr_t)(copies - 1));
            else
                map_remove(world->running, change->instance);
        }
    }
    if (world->changed) world->changed(world->changed_ctx, change);
}

struct fake_script *fake_world_script(struct fake_world *world, const char *name_begins)
{
    struct fake_script *script = map_get(world->scripts, name_begins);
    if (script) return script;
    script = mem_alloc(sizeof(*script));
    *script = (struct fake_script){.create_ms = 2, .start_ms = 1, .stop_ms = 1, .wipe_ms = 2};
    map_put(world->scripts, name_begins, script);
    return script;
}

void fake_world_list(const struct fake_world *world, struct vec *ret_instances)
{
    size_t at_host = 0;
    void *host = NULL;

    while (map_next(world->hosts, &at_host, NULL, &host)) {
        size_t at_trace = 0;
        const char *name = NULL;
        while (map_next(((struct fake_host *)host)->traces, &at_trace, &name, NULL))
            fake_host_instance(host, name, vec_push(ret_instances));
    }
}

bool fake_world_check(const struct fake_world *world, struct error *err)
{
    if (world->twice == 0) return true;
    struct map *running = map_new();
    struct vec instances = VEC_OF(struct fake_instance);
    bool good = true;

    fake_world_list(world, &instances);
    for (size_t i = 0; i < instances.length && good; i++) {
        struct fake_instance *instance = vec_at(&instances, i), *other = NULL;
        if (!instance->running) continue;
        other = map_put(running, instance->name, instance);
        if (other)
            good =
                error_set(err, ERROR_FAILED, "%s runs on %s (incarnation %lld) and on %s (incarnation %lld)",
                          instance->name, other->host, (long long)other->incarnation, instance->host,
                          (long long)instance->incarnation);
    }
    vec_free(&instances);
    map_free(running);
    return good;
}

struct fake_host *fake_host_get(struct fake_world *world, const char *name)
{
    struct fake_host *host = map_get(world->hosts, name);
    if (host) return host;
    host = mem_alloc(sizeof(*host));
    host->world = world;
    host->name = mem_strdup(name);
    host->traces = map_new();
    host->images = map_new();
    host->layers = map_new();
    host->farms = map_new();
    host->ports = map_new();
    host->balancers = map_new();
    host->held = map_new();
    host->busy = map_new();
    host->guarded = map_new();
    map_put(world->hosts, name, host);
    return host;
}

void fake_host_off(struct fake_host *host)
{
    size_t cursor = 0;
    void *value = NULL;

    ASSERT(!host->compute && !host->balance && !host->processes);
    while (map_next(host->traces, &cursor, NULL, &value))
        trace_end(value);
    for (cursor = 0; map_next(host->balancers, &cursor, NULL, &value);)
        fake_balancer_free(value);
    map_free(host->balancers);
    host->balancers = map_new();
    fake_farms_clear(host); /* networks live in the kernel */
    world_tell(host->world, &(struct fake_change){
                                .kind = FAKE_POWER_LOST, .host = host->name, .instance = "", .farm = ""});
}

const struct fake_counts *fake_host_counts(const struct fake_host *host)
{
    return &host->counts;
}

bool fake_host_instance(const struct fake_host *host, const char *name, struct fake_instance *ret_instance)
{
    const struct trace *trace = map_get(host->traces, name);
    if (!trace) return false;
    *ret_instance = (struct fake_instance){trace->name, host->name, trace->incarnation, trace->running,
                                           trace->running && trace->frozen};
    return true;
}

bool fake_host_crash(struct fake_host *host, const char *instance, int status)
{
    struct trace *trace = map_get(host->traces, instance);
    if (!trace || !trace->running) return false;
    trace_crash(trace, status);
    return true;
}

bool fake_host_hang(struct fake_host *host, const char *instance)
{
    struct trace *trace = map_get(host->traces, instance);
    if (!trace || !trace->running) return false;
    trace->hangs = true;
    return true;
}

bool fake_host_has_farm(const struct fake_host *host, const char *farm)
{
    return map_get(host->farms, farm) != NULL;
}

bool fake_host_has_port(const struct fake_host *host, const char *farm, const char *instance)
{
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, instance);
    return map_get(host->ports, key) != NULL;
}

void fake_host_fail_networks(struct fake_host *host, unsigned farm_sets)
{
    host->farm_sets_fail = farm_sets;
}

void fake_host_watch_networks(struct fake_host *host,
                              void (*changes)(void *ctx, const char *farm, bool there), void *ctx)
{
    host->farm_changes = changes;
    host->farm_changes_ctx = ctx;
}

void fake_host_watch_ports(struct fake_host *host, void (*goes)(void *ctx), void *ctx)
{
    host->port_goes = goes;
    host->port_goes_ctx = ctx;
}

void fake_host_fail_images(struct fake_host *host, unsigned unpackings)
{
    host->images_fail = unpackings;
}

void fake_host_fail_balances(struct fake_host *host, unsigned applies)
{
    host->balances_fail = applies;
}

void fake_host_servers(const struct fake_host *host, const char *balancer, struct buf *ret_text)
{
    balance_add_servers(host, balancer, ret_text);
}

void fake_host_busy(struct fake_host *host, const char *publish, bool busy)
{
    if (busy)
        map_put(host->busy, publish, host);
    else
        map_remove(host->busy, publish);
}

void fake_host_hold(struct fake_host *host, const char *server, unsigned connections)
{
    if (connections)
        map_put(host->held, server, (void *)(uintptr_t)connections);
    else
        map_remove(host->held, server);
    if (host->balance) balance_look(host->balance);
}

/* Of several beginnings that fit, the one that was scripted last. */
struct fake_script *script_of(struct fake_world *world, const char *instance)
{
    struct fake_script *script = fake_world_script(world, "");
    size_t cursor = 0;
    const char *begins = NULL;
    void *value = NULL;

    while (map_next(world->scripts, &cursor, &begins, &value))
        if (begins[0] && text_starts(instance, begins)) script = value;
    return script;
}

bool fails_now(unsigned *left)
{
    if (*left == 0) return false;
    --*left;
    return true;
}

struct timer *world_after(struct fake_world *world, int64_t ms, void (*fire)(void *ctx), void *ctx)
{
    return world->clock->after(world->clock->self, ms * 1000, fire, ctx);
}

void world_cancel(struct fake_world *world, struct timer *timer)
{
    world->clock->cancel(world->clock->self, timer);
}

static void host_free(struct fake_host *host)
{
    size_t cursor = 0;
    void *value = NULL;

    ASSERT(!host->compute && !host->balance && !host->processes);
    host->world->changed = NULL;
    fake_farms_clear(host);
    while (map_next(host->traces, &cursor, NULL, &value))
        trace_free(value);
    for (cursor = 0; map_next(host->balancers, &cursor, NULL, &value);)
        fake_balancer_free(value);
    for (cursor = 0; map_next(host->layers, &cursor, NULL, &value);)
        mem_free(value);
    map_free(host->traces);
    map_free(host->images);
    map_free(host->layers);
    map_free(host->farms);
    map_free(host->ports);
    map_free(host->balancers);
    map_free(host->held);
    map_free(host->busy);
    map_free(host->guarded);
    mem_free(host->name);
    mem_free(host);
}
