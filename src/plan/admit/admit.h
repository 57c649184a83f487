/* Whether promises can be kept: what is committed to all farms fits the grid after the largest loss that has
 * to be survived, and what is guaranteed fits with the landlord's oversubscription. Pure. */
#ifndef CROFT_PLAN_ADMIT_ADMIT_H
#define CROFT_PLAN_ADMIT_ADMIT_H

#include "base/mem.h"
#include "model/state.h"

/* NULL: it may be. Else one sentence with the numbers and the mend, and *ret_farm is the farm of `after` that
 * asks for more than before. Judged are farms with a service level that are promised more in `after` than
 * in `before`; what was promised before is never refused, however little is left of the grid. Both are sorted
 * by name as struct snapshot says. Allocated in arena. O(hosts · log hosts + tiers), and a packing of O(sizes
 * · (groups of like hosts + sizes)). */
const char *admit_refusal(struct arena *arena, const struct snapshot *before, const struct snapshot *after,
                          const struct farm **ret_farm);

/* A text has to be read before it can say something of the grid: nothing is promised by this farm. */
bool admit_promises(const struct farm *farm);

#endif
