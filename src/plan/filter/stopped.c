/* The packets that a filter stops, as rules that deny them. */
#include "plan/filter/clamp.h"
#include "plan/filter/search.h"

#include <string.h>

enum { PREFIXES_MAX = 2 * 128 }; /* of one interval of addresses: one of each length from either side */

struct told {
    const struct space *space;
    struct arena *arena;
    struct vec *rules;
    int64_t protocol;
};

static bool whole_space(const struct space *space, const struct filter *filter, enum address_family family,
                        int64_t protocol, struct box *ret_region);
static void deny_region(void *context, const struct box *region);
static void deny_addresses(const struct told *told, const struct box *region,
                           const struct filter_rule *model);
static bool make_general(const struct told *told, const struct filter_rule *rule);
static size_t prefixes_of(const struct told *told, const struct box *region, enum packet_side side,
                          struct endpoint ret_prefixes[PREFIXES_MAX]);
static void set_ports(const struct told *told, const struct box *region, struct filter_rule *rule);
static const struct port_range *range_of(struct arena *arena, uint16_t first, uint16_t last,
                                         size_t *ret_length);

bool clamp_deny_stopped(struct arena *arena, const struct filter *filter, int64_t protocol, struct vec *rules,
                        struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    CLEANUP_SEARCH struct search search = {.tell = deny_region};
    struct filter copy = *filter;
    const struct filter *filters = &copy;
    struct space space;
    struct boxes boxes;
    struct box region;

    copy.on = FILTER_ON_ALL;
    if (!space_make(scratch, &filters, 1, &space, err)) return false;
    struct told told = {&space, arena, rules, protocol};
    search.context = &told;
    for (enum address_family family = 0; family < FAMILIES; family++) {
        if (!whole_space(&space, filter, family, protocol, &region)) continue;
        if (!space_boxes(&space, filter, &region, &boxes, err)) return false;
        const struct judged judged = {.boxes = &boxes, .passes = false};
        bool ended = search_judged(&search, &region, &judged, 1);
        ASSERT(!ended);
        if (!search_was_ended(&search, filter->name, err)) return false;
    }
    return rules->length <= FILTER_RULES_MAX ||
           error_set(err, ERROR_TOO_LARGE, "what %s does not let pass would need more than %d rules",
                     filter->full_name, FILTER_RULES_MAX);
}

bool clamp_names_protocol(const struct filter *filter, int64_t protocol)
{
    for (size_t i = 0; i < filter->rules_length; i++)
        if (filter->rules[i].protocol == protocol) return true;
    return false;
}

/* Of one family and protocol; both directions at once: no rule has a name, so it does not matter whose port
 * it is. false: all protocols are named, and there is no other. */
static bool whole_space(const struct space *space, const struct filter *filter, enum address_family family,
                        int64_t protocol, struct box *ret_region)
{
    int64_t any = 0;

    while (protocol == FILTER_PROTOCOL_ANY && any <= UINT8_MAX && clamp_names_protocol(filter, any))
        any++;
    if (any > UINT8_MAX) return false;
    size_t rank = space_rank_of_protocol(space, protocol == FILTER_PROTOCOL_ANY ? any : protocol);
    bool governed = space_base(space, family == FAMILY_IPV4 ? 0 : 2, ret_region);
    box_set(ret_region, LANE_PROTOCOL, rank, rank);
    box_set(ret_region, LANE_DIRECTION, FILTER_IN, FILTER_OUT);
    box_set(ret_region, LANE_TO_NAME, 0, box_last(ret_region, LANE_TO_NAME));
    return governed;
}

static void deny_region(void *context, const struct box *region)
{
    const struct told *told = context;
    struct filter_rule rule = {.action = FILTER_DENY,
                               .direction = FILTER_BOTH,
                               .from = {.name = ""},
                               .to = {.name = ""},
                               .protocol = told->protocol};

    if (box_first(region, LANE_DIRECTION) == box_last(region, LANE_DIRECTION))
        rule.direction = (enum filter_direction)box_first(region, LANE_DIRECTION);
    if (rule.protocol == IP_TCP || rule.protocol == IP_UDP) set_ports(told, region, &rule);
    deny_addresses(told, region, &rule);
}

static void deny_addresses(const struct told *told, const struct box *region, const struct filter_rule *model)
{
    struct endpoint from[PREFIXES_MAX], to[PREFIXES_MAX];
    size_t from_length = prefixes_of(told, region, SIDE_FROM, from),
           to_length = prefixes_of(told, region, SIDE_TO, to);

    for (size_t n = 0; n < from_length * to_length && told->rules->length <= FILTER_RULES_MAX; n++) {
        struct filter_rule rule = *model;
        rule.from = from[n / to_length];
        rule.to = to[n % to_length];
        if (rule.to.prefix.bits == 0) rule.to = (struct endpoint){.name = ""}; /* from tells the family */
        if (rule.from.prefix.bits == 0 && rule.to.kind == ENDPOINT_PREFIX)
            rule.from = (struct endpoint){.name = ""};
        if (rule.from.kind == ENDPOINT_PREFIX && rule.from.prefix.bits == 0 && make_general(told, &rule))
            continue;
        *(struct filter_rule *)vec_push(told->rules) = rule;
    }
}

/* What was said of all of IPv4 and is to be said of all of IPv6, too, is said of any address. */
static bool make_general(const struct told *told, const struct filter_rule *rule)
{
    for (size_t i = 0; i < told->rules->length; i++) {
        struct filter_rule *other = vec_at(told->rules, i);
        bool same = other->direction == rule->direction && other->protocol == rule->protocol &&
                    other->to.kind == ENDPOINT_ANY && other->from.kind == ENDPOINT_PREFIX &&
                    other->from.prefix.bits == 0 && other->from.prefix.family != rule->from.prefix.family &&
                    other->ports_length == rule->ports_length &&
                    other->from_ports_length == rule->from_ports_length;
        if (same && rule->ports_length > 0)
            same = memcmp(other->ports, rule->ports, sizeof(*rule->ports)) == 0;
        if (same && rule->from_ports_length > 0)
            same = memcmp(other->from_ports, rule->from_ports, sizeof(*rule->from_ports)) == 0;
        if (!same) continue;
        other->from = (struct endpoint){.name = ""};
        return true;
    }
    return false;
}

/* The fewest that make up the interval: from its first address on, the largest that begins there and ends
 * within. */
static size_t prefixes_of(const struct told *told, const struct box *region, enum packet_side side,
                          struct endpoint ret_prefixes[PREFIXES_MAX])
{
    enum address_family family = space_family(told->space, region);
    wide first = 0, last = 0;
    size_t length = 0;

    space_addresses(told->space, region, side, &first, &last);
    for (bool more = true; more; length++) {
        unsigned free_bits = 0;
        while (free_bits < address_bits(family)) {
            wide span = ((wide)1 << free_bits << 1) - 1; /* of 128 bits: 0 - 1 */
            if ((first & span) != 0 || last - first < span) break;
            free_bits++;
        }
        ASSERT(length < PREFIXES_MAX);
        struct endpoint *end = &ret_prefixes[length];
        *end = (struct endpoint){.kind = ENDPOINT_PREFIX,
                                 .name = "",
                                 .prefix = {.family = family, .bits = address_bits(family) - free_bits}};
        wide_to_address(family, first, end->prefix.address);
        wide end_of = free_bits == 0 ? 0 : ((wide)1 << (free_bits - 1) << 1) - 1;
        more = last - first > end_of;
        first += end_of + 1;
    }
    return length;
}

static void set_ports(const struct told *told, const struct box *region, struct filter_rule *rule)
{
    uint16_t first = 0, last = 0;

    space_ports(told->space, region, SIDE_FROM, &first, &last);
    rule->from_ports = range_of(told->arena, first, last, &rule->from_ports_length);
    space_ports(told->space, region, SIDE_TO, &first, &last);
    rule->ports = range_of(told->arena, first, last, &rule->ports_length);
}

static const struct port_range *range_of(struct arena *arena, uint16_t first, uint16_t last,
                                         size_t *ret_length)
{
    struct port_range *range = NULL;

    *ret_length = 0;
    if (first == 0 && last == UINT16_MAX) return range;
    range = arena_alloc(arena, sizeof(*range));
    *range = (struct port_range){first, last};
    *ret_length = 1;
    return range;
}
