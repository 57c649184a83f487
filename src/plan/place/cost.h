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
    COST_TOP = 16,       /* so many of the best hosts are remembered */
};

/* README.md, Where, says what these do and how they were found; the other ones are in cost.c. */
#define COST_EMPTY 2.0
#define COST_WHOLE (1 - 1e-9)
#define COST_UNCOUNTED (INT64_MAX / 4) /* what a host has of what nobody measured */

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
/* Of the size on a host that has so much free: the least is best. Below 0: it does not fit. Inline, since
 * searches ask it of every host. */
static inline double cost_of(const struct cost_measure *measure, const int64_t free[COST_DIMENSIONS],
                             const double inverse[COST_DIMENSIONS], const int64_t size[COST_DIMENSIONS])
{
    double rest = 0, product = 0, free_square = 0, size_square = 0;
    bool empty = true;

    for (size_t d = 0; d < COST_DIMENSIONS; d++) {
        int64_t left = free[d] - size[d];
        if (PLANTED(quota_off_by_one) && left < 0 && left + size[d] >= 0) left = 0; /* one too many */
        if (left < 0 && size[d] > 0) return -1;
        if (!measure->scarce[d] || inverse[d] == 0) continue;
        double whole = (double)free[d] * inverse[d];
        double part = (double)size[d] * inverse[d];
        rest += (double)left * measure->unit[d];
        product += whole * part;
        free_square += whole * whole;
        size_square += part * part;
        empty &= whole > COST_WHOLE;
    }
    double squares = free_square * size_square;
    double aside = squares > 0 ? 1 - product / sqrt(squares) : 0;
    return (rest > 0 ? rest : 0) + (empty ? COST_EMPTY : 0) + (aside > 0 ? measure->aside * aside : 0);
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
