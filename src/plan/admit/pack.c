#include "plan/admit/pack.h"

#include "base/vec.h"

#include <math.h>
#include <string.h>

/* Like hosts that hold the same by now. */
struct bin {
    size_t group;
    struct fleet_size free;
    int64_t count;
    size_t seen; /* the item + 1 of which each of them has one, if that has to stand apart */
};

/* Which host is next, and how many go there at once. */
enum way {
    WAY_TIGHT,  /* the fullest, as many as fit: first fit, decreasing */
    WAY_ALIKE,  /* the one whose free room has the direction of the size, one at a time (Tetris:
                   plan/README.md) */
    WAY_SPREAD, /* the emptiest, one at a time */
    WAYS
};

struct
try {
    const struct left *left;
    const struct left_group *groups;
    struct vec bins;               /* struct bin */
    double unit[FLEET_DIMENSIONS]; /* 1 / sum over all hosts */
    enum way way;
    uint32_t *zones; /* the item + 1 that has one there */
};

struct order {
    size_t item;
    double share; /* of all, in the dimension in which it asks most */
    bool apart;
};

static bool try_way(struct try *try, const struct pack_item *items, const struct order *orders, size_t length,
                    struct pack_rest *ret_rest);
static void fill(struct try *try);
static int64_t place(struct try *try, const struct pack_item *item, size_t number);
static int64_t place_some(struct try *try, const struct pack_item *item, size_t number, int64_t count);
static size_t best_bin(const struct try *try, const struct pack_item *item, size_t number);
static bool may_take(const struct try *try, const struct bin *bin, const struct pack_item *item,
                     size_t number);
static double worth(const struct try *try, const struct bin *bin, const struct fleet_size *size);
static int64_t slots(const struct bin *bin, const struct fleet_size *size, int64_t most);
static uint32_t *zone_of(const struct try *try, const struct bin *bin, int level);
static int compare_apart(const void *a, const void *b);
static int compare_shares(const void *a, const void *b);

bool pack_fits(struct arena *arena, const struct left *left, const struct left_group *groups,
               const struct pack_item *items, size_t items_length, struct pack_rest *ret_rest)
{
    struct try try = {.left = left, .groups = groups, .bins = VEC_OF(struct bin)};
    struct order *orders = arena_alloc_array(arena, items_length + 1, sizeof(*orders));
    struct pack_rest best = {0};
    bool good = false;

    try.zones = arena_alloc_array(arena, left->zones_length + 1, sizeof(*try.zones));
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        int64_t all = 0;
        for (size_t n = 0; n < left->groups_length && !left->uncounted[d]; n++)
            all = left_plus(all, left_times(groups[n].each.of[d], groups[n].count));
        try.unit[d] = all > 0 ? 1 / (double)all : 0;
    }
    for (size_t n = 0; n < items_length; n++) {
        orders[n] = (struct order){.item = n, .apart = items[n].apart != FLEET_APART_NOT};
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
            double share = (double)items[n].size.of[d] * try.unit[d];
            if (share > orders[n].share) orders[n].share = share;
        }
    }
    for (int turn = 0; turn < 2 * WAYS && !good; turn++) {
        struct pack_rest rest = {0};
        try.way = (enum way)(turn / 2);
        array_sort(orders, items_length, sizeof(*orders), turn % 2 == 0 ? compare_apart : compare_shares);
        good = try_way(&try, items, orders, items_length, &rest);
        if (turn == 0 || rest.count < best.count) best = rest;
    }
    vec_free(&try.bins);
    if (!good) *ret_rest = best;
    return good;
}

/* What is left over of the first that finds no room is what there is to say. */
static bool try_way(struct try *try, const struct pack_item *items, const struct order *orders, size_t length,
                    struct pack_rest *ret_rest)
{
    fill(try);
    for (size_t n = 0; n < length; n++) {
        int64_t rest = place(try, &items[orders[n].item], orders[n].item);
        if (rest == 0) continue;
        *ret_rest = (struct pack_rest){orders[n].item, rest};
        return false;
    }
    return true;
}

static void fill(struct try *try)
{
    vec_clear(&try->bins);
    memset(try->zones, 0, try->left->zones_length * sizeof(*try->zones));
    for (size_t n = 0; n < try->left->groups_length; n++)
        if (try->groups[n].count > 0)
            *(struct bin *)vec_push(&try->bins) =
                (struct bin){.group = n, .free = try->groups[n].each, .count = try->groups[n].count};
}

/* Returns how many found no room. */
static int64_t place(struct try *try, const struct pack_item *item, size_t number)
{
    int64_t rest = item->count;

    while (rest > 0) {
        int64_t placed = place_some(try, item, number, rest);
        if (placed == 0) break;
        rest -= placed;
    }
    return rest;
}

/* Some of so many on like hosts: all of these hosts get the same, which leaves them like each other. */
static int64_t place_some(struct try *try, const struct pack_item *item, size_t number, int64_t count)
{
    size_t at = best_bin(try, item, number);
    if (at == SIZE_MAX) return 0;
    struct bin *bin = vec_at(&try->bins, at);
    bool apart = item->apart != FLEET_APART_NOT;
    int64_t each = apart || try->way != WAY_TIGHT ? 1 : slots(bin, &item->size, count);
    int64_t hosts = count / each;
    if (hosts > bin->count) hosts = bin->count;
    if (apart && item->apart != FLEET_APART_HOST) {
        *zone_of(try, bin, item->apart) = (uint32_t)number + 1;
        hosts = 1;
    }
    struct bin more = *bin;
    more.count = hosts;
    more.seen = number + 1;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        more.free.of[d] -= each * item->size.of[d];
    if (hosts == bin->count) {
        *bin = more;
    } else {
        bin->count -= hosts;
        *(struct bin *)vec_push(&try->bins) = more;
    }
    return hosts * each;
}

static size_t best_bin(const struct try *try, const struct pack_item *item, size_t number)
{
    size_t best = SIZE_MAX;
    double best_worth = 0;

    for (size_t n = 0; n < try->bins.length; n++) {
        const struct bin *bin = vec_at(&try->bins, n);
        if (!may_take(try, bin, item, number)) continue;
        double here = worth(try, bin, &item->size);
        if (best != SIZE_MAX && here <= best_worth) continue;
        best = n;
        best_worth = here;
    }
    return best;
}

static bool may_take(const struct try *try, const struct bin *bin, const struct pack_item *item,
                     size_t number)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (item->size.of[d] > bin->free.of[d]) return false;
    if (item->apart == FLEET_APART_NOT) return true;
    if (item->apart == FLEET_APART_HOST) return bin->seen != number + 1;
    return *zone_of(try, bin, item->apart) != (uint32_t)number + 1;
}

/* Sums of what is free of all, and the cosine between it and the size. */
static double worth(const struct try *try, const struct bin *bin, const struct fleet_size *size)
{
    double sum = 0, square = 0, product = 0;

    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        double free = (double)bin->free.of[d] * try->unit[d];
        sum += free;
        square += free * free;
        product += free * (double)size->of[d] * try->unit[d];
    }
    if (try->way == WAY_SPREAD) return sum;
    if (try->way == WAY_TIGHT) return -sum;
    return square > 0 ? product / sqrt(square) : 0;
}

static int64_t slots(const struct bin *bin, const struct fleet_size *size, int64_t most)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        int64_t here = size->of[d] > 0 ? bin->free.of[d] / size->of[d] : most;
        if (here < most) most = here;
    }
    return most;
}

static uint32_t *zone_of(const struct try *try, const struct bin *bin, int level)
{
    const struct left_group *group = &try->groups[bin->group];
    unsigned depth = (unsigned)level < group->depth ? (unsigned)level : group->depth - 1;
    return &try->zones[group->zones[depth]];
}

/* What has to stand apart first, then the largest; ties go by place. */
static int compare_apart(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->apart != y->apart) return x->apart ? -1 : 1;
    return compare_shares(a, b);
}

static int compare_shares(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->share < y->share || x->share > y->share) return x->share > y->share ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}
