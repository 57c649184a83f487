#include "plan/document/frontend.h"

#include "base/text.h"
#include "plan/document/find.h"
#include "plan/scale/personality.h"

#include <string.h>

static void add_servers(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                        const struct balance *balance, const struct tier *to,
                        struct balance_frontend *frontend);
static bool serves(const struct snapshot *s, const struct instance *instance, const struct tier *tier);

const struct balance_frontend *frontends_of(struct arena *arena, const struct snapshot *snapshot,
                                            const struct farm *farm, size_t *ret_length)
{
    const struct farm_fact *fact = find_farm_fact(snapshot, farm->full_name);
    struct balance_frontend *frontends = arena_alloc_array(arena, farm->balance_length, sizeof(*frontends));
    for (size_t n = 0; n < farm->balance_length; n++) {
        const struct balance *balance = &farm->balance[n];
        const struct tier *to = personality_tier(farm, balance->to_tier);
        struct balance_frontend *frontend = &frontends[n];
        *frontend =
            (struct balance_frontend){.name = balance->name,
                                      .mode = balance->mode,
                                      .port = balance->port,
                                      .publish = fact ? personality_endpoint(fact, balance->name) : "",
                                      .health_path = "",
                                      .health_every_ms = 1000,
                                      .health_fails = 3};
        if (to == NULL) continue;
        if (to->health.kind == HEALTH_HTTP) frontend->health_path = to->health.path;
        if (to->health.kind != HEALTH_NONE) {
            frontend->health_every_ms = to->health.every_ms;
            frontend->health_fails = to->health.fails;
        }
        add_servers(arena, snapshot, farm, balance, to, frontend);
    }
    *ret_length = farm->balance_length;
    return frontends;
}

const char *frontends_hash(struct arena *arena, const struct balance_frontend *frontends, size_t length)
{
    uint64_t hash = hash_number(TEXT_HASH_SEED, (int64_t)length);
    for (size_t f = 0; f < length; f++) {
        const struct balance_frontend *frontend = &frontends[f];
        hash = hash_number(hash_text(hash, frontend->name), (int64_t)frontend->mode);
        hash = hash_text(hash_number(hash, frontend->port), frontend->publish);
        hash = hash_number(hash_text(hash, frontend->health_path), frontend->health_every_ms);
        hash = hash_number(hash, frontend->health_fails);
        hash = hash_number(hash, (int64_t)frontend->servers_length);
        for (size_t s = 0; s < frontend->servers_length; s++) {
            const struct balance_server *server = &frontend->servers[s];
            hash = hash_number(hash_text(hash, server->instance), (int64_t)server->address);
            hash = hash_number(hash_number(hash, server->port), server->drain);
        }
    }
    return arena_printf(arena, "%016llx", (unsigned long long)hash);
}

const char *frontend_short_name(const struct instance *instance)
{
    const char *slash = strrchr(instance->name, '/');
    return slash ? slash + 1 : instance->name;
}

static void add_servers(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                        const struct balance *balance, const struct tier *to,
                        struct balance_frontend *frontend)
{
    size_t length = 0;
    const struct instance *instances = find_instances(arena, s, farm->full_name, &length);
    struct balance_server *servers = arena_alloc_array(arena, length + 1, sizeof(*servers));
    for (size_t n = 0; n < length; n++) {
        const struct instance *instance = &instances[n];
        if (!text_equal(instance->tier, to->name) || !serves(s, instance, to)) continue;
        servers[frontend->servers_length++] =
            (struct balance_server){.instance = frontend_short_name(instance),
                                    .address = instance->address,
                                    .port = balance->to_port,
                                    .drain = instance->wanted == WANTED_DRAIN};
    }
    frontend->servers = servers;
}

/* Not while it has not come up; but what came up and turned bad stays, since the balancer's own check is the
 * faster judge of when it is well again. */
static bool serves(const struct snapshot *s, const struct instance *instance, const struct tier *tier)
{
    if (instance->host[0] == '\0' || find_is_lost(s, instance)) return false;
    if (instance->wanted == WANTED_DRAIN) return true;
    if (instance->wanted != WANTED_RUN || instance->state != INSTANCE_RUNNING) return false;
    return instance->health != HEALTH_UNKNOWN || tier->health.kind == HEALTH_NONE;
}
