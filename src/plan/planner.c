#include "plan/planner.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

struct planner {
    struct map *objects[RECORD_KINDS]; /* name -> the object */
};

static const char *name_of(struct arena *arena, enum record_kind kind, const void *object);
static const void *in_order(const struct planner *planner, struct arena *arena, enum record_kind kind,
                            size_t size, size_t *ret_length);
static void count_up(struct planner *planner, struct arena *arena, const struct instance *record);

struct planner *planner_new(void)
{
    struct planner *planner = mem_alloc(sizeof(*planner));
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        planner->objects[kind] = map_new();
    return planner;
}

void planner_free(struct planner *planner)
{
    if (planner == NULL) return;
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        map_free(planner->objects[kind]);
    mem_free(planner);
}

void planner_put(struct planner *planner, enum record_kind kind, const void *object)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    map_put(planner->objects[kind], name_of(arena, kind, object), (void *)(uintptr_t)object);
}

void planner_delete(struct planner *planner, enum record_kind kind, const char *name)
{
    map_remove(planner->objects[kind], name);
}

const void *planner_get(const struct planner *planner, enum record_kind kind, const char *name)
{
    return map_get(planner->objects[kind], name);
}

size_t planner_length(const struct planner *planner, enum record_kind kind)
{
    return map_length(planner->objects[kind]);
}

const void *planner_next(const struct planner *planner, enum record_kind kind, size_t *cursor)
{
    void *object = NULL;
    return map_next(planner->objects[kind], cursor, NULL, &object) ? object : NULL;
}

struct plan planner_plan(struct planner *planner, struct arena *arena, int64_t now_ms)
{
    struct snapshot s = {0};
    s.parties = in_order(planner, arena, RECORD_PARTY, sizeof(*s.parties), &s.parties_length);
    s.hosts = in_order(planner, arena, RECORD_HOST, sizeof(*s.hosts), &s.hosts_length);
    s.host_facts = in_order(planner, arena, RECORD_HOST_FACT, sizeof(*s.host_facts), &s.host_facts_length);
    s.images = in_order(planner, arena, RECORD_IMAGE, sizeof(*s.images), &s.images_length);
    s.pools = in_order(planner, arena, RECORD_POOL, sizeof(*s.pools), &s.pools_length);
    s.farms = in_order(planner, arena, RECORD_FARM, sizeof(*s.farms), &s.farms_length);
    s.farm_facts = in_order(planner, arena, RECORD_FARM_FACT, sizeof(*s.farm_facts), &s.farm_facts_length);
    s.instances = in_order(planner, arena, RECORD_INSTANCE, sizeof(*s.instances), &s.instances_length);
    return plan_make(arena, &s, now_ms);
}

void planner_take(struct planner *planner, struct arena *arena, const struct action *action)
{
    switch (action->kind) {
    case ACTION_CREATE:
        count_up(planner, arena, &action->instance);
        /* fall through */
    case ACTION_PLACE:
    case ACTION_ACTIVATE:
    case ACTION_DRAIN:
    case ACTION_STOP:
    case ACTION_UNPLACE:
    case ACTION_EXPLAIN: {
        struct instance *record = arena_alloc(arena, sizeof(*record));
        *record = action->instance;
        planner_put(planner, RECORD_INSTANCE, record);
        return;
    }
    case ACTION_FORGET:
        planner_delete(planner, RECORD_INSTANCE, action->name);
        return;
    case ACTION_FENCE: {
        const struct host_fact *was = planner_get(planner, RECORD_HOST_FACT, action->name);
        struct host_fact *fact = arena_alloc(arena, sizeof(*fact));
        *fact = *was;
        fact->reason = action->reason;
        planner_put(planner, RECORD_HOST_FACT, fact);
        return;
    }
    case ACTION_FARM:
        if (action->farm_fact.vni == 0) {
            planner_delete(planner, RECORD_FARM_FACT, action->name);
        } else {
            struct farm_fact *fact = arena_alloc(arena, sizeof(*fact));
            *fact = action->farm_fact;
            planner_put(planner, RECORD_FARM_FACT, fact);
        }
        return;
    }
    UNREACHABLE();
}

/* The number is given out: the farm's fact remembers it, also when the instance is long forgotten. */
static void count_up(struct planner *planner, struct arena *arena, const struct instance *record)
{
    const struct farm_fact *was = planner_get(planner, RECORD_FARM_FACT, record->farm);
    size_t length = was->counters_length, at = 0;
    while (at < length && !text_equal(was->counters[at].tier, record->tier))
        at++;
    if (at < length && was->counters[at].next > record->number) return;
    struct farm_fact *fact = arena_alloc(arena, sizeof(*fact));
    struct tier_counter *counters = arena_alloc_array(arena, length + 1, sizeof(*counters));
    if (length) memcpy(counters, was->counters, length * sizeof(*counters));
    counters[at] = (struct tier_counter){record->tier, record->number + 1};
    *fact = *was;
    fact->counters = counters;
    fact->counters_length = at == length ? length + 1 : length;
    planner_put(planner, RECORD_FARM_FACT, fact);
}

static const char *name_of(struct arena *arena, enum record_kind kind, const void *object)
{
    switch (kind) {
    case RECORD_HOST:
        return ((const struct host *)object)->name;
    case RECORD_PARTY:
        return ((const struct party *)object)->name;
    case RECORD_FARM:
        return ((const struct farm *)object)->full_name;
    case RECORD_IMAGE: {
        const struct image *image = object;
        return arena_printf(arena, "%s/%s", image->party, image->name);
    }
    case RECORD_POOL:
        return ((const struct pool *)object)->name;
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

/* plan_make() puts them into order. */
static const void *in_order(const struct planner *planner, struct arena *arena, enum record_kind kind,
                            size_t size, size_t *ret_length)
{
    size_t length = planner_length(planner, kind), cursor = 0, n = 0;
    char *items = arena_alloc_array(arena, length + 1, size);
    const void *object = NULL;
    while ((object = planner_next(planner, kind, &cursor)) != NULL)
        memcpy(items + n++ * size, object, size);
    *ret_length = length;
    return items;
}
