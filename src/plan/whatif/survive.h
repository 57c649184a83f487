/* How many further losses of a kind a grid takes without losing an instance. */
#ifndef CROFT_PLAN_WHATIF_SURVIVE_H
#define CROFT_PLAN_WHATIF_SURVIVE_H

#include "plan/whatif/ledger.h"
#include "plan/whatif/whatif.h"

/* The grid should have settled (world_settle()). kind: WHATIF_HOST and so on. The planner is as before
 * afterwards. */
struct whatif_survival survive(struct planner *planner, const struct ledger *ledger, int kind,
                               int64_t now_ms);

/* Something that ran before the world's changes does not any more, and should. */
bool survive_lost(const struct world *world, const struct planner *planner);

#endif
