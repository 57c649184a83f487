/* How dear it is to place something on a host (src/plan/README.md, Where), on plain numbers: for the planner
 * (room.h) and for those that foretell what it does (whatif/fleet.h). The only place that knows the rule. */
#ifndef CROFT_PLAN_PLACE_COST_H
#define CROFT_PLAN_PLACE_COST_H

#include "base/planted.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COST_DIMENSIONS = 4, /* cpus (milli), memory, disk (bytes), network (bit/s), as in struct resources */
    COST_PAIRS = COST_DIMENSIONS / 2 * (COST_DIMENSIONS / 2), /* there are no more */
    COST_TOP = 16,                                            /* so many of the best hosts are remembered */
};

/* README.md, Where, says what these do and how they were found; the other ones are in cost.c. */
#define COST_EMPTY 2.0
#define COST_SHORT 0.4
#define COST_WHOLE (1 - 1e-9)
#define COST_UNCOUNTED (INT64_MAX / 4) /* what a host has of what nobody measured */

/* A scarce dimension and one that is not, though it may be on some hosts: with so much left of the first,
 * `with` times that is what farms ask of the other on average, rounded down. */
struct cost_pair {
    size_t scarce, other;
    double with;
};

/* What costs are measured in, by all usable hosts and all that is asked for. Zeroes are a measure of nothing.
 */
struct cost_measure {
    int64_t largest[COST_DIMENSIONS];       /* of any usable host: what sizes are measured in */
    size_t largest_length[COST_DIMENSIONS]; /* so many hosts are that large */
    double unit[COST_DIMENSIONS];           /* 1 / largest; 0: nobody has any */
    bool weighed;                           /* these three are right */
    /* What farms ask and usable hosts offer, in cores and MiB (rounded up), and the dimensions that are
     * scarce by that: where hosts should not be left with room in one and none in another. */
    int64_t demand[COST_DIMENSIONS], offer[COST_DIMENSIONS];
    bool scarce[COST_DIMENSIONS];
    struct cost_pair pairs[COST_PAIRS];
    size_t pairs_length;
    double aside; /* weight of what would be left without a use: more when much of the room is asked for */
};

/* A usable host with this total is there (sign 1), or no more (-1). */
void cost_offer(struct cost_measure *measure, const int64_t total[COST_DIMENSIONS], int sign);
/* So many more of the size are asked for; below 0: fewer. */
void cost_demand(struct cost_measure *measure, const int64_t size[COST_DIMENSIONS], int64_t count);
/* When not `weighed`, all usable hosts have to be seen again: cost_weigh_again(), cost_see() for each, and
 * cost_weigh_end(). */
void cost_weigh_again(struct cost_measure *measure);
void cost_see(struct cost_measure *measure, const int64_t total[COST_DIMENSIONS]);
void cost_weigh_end(struct cost_measure *measure);
/* Finds what is scarce, and the weight. False: not as it was, so that costs are others now. */
bool cost_find_scarce(struct cost_measure *measure);

/* 1 / total; 0: the host has none, or it is not counted. */
void cost_invert(const int64_t total[COST_DIMENSIONS], double ret_inverse[COST_DIMENSIONS]);
/* The largest part of the host by which a dimension falls behind what goes with a scarce one. An empty host
 * is never short. For cost_of(). */
static inline double cost_short(const struct cost_measure *measure, const double left[COST_DIMENSIONS],
                                const double inverse[COST_DIMENSIONS])
{
    double most = 0;

    for (size_t n = 0; n < measure->pairs_length; n++) {
        const struct cost_pair *pair = &measure->pairs[n];
        double part = left[pair->scarce] * inverse[pair->scarce];
        double with = pair->with * left[pair->scarce] * inverse[pair->other];
        double lacks = (with < part ? with : part) - left[pair->other] * inverse[pair->other];
        if (lacks > most && inverse[pair->other] > 0) most = lacks;
    }
    return most;
}

/* Of the size on a host that has so much free: the least is best. Below 0: it does not fit. Inline, since
 * searches ask it of every host. */
static inline double cost_of(const struct cost_measure *measure, const int64_t free[COST_DIMENSIONS],
                             const double inverse[COST_DIMENSIONS], const int64_t size[COST_DIMENSIONS])
{
    double rest = 0, product = 0, free_square = 0, size_square = 0, left[COST_DIMENSIONS];
    bool empty = true;

    for (size_t d = 0; d < COST_DIMENSIONS; d++) {
        int64_t after = free[d] - size[d];
        if (PLANTED(quota_off_by_one) && after < 0 && after + size[d] >= 0) after = 0; /* one too many */
        if (after < 0 && size[d] > 0) return -1;
        left[d] = (double)after;
        if (!measure->scarce[d] || inverse[d] == 0) continue;
        double whole = (double)free[d] * inverse[d];
        double part = (double)size[d] * inverse[d];
        rest += left[d] * measure->unit[d];
        product += whole * part;
        free_square += whole * whole;
        size_square += part * part;
        empty &= whole > COST_WHOLE;
    }
    double squares = free_square * size_square;
    double aside = squares > 0 ? 1 - product / sqrt(squares) : 0;
    double unused =
        (aside > 0 ? aside : 0) * (empty ? 2 : 1) + COST_SHORT * cost_short(measure, left, inverse);
    return (rest > 0 ? rest : 0) + (empty ? COST_EMPTY : 0) + measure->aside * unused;
}

struct cost_place {
    size_t at; /* a host by the order of names: the first of equals is better */
    double cost;
};

/* The best of some hosts for a size, the best first. Searched (cost_top_add() for each, from length 0) and
 * without any: it fits nowhere. */
struct cost_top {
    size_t length;
    struct cost_place places[COST_TOP];
};

void cost_top_insert(struct cost_top *top, size_t at, double cost); /* for cost_top_add() */

static inline void cost_top_add(struct cost_top *top, size_t at, double cost)
{
    if (cost < 0 || (top->length == COST_TOP && cost > top->places[COST_TOP - 1].cost)) return;
    cost_top_insert(top, at, cost);
}

/* One host has another cost. False: which are best now, only a search can tell. */
bool cost_top_change(struct cost_top *top, size_t at, double cost);

#endif
