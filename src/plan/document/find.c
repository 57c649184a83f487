#include "plan/document/find.h"

#include "base/text.h"
#include "plan/scale/personality.h"
#include "plan/work.h"

/* Index of the first item whose name is not below; names lie at `offset` of each item. */
static size_t lower_bound(const void *items, size_t length, size_t size, size_t offset, const char *name);

const struct host_fact *find_host_fact(const struct snapshot *s, const char *name)
{
    size_t n = lower_bound(s->host_facts, s->host_facts_length, sizeof(*s->host_facts),
                           offsetof(struct host_fact, name), name);
    return n < s->host_facts_length && text_equal(s->host_facts[n].name, name) ? &s->host_facts[n] : NULL;
}

const struct party *find_party(const struct snapshot *s, const char *name)
{
    size_t n =
        lower_bound(s->parties, s->parties_length, sizeof(*s->parties), offsetof(struct party, name), name);
    return n < s->parties_length && text_equal(s->parties[n].name, name) ? &s->parties[n] : NULL;
}

const struct farm *find_farm(const struct snapshot *s, const char *full_name)
{
    size_t n = lower_bound(s->farms, s->farms_length, sizeof(*s->farms), offsetof(struct farm, full_name),
                           full_name);
    return n < s->farms_length && text_equal(s->farms[n].full_name, full_name) ? &s->farms[n] : NULL;
}

const struct farm_fact *find_farm_fact(const struct snapshot *s, const char *name)
{
    size_t n = lower_bound(s->farm_facts, s->farm_facts_length, sizeof(*s->farm_facts),
                           offsetof(struct farm_fact, name), name);
    return n < s->farm_facts_length && text_equal(s->farm_facts[n].name, name) ? &s->farm_facts[n] : NULL;
}

const struct instance *find_instances(struct arena *arena, const struct snapshot *s, const char *farm,
                                      size_t *ret_length)
{
    const char *prefix = arena_printf(arena, "%s/", farm);
    size_t first = lower_bound(s->instances, s->instances_length, sizeof(*s->instances),
                               offsetof(struct instance, name), prefix);
    size_t end = first;
    while (end < s->instances_length && text_starts(s->instances[end].name, prefix))
        end++;
    *ret_length = end - first;
    return s->instances + first;
}

bool find_is_lost(const struct snapshot *snapshot, const struct instance *instance)
{
    const struct host_fact *fact = find_host_fact(snapshot, instance->host);
    return fact && fact->fenced && (fact->state == HOST_DOWN || fact->state == HOST_STATE_OFF);
}

const struct tier *find_tier(struct arena *arena, const struct farm *farm, const char *name)
{
    const struct tier *tier = personality_tier(farm, name);
    if (tier == NULL && farm->balance_length > 0 && text_equal(name, "balance"))
        tier = balance_tier(arena, farm);
    return tier;
}

static size_t lower_bound(const void *items, size_t length, size_t size, size_t offset, const char *name)
{
    size_t low = 0, high = length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *const *at = (const void *)((const char *)items + middle * size + offset);
        if (text_compare_natural(*at, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
