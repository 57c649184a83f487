/* What sharing has to know of a grid, out of a planner that knows it. */
#ifndef CROFT_PLAN_SHARE_VIEW_H
#define CROFT_PLAN_SHARE_VIEW_H

#include "plan/planner.h"
#include "plan/share/share.h"

/* A tier that is sized by its load: what only the asker knows of it, as in struct share_tier. */
struct share_ask {
    const char *farm, *tier;
    int64_t calls;
    double need, rate;
    enum sla_priority priority;
    int64_t waits_since_ms, given_ms;
    const char *why;
};

/* The grid as the planner was told it, for sharing at now_ms. Asks for farms or tiers that are not there are
 * left out; asks are sorted by farm and tier. Tiers without an ask whose committed members wait for a place
 * are added: sharing makes room for them. Allocated in arena; texts are the planner's and the asks'.
 * O(hosts + members of these farms). */
struct share_input share_view(struct arena *arena, struct planner *planner, const struct share_ask *asks,
                              size_t asks_length, int64_t now_ms);

/* Members of a tier that shall serve (not those at the door, nor on their way out): how many have a place,
 * and how many of these serve. */
void share_count(const struct planner *planner, const char *farm, const char *tier, int64_t *ret_serving,
                 int64_t *ret_placed);
/* Their full names, in the arena; returns how many. */
size_t share_members(const struct planner *planner, struct arena *arena, const char *farm, const char *tier,
                     const char *const **ret_names);

#endif
