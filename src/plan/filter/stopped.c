/* The packets that a filter stops, as rules that deny them. */
#include "plan/filter/clamp.h"
#include "plan/filter/search.h"

#include <string.h>

enum { PREFIXES_MAX = 2 * 128 }; /* of one interval of addresses: one of each length from either side */

struct told {
    const struct space *space;
    const struct filter *filter;
    struct boxes all; /* of all protocols */
    struct arena *arena;
    struct vec *rules;
    struct filter_rule limit;
    struct error *err;
    bool failed;
};

static bool deny_family(struct told *told, enum address_family family, bool *passes);
static bool region_of(const struct told *told, enum address_family family, struct box *ret_region);
static bool deny_region(void *context, const struct box *region);
static bool stops_all_protocols(struct told *told, const struct box *region);
static void deny_addresses(const struct told *told, const struct box *region,
                           const struct filter_rule *model);
static bool make_general(const struct told *told, const struct filter_rule *rule);
static size_t prefixes_of(const struct told *told, const struct box *region, enum packet_side side,
                          struct endpoint ret_prefixes[PREFIXES_MAX]);
static void set_ports(const struct told *told, const struct box *region, struct filter_rule *rule);
static const struct port_range *range_of(struct arena *arena, uint16_t first, uint16_t last,
                                         size_t *ret_length);

bool clamp_deny_stopped(struct arena *arena, const struct filter *filter, const struct filter_rule *limit,
                        struct vec *rules, bool *ret_passes, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    struct filter copy = *filter, limits = {.on = FILTER_ON_ALL, .rules = limit, .rules_length = 1};
    const struct filter *filters[] = {&copy, &limits};
    struct space space;
    struct told told = {
        .space = &space, .filter = &copy, .arena = arena, .rules = rules, .limit = *limit, .err = err};
    bool passes = false;

    copy.on = FILTER_ON_ALL;
    if (!space_make(scratch, filters, LENGTH(filters), &space, err)) return false;
    size_t begin = rules->length;
    for (enum address_family family = 0; family < FAMILIES; family++)
        if (!deny_family(&told, family, &passes)) return false;
    while (!passes && rules->length > begin) /* nothing of it will be let pass */
        vec_remove(rules, rules->length - 1);
    *ret_passes = passes;
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

static bool deny_family(struct told *told, enum address_family family, bool *passes)
{
    CLEANUP_SEARCH struct search search = {.tell = deny_region, .context = told};
    CLEANUP_SEARCH struct search passing = {0};
    struct boxes limits, boxes;
    struct box region, all;

    if (!region_of(told, family, &region)) return true;
    all = region;
    box_set(&all, LANE_PROTOCOL, 0, told->space->protocols.length - 1);
    if (!space_boxes(told->space, told->filter, &all, &told->all, told->err) ||
        !space_boxes(told->space, told->filter, &region, &boxes, told->err) ||
        !space_boxes(told->space, told->space->filters[1], &region, &limits, told->err))
        return false;
    const struct judged stopped = {.boxes = &boxes, .passes = false},
                        passed = {.boxes = &boxes, .passes = true};
    for (size_t i = 0; i < limits.length; i++) {
        *passes = search_judged(&passing, &limits.items[i], &passed, 1) || *passes;
        bool ended = search_judged(&search, &limits.items[i], &stopped, 1);
        ASSERT(!ended);
        if (!search_was_ended(&search, told->filter->name, told->err) ||
            !search_was_ended(&passing, told->filter->name, told->err))
            return false;
    }
    return !told->failed;
}

/* Of one family and protocol, or one that stands for all that are not named; both directions at once: no rule
 * has a name, so it does not matter whose port it is. false: all protocols are named, and there is no other.
 */
static bool region_of(const struct told *told, enum address_family family, struct box *ret_region)
{
    int64_t protocol = told->limit.protocol;

    if (protocol == FILTER_PROTOCOL_ANY) protocol = 0;
    while (told->limit.protocol == FILTER_PROTOCOL_ANY && protocol <= UINT8_MAX &&
           clamp_names_protocol(told->filter, protocol))
        protocol++;
    if (protocol > UINT8_MAX) return false;
    size_t rank = space_rank_of_protocol(told->space, protocol);
    bool governed = space_base(told->space, family == FAMILY_IPV4 ? 0 : 2, ret_region);
    box_set(ret_region, LANE_PROTOCOL, rank, rank);
    box_set(ret_region, LANE_DIRECTION, FILTER_IN, FILTER_OUT);
    box_set(ret_region, LANE_TO_NAME, 0, box_last(ret_region, LANE_TO_NAME));
    return governed;
}

static bool deny_region(void *context, const struct box *region)
{
    struct told *told = context;
    struct filter_rule rule = {.action = FILTER_DENY,
                               .direction = FILTER_BOTH,
                               .from = {.name = ""},
                               .to = {.name = ""},
                               .protocol = told->limit.protocol};

    if (box_first(region, LANE_DIRECTION) == box_last(region, LANE_DIRECTION))
        rule.direction = (enum filter_direction)box_first(region, LANE_DIRECTION);
    if (rule.protocol == IP_TCP || rule.protocol == IP_UDP) set_ports(told, region, &rule);
    if (rule.protocol != FILTER_PROTOCOL_ANY || stops_all_protocols(told, region)) {
        deny_addresses(told, region, &rule);
        return false;
    }
    /* No rule says "the other protocols". */
    for (rule.protocol = 0; rule.protocol <= UINT8_MAX; rule.protocol++)
        if (!clamp_names_protocol(told->filter, rule.protocol)) deny_addresses(told, region, &rule);
    return false;
}

/* Are those that are named stopped there, too? */
static bool stops_all_protocols(struct told *told, const struct box *region)
{
    CLEANUP_SEARCH struct search search = {0};
    const struct judged passed = {.boxes = &told->all, .passes = true};
    struct box all = *region;

    box_set(&all, LANE_PROTOCOL, 0, told->space->protocols.length - 1);
    bool passes = search_judged(&search, &all, &passed, 1);
    if (!told->failed) told->failed = !search_was_ended(&search, told->filter->name, told->err);
    return !passes;
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
