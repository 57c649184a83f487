/* The search: over groups of hosts that preferences do not tell apart, then inside the best of them. */
#include "base/text.h"
#include "plan/place/key.h"
#include "plan/whatif/fleet.h"

#include <string.h>

struct search {
    struct fleet *fleet;
    const struct fleet_size *size;
    int level;
    bool strict;
};

static void try_group(const struct search *search, const struct fleet_host *lost, size_t group, size_t *best,
                      struct key *best_key);
static void count_members(struct fleet *fleet, size_t instance, int sign);
static size_t best_of(const struct search *search, size_t group, struct key *key);
static size_t scan(const struct search *search, const struct fleet_group *group, struct key *ret_key);
static const struct cost_top *remembered(struct fleet *fleet, struct fleet_group *group,
                                         const struct fleet_size *size);
static bool is_measure(const struct fleet_measure *known, const struct cost_measure *measure);
static void note_change(struct fleet *fleet, size_t host);
static void save(struct fleet *fleet, size_t host);
static void copy_memos(struct fleet_memos *to, const struct fleet_memos *from);
static uint32_t zone_members(const struct search *search, const struct fleet_host *host);

void fleet_try(struct fleet *fleet)
{
    ASSERT(!fleet->trying);
    fleet->trying = true;
    fleet->tries++;
    fleet->saved_hosts_length = fleet->saved_groups_length = 0;
}

void fleet_try_end(struct fleet *fleet)
{
    ASSERT(fleet->trying);
    fleet->trying = false;
    for (size_t n = 0; n < fleet->saved_hosts_length; n++) {
        const struct fleet_saved_host *saved = &fleet->saved_hosts[n];
        struct fleet_host *host = &fleet->hosts[saved->host];
        host->free = saved->free;
        if (host->usable != saved->usable)
            cost_offer(&fleet->measure, host->total.of, saved->usable ? 1 : -1);
        host->usable = saved->usable;
    }
    for (size_t n = 0; n < fleet->saved_groups_length; n++)
        copy_memos(fleet->groups[fleet->saved_groups[n].group].memos, &fleet->saved_groups[n].memos);
    fleet_weigh(fleet);
}

void fleet_warm(struct fleet *fleet, size_t host, const struct fleet_size *size)
{
    size_t group = fleet->hosts[host].group;
    if (group != FLEET_NONE) remembered(fleet, &fleet->groups[group], size);
}

void fleet_take(struct fleet *fleet, size_t host, const struct fleet_size *size, int sign)
{
    save(fleet, host);
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        fleet->hosts[host].free.of[d] -= sign * size->of[d];
    note_change(fleet, host);
}

void fleet_set_usable(struct fleet *fleet, size_t host, bool usable)
{
    if (fleet->hosts[host].group == FLEET_NONE) return;
    if (fleet->hosts[host].usable == usable) return;
    save(fleet, host);
    fleet->hosts[host].usable = usable;
    cost_offer(&fleet->measure, fleet->hosts[host].total.of, usable ? 1 : -1);
    note_change(fleet, host);
}

int64_t fleet_slots(const struct fleet *fleet, size_t host, const struct fleet_size *size)
{
    const struct fleet_host *h = &fleet->hosts[host];
    int64_t least = INT64_MAX;

    if (!h->usable) return 0;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        if (size->of[d] == 0) continue;
        int64_t slots = h->free.of[d] < 0 ? 0 : h->free.of[d] / size->of[d];
        if (slots < least) least = slots;
    }
    return least;
}

double fleet_cost(const struct fleet *fleet, size_t host, const struct fleet_size *size)
{
    const struct fleet_host *h = &fleet->hosts[host];
    return h->usable ? cost_of(&fleet->measure, h->free.of, h->inverse, size->of) : -1;
}

void fleet_demand(struct fleet *fleet, const struct fleet_size *size, int64_t count)
{
    cost_demand(&fleet->measure, size->of, count);
}

/* A measure that was there before has its old number, so that what groups remember of it is right again. */
void fleet_weigh(struct fleet *fleet)
{
    struct cost_measure *measure = &fleet->measure;

    if (!measure->weighed) {
        cost_weigh_again(measure);
        for (size_t n = 0; n < fleet->columns_length; n++)
            if (fleet->hosts[fleet->columns[n]].usable)
                cost_see(measure, fleet->hosts[fleet->columns[n]].total.of);
        cost_weigh_end(measure);
    }
    cost_find_scarce(measure);
    for (size_t n = 0; n < FLEET_MEASURES; n++)
        if (is_measure(&fleet->measures[n], measure)) {
            fleet->generation = fleet->measures[n].generation;
            return;
        }
    struct fleet_measure *now = &fleet->measures[fleet->generations % FLEET_MEASURES];
    now->generation = fleet->generation = ++fleet->generations;
    now->aside = measure->aside;
    memcpy(now->unit, measure->unit, sizeof(now->unit));
    memcpy(now->pairs, measure->pairs, sizeof(now->pairs));
    memcpy(now->scarce, measure->scarce, sizeof(now->scarce));
}

size_t fleet_find(struct fleet *fleet, const struct fleet_size *size, size_t near, size_t instance)
{
    const struct fleet_host *lost = &fleet->hosts[near];
    size_t tier = instance == FLEET_NONE ? FLEET_NONE : fleet->instances[instance].tier;
    struct search search = {.fleet = fleet, .size = size, .level = FLEET_APART_NOT};
    struct key best_key = {0};
    size_t best = FLEET_NONE;

    if (tier != FLEET_NONE) {
        search.level = fleet->tiers[tier].level;
        search.strict = fleet->tiers[tier].strict;
    }
    if (search.level != FLEET_APART_NOT) count_members(fleet, instance, 1);
    /* Its own group first: where that has room, most others need no look. */
    if (lost->group != FLEET_NONE) try_group(&search, lost, lost->group, &best, &best_key);
    for (size_t g = 0; g < fleet->groups_length; g++)
        if (g != lost->group) try_group(&search, lost, g, &best, &best_key);
    if (search.level != FLEET_APART_NOT) count_members(fleet, instance, -1);
    return best;
}

size_t fleet_neighbours(const struct fleet *fleet, size_t instance, size_t host)
{
    const struct fleet_instance *i = &fleet->instances[instance];
    const struct fleet_host *to = &fleet->hosts[host];
    size_t count = 0;

    if (i->tier == FLEET_NONE || fleet->tiers[i->tier].level == FLEET_APART_NOT) return 0;
    const struct fleet_tier *tier = &fleet->tiers[i->tier];
    for (size_t m = 0; m < tier->members.length; m++) {
        size_t other = tier->members.items[m];
        if (other == instance || fleet->instances[other].host == FLEET_NONE) continue;
        const struct fleet_host *at = &fleet->hosts[fleet->instances[other].host];
        if (tier->level == FLEET_APART_HOST) {
            count += at == to;
            continue;
        }
        unsigned d = (unsigned)tier->level < to->depth ? (unsigned)tier->level : to->depth - 1;
        count += d < at->depth && at->zones[d] == to->zones[d];
    }
    return count;
}

static void try_group(const struct search *search, const struct fleet_host *lost, size_t group, size_t *best,
                      struct key *best_key)
{
    struct fleet *fleet = search->fleet;
    const struct fleet_host *any = &fleet->hosts[fleet->columns[fleet->groups[group].first]];
    bool same_pool = text_equal(lost->pool, any->pool);
    struct key key = {.distance = key_distance(lost->zones, lost->depth, any->zones, any->depth)};

    key.step = key_step(same_pool, same_pool || text_equal(lost->class_name, any->class_name), key.distance);
    if (key.step > 3) return;
    if (search->level != FLEET_APART_HOST) key.in_zone = zone_members(search, any);
    if (*best != FLEET_NONE && key_compare(&key, best_key) > 0) return;
    size_t host = best_of(search, group, &key);
    if (host == FLEET_NONE) return;
    int order = *best == FLEET_NONE ? -1 : key_compare(&key, best_key);
    if (order > 0 || (order == 0 && host > *best)) return; /* hosts stand by name */
    *best = host;
    *best_key = key;
}

/* Notes (sign 1) or forgets (sign -1) where the tier's other members are. */
static void count_members(struct fleet *fleet, size_t instance, int sign)
{
    const struct fleet_list *members = &fleet->tiers[fleet->instances[instance].tier].members;

    for (size_t m = 0; m < members->length; m++) {
        size_t other = members->items[m], at = fleet->instances[other].host;
        if (other == instance || at == FLEET_NONE) continue;
        struct fleet_host *host = &fleet->hosts[at];
        host->members_scratch += (uint32_t)sign;
        for (unsigned d = 0; d < host->depth; d++)
            fleet->zones_scratch[host->zones[d]] += (uint32_t)sign;
    }
}

static size_t best_of(const struct search *search, size_t group, struct key *key)
{
    struct fleet *fleet = search->fleet;
    struct fleet_group *g = &fleet->groups[group];

    if (search->strict && key->in_zone > 0) return FLEET_NONE;
    const struct cost_top *best = remembered(fleet, g, search->size);
    /* Of those without a member the cheapest is best. */
    for (size_t n = 0; n < best->length; n++) {
        if (fleet->hosts[best->places[n].at].members_scratch > 0) continue;
        key->cost = best->places[n].cost;
        return best->places[n].at;
    }
    return best->length > 0 ? scan(search, g, key) : FLEET_NONE;
}

static size_t scan(const struct search *search, const struct fleet_group *group, struct key *ret_key)
{
    const struct fleet *fleet = search->fleet;
    struct key best_key = {0};
    size_t best = FLEET_NONE;

    for (size_t n = group->first; n < group->first + group->length; n++) {
        size_t host = fleet->columns[n];
        struct key key = *ret_key;
        key.cost = fleet_cost(fleet, host, search->size);
        if (key.cost < 0) continue;
        key.on_host = fleet->hosts[host].members_scratch;
        if (search->level == FLEET_APART_HOST) key.in_zone = key.on_host;
        if (search->strict && key.in_zone > 0) continue;
        if (best != FLEET_NONE && key_compare(&key, &best_key) >= 0) continue; /* names come in order */
        best = host;
        best_key = key;
    }
    if (best != FLEET_NONE) *ret_key = best_key;
    return best;
}

static const struct cost_top *remembered(struct fleet *fleet, struct fleet_group *g,
                                         const struct fleet_size *size)
{
    struct fleet_memos *memos = g->memos;
    struct fleet_memo *memo = NULL;

    for (size_t m = 0; memo == NULL && m < memos->length; m++)
        if (memcmp(&memos->items[m].size, size, sizeof(*size)) == 0) memo = &memos->items[m];
    if (memo != NULL && memo->generation == fleet->generation) return &memo->best;
    if (memo == NULL && memos->length < FLEET_MEMOS) memo = &memos->items[memos->length++];
    if (memo == NULL) memo = &memos->items[memos->next++ % FLEET_MEMOS];
    *memo = (struct fleet_memo){.size = *size, .generation = fleet->generation};
    for (size_t n = g->first; n < g->first + g->length; n++)
        cost_top_add(&memo->best, fleet->columns[n], fleet_cost(fleet, fleet->columns[n], size));
    return &memo->best;
}

static bool is_measure(const struct fleet_measure *known, const struct cost_measure *measure)
{
    return known->generation != 0 && memcmp(&known->aside, &measure->aside, sizeof(known->aside)) == 0 &&
           memcmp(known->unit, measure->unit, sizeof(known->unit)) == 0 &&
           memcmp(known->pairs, measure->pairs, sizeof(known->pairs)) == 0 &&
           memcmp(known->scarce, measure->scarce, sizeof(known->scarce)) == 0;
}

/* What the group remembers follows the change of one host. */
static void note_change(struct fleet *fleet, size_t host)
{
    size_t group = fleet->hosts[host].group;
    if (group == FLEET_NONE) return;
    struct fleet_memos *memos = fleet->groups[group].memos;
    for (size_t m = 0; m < memos->length; m++) {
        struct fleet_memo *memo = &memos->items[m];
        if (memo->generation != fleet->generation ||
            !cost_top_change(&memo->best, host, fleet_cost(fleet, host, &memo->size)))
            memo->generation = 0;
    }
}

static void save(struct fleet *fleet, size_t host)
{
    struct fleet_host *h = &fleet->hosts[host];

    if (!fleet->trying || h->saved_in == fleet->tries) return;
    h->saved_in = fleet->tries;
    fleet->saved_hosts[fleet->saved_hosts_length++] = (struct fleet_saved_host){host, h->free, h->usable};
    if (h->group == FLEET_NONE || fleet->groups[h->group].saved_in == fleet->tries) return;
    fleet->groups[h->group].saved_in = fleet->tries;
    struct fleet_saved_group *saved = &fleet->saved_groups[fleet->saved_groups_length++];
    saved->group = h->group;
    copy_memos(&saved->memos, fleet->groups[h->group].memos);
}

static void copy_memos(struct fleet_memos *to, const struct fleet_memos *from)
{
    to->length = from->length;
    to->next = from->next;
    memcpy(to->items, from->items, from->length * sizeof(*to->items));
}

static uint32_t zone_members(const struct search *search, const struct fleet_host *host)
{
    if (search->level < 0) return 0;
    unsigned d = (unsigned)search->level < host->depth ? (unsigned)search->level : host->depth - 1;
    return search->fleet->zones_scratch[host->zones[d]];
}
