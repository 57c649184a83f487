/* Who decides a packet in a farm: the parties' filters in their order, then what the farm allows. Pure. */
#ifndef CROFT_PLAN_REACH_JUDGE_H
#define CROFT_PLAN_REACH_JUDGE_H

#include "model/packet.h"
#include "plan/plan.h"

/* A farm with what governs in it; lives in the arena it was made in, which the snapshot has to outlive. */
struct judge;
struct judge *judge_new(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm);

/* Filters of the farm, outermost first, with `on` inside it (plan/filter/govern.h). */
const struct filter *judge_filters(const struct judge *judge, size_t *ret_length);
/* The members, in order. */
const struct instance *judge_members(const struct judge *judge, size_t *ret_length);

/* What the farm allows, of reach.h. */
const struct farm_rule *judge_rules(const struct judge *judge, size_t *ret_length);

/* Says who has the addresses: full names of members, or the internet outside of the subnet. */
void judge_name_ends(const struct judge *judge, struct packet *packet);
/* Does the filter govern the port of `tier` and `instance` (full names, "" for any of it)? */
bool judge_governs(const struct filter *filter, const char *farm, const char *tier, const char *instance);
/* May an end of the one tier open this to one of the other, as the farm's `allow` and its balancers have it?
 * short names, "internet" for what is outside. */
bool judge_allows(const struct judge *judge, const char *from_tier, const char *to_tier, uint8_t protocol,
                  uint16_t port);

/* What one filter says, or the farm's rules do. */
struct judge_step {
    const struct filter *filter; /* NULL: what the farm allows */
    size_t rule;                 /* of the filter, from 1 on; 0 its default */
    enum filter_action action;
};

/* All that judges a packet, whose ends are named, at the port of on (full name of the farm, a tier or an
 * instance; of a farm or tier only what governs all of it counts), up to what decides: the last step. */
const struct judge_step *judge_packet(struct arena *arena, const struct judge *judge, const char *on,
                                      const struct packet *packet, size_t *ret_length);

#endif
