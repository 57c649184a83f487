#include "plan/reach/reach.h"

#include "base/text.h"

static void add(struct farm_rule *rules, size_t *length, const struct farm_rule *rule);

const struct farm_rule *reach_rules(struct arena *arena, const struct farm *farm, size_t *ret_length)
{
    struct farm_rule *rules =
        arena_alloc_array(arena, farm->allow_length + 2 * farm->balance_length + 1, sizeof(*rules));
    *ret_length = 0;
    for (size_t n = 0; n < farm->allow_length; n++) {
        const struct allow *allow = &farm->allow[n];
        add(rules, ret_length,
            &(struct farm_rule){allow->from, allow->to, allow->protocol, allow->port_first,
                                allow->port_last});
    }
    for (size_t n = 0; n < farm->balance_length; n++) {
        const struct balance *b = &farm->balance[n];
        add(rules, ret_length,
            &(struct farm_rule){"balance", b->to_tier, PROTOCOL_TCP, b->to_port, b->to_port});
        /* A published door is open to the outside: that is what it is for. */
        if (b->publish != NULL && b->publish[0] != '\0')
            add(rules, ret_length,
                &(struct farm_rule){"internet", "balance", PROTOCOL_TCP, b->port, b->port});
    }
    return rules;
}

static void add(struct farm_rule *rules, size_t *length, const struct farm_rule *rule)
{
    for (size_t n = 0; n < *length; n++)
        if (text_equal(rules[n].from, rule->from) && text_equal(rules[n].to, rule->to) &&
            rules[n].protocol == rule->protocol && rules[n].port_first == rule->port_first &&
            rules[n].port_last == rule->port_last)
            return;
    rules[(*length)++] = *rule;
}
