/* The algebra of boundaries (isolation.md): a filter means the set of packets that it lets pass. Pure and
 * exact.
 *
 * Names and addresses are independent here: which instance has which address changes, and an answer has to
 * hold whatever it is. So a packet is any combination of direction, family, addresses, names (an instance
 * with its tier and farm, the internet, or nobody's), protocol and ports, at a port that both filters govern.
 * A reject is a deny.
 *
 * `on` is read without the tree of parties: a party's name covers the farms PARTY/…; who knows that it
 * governs more passes a copy of the filter with another `on`. PARTY/FARM/X-1 is an instance, unless one of
 * the filters speaks of a tier of that name. */
#ifndef CROFT_PLAN_FILTER_FILTER_H
#define CROFT_PLAN_FILTER_FILTER_H

#include "base/error.h"
#include "base/mem.h"
#include "model/packet.h"

/* The answer is exact or there is none: filters whose rules are so entangled that more than this many
 * comparisons of two boxes would be needed (about a second) are refused with ERROR_TOO_LARGE. */
#define FILTER_WORK_MAX 300000000ULL

struct filter_judgement {
    bool inside;  /* all that inner lets pass, where outer governs too, is let pass by outer */
    bool governs; /* there is a port that both govern; else inside is true */
    /* Unless inside: a packet that the inner filter lets pass and the outer does not, and the rules that
     * decide it (from 1 on, 0 is the default). One of an ordinary kind is preferred (TCP or UDP before
     * others). */
    struct packet packet;
    size_t inner_rule, outer_rule;
};

/* Texts of *ret_judgement live in arena, or are the filters'. *work grows by the boxes that were compared;
 * ERROR_TOO_LARGE when it would pass FILTER_WORK_MAX: who may spend less begins above 0, who asks more than
 * one question with one budget goes on with what it was. */
MUST_CHECK bool filter_is_inside(struct arena *arena, const struct filter *outer, const struct filter *inner,
                                 uint64_t *work, struct filter_judgement *ret_judgement, struct error *err);

/* The filter that means what inner lets pass and every one of the outers, where it governs, lets pass as
 * well, with inner's name, party and `on`. Rules that then never match are left out; where an outer takes
 * nothing away inner stays as it is. ERROR_TOO_LARGE when it would have more than FILTER_RULES_MAX rules, or
 * see FILTER_WORK_MAX; ERROR_REFUSED when no list of rules that this finds can say it: one end of a packet
 * would have to be known by its address and by its name at once. */
MUST_CHECK bool filter_clamp(struct arena *arena, const struct filter *const *outers, size_t outers_length,
                             const struct filter *inner, struct filter *ret_clamped, struct error *err);

/* Numbers (from 1 on) of the rules that decide no packet at all at the ports that the filter governs, because
 * others before them match all that they do. ERROR_TOO_LARGE: see FILTER_WORK_MAX. */
MUST_CHECK bool filter_idle_rules(struct arena *arena, const struct filter *filter, const size_t **ret_rules,
                                  size_t *ret_length, struct error *err);

#endif
