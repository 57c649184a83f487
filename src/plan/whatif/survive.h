/* How many further losses of a kind a grid takes without losing an instance. */
#ifndef CROFT_PLAN_WHATIF_SURVIVE_H
#define CROFT_PLAN_WHATIF_SURVIVE_H

#include "plan/whatif/ledger.h"
#include "plan/whatif/whatif.h"

/* Of each kind, WHATIF_HOST and so on. The grid should have settled (world_settle()). The planner is as
 * before afterwards. */
void survive(struct planner *planner, const struct ledger *ledger, int64_t now_ms,
             struct whatif_survival ret_survives[WHATIF_KINDS]);

/* Something that ran before the world's changes does not any more, and should. */
bool survive_lost(const struct world *world, const struct planner *planner);

#endif
