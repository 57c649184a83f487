/* Searches in a snapshot, whose arrays are sorted by name. */
#ifndef CROFT_PLAN_DOCUMENT_FIND_H
#define CROFT_PLAN_DOCUMENT_FIND_H

#include "plan/plan.h"

/* NULL when there is none of the name. */
const struct host_fact *find_host_fact(const struct snapshot *snapshot, const char *name);
const struct party *find_party(const struct snapshot *snapshot, const char *name);
const struct farm *find_farm(const struct snapshot *snapshot, const char *full_name);
const struct farm_fact *find_farm_fact(const struct snapshot *snapshot, const char *name);
/* The instances of a farm stand together: the first, and how many. */
const struct instance *find_instances(struct arena *arena, const struct snapshot *snapshot, const char *farm,
                                      size_t *ret_length);
/* On a host that is known to run nothing. */
bool find_is_lost(const struct snapshot *snapshot, const struct instance *instance);
/* The tier, the balancer's included; NULL when the farm has none of the name. */
const struct tier *find_tier(struct arena *arena, const struct farm *farm, const char *name);

#endif
