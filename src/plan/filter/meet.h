/* What two rules have in common, as a rule. Internal to plan/filter/. */
#ifndef CROFT_PLAN_FILTER_MEET_H
#define CROFT_PLAN_FILTER_MEET_H

#include "base/mem.h"
#include "model/intent.h"

enum meet {
    MEET_NOTHING, /* no packet is matched by both */
    MEET_RULE,
    MEET_NONE_SAYS, /* packets are, but a rule cannot say which: by its address and its name at once */
};

/* A rule with a's action. Its lists of ports may be longer than FILTER_PORTS_MAX. */
enum meet meet_rules(struct arena *arena, const struct filter_rule *a, const struct filter_rule *b,
                     struct filter_rule *ret_rule);
enum meet meet_ends(struct arena *arena, const struct endpoint *a, const struct endpoint *b,
                    struct endpoint *ret_end);
/* Do they match the same packets? Both came from meet_rules(). */
bool meet_is_same(const struct filter_rule *a, const struct filter_rule *b);

#endif
