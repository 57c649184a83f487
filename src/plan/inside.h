/* What the files of this room know of a planner. */
#ifndef CROFT_PLAN_INSIDE_H
#define CROFT_PLAN_INSIDE_H

#include "plan/work.h"

struct planner {
    struct work work;
    struct arena *own; /* for names; NULL: somebody else's */
    size_t lengths[RECORD_KINDS];
    size_t balanced_length; /* farms that have a balancer */
};

#endif
