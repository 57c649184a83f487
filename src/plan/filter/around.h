/* What has to be known to judge one filter, out of a grid with any number of others. Pure. */
#ifndef CROFT_PLAN_FILTER_AROUND_H
#define CROFT_PLAN_FILTER_AROUND_H

#include "base/mem.h"
#include "plan/planner.h"

/* What a text brings, in place of what the planner knows by the same names. */
struct around_news {
    const struct party *const *parties;
    size_t parties_length;
    const struct filter *const *filters;
    size_t filters_length;
};

/* Does filter_around() do for it? Not for one that is on a party: it meets what is on any farm below. */
bool filter_around_does(const struct filter *filter);
/* A snapshot of parties and filters only: those above the filter's party and above the farm's, and what may
 * govern in the farm. filter_fits() says the same there as in the whole grid. news may be NULL. */
struct snapshot filter_around(struct arena *arena, const struct planner *planner,
                              const struct around_news *news, const struct filter *filter);

#endif
