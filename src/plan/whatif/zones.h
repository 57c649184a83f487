/* The tree of zones, before and after, for the picture. */
#ifndef CROFT_PLAN_WHATIF_ZONES_H
#define CROFT_PLAN_WHATIF_ZONES_H

#include "plan/whatif/ledger.h"
#include "plan/whatif/whatif.h"

/* Each zone before what is below it, in the order of names. failed, drained: keys are names of hosts. */
const struct whatif_zone *zones_compare(struct arena *arena, const struct ledger *before,
                                        const struct ledger *after, const struct map *failed,
                                        const struct map *drained, size_t *ret_length);

#endif
