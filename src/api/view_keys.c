/* On how many of a farm's hosts its party has taken its keys: hosts that join later begin with pairs that
 * nobody has taken. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

struct farm_keys {
    int64_t hosts, taken;
    bool any; /* the party has taken keys somewhere: before that nothing is missing */
};

/* While the hosts of all farms are counted. */
struct counting {
    struct arena *arena;
    struct map *facts; /* host -> const struct host_fact ** */
    struct map *seen;  /* "FARM HOST" -> anything */
    struct map *farms; /* farm -> struct farm_keys */
};

static void add_instance(const struct counting *counting, const struct instance *instance);
static const struct host_key *key_at(const struct counting *counting, const struct instance *instance);

struct map *view_keys_new(struct arena *arena, const struct snapshot *snapshot)
{
    bool any = false;

    for (size_t i = 0; i < snapshot->host_facts_length && !any; i++) {
        const struct host_fact *fact = &snapshot->host_facts[i];
        for (size_t k = 0; k < fact->keys_length; k++)
            any |= fact->keys[k].taken_ms && !text_equal(fact->keys[k].party, "landlord");
    }
    if (!any) return NULL;
    const struct counting counting = {arena, map_new(), map_new(), map_new()};
    for (size_t i = 0; i < snapshot->host_facts_length; i++) {
        const struct host_fact *fact = &snapshot->host_facts[i];
        const struct host_fact **place = arena_alloc(arena, sizeof(const struct host_fact *));
        *place = fact;
        map_put(counting.facts, fact->name, place);
    }
    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        if (instance->host[0] && instance->wanted != WANTED_WARM) add_instance(&counting, instance);
    }
    map_free(counting.facts);
    map_free(counting.seen);
    return counting.farms;
}

const char *view_keys_write(struct arena *arena, const struct map *keys, const char *farm, const char *reason,
                            struct buf *ret_json)
{
    const struct farm_keys *sum = keys ? map_get(keys, farm) : NULL;
    int64_t missing = sum ? sum->hosts - sum->taken : 0;

    if (!sum || !sum->any) return reason;
    buf_printf(ret_json, ",\"keys\":{\"hosts\":%" PRId64 ",\"taken\":%" PRId64 "}", sum->hosts, sum->taken);
    if (missing == 0) return reason;
    return arena_printf(arena, "%s%skeys: %" PRId64 " of %" PRId64 " hosts not taken: croft key take %s",
                        reason, reason[0] ? "; " : "", missing, sum->hosts, farm);
}

/* Each host of a farm once. */
static void add_instance(const struct counting *counting, const struct instance *instance)
{
    const char *place = arena_printf(counting->arena, "%s %s", instance->farm, instance->host);
    struct farm_keys *sum = map_get(counting->farms, instance->farm);

    if (map_get(counting->seen, place)) return;
    map_put(counting->seen, place, counting->seen);
    if (!sum) {
        sum = arena_alloc(counting->arena, sizeof(*sum));
        map_put(counting->farms, instance->farm, sum);
    }
    const struct host_key *key = key_at(counting, instance);
    sum->hosts++;
    /* Of what the party has asked for the public halves are not told. */
    sum->taken += key && key->taken_ms && !key->seal[0];
    sum->any |= key && key->taken_ms;
}

static const struct host_key *key_at(const struct counting *counting, const struct instance *instance)
{
    const struct host_fact *const *place = map_get(counting->facts, instance->host);
    const struct host_fact *fact = place ? *place : NULL;

    for (size_t i = 0; fact && i < fact->keys_length; i++)
        if (text_equal(fact->keys[i].party, instance->party)) return &fact->keys[i];
    return NULL;
}
