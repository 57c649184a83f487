/* What the NAMEs of a question mean. */
#ifndef CROFT_PLAN_WHATIF_NAMES_H
#define CROFT_PLAN_WHATIF_NAMES_H

#include "base/error.h"
#include "base/vec.h"
#include "plan/planner.h"

/* Adds the hosts and instances that the NAME means; the maps' keys are their names. ERROR_NOT_FOUND: it means
 * nothing here; the message has the nearest that does. ret_instances NULL: an instance cannot be asked for.
 */
MUST_CHECK bool names_find(const struct planner *planner, const char *name, struct map *ret_hosts,
                           struct map *ret_instances, struct error *err);

/* The lease of "lease/NAME"; else as names_find(). */
MUST_CHECK bool names_find_lease(const struct planner *planner, const char *name,
                                 const struct lease **ret_lease, struct error *err);

/* "east/b1" holds "east/b1" and "east/b1/r1". */
bool names_zone_holds(const char *zone, const char *path);

#endif
