/* The least number of hosts that any packing needs, by linear programming. */
#ifndef CROFT_PLAN_WHATIF_BOUND_H
#define CROFT_PLAN_WHATIF_BOUND_H

#include "plan/whatif/fleet.h"

struct bound_shape {
    struct fleet_size size; /* what such a host offers */
    int64_t count;          /* of them */
};

/* The least sum of (fractions of) hosts that together offer the demand in every dimension: no packing of
 * whole instances into whole hosts takes fewer. Below 0: all of them do not offer it. Shapes should be
 * distinct: the work grows with the square of their number. */
double bound_hosts(const struct bound_shape *shapes, size_t length, const struct fleet_size *demand);

#endif
