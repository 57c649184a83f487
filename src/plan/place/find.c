/* The search: over groups of hosts that preferences do not tell apart, then inside the best of them.
 * README.md says what it costs. */
#include "plan/place/keep.h"
#include "plan/place/key.h"
#include "plan/place/place.h"
#include "plan/place/room.h"

#include "base/text.h"

/* What of the request is the same for every host. */
struct search {
    const struct place_ask *ask;
    struct amount size;
    size_t size_number; /* place/room.h */
    size_t own;         /* host of the instance itself, which it does not share with itself */
    size_t promise;     /* host that keeps room for it */
    size_t avoid_group, own_group, promise_group;
    int level;
    bool strict;
    struct keep_claim claim;
};

struct best {
    size_t host; /* NONE: none yet */
    struct key key;
};

static struct search search_of(struct work *work, const struct place_ask *ask);
static struct key group_key(const struct work *work, const struct search *search, size_t group);
static size_t ask_memory(struct work *work, const struct search *search, size_t group, struct key *ret_key,
                         bool *ret_remembered);
static size_t group_of(const struct work *work, size_t host);
static bool has_exception(const struct search *search, size_t group);
static void look_again(struct work *work, const struct search *search, size_t group, struct best *best);
static bool is_worse(const struct best *best, const struct key *key);
static void take_better(const struct work *work, struct best *best, size_t host, const struct key *key);
static size_t scan_group(struct work *work, const struct search *search, size_t group, struct key *ret_key);
static uint32_t zone_count(const struct work *work, const struct search *search, size_t host);
static bool is_own_zone(const struct work *work, const struct search *search, uint32_t zone);
static unsigned distance_of(const struct work_host *a, const struct work_host *b);
static double cost_on(const struct work *work, const struct search *search, size_t host);
static struct amount ask_size(const struct work *work, const struct place_ask *ask);

/* What the room remembers first, so that few groups are left in which a search of host by host is worth
 * while. */
size_t place_find(struct work *work, const struct place_ask *ask, int *ret_step)
{
    struct search search = search_of(work, ask);
    struct best best = {.host = NONE};
    bool remembered = false;

    if (whys_in_vain(work, ask, &search.claim)) return NONE;
    work->doubtful.length = 0;
    const double *floor = work->room->sizes[search.size_number].floor;
    bool is_alike = ask->near == NONE && search.level < 0; /* keys of groups differ in the cost alone */
    for (size_t g = 0; g < work->room->groups_length; g++) {
        bool exception = has_exception(&search, g);
        if (isinf(floor[g]) && !exception) continue; /* it fits nowhere */
        if (is_alike && !exception && best.host != NONE && floor[g] > best.key.cost) continue;
        if (work->room->groups[g].length == 0) continue;
        if (ask->only != NONE && work->hosts[ask->only].group != g) continue;
        if (!keep_allows(work, &search.claim, work->room->groups[g].pool)) continue;
        struct key key = group_key(work, &search, g);
        if (!exception) key.cost = floor[g];
        if (key.step > 3 || (search.strict && key.in_zone > 0) || is_worse(&best, &key)) continue;
        size_t host = ask_memory(work, &search, g, &key, &remembered);
        if (remembered)
            take_better(work, &best, host, &key);
        else
            index_push(&work->doubtful, g);
    }
    for (size_t n = 0; n < work->doubtful.length; n++)
        look_again(work, &search, work->doubtful.items[n], &best);
    if (best.host == NONE) whys_note_vain(work, ask, &search.claim);
    if (best.host != NONE && ret_step) *ret_step = best.key.step;
    return best.host;
}

/* What is remembered of the group says nothing of the request: something of it lies there, or all that is
 * remembered have a member of the tier. Then no host without one is cheaper than the last of them. */
static void look_again(struct work *work, const struct search *search, size_t group, struct best *best)
{
    struct key key = group_key(work, search, group);
    if (!has_exception(search, group)) {
        const struct cost_top *top = &room_best(work, group, search->size_number)->best;
        key.cost = top->places[top->length - 1].cost;
        if (is_worse(best, &key)) return;
        top = &room_best_apart(work, group, search->size_number)->best;
        if (top->length > 0) {
            key.cost = top->places[0].cost;
            take_better(work, best, work->room->groups[group].columns[top->places[0].at].host, &key);
            return;
        }
    }
    if (!is_worse(best, &key)) take_better(work, best, scan_group(work, search, group, &key), &key);
}

bool place_breaks_spread(struct work *work, const struct place_ask *ask, size_t host)
{
    struct search search = search_of(work, ask);
    return search.strict && zone_count(work, &search, host) > 0;
}

bool place_rate(struct work *work, const struct place_ask *ask, size_t host, struct place_rating *ret_rating)
{
    struct search search = search_of(work, ask);
    const struct work_host *near = ask->near == NONE ? NULL : &work->hosts[ask->near];
    *ret_rating = (struct place_rating){
        .in_zone = zone_count(work, &search, host),
        .distance = near ? distance_of(near, &work->hosts[host]) : 0,
        .on_host = search.level == LEVEL_NONE ? 0 : work->on_host[host] - (search.own == host),
        .by_host = search.level == LEVEL_HOST,
    };
    if (near && place_step(near, &work->hosts[host]) > 3) {
        ret_rating->by_host = false;
        return false;
    }
    return !search.strict || ret_rating->in_zone == 0;
}

bool place_fits(const struct work *work, const struct place_ask *ask, size_t host, size_t *ret_lacking)
{
    struct amount size = ask_size(work, ask);
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (size.of[d] == 0 || size.of[d] <= place_free(work, ask, host, d)) continue;
        if (ret_lacking) *ret_lacking = d;
        return false;
    }
    return true;
}

static struct search search_of(struct work *work, const struct place_ask *ask)
{
    const struct tier *tier = work->tiers[ask->tier].intent;
    struct search search = {.ask = ask,
                            .size = ask_size(work, ask),
                            .own = ask->instance == NONE ? NONE : work->instances[ask->instance].host,
                            .promise = ask->instance == NONE ? NONE : work->instances[ask->instance].promise,
                            .level = place_level(tier->spread.by),
                            .claim = keep_claim_of(work, ask)};
    search.avoid_group = group_of(work, ask->avoid);
    search.own_group = group_of(work, search.own);
    search.promise_group = group_of(work, search.promise);
    search.size_number = room_size(work->room, &search.size);
    search.strict = tier->spread.strict && search.level != LEVEL_NONE;
    if (search.level != LEVEL_NONE) work_count_spread(work, ask->tier);
    return search;
}

/* The best that any host of the group could have: what is the same for all of them, and no more members than
 * none on the host itself. */
static struct key group_key(const struct work *work, const struct search *search, size_t group)
{
    const struct room_group *g = &work->room->groups[group];
    size_t near = search->ask->near;
    struct key key = {0};
    if (search->level >= 0) {
        uint32_t zone = g->zones[(unsigned)search->level < g->depth ? (unsigned)search->level : g->depth - 1];
        key.in_zone = work->in_zone[zone] - is_own_zone(work, search, zone);
    }
    if (near == NONE) return key;
    const struct work_host *any = &work->hosts[g->columns[0].host];
    key.step = place_step(&work->hosts[near], any);
    key.distance = distance_of(&work->hosts[near], any);
    return key;
}

/* The room remembers the best hosts of a group for anybody: right for this request when nothing of the
 * request lies in the group, and one of them has no member of the tier. NONE: none has room. */
static size_t ask_memory(struct work *work, const struct search *search, size_t group, struct key *ret_key,
                         bool *ret_remembered)
{
    *ret_remembered = false;
    if (has_exception(search, group)) return NONE;
    const struct room_memo *memo = room_best(work, group, search->size_number);
    for (size_t n = 0; n < memo->best.length; n++) {
        size_t host = work->room->groups[group].columns[memo->best.places[n].at].host;
        if (search->level != LEVEL_NONE && work->on_host[host] > 0) continue;
        *ret_remembered = true;
        ret_key->cost = memo->best.places[n].cost;
        return host;
    }
    *ret_remembered = memo->best.length == 0;
    return NONE;
}

static size_t group_of(const struct work *work, size_t host)
{
    return host == NONE ? NONE : work->hosts[host].group;
}

/* Something of the request lies in the group, so that what the room remembers is not for it. */
static bool has_exception(const struct search *search, size_t group)
{
    return search->ask->only != NONE || search->avoid_group == group || search->own_group == group ||
           search->promise_group == group;
}

static bool is_worse(const struct best *best, const struct key *key)
{
    return best->host != NONE && key_compare(key, &best->key) > 0;
}

static void take_better(const struct work *work, struct best *best, size_t host, const struct key *key)
{
    int order = best->host == NONE ? -1 : key_compare(key, &best->key);
    if (host == NONE || order > 0) return;
    if (order == 0 && text_compare_natural(work->hosts[host].name, work->hosts[best->host].name) > 0) return;
    *best = (struct best){host, *key};
}

static size_t scan_group(struct work *work, const struct search *search, size_t group, struct key *ret_key)
{
    const struct place_ask *ask = search->ask;
    const struct room_group *g = &work->room->groups[group];
    struct key best_key = {0};
    size_t best = NONE;

    for (size_t n = 0; n < g->length; n++) {
        size_t host = g->columns[n].host;
        if (host == ask->avoid || (ask->only != NONE && host != ask->only)) continue;
        struct key key = *ret_key;
        key.cost = cost_on(work, search, host);
        if (key.cost < 0) continue;
        if (search->level != LEVEL_NONE) key.on_host = work->on_host[host] - (search->own == host);
        if (search->level == LEVEL_HOST) key.in_zone = key.on_host;
        if (search->strict && key.in_zone > 0) continue;
        if (best != NONE && key_compare(&key, &best_key) >= 0) continue; /* names come in order */
        best = host;
        best_key = key;
    }
    if (best != NONE) *ret_key = best_key;
    return best;
}

int place_level(const char *by)
{
    if (by == NULL || by[0] == '\0') return LEVEL_NONE;
    if (text_equal(by, "host")) return LEVEL_HOST;
    if (text_equal(by, "site")) return 0;
    if (by[0] >= '1' && by[0] <= '8' && by[1] == '\0') return by[0] - '1';
    return ZONE_DEPTH_MAX - 1; /* rack, zone: the whole path */
}

unsigned place_zone(const struct work_host *host, int level)
{
    return (unsigned)level < host->depth ? (unsigned)level : host->depth - 1;
}

/* Other members in the host's zone at the level of the spread. */
static uint32_t zone_count(const struct work *work, const struct search *search, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    if (search->level == LEVEL_NONE) return 0;
    if (search->level == LEVEL_HOST) return work->on_host[host] - (search->own == host);
    uint32_t zone = h->zones[place_zone(h, search->level)];
    return work->in_zone[zone] - is_own_zone(work, search, zone);
}

/* A zone's number is that of one path, and so of one depth. */
static bool is_own_zone(const struct work *work, const struct search *search, uint32_t zone)
{
    const struct work_host *own = search->own == NONE ? NULL : &work->hosts[search->own];
    for (unsigned d = 0; own && d < own->depth; d++)
        if (own->zones[d] == zone) return true;
    return false;
}

static unsigned distance_of(const struct work_host *a, const struct work_host *b)
{
    return key_distance(a->zones, a->depth, b->zones, b->depth);
}

int place_step(const struct work_host *lost, const struct work_host *host)
{
    if (lost->intent == NULL) return 3; /* deleted: nothing is known of its pool */
    bool same_pool = text_equal(lost->pool, host->pool);
    return key_step(same_pool, same_pool || text_equal(lost->class_name, host->class_name),
                    distance_of(lost, host));
}

/* The host that keeps room for the instance has that room for it besides. Below 0: it does not fit. */
static double cost_on(const struct work *work, const struct search *search, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    struct room_column column = work->room->groups[h->group].columns[h->column];
    if (search->promise == host) {
        if (!place_fits(work, search->ask, host, NULL)) return -1;
        for (size_t d = 0; d < DIMENSIONS; d++)
            column.free.of[d] = place_free(work, search->ask, host, d);
    }
    return room_cost(work->room, &column, &search->size);
}

static struct amount ask_size(const struct work *work, const struct place_ask *ask)
{
    return amount_of(&work->tiers[ask->tier].intent->size);
}

int64_t place_free(const struct work *work, const struct place_ask *ask, size_t host, size_t dimension)
{
    const struct work_host *h = &work->hosts[host];
    int64_t left = work_free(h, dimension);
    if (ask->instance == NONE) return left;
    const struct work_instance *i = &work->instances[ask->instance];
    if (i->promise != host) return left;
    if (i->owed) return h->total.of[dimension] - h->used.of[dimension] - h->promised.of[dimension];
    return left + ask_size(work, ask).of[dimension];
}
