#include "plan/whatif/fit_keep.h"

#include "base/text.h"
#include "plan/work.h"

struct kept {
    int level;                             /* of what may be lost, as fleet_level() */
    struct fleet_size free, free_at_first; /* less slivers */
    struct fleet_size largest;
    bool uncounted[FLEET_DIMENSIONS]; /* a host does not say what it has */
};

struct fit_keep {
    const struct fleet *fleet;
    struct kept *pools;
    size_t length;
    size_t *pool_of;                  /* host -> its pool, or FLEET_NONE */
    struct fleet_size size, smallest; /* of any known size, by dimension: less is a sliver */
    size_t refused[FLEET_DIMENSIONS]; /* hosts, for want of it */
};

static void know(struct fit_keep *keep, const struct resources *resources);
static void count_pool(struct fit_keep *keep, size_t pool, struct fleet_size *units);
static void add_usable(const struct fit_keep *keep, struct kept *kept, const struct fleet_size *free,
                       int sign);

struct fit_keep *fit_keep_new(struct arena *arena, const struct fleet *fleet, const struct snapshot *s,
                              const struct fleet_size *size)
{
    struct fit_keep *keep = arena_alloc(arena, sizeof(*keep));
    *keep = (struct fit_keep){.fleet = fleet, .size = *size, .smallest = *size};
    keep->pools = arena_alloc_array(arena, s->pools_length + 1, sizeof(*keep->pools));
    keep->pool_of = arena_alloc_array(arena, fleet->hosts_length + 1, sizeof(*keep->pool_of));
    for (size_t h = 0; h < fleet->hosts_length; h++)
        keep->pool_of[h] = FLEET_NONE;
    for (size_t p = 0; p < s->pools_length; p++) {
        if (text_equal(s->pools[p].survive, "none")) continue;
        keep->pools[keep->length++].level = fleet_level(s->pools[p].survive);
        for (size_t h = 0; h < fleet->hosts_length; h++)
            if (text_equal(fleet->hosts[h].pool, s->pools[p].name)) keep->pool_of[h] = keep->length - 1;
    }
    if (keep->length == 0) return NULL;
    for (size_t f = 0; f < s->farms_length; f++) {
        for (size_t t = 0; t < s->farms[f].tiers_length; t++)
            know(keep, &s->farms[f].tiers[t].size);
        if (s->farms[f].balance_length == 0) continue;
        struct tier balancer = balance_tier_of(&s->farms[f]);
        know(keep, &balancer.size);
    }
    size_t units = fleet->hosts_length + fleet->zones_length + 1;
    for (size_t p = 0; p < keep->length; p++)
        count_pool(keep, p, arena_alloc_array(arena, units, sizeof(struct fleet_size)));
    return keep;
}

void fit_keep_begin(struct fit_keep *keep)
{
    for (size_t p = 0; keep != NULL && p < keep->length; p++)
        keep->pools[p].free = keep->pools[p].free_at_first;
}

bool fit_keep_take(struct fit_keep *keep, size_t host, const struct fleet_size *free)
{
    if (keep == NULL || keep->pool_of[host] == FLEET_NONE) return true;
    struct kept *kept = &keep->pools[keep->pool_of[host]];
    struct fleet_size after = *free;
    bool good = true;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        after.of[d] -= keep->size.of[d];
        if (keep->size.of[d] == 0 || kept->uncounted[d]) continue;
        if (kept->free.of[d] - keep->size.of[d] >= kept->largest.of[d]) continue;
        keep->refused[d]++;
        good = false;
    }
    if (!good) return false;
    add_usable(keep, kept, free, -1);
    add_usable(keep, kept, &after, 1);
    return true;
}

size_t fit_keep_scarce(const struct fit_keep *keep, size_t dimension)
{
    size_t most = dimension;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (keep->refused[d] > keep->refused[most]) most = d;
    return most;
}

static void know(struct fit_keep *keep, const struct resources *resources)
{
    struct fleet_size size = fleet_size_of(resources);
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (size.of[d] < keep->smallest.of[d]) keep->smallest.of[d] = size.of[d];
}

/* units: zeroes; one for each zone, then one for each host. */
static void count_pool(struct fit_keep *keep, size_t pool, struct fleet_size *units)
{
    const struct fleet *fleet = keep->fleet;
    struct kept *kept = &keep->pools[pool];

    for (size_t h = 0; h < fleet->hosts_length; h++) {
        const struct fleet_host *host = &fleet->hosts[h];
        if (!host->usable || keep->pool_of[h] != pool) continue;
        size_t depth = (size_t)kept->level < host->depth ? (size_t)kept->level : host->depth - 1;
        size_t unit = kept->level == FLEET_APART_HOST ? fleet->zones_length + h : host->zones[depth];
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
            kept->uncounted[d] |= host->total.of[d] == FLEET_UNCOUNTED;
            if (host->total.of[d] == FLEET_UNCOUNTED || host->total.of[d] <= 0) continue;
            units[unit].of[d] += host->total.of[d];
            if (units[unit].of[d] > kept->largest.of[d]) kept->largest.of[d] = units[unit].of[d];
        }
        add_usable(keep, kept, &host->free, 1);
    }
    kept->free_at_first = kept->free;
}

static void add_usable(const struct fit_keep *keep, struct kept *kept, const struct fleet_size *free,
                       int sign)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (free->of[d] < keep->smallest.of[d]) return;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (free->of[d] < FLEET_UNCOUNTED / 2) kept->free.of[d] += sign * free->of[d];
}
