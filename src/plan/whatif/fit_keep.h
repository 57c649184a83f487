/* Room that pools keep (Pool.survive), as the planner keeps it (place/keep.h), for `fit`: new ones are
 * refused where a pool's free room, less slivers, would be less than all that its largest unit offers. */
#ifndef CROFT_PLAN_WHATIF_FIT_KEEP_H
#define CROFT_PLAN_WHATIF_FIT_KEEP_H

#include "plan/whatif/fleet.h"

struct fit_keep;

/* size: what is asked for. NULL: no pool keeps room. */
struct fit_keep *fit_keep_new(struct arena *arena, const struct fleet *fleet, const struct snapshot *snapshot,
                              const struct fleet_size *size);
/* None of the new ones is placed. NULL is fine here and below. */
void fit_keep_begin(struct fit_keep *keep);
/* Places one on the host, which has so much free. False: its pool takes no more, from now on. */
MUST_CHECK bool fit_keep_take(struct fit_keep *keep, size_t host, const struct fleet_size *free);

/* The dimension for want of which the most hosts were refused; ties: the given one, or the first. */
size_t fit_keep_scarce(const struct fit_keep *keep, size_t dimension);

#endif
