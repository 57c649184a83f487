/* Who gets room: by the production code of plan/share, or by a simple rule. */
#include "plan/share/share.h"

#include "replay/inside.h"

static struct share_input input_of(struct replay_world *world, struct arena *arena);
static struct share_tier tier_of(const struct replay_farm *farm);
static struct share_instance *add_members(const struct replay_world *world, size_t nth,
                                          struct share_instance *instance);
static void take(struct replay_world *world, const struct share_result *result, int64_t now_ms);
static size_t host_named(const struct replay_world *world, const char *name);
static bool is_settled(const struct replay_world *world);
static int64_t level_bound(const struct replay_farm *farm, enum level level);

/* As the controller does after each look at the loads. Where nobody calls for anything else than it has there
 * is nothing to decide. */
bool replay_share(struct replay_world *world)
{
    CLEANUP_ARENA struct arena *arena = NULL;

    if (is_settled(world)) return false;
    arena = arena_new();
    struct share_input input = input_of(world, arena);
    struct share_result result = share_decide(arena, &input);
    take(world, &result, input.now_ms);
    return result.changes_length > 0;
}

/* Committed first, then guaranteed, then extended; inside a level the urgent first, then as the trace names
 * them. What somebody holds beyond that is given back. */
bool replay_share_simply(struct replay_world *world)
{
    struct resources *free = mem_alloc_array(world->hosts_length + 1, sizeof(*free));

    for (size_t h = 0; h < world->hosts_length; h++) {
        free[h] = world->hosts[h].free;
        for (size_t i = 0; i < world->length; i++)
            replay_take(&free[h], &world->farms[i].tier->size, -world->farms[i].on[h]);
    }
    for (size_t i = 0; i < world->length; i++)
        world->farms[i].got = 0;
    for (int level = 0; level < LEVELS; level++) {
        for (int priority = SLA_URGENT; priority >= SLA_LOW; priority--) {
            for (size_t i = 0; i < world->length; i++) {
                struct replay_farm *farm = &world->farms[i];
                if ((int)farm->sla->priority != priority) continue;
                int64_t more = level_bound(farm, (enum level)level);
                if (more > farm->wanted) more = farm->wanted;
                more -= farm->got;
                for (size_t h = 0; h < world->hosts_length && more > 0; h++) {
                    int64_t fit = replay_fit(&free[h], &farm->tier->size);
                    if (fit > more) fit = more;
                    replay_take(&free[h], &farm->tier->size, fit);
                    farm->got += fit;
                    more -= fit;
                }
            }
        }
    }
    mem_free(free);
    return false;
}

/* Without quotas: README.md. */
static struct share_input input_of(struct replay_world *world, struct arena *arena)
{
    struct share_host *hosts = arena_alloc_array(arena, world->hosts_length, sizeof(*hosts));
    struct share_tier *tiers = arena_alloc_array(arena, world->length, sizeof(*tiers));
    struct share_input input = {.hosts = hosts,
                                .hosts_length = world->hosts_length,
                                .tiers = tiers,
                                .tiers_length = world->length,
                                .now_ms = REPLAY_WALL_MS + world->now_ms};

    for (size_t h = 0; h < world->hosts_length; h++) {
        const struct resources *free = &world->hosts[h].free;
        hosts[h] = (struct share_host){
            true, {free->cpus_millis, free->memory_bytes, free->disk_bytes, free->network_bits_per_s}};
    }
    for (size_t i = 0; i < world->length; i++) {
        tiers[i] = tier_of(&world->farms[i]);
        input.instances_length += (size_t)tiers[i].wanted;
    }
    struct share_instance *instances = arena_alloc_array(arena, input.instances_length, sizeof(*instances));
    struct share_instance *end = instances;
    for (size_t i = 0; i < world->length; i++)
        end = add_members(world, i, end);
    ASSERT((size_t)(end - instances) == input.instances_length);
    input.instances = instances;
    return input;
}

static struct share_tier tier_of(const struct replay_farm *farm)
{
    return (struct share_tier){.farm = farm->name,
                               .tier = farm->tier->name,
                               .party = SHARE_NONE,
                               .size = farm->tier->size,
                               .count = farm->tier->count,
                               .wanted = farm->got,
                               .calls = farm->wanted,
                               .need = farm->need,
                               .rate = farm->provided,
                               .priority = farm->sla->priority,
                               .waits_since_ms = farm->waits_since_ms,
                               .given_ms = farm->given_ms,
                               .why = ""};
}

/* Those with a place bear its host's name; then those that wait for one. */
static struct share_instance *add_members(const struct replay_world *world, size_t nth,
                                          struct share_instance *instance)
{
    const struct replay_farm *farm = &world->farms[nth];
    int64_t left = farm->got;

    for (size_t h = 0; h < world->hosts_length; h++)
        for (int64_t n = 0; n < farm->on[h]; n++, left--)
            *instance++ = (struct share_instance){world->hosts[h].name, nth, h};
    for (; left > 0; left--)
        *instance++ = (struct share_instance){"", nth, SHARE_NONE};
    return instance;
}

static void take(struct replay_world *world, const struct share_result *result, int64_t now_ms)
{
    for (size_t c = 0; c < result->changes_length; c++) {
        const struct share_change *change = &result->changes[c];
        struct replay_farm *farm = &world->farms[change->tier];
        /* What is there before the first request did not just come. */
        if (change->wanted > farm->got && world->now_ms > 0) farm->given_ms = now_ms;
        farm->got = change->wanted;
        for (size_t n = 0; n < change->leave_length; n++)
            replay_drain(world, farm, host_named(world, change->leave[n]));
    }
    for (size_t i = 0, w = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        bool waits = w < result->waits_length && result->waits[w].tier == i;
        w += waits;
        if (!waits)
            farm->waits_since_ms = 0;
        else if (farm->waits_since_ms == 0)
            farm->waits_since_ms = now_ms;
    }
}

/* The text is the host's own. */
static size_t host_named(const struct replay_world *world, const char *name)
{
    size_t host = 0;
    while (world->hosts[host].name != name)
        host++;
    return host;
}

static bool is_settled(const struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        const struct replay_farm *farm = &world->farms[i];
        if (farm->wanted != farm->got || replay_has(farm) != farm->got || farm->waits_since_ms != 0)
            return false;
    }
    return true;
}

static int64_t level_bound(const struct replay_farm *farm, enum level level)
{
    const struct count *count = &farm->tier->count;
    const int64_t bounds[LEVELS] = {count->committed, count->guaranteed, count->max};
    return bounds[level];
}
