/* Leases that end or are given in a question, and what follows for farms. */
#ifndef CROFT_PLAN_WHATIF_LEASES_H
#define CROFT_PLAN_WHATIF_LEASES_H

#include "plan/whatif/whatif.h"
#include "plan/whatif/world.h"

/* The lease of that NAME ("lease/studio") ends. ERROR_NOT_FOUND: there is none; the message has the nearest.
 * ERROR_REFUSED: it has ended already. */
MUST_CHECK bool leases_end(const struct planner *planner, struct arena *arena, struct world *world,
                           const char *name, struct error *err);
/* As the controller does after a change of a lease or a party (control/leases.c): farms of parties without a
 * lease in force are repossessed, those of who has one again may run. Nothing when no such document changed
 * in the world. Looks at every farm. */
void leases_settle(const struct planner *planner, struct arena *arena, struct world *world);
/* Those that were active before and are not any more, sorted. */
const char **leases_ended(const struct planner *planner, struct arena *arena, const struct world *world,
                          size_t *ret_length);

#endif
