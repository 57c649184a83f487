/* States of the farms that a question touched, before and after. */
#ifndef CROFT_PLAN_WHATIF_FARMS_H
#define CROFT_PLAN_WHATIF_FARMS_H

#include "plan/whatif/whatif.h"
#include "plan/whatif/world.h"

/* Sorted by name: farms that have a document, and of which an instance, the document or the fact changed. A
 * farm that was not there before has the state "absent". Looks once at every instance. */
const struct whatif_farm *farms_compare(const struct planner *planner, struct arena *arena,
                                        const struct world *world, size_t *ret_length);

#endif
