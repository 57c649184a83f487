#include "made_filters.h"

#include "base/text.h"

#include <string.h>

const struct member made_members[MADE_MEMBERS] = {
    {"web-1", "web", 0x0a000002U, 0x02cf0a000002ULL, 0, false},
    {"web-2", "web", 0x0a000003U, 0x02cf0a000003ULL, 0, false},
    {"db-1", "db", 0x0a000004U, 0x02cf0a000004ULL, 0, false},
    {"cache-1", "cache", 0x0a000005U, 0x02cf0a000005ULL, 0, false},
};
static const char *const full_names[MADE_MEMBERS] = {MADE_FARM "/web-1", MADE_FARM "/web-2",
                                                     MADE_FARM "/db-1", MADE_FARM "/cache-1"};
static const char *const full_tiers[MADE_MEMBERS] = {MADE_FARM "/web", MADE_FARM "/web", MADE_FARM "/db",
                                                     MADE_FARM "/cache"};

/* Prefixes that tell the packets' addresses apart, or do not, and some that overlap. */
static const char *const prefixes[] = {
    "10.0.0.0/24",   "10.0.0.2",       "10.0.0.2/31",    "10.0.0.4/31",     "10.0.0.0/29",     "10.0.0.5",
    "0.0.0.0/0",     "10.0.0.0/8",     "203.0.113.0/24", "203.0.113.5",     "128.0.0.0/1",     "10.0.1.0/24",
    "0.0.0.0/4",     "2001:db8::/125", "2001:db8::1",    "2001:db8::2/127", "2001:db8::4/126", "2001:db8::7",
    "2001:db8::/32", "::/0",           "8000::/1",       "2001:db8::/126",  "2001:db8:1::/48",
};
static const char *const names[] = {MADE_FARM "/web", MADE_FARM "/db", MADE_FARM "/cache", MADE_FARM "/none",
                                    "evil/copy/web"};

static struct endpoint made_end(uint64_t *lot);
static void made_ports(struct arena *arena, uint64_t *lot, const struct port_range **ret_ranges,
                       size_t *ret_length);
static struct packet_end member_end(size_t number);
static bool governs_end(const struct filter *filter, const struct packet_end *end);

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
uint64_t made_draw(uint64_t *lot)
{
    uint64_t z = *lot += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

size_t made_below(uint64_t *lot, size_t below)
{
    return (size_t)(made_draw(lot) % below);
}

struct filter made_filter(struct arena *arena, uint64_t *lot, const char *on, size_t rules_max)
{
    static const int64_t protocols[] = {IP_TCP, IP_TCP, IP_UDP, IP_UDP, IP_ICMP, IP_ICMPV6, 50, 99};
    size_t length = made_below(lot, rules_max + 1);
    struct filter_rule *rules = arena_alloc_array(arena, length, sizeof(*rules));
    for (size_t i = 0; i < length; i++) {
        struct filter_rule *rule = &rules[i];
        /* Now and then the same again as the one before, so that there are runs. */
        rule->action =
            i > 0 && made_below(lot, 2) == 0 ? rules[i - 1].action : (enum filter_action)made_below(lot, 3);
        rule->direction = made_below(lot, 2) == 0 ? FILTER_BOTH : (enum filter_direction)made_below(lot, 2);
        rule->from = made_end(lot);
        rule->to = made_end(lot);
        rule->protocol =
            made_below(lot, 4) == 0 ? FILTER_PROTOCOL_ANY : protocols[made_below(lot, LENGTH(protocols))];
        if (rule->protocol != IP_TCP && rule->protocol != IP_UDP) continue;
        if (made_below(lot, 3) == 0) made_ports(arena, lot, &rule->from_ports, &rule->from_ports_length);
        if (made_below(lot, 2) == 0) made_ports(arena, lot, &rule->ports, &rule->ports_length);
    }
    return (struct filter){.name = "made",
                           .party = "acme",
                           .full_name = "acme/made",
                           .on = on,
                           .default_action = made_below(lot, 3) == 0 ? FILTER_DENY : FILTER_ALLOW,
                           .rules = rules,
                           .rules_length = length};
}

const char *made_on(uint64_t *lot)
{
    static const char *const places[] = {MADE_FARM,       MADE_FARM,          MADE_FARM "/web",
                                         MADE_FARM "/db", MADE_FARM "/web-2", MADE_FARM "/cache-1"};
    return places[made_below(lot, LENGTH(places))];
}

struct packet made_packet(uint64_t *lot, enum address_family family)
{
    static const uint8_t protocols[] = {IP_TCP, IP_TCP, IP_UDP, IP_UDP, IP_ICMP, IP_ICMPV6, 50, 99, 253};
    struct packet packet = {.direction = FILTER_OUT, .family = family};
    size_t from = made_below(lot, MADE_MEMBERS), to = made_below(lot, MADE_MEMBERS);
    if (family == FAMILY_IPV4) {
        packet.from = member_end(from);
        packet.to = member_end(to);
        if (from == to) {
            const unsigned char far[] = {203, 0, 113, 5};
            packet.to = (struct packet_end){.farm = "", .tier = "", .instance = "", .internet = true};
            memcpy(packet.to.address, far, sizeof(far));
        }
    } else {
        const unsigned char net[] = {0x20, 0x01, 0x0d, 0xb8};
        struct packet_end *ends[] = {&packet.from, &packet.to};
        for (size_t i = 0; i < LENGTH(ends); i++) {
            *ends[i] = (struct packet_end){.farm = "", .tier = "", .instance = "", .internet = true};
            memcpy(ends[i]->address, net, sizeof(net));
            ends[i]->address[15] =
                (unsigned char)(i == 0 ? 2 + 2 * made_below(lot, 3) : 1 + 2 * made_below(lot, 4));
        }
    }
    packet.protocol = protocols[made_below(lot, LENGTH(protocols))];
    if (packet.protocol == IP_TCP || packet.protocol == IP_UDP) {
        packet.from.port = (uint16_t)(1 + made_below(lot, MADE_PORT_MAX));
        packet.to.port = (uint16_t)(1 + made_below(lot, MADE_PORT_MAX));
    }
    return packet;
}

uint32_t made_ipv4(const struct packet_end *end)
{
    return (uint32_t)end->address[0] << 24 | (uint32_t)end->address[1] << 16 |
           (uint32_t)end->address[2] << 8 | end->address[3];
}

enum filter_action made_verdict(const struct filter *filters, size_t length, const struct packet *packet,
                                enum filter_direction *ret_judge)
{
    struct packet seen = *packet;
    for (enum filter_direction d = FILTER_OUT;; d = FILTER_IN) {
        seen.direction = d;
        for (size_t i = 0; i < length; i++) {
            if (!governs_end(&filters[i], d == FILTER_OUT ? &packet->from : &packet->to)) continue;
            enum filter_action action =
                filter_action_of(&filters[i], filter_deciding_rule(&filters[i], &seen));
            if (action == FILTER_ALLOW) continue;
            *ret_judge = d;
            return action;
        }
        if (d == FILTER_IN) return FILTER_ALLOW;
    }
}

static struct endpoint made_end(uint64_t *lot)
{
    struct endpoint end = {.name = ""};
    switch (made_below(lot, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        end.kind = ENDPOINT_PREFIX;
        ASSERT(address_parse(prefixes[made_below(lot, LENGTH(prefixes))], &end.prefix));
        break;
    case 5:
        end.kind = ENDPOINT_FARM;
        end.name = made_below(lot, 4) == 0 ? "evil/copy" : MADE_FARM;
        break;
    case 6:
    case 7:
        end.kind = ENDPOINT_TIER;
        end.name = names[made_below(lot, LENGTH(names))];
        break;
    case 8:
        end.kind = ENDPOINT_INSTANCE;
        end.name = full_names[made_below(lot, MADE_MEMBERS)];
        break;
    case 9:
        end.kind = ENDPOINT_INTERNET;
        break;
    default:
        end.kind = ENDPOINT_ANY;
        break;
    }
    return end;
}

static void made_ports(struct arena *arena, uint64_t *lot, const struct port_range **ret_ranges,
                       size_t *ret_length)
{
    size_t length = made_below(lot, 8) == 0 ? 20 : 1 + made_below(lot, 4);
    struct port_range *ranges = arena_alloc_array(arena, length, sizeof(*ranges));
    for (size_t i = 0; i < length; i++) {
        ranges[i].first = (uint16_t)made_below(lot, MADE_PORT_MAX + 1);
        ranges[i].last = (uint16_t)(ranges[i].first + (made_below(lot, 2) == 0 ? 0 : made_below(lot, 15)));
        if (made_below(lot, 16) == 0) ranges[i].last = UINT16_MAX;
    }
    /* Long ones are for what two long lists together do; with a few ranges each they would match anything. */
    if (length == 20) {
        for (size_t i = 0; i < length; i++)
            ranges[i].first = ranges[i].last = (uint16_t)(1 + 2 * i);
    }
    *ret_ranges = ranges;
    *ret_length = length;
}

static struct packet_end member_end(size_t number)
{
    struct packet_end end = {.farm = MADE_FARM, .tier = full_tiers[number], .instance = full_names[number]};
    uint32_t address = made_members[number].address;
    for (unsigned i = 0; i < 4; i++)
        end.address[i] = (unsigned char)(address >> (24 - 8 * i));
    return end;
}

static bool governs_end(const struct filter *filter, const struct packet_end *end)
{
    return end->farm[0] != '\0' && filter_governs(filter->on, NULL, 0, end->farm, end->tier, end->instance);
}
