#include "plan/place/held.h"

#include "plan/place/room.h"

#include "base/text.h"

/* Requests that are remembered: two for each size, with and without somebody that goes; ranks come one after
 * the other. */
enum { MEMOS = 64 };

/* The prices of all hosts for one request, as far as anybody asked. */
struct memo {
    struct amount size;
    int32_t rank, ceiling;
    struct held_price *prices; /* by host */
    bool *known;
    size_t hosts_capacity;
    size_t *best; /* by group: a host + 1; 0: not known; NONE: it can be had on none */
    size_t groups_capacity;
};

/* One that might go. */
struct candidate {
    int32_t rank;
    bool taken;
    int64_t weight;
    struct amount size;
    const char *name;
    size_t instance;
};

struct held {
    struct memo memos[MEMOS];
    size_t memos_length, memo_next;
    struct candidate *candidates; /* of the host that is looked at */
    size_t candidates_length, candidates_capacity;
};

static const struct held_price *remembered(struct work *work, struct memo *memo, size_t host,
                                           const struct held_ask *ask);
static bool is_spared(const struct work *work, const struct work_instance *i, const struct held_ask *ask);
static struct memo *memo_of(struct work *work, const struct held_ask *ask);
static void make_room(const struct work *work, struct memo *memo);
static struct held_price price_of(struct work *work, size_t host, const struct held_ask *ask);
static bool lack_of(const struct work_host *host, const struct amount *size, struct amount *ret_lack);
static bool gather(struct work *work, const struct work_host *host, const struct held_ask *ask,
                   struct amount lack);
static size_t least_ranks(struct held *held, struct amount lack);
static void choose(const struct room *room, struct held *held, size_t length, struct amount lack);
static void spare(struct held *held, size_t length, struct amount lack);
static bool takes(struct amount *lack, const struct amount *size);
static int64_t weight_of(const struct room *room, const struct amount *size);
static int64_t tightest(const struct room *room, const struct amount *free, const struct amount *size);
static int64_t part_of(const struct room *room, size_t dimension, int64_t amount);
static int compare_candidates(const void *a, const void *b);

struct held *held_new(void)
{
    return mem_alloc(sizeof(struct held));
}

void held_free(struct held *held)
{
    if (held == NULL) return;
    held_forget(held);
    mem_free(held->candidates);
    mem_free(held);
}

void held_forget(struct held *held)
{
    for (size_t m = 0; m < held->memos_length; m++) {
        mem_free(held->memos[m].prices);
        mem_free(held->memos[m].known);
        mem_free(held->memos[m].best);
        held->memos[m] = (struct memo){0};
    }
    held->memos_length = 0;
}

void held_change(struct work *work, size_t host)
{
    size_t group = work->hosts[host].group;
    for (size_t m = 0; m < work->held->memos_length; m++) {
        struct memo *memo = &work->held->memos[m];
        if (host < memo->hosts_capacity) memo->known[host] = false;
        if (group < memo->groups_capacity) memo->best[group] = 0;
    }
}

size_t held_best(struct work *work, size_t group, const struct held_ask *ask, struct held_price *ret_price)
{
    struct memo *memo = memo_of(work, ask);
    const struct room_group *g = &work->room->groups[group];
    size_t best = memo->best[group];

    for (size_t n = 0; memo->best[group] == 0 && n < g->length; n++) {
        const struct held_price *price = remembered(work, memo, g->columns[n].host, ask);
        if (price->highest == HELD_IMPOSSIBLE ||
            (best != 0 && held_compare(price, &memo->prices[best - 1]) >= 0))
            continue;
        best = g->columns[n].host + 1; /* names come in order */
    }
    memo->best[group] = best == 0 ? NONE : best;
    if (memo->best[group] == NONE) return NONE;
    *ret_price = memo->prices[best - 1];
    return best - 1;
}

struct held_price held_price(struct work *work, size_t host, const struct held_ask *ask)
{
    return held_spares(work, host, ask) ? price_of(work, host, ask)
                                        : *remembered(work, memo_of(work, ask), host, ask);
}

bool held_spares(const struct work *work, size_t host, const struct held_ask *ask)
{
    const struct index *instances = &work->hosts[host].instances;
    for (size_t n = 0; ask->spared && ask->rank != HELD_NOBODY && n < instances->length; n++)
        if (is_spared(work, &work->instances[instances->items[n]], ask)) return true;
    return false;
}

void held_victims(struct work *work, size_t host, const struct held_ask *ask, struct index *ret_victims)
{
    struct held *held = work->held;
    struct held_price price = price_of(work, host, ask);
    for (size_t c = 0; price.count > 0 && c < held->candidates_length; c++)
        if (held->candidates[c].taken) index_add(work->arena, ret_victims, held->candidates[c].instance);
}

int held_compare(const struct held_price *a, const struct held_price *b)
{
    if (a->highest != b->highest) return a->highest < b->highest ? -1 : 1;
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    return a->size < b->size ? -1 : a->size > b->size;
}

/* Of nobody who is spared. */
static const struct held_price *remembered(struct work *work, struct memo *memo, size_t host,
                                           const struct held_ask *ask)
{
    if (!memo->known[host]) {
        struct held_ask all = *ask;
        all.spared = NULL;
        memo->prices[host] = price_of(work, host, &all);
        memo->known[host] = true;
    }
    return &memo->prices[host];
}

static bool is_spared(const struct work *work, const struct work_instance *i, const struct held_ask *ask)
{
    return ask->spared && i->farm == ask->farm && i->tier != NONE && i->rank != RANK_WARM &&
           ask->spared[i->tier - work->farms[i->farm].tier_first];
}

static struct memo *memo_of(struct work *work, const struct held_ask *ask)
{
    struct held *held = work->held;
    struct memo *memo = NULL;
    for (size_t m = 0; memo == NULL && m < held->memos_length; m++)
        if (held->memos[m].rank == ask->rank && held->memos[m].ceiling == ask->ceiling &&
            memcmp(&held->memos[m].size, &ask->size, sizeof(ask->size)) == 0)
            memo = &held->memos[m];
    if (memo == NULL) {
        bool full = held->memos_length == MEMOS;
        memo = &held->memos[full ? held->memo_next++ % MEMOS : held->memos_length++];
        memo->size = ask->size;
        memo->rank = ask->rank;
        memo->ceiling = ask->ceiling;
        if (memo->hosts_capacity) memset(memo->known, 0, memo->hosts_capacity);
        if (memo->groups_capacity) memset(memo->best, 0, memo->groups_capacity * sizeof(*memo->best));
    }
    if (memo->hosts_capacity < work->hosts_length || memo->groups_capacity < work->room->groups_length)
        make_room(work, memo);
    return memo;
}

static void make_room(const struct work *work, struct memo *memo)
{
    size_t hosts = work->hosts_capacity, groups = work->room->groups_capacity;
    memo->prices = mem_realloc_array(memo->prices, hosts, sizeof(*memo->prices));
    memo->known = mem_realloc_array(memo->known, hosts, sizeof(*memo->known));
    memo->best = mem_realloc_array(memo->best, groups, sizeof(*memo->best));
    memset(memo->known + memo->hosts_capacity, 0, hosts - memo->hosts_capacity);
    memset(memo->best + memo->groups_capacity, 0, (groups - memo->groups_capacity) * sizeof(*memo->best));
    memo->hosts_capacity = hosts;
    memo->groups_capacity = groups;
}

/* Leaves those that go marked among the candidates. The lowest rank below which all together are enough is
 * exact; among those, who covers most goes first, and nobody goes whom the others make needless. One that
 * is enough alone is always found; of several the least number is not sought (it would be a knapsack). */
static struct held_price price_of(struct work *work, size_t host, const struct held_ask *ask)
{
    const struct amount *size = &ask->size;
    const struct work_host *h = &work->hosts[host];
    struct held *held = work->held;
    struct amount lack, left;

    held->candidates_length = 0;
    if (!lack_of(h, size, &lack)) {
        for (size_t d = 0; d < DIMENSIONS; d++)
            left.of[d] = size->of[d] - lack.of[d];
        return (struct held_price){HELD_NOBODY, 0, tightest(work->room, &left, size)};
    }
    if (ask->rank == HELD_NOBODY || !gather(work, h, ask, lack))
        return (struct held_price){.highest = HELD_IMPOSSIBLE};
    size_t length = least_ranks(held, lack);
    struct held_price price = {.highest = held->candidates[length - 1].rank};
    choose(work->room, held, length, lack);
    spare(held, length, lack);
    for (size_t c = 0; c < length; c++) {
        if (!held->candidates[c].taken) continue;
        price.count++;
        price.size += held->candidates[c].weight;
    }
    return price;
}

/* What the size lacks there once all that is on its way out is gone; below 0: it is left over. False: nothing
 * lacks. */
static bool lack_of(const struct work_host *host, const struct amount *size, struct amount *ret_lack)
{
    bool lacks = false;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        ret_lack->of[d] = size->of[d] - (host->total.of[d] - host->used.of[d] - host->promised.of[d] -
                                         host->owed.of[d] + host->coming.of[d]);
        lacks |= size->of[d] > 0 && ret_lack->of[d] > 0;
        if (size->of[d] == 0 && ret_lack->of[d] > 0) ret_lack->of[d] = 0;
    }
    return lacks;
}

/* All that may go; false: even together they are not enough. */
static bool gather(struct work *work, const struct work_host *host, const struct held_ask *ask,
                   struct amount lack)
{
    struct held *held = work->held;
    bool enough = false;
    for (size_t n = 0; n < host->instances.length; n++) {
        size_t instance = host->instances.items[n];
        const struct work_instance *i = &work->instances[instance];
        if (i->rank >= ask->rank || i->ceiling >= ask->ceiling || instance_leaving(i->record)) continue;
        if (is_spared(work, i, ask)) continue;
        if (held->candidates_length == held->candidates_capacity) {
            held->candidates_capacity = held->candidates_capacity ? 2 * held->candidates_capacity : 64;
            held->candidates =
                mem_realloc_array(held->candidates, held->candidates_capacity, sizeof(*held->candidates));
        }
        struct amount size = amount_of(&i->record->size);
        held->candidates[held->candidates_length++] =
            (struct candidate){.rank = i->rank,
                               .weight = weight_of(work->room, &size),
                               .size = size,
                               .name = i->record->name,
                               .instance = instance};
        enough = takes(&lack, &size);
    }
    return enough;
}

/* Sorts them, and says how many of the lowest ranks (each rank whole) are enough. */
static size_t least_ranks(struct held *held, struct amount lack)
{
    size_t length = 0;
    array_sort(held->candidates, held->candidates_length, sizeof(*held->candidates), compare_candidates);
    while (!takes(&lack, &held->candidates[length].size))
        length++;
    int32_t highest = held->candidates[length].rank;
    while (length < held->candidates_length && held->candidates[length].rank == highest)
        length++;
    return length;
}

static void choose(const struct room *room, struct held *held, size_t length, struct amount lack)
{
    for (bool enough = false; !enough;) {
        size_t best = 0;
        int64_t most = -1;
        for (size_t c = 0; c < length; c++) {
            const struct candidate *candidate = &held->candidates[c];
            struct amount covers = candidate->size;
            if (candidate->taken) continue;
            for (size_t d = 0; d < DIMENSIONS; d++) {
                if (covers.of[d] > lack.of[d]) covers.of[d] = lack.of[d];
                if (covers.of[d] < 0) covers.of[d] = 0;
            }
            int64_t weight = weight_of(room, &covers);
            if (weight < most || (weight == most && candidate->weight >= held->candidates[best].weight))
                continue;
            best = c;
            most = weight;
        }
        held->candidates[best].taken = true;
        enough = takes(&lack, &held->candidates[best].size);
    }
}

/* The most important and largest stay first. */
static void spare(struct held *held, size_t length, struct amount lack)
{
    bool enough = false;
    for (size_t c = 0; c < length; c++)
        if (held->candidates[c].taken) (void)takes(&lack, &held->candidates[c].size);
    for (size_t c = length; c > 0; c--) {
        struct candidate *candidate = &held->candidates[c - 1];
        struct amount without = lack;
        if (!candidate->taken) continue;
        for (size_t d = 0; d < DIMENSIONS; d++)
            without.of[d] += candidate->size.of[d];
        enough = true;
        for (size_t d = 0; d < DIMENSIONS; d++)
            enough &= without.of[d] <= 0;
        if (!enough) continue;
        candidate->taken = false;
        lack = without;
    }
}

/* Whether nothing lacks any more. */
static bool takes(struct amount *lack, const struct amount *size)
{
    bool enough = true;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        lack->of[d] -= size->of[d];
        enough &= lack->of[d] <= 0;
    }
    return enough;
}

/* In parts of the largest host, all dimensions together. */
static int64_t weight_of(const struct room *room, const struct amount *size)
{
    int64_t weight = 0;
    for (size_t d = 0; d < DIMENSIONS; d++)
        weight += part_of(room, d, size->of[d]);
    return weight;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->weight != y->weight) return x->weight < y->weight ? -1 : 1;
    return text_compare_natural(x->name, y->name);
}

/* What is left of the room in the tightest dimension that the size asks for, when it is placed there. */
static int64_t tightest(const struct room *room, const struct amount *free, const struct amount *size)
{
    int64_t least = INT64_MAX;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (size->of[d] == 0 || free->of[d] > UNCOUNTED / 2) continue;
        int64_t part = part_of(room, d, free->of[d] - size->of[d]);
        if (part < least) least = part;
    }
    return least;
}

/* In parts of the largest host's, of which it has 2^40. */
static int64_t part_of(const struct room *room, size_t dimension, int64_t amount)
{
    return (int64_t)((double)amount * room->unit[dimension] * (double)(1LL << 40));
}
