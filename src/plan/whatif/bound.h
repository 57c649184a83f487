/* The least number of hosts that any packing needs, by linear programming. */
#ifndef CROFT_PLAN_WHATIF_BOUND_H
#define CROFT_PLAN_WHATIF_BOUND_H

#include "plan/whatif/fleet.h"

struct bound_shape {
    struct fleet_size size; /* what such a host offers */
    int64_t count;          /* of them */
};

struct bound_size {
    struct fleet_size size; /* what an instance asks for */
    int64_t count;          /* of them */
};

/* The least sum of (fractions of) hosts on which (fractions of) the instances have room together, each size
 * on shapes into which one fits: no packing of whole instances into whole hosts takes fewer. Below 0: there
 * is no room for all. Shapes and sizes should be distinct: the work grows with the cube of their product. */
double bound_hosts(const struct bound_shape *shapes, size_t shapes_length, const struct bound_size *sizes,
                   size_t sizes_length);

#endif
