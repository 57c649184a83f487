#include "plan/reach/judge.h"

#include "base/text.h"
#include "plan/document/find.h"
#include "plan/filter/govern.h"
#include "plan/reach/reach.h"

#include <string.h>

struct judge {
    const struct farm *farm;
    const struct filter *filters;
    size_t filters_length;
    const struct instance *members;
    size_t members_length;
    const char **tiers; /* of members: full names */
    const struct farm_rule *rules;
    size_t rules_length;
};

static void name_end(const struct judge *judge, enum address_family family, struct packet_end *end);
static const char *short_tier(const struct judge *judge, const struct packet_end *end);
static bool is_of(const struct prefix *subnet, uint32_t address);
static uint32_t ipv4_of(const unsigned char *address);

struct judge *judge_new(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm)
{
    struct judge *judge = arena_alloc(arena, sizeof(*judge));
    size_t all_length = 0;
    const struct instance *all = find_instances(arena, snapshot, farm->full_name, &all_length);
    struct instance *members = arena_alloc_array(arena, all_length + 1, sizeof(*members));

    judge->farm = farm;
    judge->filters = govern_farm(arena, snapshot, farm, &judge->filters_length);
    judge->rules = reach_rules(arena, farm, &judge->rules_length);
    for (size_t i = 0; i < all_length; i++)
        if (all[i].wanted != WANTED_GONE) members[judge->members_length++] = all[i];
    judge->members = members;
    judge->tiers = arena_alloc_array(arena, judge->members_length + 1, sizeof(*judge->tiers));
    for (size_t i = 0; i < judge->members_length; i++)
        judge->tiers[i] = arena_printf(arena, "%s/%s", farm->full_name, members[i].tier);
    return judge;
}

const struct filter *judge_filters(const struct judge *judge, size_t *ret_length)
{
    *ret_length = judge->filters_length;
    return judge->filters;
}

const struct instance *judge_members(const struct judge *judge, size_t *ret_length)
{
    *ret_length = judge->members_length;
    return judge->members;
}

const struct farm_rule *judge_rules(const struct judge *judge, size_t *ret_length)
{
    *ret_length = judge->rules_length;
    return judge->rules;
}

void judge_name_ends(const struct judge *judge, struct packet *packet)
{
    name_end(judge, packet->family, &packet->from);
    name_end(judge, packet->family, &packet->to);
}

bool judge_governs(const struct filter *filter, const char *farm, const char *tier, const char *instance)
{
    return filter_governs(filter->on, NULL, 0, farm, tier, instance);
}

bool judge_allows(const struct judge *judge, const char *from_tier, const char *to_tier, uint8_t protocol,
                  uint16_t port)
{
    static const uint8_t numbers[] = {
        [PROTOCOL_TCP] = IP_TCP, [PROTOCOL_UDP] = IP_UDP, [PROTOCOL_ICMP] = IP_ICMP};

    for (size_t i = 0; i < judge->rules_length; i++) {
        const struct farm_rule *rule = &judge->rules[i];
        bool all_ports = rule->port_first == 0 && (rule->port_last == UINT16_MAX || rule->port_last == 0);
        bool has_ports = protocol == IP_TCP || protocol == IP_UDP;
        if (!text_equal(rule->from, from_tier) || !text_equal(rule->to, to_tier)) continue;
        if (rule->protocol != PROTOCOL_ANY && numbers[rule->protocol] != protocol) continue;
        if (all_ports || (has_ports && rule->port_first <= port && port <= rule->port_last)) return true;
    }
    return false;
}

const struct judge_step *judge_packet(struct arena *arena, const struct judge *judge, const char *on,
                                      const struct packet *packet, size_t *ret_length)
{
    struct judge_step *steps = arena_alloc_array(arena, judge->filters_length + 1, sizeof(*steps));
    const char *tier = "", *instance = "";

    *ret_length = 0;
    for (size_t i = 0; i < judge->members_length; i++) {
        if (text_equal(on, judge->members[i].name)) {
            tier = judge->tiers[i];
            instance = on;
        } else if (text_equal(on, judge->tiers[i])) {
            tier = on;
        }
    }
    if (tier[0] == '\0') tier = on; /* a tier without a member, or the farm */
    for (size_t i = 0; i < judge->filters_length; i++) {
        const struct filter *filter = &judge->filters[i];
        if (!judge_governs(filter, judge->farm->full_name, tier, instance)) continue;
        struct judge_step *step = &steps[(*ret_length)++];
        step->filter = filter;
        step->rule = filter_deciding_rule(filter, packet);
        step->action = filter_action_of(filter, step->rule);
        if (step->action != FILTER_ALLOW) return steps;
    }
    bool allowed = packet->family == FAMILY_IPV4 &&
                   judge_allows(judge, short_tier(judge, &packet->from), short_tier(judge, &packet->to),
                                packet->protocol, packet->to.port);
    steps[(*ret_length)++] = (struct judge_step){.action = allowed ? FILTER_ALLOW : FILTER_DENY};
    return steps;
}

static void name_end(const struct judge *judge, enum address_family family, struct packet_end *end)
{
    uint32_t address = ipv4_of(end->address);

    end->farm = end->tier = end->instance = "";
    end->internet = false;
    if (family != FAMILY_IPV4) return; /* farms' networks have none */
    end->internet = !is_of(&judge->farm->subnet, address);
    for (size_t i = 0; i < judge->members_length; i++) {
        if (judge->members[i].address != address) continue;
        end->farm = judge->farm->full_name;
        end->tier = judge->tiers[i];
        end->instance = judge->members[i].name;
    }
}

static const char *short_tier(const struct judge *judge, const struct packet_end *end)
{
    if (end->internet) return TIER_INTERNET;
    return end->tier[0] == '\0' ? "" : end->tier + strlen(judge->farm->full_name) + 1;
}

static bool is_of(const struct prefix *subnet, uint32_t address)
{
    uint32_t mask = subnet->bits == 0 ? 0 : UINT32_MAX << (32 - subnet->bits);
    return (address & mask) == subnet->address;
}

static uint32_t ipv4_of(const unsigned char *address)
{
    return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
}
