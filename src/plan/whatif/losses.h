/* Losses one after the other, tried on numbers instead of on the planner: a placement costs a search, not an
 * action with its reason and record. */
#ifndef CROFT_PLAN_WHATIF_LOSSES_H
#define CROFT_PLAN_WHATIF_LOSSES_H

#include "plan/whatif/fleet.h"

struct losses;

/* The fleet is in a try until losses_end(), which leaves it as it was. */
struct losses *losses_begin(struct arena *arena, struct fleet *fleet);
void losses_end(struct losses *losses);
/* Loses these hosts (indices into fleet->hosts), too, and places all that is on them by rank, as recovery
 * steps 1 to 3 do. False: something finds no room so; whether others would yield to it, only the planner
 * knows. */
MUST_CHECK bool losses_add(struct losses *losses, const size_t *hosts, size_t length);

#endif
