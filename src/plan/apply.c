#include "base/text.h"
#include "base/vec.h"
#include "plan/plan.h"

#include <string.h>

/* The parts of a snapshot that actions change, as arrays with room for what is new. A name that is NULL is
 * deleted. */
struct applied {
    struct arena *arena;
    struct instance *instances;
    struct farm_fact *farm_facts;
    struct host_fact *host_facts;
    size_t instances_length, farm_facts_length, host_facts_length;
    struct map *instance_by_name, *fact_by_name;
};

static void open_copy(struct applied *applied, const struct snapshot *snapshot, size_t news);
static void apply_one(struct applied *applied, const struct action *action);
static void count_up(struct applied *applied, const struct instance *record);
static struct instance *instance_get(struct applied *applied, const char *name);
static struct farm_fact *fact_get(struct applied *applied, const char *name);
static int compare_instances(const void *a, const void *b);
static int compare_facts(const void *a, const void *b);

struct snapshot plan_apply(struct arena *arena, const struct snapshot *snapshot, const struct plan *plan)
{
    struct applied applied = {.arena = arena};
    struct snapshot after = *snapshot;
    size_t kept = 0;

    if (plan->actions_length == 0) return after;
    open_copy(&applied, snapshot, plan->actions_length);
    for (size_t a = 0; a < plan->actions_length; a++)
        apply_one(&applied, &plan->actions[a]);
    for (size_t n = 0; n < applied.instances_length; n++)
        if (applied.instances[n].name != NULL) applied.instances[kept++] = applied.instances[n];
    array_sort(applied.instances, kept, sizeof(*applied.instances), compare_instances);
    after.instances = applied.instances;
    after.instances_length = kept;
    kept = 0;
    for (size_t n = 0; n < applied.farm_facts_length; n++)
        if (applied.farm_facts[n].vni != 0) applied.farm_facts[kept++] = applied.farm_facts[n];
    array_sort(applied.farm_facts, kept, sizeof(*applied.farm_facts), compare_facts);
    after.farm_facts = applied.farm_facts;
    after.farm_facts_length = kept;
    after.host_facts = applied.host_facts;
    map_free(applied.instance_by_name);
    map_free(applied.fact_by_name);
    return after;
}

static void open_copy(struct applied *applied, const struct snapshot *s, size_t news)
{
    applied->instances =
        arena_alloc_array(applied->arena, s->instances_length + news, sizeof(struct instance));
    applied->farm_facts =
        arena_alloc_array(applied->arena, s->farm_facts_length + news, sizeof(struct farm_fact));
    applied->host_facts =
        arena_alloc_array(applied->arena, s->host_facts_length + 1, sizeof(struct host_fact));
    applied->instance_by_name = map_new();
    applied->fact_by_name = map_new();
    for (size_t n = 0; n < s->instances_length; n++)
        *instance_get(applied, s->instances[n].name) = s->instances[n];
    for (size_t n = 0; n < s->farm_facts_length; n++)
        *fact_get(applied, s->farm_facts[n].name) = s->farm_facts[n];
    applied->host_facts_length = s->host_facts_length;
    if (s->host_facts_length)
        memcpy(applied->host_facts, s->host_facts, s->host_facts_length * sizeof(struct host_fact));
}

static void apply_one(struct applied *applied, const struct action *action)
{
    switch (action->kind) {
    case ACTION_CREATE:
        *instance_get(applied, action->name) = *action->instance;
        count_up(applied, action->instance);
        return;
    case ACTION_PLACE:
    case ACTION_ACTIVATE:
    case ACTION_DRAIN:
    case ACTION_STOP:
    case ACTION_UNPLACE:
    case ACTION_EXPLAIN:
    case ACTION_MEND:
        *instance_get(applied, action->name) = *action->instance;
        return;
    case ACTION_FORGET:
        instance_get(applied, action->name)->name = NULL;
        map_remove(applied->instance_by_name, action->name);
        return;
    case ACTION_FENCE:
        for (size_t n = 0; n < applied->host_facts_length; n++)
            if (text_equal(applied->host_facts[n].name, action->name))
                applied->host_facts[n].reason = action->reason;
        return;
    case ACTION_HOST:
        for (size_t n = 0; n < applied->host_facts_length; n++)
            if (text_equal(applied->host_facts[n].name, action->name))
                applied->host_facts[n] = *action->host_fact;
        return;
    case ACTION_FARM:
        *fact_get(applied, action->name) = *action->farm_fact;
        return;
    }
    UNREACHABLE();
}

/* The number is given out: the farm's fact remembers it, also when the instance is long forgotten. */
static void count_up(struct applied *applied, const struct instance *record)
{
    struct farm_fact *fact = fact_get(applied, record->farm);
    size_t length = fact->counters_length, at = 0;
    while (at < length && !text_equal(fact->counters[at].tier, record->tier))
        at++;
    if (at < length && fact->counters[at].next > record->number) return;
    struct tier_counter *counters = arena_alloc_array(applied->arena, length + 1, sizeof(*counters));
    if (length) memcpy(counters, fact->counters, length * sizeof(*counters));
    counters[at] = (struct tier_counter){record->tier, record->number + 1};
    fact->counters = counters;
    fact->counters_length = at == length ? length + 1 : length;
}

static struct instance *instance_get(struct applied *applied, const char *name)
{
    struct instance *instance = map_get(applied->instance_by_name, name);
    if (instance == NULL) {
        instance = &applied->instances[applied->instances_length++];
        map_put(applied->instance_by_name, name, instance);
    }
    return instance;
}

static struct farm_fact *fact_get(struct applied *applied, const char *name)
{
    struct farm_fact *fact = map_get(applied->fact_by_name, name);
    if (fact == NULL) {
        fact = &applied->farm_facts[applied->farm_facts_length++];
        map_put(applied->fact_by_name, name, fact);
    }
    return fact;
}

static int compare_instances(const void *a, const void *b)
{
    return text_compare_natural(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}

static int compare_facts(const void *a, const void *b)
{
    return text_compare_natural(((const struct farm_fact *)a)->name, ((const struct farm_fact *)b)->name);
}
