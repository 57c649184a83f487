/* The algebra of boundaries (isolation.md): a filter means the set of packets that it lets pass. Pure and
 * exact.
 *
 * Names and addresses are independent here: which instance has which address changes, and an answer has to
 * hold whatever it is. So a packet is any combination of direction, family, addresses, names (an instance
 * with its tier and farm, the internet, or nobody's), protocol and ports, at a port that both filters govern.
 */
#ifndef CROFT_PLAN_FILTER_FILTER_H
#define CROFT_PLAN_FILTER_FILTER_H

#include "base/mem.h"
#include "model/packet.h"

/* A packet that the inner filter would let pass and the outer would not, and the rules that decide it (from 1
 * on, 0 is the default). */
struct filter_witness {
    struct packet packet;
    size_t inner_rule, outer_rule;
};

/* Is all that inner lets pass, where outer governs too, let pass by outer? Else fills *ret_witness, whose
 * texts live in arena. A packet of an ordinary kind is preferred (TCP or UDP before others). */
bool filter_is_inside(struct arena *arena, const struct filter *outer, const struct filter *inner,
                      struct filter_witness *ret_witness);

/* The filter that means what inner lets pass and every one of the outers, where it governs, lets pass as
 * well: inner's name, party, `on` and default stay where they can. What inner denies or rejects stays as it
 * is. Rules that then never match are left out. ERROR_TOO_LARGE when it would have more than FILTER_RULES_MAX
 * rules. */
MUST_CHECK bool filter_clamp(struct arena *arena, const struct filter *const *outers, size_t outers_length,
                             const struct filter *inner, struct filter *ret_clamped, struct error *err);

/* Numbers (from 1 on) of the rules that decide no packet at all, because others before them match all that
 * they do. */
size_t filter_idle_rules(struct arena *arena, const struct filter *filter, const size_t **ret_rules);

#endif
