#include "plan/whatif/world.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/work.h"

#include <string.h>

/* Rounds are bounded far above any chain of decisions: each empties a host or starts what another needs. */
enum {
    ROUNDS_MAX = 100000,
    /* Twice the longest time that one instance makes others wait (work.h: DRAIN_MS_MAX, BAD_MS_MAX). What is
     * due later is not caused by the question. */
    HORIZON_MS = 60 * 1000,
};

/* How long things take: medians of bench/README.md, measured there. */
enum {
    START_MS = 26,            /* "cold start to serving through the balancer" */
    CREATE_MS = 9,            /* "create and start": of each further one on the same host */
    LET_GO_MS = 25,           /* half of "drain to serving" (76) less the start: to drain, to stop and wipe */
    LOSS_MS = 261 - START_MS, /* "host killed, to all its instances serving" less the start */
};

struct world {
    struct planner *planner;
    struct arena *arena;
    int64_t began_ms, now_ms, done_ms;
    struct map *changes[RECORD_KINDS]; /* name -> struct world_change */
    struct map *busy;                  /* instances that their hosts have to act on -> their names */
    bool loses, waits;                 /* a host was lost; what is due later belongs to the question */
};

static struct world_change *note(struct world *world, enum record_kind kind, const char *name);
static void take(struct world *world, const struct action *action);
static void note_action(struct world *world, const struct action *action);
static bool work(struct world *world);
static int64_t work_one(struct world *world, const struct instance *instance, struct map *starts);
static bool rests(const struct world *world, const struct instance *instance);
static int64_t start_ms(const char *host, struct map *starts);
static const char *name_of(const struct world *world, enum record_kind kind, const void *object);

struct world *whatif_world_new(struct planner *planner, struct arena *arena, int64_t now_ms)
{
    struct world *world = mem_alloc(sizeof(*world));
    *world = (struct world){.planner = planner,
                            .arena = arena,
                            .began_ms = now_ms,
                            .now_ms = now_ms,
                            .done_ms = now_ms,
                            .busy = map_new()};
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        world->changes[kind] = map_new();
    return world;
}

void whatif_world_free(struct world *world)
{
    if (world == NULL) return;
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        map_free(world->changes[kind]);
    map_free(world->busy);
    mem_free(world);
}

void world_freep(struct world **world)
{
    whatif_world_free(*world);
}

void world_undo(struct world *world)
{
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        const struct world_change *change = NULL;
        size_t cursor = 0;
        while ((change = world_next(world, (enum record_kind)kind, &cursor)) != NULL)
            if (change->before)
                planner_put(world->planner, (enum record_kind)kind, change->before);
            else
                planner_delete(world->planner, (enum record_kind)kind, change->name);
        map_free(world->changes[kind]);
        world->changes[kind] = map_new();
    }
    world->now_ms = world->done_ms = world->began_ms;
    world->loses = world->waits = false;
    map_free(world->busy);
    world->busy = map_new();
}

void world_put(struct world *world, enum record_kind kind, const void *object)
{
    note(world, kind, name_of(world, kind, object));
    planner_put(world->planner, kind, object);
    if (kind < RECORD_INSTANCE) world->waits = true; /* intent */
}

void world_lose_host(struct world *world, const char *name)
{
    const struct host_fact *was = planner_get(world->planner, RECORD_HOST_FACT, name);
    if (was == NULL || ((was->state == HOST_DOWN || was->state == HOST_STATE_OFF) && was->fenced)) return;
    struct host_fact *fact = arena_alloc(world->arena, sizeof(*fact));
    *fact = *was;
    fact->state = HOST_DOWN;
    fact->fenced = true;
    fact->since_ms = world->now_ms;
    fact->reason = "given up and powered off";
    world_put(world, RECORD_HOST_FACT, fact);
    world->loses = true;
}

void world_drain_host(struct world *world, const char *name)
{
    const struct host *was = planner_get(world->planner, RECORD_HOST, name);
    if (was == NULL || was->state != HOST_ACTIVE) return;
    struct host *host = arena_alloc(world->arena, sizeof(*host));
    *host = *was;
    host->state = HOST_DRAINING;
    world_put(world, RECORD_HOST, host);
}

void world_fail_instance(struct world *world, const char *name)
{
    const struct instance *was = planner_get(world->planner, RECORD_INSTANCE, name);
    if (was == NULL || !world_host_is_up(world->planner, was->host)) return;
    struct instance *instance = arena_alloc(world->arena, sizeof(*instance));
    *instance = *was;
    if (instance->wanted == WANTED_RUN || instance->wanted == WANTED_WARM) {
        instance->state = INSTANCE_BOOTING; /* its host starts it again at once */
        instance->health = HEALTH_UNKNOWN;
    }
    instance->restarts++;
    instance->since_ms = world->now_ms;
    instance->reason = "it ended by itself";
    world_put(world, RECORD_INSTANCE, instance);
    note(world, RECORD_INSTANCE, name)->restarted = true;
    map_put(world->busy, name, instance);
}

void world_wake(struct world *world)
{
    const struct instance *instance = NULL;
    size_t cursor = 0;
    while ((instance = planner_next(world->planner, RECORD_INSTANCE, &cursor)) != NULL) {
        if (instance->host[0] != '\0' && (instance_leaving(instance) || !rests(world, instance)))
            map_put(world->busy, instance->name, (void *)(uintptr_t)instance);
    }
}

void world_settle(struct world *world)
{
    if (world->loses) world->now_ms += LOSS_MS;
    world->loses = false;
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        struct plan plan = planner_begin(world->planner, world->arena, world->now_ms);
        for (size_t a = 0; a < plan.actions_length; a++)
            take(world, &plan.actions[a]);
        planner_end(world->planner);
        if (work(world) || plan.actions_length > 0) continue;
        bool due =
            world->waits && plan.again_ms > world->now_ms && plan.again_ms - world->began_ms <= HORIZON_MS;
        if (!due) return;
        world->now_ms = plan.again_ms;
    }
}

int64_t world_now_ms(const struct world *world)
{
    return world->now_ms;
}

int64_t world_spent_ms(const struct world *world)
{
    return world->done_ms - world->began_ms;
}

const struct world_change *world_next(const struct world *world, enum record_kind kind, size_t *cursor)
{
    void *change = NULL;
    return map_next(world->changes[kind], cursor, NULL, &change) ? change : NULL;
}

const struct world_change *world_change(const struct world *world, enum record_kind kind, const char *name)
{
    return map_get(world->changes[kind], name);
}

bool world_host_is_up(const struct planner *planner, const char *host)
{
    const struct host_fact *fact = planner_get(planner, RECORD_HOST_FACT, host);
    return fact != NULL && (fact->state == HOST_UP || fact->state == HOST_STATE_DRAINING);
}

/* The first change of a thing remembers what it was. */
static struct world_change *note(struct world *world, enum record_kind kind, const char *name)
{
    struct world_change *change = map_get(world->changes[kind], name);
    if (change != NULL) return change;
    change = arena_alloc(world->arena, sizeof(*change));
    *change = (struct world_change){.name = arena_strdup(world->arena, name),
                                    .before = planner_get(world->planner, kind, name)};
    map_put(world->changes[kind], name, change);
    return change;
}

static void take(struct world *world, const struct action *action)
{
    note_action(world, action);
    planner_take(world->planner, world->arena, action);
    if (action->kind == ACTION_FENCE || action->kind == ACTION_HOST || action->kind == ACTION_FARM) return;
    const void *instance = planner_get(world->planner, RECORD_INSTANCE, action->name);
    if (instance)
        map_put(world->busy, action->name, (void *)(uintptr_t)instance);
    else
        map_remove(world->busy, action->name);
}

static void note_action(struct world *world, const struct action *action)
{
    if (action->kind == ACTION_FENCE || action->kind == ACTION_HOST) {
        note(world, RECORD_HOST_FACT, action->name);
        return;
    }
    if (action->kind == ACTION_FARM) {
        note(world, RECORD_FARM_FACT, action->name);
        return;
    }
    struct world_change *change = note(world, RECORD_INSTANCE, action->name);
    if (action->kind == ACTION_CREATE)
        note(world, RECORD_FARM_FACT, action->instance->farm); /* its numbers */
    if (action->kind == ACTION_PLACE) change->step = action->step;
    change->yielded |= instance_yields(action->instance);
    change->reason = action->reason;
}

/* One round of all hosts that have something to do; they work at the same time. True: something was done. */
static bool work(struct world *world)
{
    CLEANUP(map_freep) struct map *starts = map_new();
    struct map *busy = world->busy;
    const char *name = NULL;
    size_t cursor = 0;
    int64_t longest_ms = 0;

    world->busy = map_new();
    while (map_next(busy, &cursor, &name, NULL)) {
        const struct instance *instance = planner_get(world->planner, RECORD_INSTANCE, name);
        if (instance == NULL || !world_host_is_up(world->planner, instance->host)) continue;
        int64_t took_ms = work_one(world, instance, starts);
        if (took_ms > longest_ms) longest_ms = took_ms;
    }
    map_free(busy);
    if (longest_ms == 0) return false;
    world->now_ms += longest_ms;
    world->done_ms = world->now_ms;
    return true;
}

/* What the host's agent makes of an instance's record. How long that takes; 0: there was nothing to do. */
static int64_t work_one(struct world *world, const struct instance *instance, struct map *starts)
{
    bool gone = instance->wanted == WANTED_GONE, drains = instance->wanted == WANTED_DRAIN;
    struct instance after = *instance;

    if (gone) {
        after.state = INSTANCE_STOPPED;
        if (instance->state == after.state) return 0;
    } else if (drains) {
        if (instance->drained) return 0;
        after.drained = true;
    } else {
        if (rests(world, instance)) return 0;
        after.state = INSTANCE_RUNNING;
        after.health = HEALTH_GOOD;
        after.reason = "";
    }
    if (!drains) after.since_ms = world->now_ms;
    struct instance *record = arena_alloc(world->arena, sizeof(*record));
    *record = after;
    note(world, RECORD_INSTANCE, instance->name);
    planner_put(world->planner, RECORD_INSTANCE, record);
    return gone || drains ? LET_GO_MS : start_ms(record->host, starts);
}

/* It is what it will be: well, or failing by itself. */
static bool rests(const struct world *world, const struct instance *instance)
{
    const struct farm *farm = planner_get(world->planner, RECORD_FARM, instance->farm);
    const struct tier *tier = NULL;
    if (instance->state == INSTANCE_FAILED || instance->health == HEALTH_BAD) return true;
    if (instance->state != INSTANCE_RUNNING) return false;
    if (instance->health == HEALTH_GOOD) return true;
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, instance->tier)) tier = &farm->tiers[t];
    return instance_healthy(instance, tier);
}

/* Hosts start side by side, what is on one host mostly one after the other. */
static int64_t start_ms(const char *host, struct map *starts)
{
    uintptr_t count = (uintptr_t)map_get(starts, host);
    map_put(starts, host, (void *)(count + 1));
    return START_MS + (int64_t)count * CREATE_MS;
}

static const char *name_of(const struct world *world, enum record_kind kind, const void *object)
{
    switch (kind) {
    case RECORD_HOST:
        return ((const struct host *)object)->name;
    case RECORD_PARTY:
        return ((const struct party *)object)->name;
    case RECORD_POOL:
        return ((const struct pool *)object)->name;
    case RECORD_SLA:
        return ((const struct sla *)object)->name;
    case RECORD_SCALING_RULES:
        return ((const struct scaling_rules *)object)->name;
    case RECORD_FILTER:
        return ((const struct filter *)object)->full_name;
    case RECORD_LEASE:
        return ((const struct lease *)object)->name;
    case RECORD_CONTACT:
        return ((const struct contact *)object)->full_name;
    case RECORD_KEY:
        return ((const struct party_key *)object)->name;
    case RECORD_FARM:
        return ((const struct farm *)object)->full_name;
    case RECORD_IMAGE: {
        const struct image *image = object;
        return arena_printf(world->arena, "%s/%s", image->party, image->name);
    }
    case RECORD_INSTANCE:
        return ((const struct instance *)object)->name;
    case RECORD_HOST_FACT:
        return ((const struct host_fact *)object)->name;
    case RECORD_FARM_FACT:
        return ((const struct farm_fact *)object)->name;
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}
