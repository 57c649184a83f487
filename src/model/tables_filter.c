/* The table of filters. */
#include "base/text.h"
#include "model/packet.h"
#include "model/table.h"

static bool finish_rule(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool finish_filter(struct arena *arena, const struct node *node, void *object, struct error *err);

static const struct field filter_rule_fields[] = {
    ENUM(struct filter_rule, action, "action", filter_action_names,
         "what becomes of the packet; reject: as deny, but the sender is told", .required = true),
    ENUM(struct filter_rule, direction, "direction", filter_direction_names, "into the instance or out of it",
         .fallback = "both", .hidden_default = true),
    SCALAR(struct filter_rule, from, "from", scalar_endpoint, "who sends it", .fallback = "any",
           .hidden_default = true),
    SCALAR(struct filter_rule, to, "to", scalar_endpoint, "whom it is for", .fallback = "any",
           .hidden_default = true),
    SCALAR(struct filter_rule, protocol, "protocol", scalar_filter_protocol, "what it carries",
           .fallback = "any", .hidden_default = true),
    SCALARS(struct filter_rule, from_ports, "from_port", scalar_port_range, "ports of the sender",
            .one_bare = true, .min = 1, .max = FILTER_PORTS_MAX, .limit = "ports a rule",
            .hidden_default = true),
    SCALARS(struct filter_rule, ports, "port", scalar_port_range, "ports that it is for", .one_bare = true,
            .min = 1, .max = FILTER_PORTS_MAX, .limit = "ports a rule", .hidden_default = true),
};
const struct schema schema_filter_rule =
    SCHEMA(struct filter_rule, "filter_rule", filter_rule_fields, .finish = finish_rule);

static const struct field filter_fields[] = {
    SCALAR(struct filter, name, "name", scalar_name, "the filter's name within its party", .required = true),
    SCALAR(struct filter, party, "party", scalar_name, "whose it is", .required = true),
    SCALAR(struct filter, on, "on", scalar_filter_on,
           "whose ports it governs: a farm, a tier, an instance, a party, or all", .required = true),
    ENUM(struct filter, default_action, "default", filter_action_names,
         "what becomes of a packet that no rule matches", .fallback = "deny"),
    OBJECTS(struct filter, rules, "rules", schema_filter_rule, "in order, the first that matches decides",
            .max = FILTER_RULES_MAX, .limit = "rules a filter", .hidden_default = true),
};
const struct schema schema_filter = SCHEMA(struct filter, "Filter", filter_fields, .finish = finish_filter);

static bool finish_rule(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    const struct filter_rule *rule = object;

    if (rule->ports_length + rule->from_ports_length > 0 && rule->protocol != IP_TCP &&
        rule->protocol != IP_UDP) {
        const struct node *protocol = node_get(node, "protocol");
        const char *field = rule->ports_length > 0 ? "port" : "from_port";
        error_set(err, ERROR_INVALID, "only tcp and udp have ports: say protocol: tcp or udp");
        return schema_error_at(err, protocol != NULL ? protocol : node_get(node, field),
                               protocol != NULL ? "protocol" : field);
    }
    if (rule->from.kind == ENDPOINT_PREFIX && rule->to.kind == ENDPOINT_PREFIX &&
        rule->from.prefix.family != rule->to.prefix.family) {
        error_set(err, ERROR_INVALID, "one of from and to is IPv4, the other IPv6: no packet is both");
        return schema_error_at(err, node_get(node, "to"), "to");
    }
    return true;
}

static bool finish_filter(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct filter *filter = object;

    if (filter->default_action == FILTER_REJECT) {
        error_set(err, ERROR_INVALID,
                  "expected deny or allow, found reject: end the rules with {action: reject}");
        return schema_error_at(err, node_get(node, "default"), "default");
    }
    size_t pairs = 0;
    for (size_t i = 0; i < filter->rules_length; i++) {
        const struct filter_rule *rule = &filter->rules[i];
        pairs += (rule->from_ports_length ? rule->from_ports_length : 1) *
                 (rule->ports_length ? rule->ports_length : 1);
        if (pairs <= FILTER_PORT_PAIRS_MAX) continue;
        error_set(err, ERROR_TOO_LARGE,
                  "past the limit of %d ports (times ports of the sender) in all rules of a filter",
                  FILTER_PORT_PAIRS_MAX);
        const struct node *rules = node_get(node, "rules");
        return schema_error_at(err, rules == NULL ? node : &rules->items[i],
                               arena_printf(arena, "rules[%zu]", i));
    }
    filter->full_name = arena_printf(arena, "%s/%s", filter->party, filter->name);
    return true;
}
