#include "plan/admit/pack.h"

#include "base/vec.h"

#include <math.h>
#include <string.h>

/* Like hosts that hold the same by now. */
struct bin {
    size_t group; /* whose zone it is in, while that matters */
    struct fleet_size free;
    int64_t count;
};

/* Where the next goes of what may stand anywhere, and how many at once. */
enum way {
    WAY_TIGHT,  /* the fullest host, as many as fit: first fit, decreasing */
    WAY_ALIKE,  /* the one whose free room has the direction of the size, one at a time (Tetris:
                 * plan/README.md)
                 */
    WAY_SPREAD, /* the emptiest, one at a time */
};

struct turn {
    enum way way;
    bool apart_first; /* before what may stand anywhere; else the largest is first */
};

struct
try {
    const struct left *left;
    const struct left_group *groups;
    struct turn turn;
    struct vec bins;               /* struct bin */
    size_t merged;                 /* so many bins there were when like ones were made one */
    double unit[FLEET_DIMENSIONS]; /* 1 / sum over all hosts */
    uint32_t *zones;               /* the item + 1 that has one there */
};

enum rank { RANK_ZONES, RANK_APART, RANK_FREE };

struct order {
    size_t item;
    double share; /* of all, in the dimension in which it asks most */
    enum rank rank;
};

static bool try_turn(struct try *try, const struct pack_item *items, struct order *orders, size_t length,
                     struct pack_rest *ret_rest);
static void rank(const struct try *try, const struct pack_item *items, struct order *orders, size_t length);
static void fill(struct try *try);
static void merge(struct try *try);
static int64_t place_apart(struct try *try, const struct pack_item *item, size_t number);
static int64_t place_free(struct try *try, const struct pack_item *item);
static void take(struct try *try, size_t at, const struct fleet_size *size, int64_t hosts, int64_t each);
static size_t best_bin(const struct try *try, const struct fleet_size *size);
static bool fits(const struct bin *bin, const struct fleet_size *size);
static double worth(const struct try *try, const struct bin *bin, const struct fleet_size *size);
static int64_t slots(const struct bin *bin, const struct fleet_size *size, int64_t most);
static uint32_t *zone_of(const struct try *try, const struct bin *bin, int level);
static int compare_orders(const void *a, const void *b);
static int compare_bins(const void *a, const void *b);

bool pack_fits(struct arena *arena, const struct left *left, const struct left_group *groups,
               const struct pack_item *items, size_t items_length, struct pack_rest *ret_rest)
{
    static const struct turn turns[] = {
        {WAY_TIGHT, true}, {WAY_TIGHT, false}, {WAY_ALIKE, false}, {WAY_SPREAD, true}};
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
    for (size_t t = 0; t < LENGTH(turns) && !good; t++) {
        struct pack_rest rest = {0};
        try.turn = turns[t];
        rank(&try, items, orders, items_length);
        good = try_turn(&try, items, orders, items_length, &rest);
        if (t == 0 || rest.count < best.count) best = rest;
    }
    vec_free(&try.bins);
    if (!good) *ret_rest = best;
    return good;
}

/* In which order they are placed. Those that zones keep apart are first: afterwards it does not matter any
 * more where a host stands, and there are few kinds of them. */
static void rank(const struct try *try, const struct pack_item *items, struct order *orders, size_t length)
{
    for (size_t n = 0; n < length; n++) {
        struct order *order = &orders[n];
        *order = (struct order){.item = n, .rank = RANK_FREE};
        if (items[n].apart == FLEET_APART_HOST && try->turn.apart_first)
            order->rank = RANK_APART;
        else if (items[n].apart >= 0)
            order->rank = RANK_ZONES;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
            double share = (double)items[n].size.of[d] * try->unit[d];
            if (share > order->share) order->share = share;
        }
    }
    array_sort(orders, length, sizeof(*orders), compare_orders);
}

/* What is left over of the first that finds no room is what there is to say. */
static bool try_turn(struct try *try, const struct pack_item *items, struct order *orders, size_t length,
                     struct pack_rest *ret_rest)
{
    fill(try);
    for (size_t n = 0; n < length; n++) {
        const struct pack_item *item = &items[orders[n].item];
        bool zones_end = orders[n].rank != RANK_ZONES && (n == 0 || orders[n - 1].rank == RANK_ZONES);
        if (zones_end || (orders[n].rank != RANK_ZONES && try->bins.length > 2 * try->merged + 64))
            merge(try);
        int64_t rest =
            item->apart == FLEET_APART_NOT ? place_free(try, item) : place_apart(try, item, orders[n].item);
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

/* Hosts that have the same free are one kind, wherever they stand; the fullest come first. */
static void merge(struct try *try)
{
    struct bin *bins = try->bins.items;
    size_t length = 0;

    vec_sort(&try->bins, compare_bins);
    for (size_t n = 0; n < try->bins.length; n++) {
        if (length > 0 && compare_bins(&bins[length - 1], &bins[n]) == 0)
            bins[length - 1].count += bins[n].count;
        else
            bins[length++] = bins[n];
    }
    try->bins.length = try->merged = length;
}

/* First fit, at most one a host or zone. Returns how many found no room. */
static int64_t place_apart(struct try *try, const struct pack_item *item, size_t number)
{
    size_t length = try->bins.length; /* what is added is what remains of those that took one */
    int64_t rest = item->count;

    for (size_t n = 0; n < length && rest > 0; n++) {
        const struct bin *bin = vec_at(&try->bins, n);
        int64_t hosts = bin->count < rest ? bin->count : rest;
        if (!fits(bin, &item->size)) continue;
        if (item->apart != FLEET_APART_HOST) {
            uint32_t *zone = zone_of(try, bin, item->apart);
            if (*zone == (uint32_t)number + 1) continue;
            *zone = (uint32_t)number + 1;
            hosts = 1;
        }
        take(try, n, &item->size, hosts, 1);
        rest -= hosts;
    }
    return rest;
}

static int64_t place_free(struct try *try, const struct pack_item *item)
{
    int64_t rest = item->count;

    while (rest > 0) {
        size_t at = best_bin(try, &item->size);
        if (at == SIZE_MAX) break;
        const struct bin *bin = vec_at(&try->bins, at);
        int64_t each = try->turn.way == WAY_TIGHT ? slots(bin, &item->size, rest) : 1;
        int64_t hosts = rest / each < bin->count ? rest / each : bin->count;
        take(try, at, &item->size, hosts, each);
        rest -= hosts * each;
    }
    return rest;
}

/* So many of like hosts get so many each, which leaves them like each other, and in front of the others. */
static void take(struct try *try, size_t at, const struct fleet_size *size, int64_t hosts, int64_t each)
{
    struct bin *bin = vec_at(&try->bins, at);
    struct bin others = *bin;

    bin->count = hosts;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        bin->free.of[d] -= each * size->of[d];
    others.count -= hosts;
    if (others.count > 0) *(struct bin *)vec_push(&try->bins) = others;
}

static size_t best_bin(const struct try *try, const struct fleet_size *size)
{
    const struct bin *bins = try->bins.items;
    size_t best = SIZE_MAX;
    double best_worth = 0;

    for (size_t n = 0; n < try->bins.length; n++) {
        if (!fits(&bins[n], size)) continue;
        double here = worth(try, &bins[n], size);
        if (best != SIZE_MAX && here <= best_worth) continue;
        best = n;
        best_worth = here;
    }
    return best;
}

static bool fits(const struct bin *bin, const struct fleet_size *size)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (size->of[d] > bin->free.of[d]) return false;
    return true;
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
    if (try->turn.way == WAY_SPREAD) return sum;
    if (try->turn.way == WAY_TIGHT) return -sum;
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

/* The largest first; ties go by place. */
static int compare_orders(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->share < y->share || x->share > y->share) return x->share > y->share ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static int compare_bins(const void *a, const void *b)
{
    const struct bin *x = a, *y = b;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (x->free.of[d] != y->free.of[d]) return x->free.of[d] < y->free.of[d] ? -1 : 1;
    return 0;
}
