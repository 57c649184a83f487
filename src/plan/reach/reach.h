/* Who may open a connection to whom in a farm: from `allow`, and from what a balancer balances. */
#ifndef CROFT_PLAN_REACH_REACH_H
#define CROFT_PLAN_REACH_REACH_H

#include "plan/plan.h"

/* The farm's rules, each once. Probes come from the gateway, which is the host itself, and need none. */
const struct farm_rule *reach_rules(struct arena *arena, const struct farm *farm, size_t *ret_length);

#endif
