#include "filters.h"

#include "base/text.h"

#include <string.h>

struct who {
    const char *party, *farm, *tier, *instance;
    bool internet;
};

/* Rules name the first of them at most; the others are "another one" of something. */
static const struct who people[] = {
    {"", "", "", "", false},
    {"a", "a/f", "a/f/web", "a/f/web-1", false},
    {"", "", "", "", true},
    {"a", "a/f", "a/f/web", "a/f/web-2", false},
    {"a", "a/f", "a/f/db-2", "a/f/db-2-1", false},
    {"a", "a/f", "a/f/web", "a/f/web-3", false},
    {"a", "a/f", "a/f/q", "a/f/q-1", false},
    {"a", "a/f", "a/f/db-2", "a/f/db-2-9", false},
    {"a", "a/g", "a/g/web", "a/g/web-1", false},
    {"b", "b/f", "b/f/web", "b/f/web-1", false},
    {"z", "z/z", "z/z/z", "z/z/z-1", false},
};
enum { PEOPLE_POOR = 2, PEOPLE_NAMED = 5 };

static const char *const ons[] = {"all", "a", "a/f", "a/f/web", "a/f/web-1", "a/g", "b", "b/f/web"};
static const char *const addresses[] = {
    "10.0.0.1",        "192.0.2.9",   "10.0.0.0",   "10.0.0.2",    "10.0.0.3",
    "255.255.255.255", "2001:db8::1", "2001:db8::", "2001:db8::2", "ffff::1"};
static const char *const prefixes[] = {"10.0.0.1",  "10.0.0.0/31", "10.0.0.0/30",    "10.0.0.2/31",
                                       "0.0.0.0/0", "128.0.0.0/1", "2001:db8::1",    "2001:db8::/127",
                                       "::/0",      "8000::/1",    "255.255.255.255"};
enum { V4 = 6, POOR = 3, POOR_V6 = 7 };
static const uint8_t protocols[] = {IP_TCP, IP_ICMP, IP_UDP, 47, 0, 255};
static const uint16_t ports[] = {0, 1, 2, 3, 4, 65535};
static const uint16_t from_ports[] = {1, 7, 8, 65535};

static struct endpoint make_end(struct arena *arena, uint64_t *state, struct universe universe, bool named);
static const struct port_range *make_ports(struct arena *arena, uint64_t *state, unsigned least,
                                           size_t *ret_length);

uint64_t filters_draw(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

struct universe filters_universe(uint64_t *state)
{
    struct universe universe = {.names = filters_draw(state, 2), .addresses = filters_draw(state, 2)};
    universe.ports = !(universe.names && universe.addresses) && filters_draw(state, 2);
    return universe;
}

struct filter filters_make(struct arena *arena, uint64_t *state, struct universe universe, size_t rules_max,
                           const char *on)
{
    size_t length = filters_draw(state, rules_max + 1), wide = filters_draw(state, 4);
    bool named = universe.apart && filters_draw(state, 2);
    struct filter_rule *rules = arena_alloc_array(arena, length + 1, sizeof(*rules));
    struct filter filter = {.name = "made",
                            .party = "a",
                            .full_name = "a/made",
                            .on = on ? on : ons[universe.names ? filters_draw(state, LENGTH(ons)) : 0],
                            .default_action = (enum filter_action)filters_draw(state, 2),
                            .rules = rules,
                            .rules_length = length};

    for (size_t i = 0; i < length; i++) {
        struct filter_rule *rule = &rules[i];
        rule->action = (enum filter_action)filters_draw(state, 3);
        rule->direction = FILTER_BOTH;
        if (filters_draw(state, 3) == 0) rule->direction = (enum filter_direction)filters_draw(state, 2);
        if (filters_draw(state, 4) >= wide) rule->from = make_end(arena, state, universe, named);
        if (filters_draw(state, 4) >= wide) rule->to = make_end(arena, state, universe, named);
        rule->protocol = FILTER_PROTOCOL_ANY;
        if (filters_draw(state, 2)) rule->protocol = protocols[filters_draw(state, LENGTH(protocols))];
        if (!universe.ports || (rule->protocol != IP_TCP && rule->protocol != IP_UDP)) continue;
        if (filters_draw(state, 2)) rule->ports = make_ports(arena, state, 0, &rule->ports_length);
        if (filters_draw(state, 3) == 0)
            rule->from_ports = make_ports(arena, state, 7, &rule->from_ports_length);
    }
    return filter;
}

bool filters_packet(struct universe universe, size_t *cursor, struct packet *ret_packet)
{
    size_t who = universe.names ? LENGTH(people) : PEOPLE_POOR,
           where = universe.addresses ? LENGTH(addresses) : POOR,
           to_ports = universe.ports ? LENGTH(ports) : 1, sources = universe.ports ? LENGTH(from_ports) : 1;

    for (;;) {
        size_t n = (*cursor)++;
        size_t own_to = n % 2, from = n / 2 % who, to = n / 2 / who % who;
        n /= 2 * who * who;
        size_t from_at = n % where, to_at = n / where % where;
        n /= where * where;
        size_t protocol = n % LENGTH(protocols), port = n / LENGTH(protocols) % to_ports;
        n /= LENGTH(protocols) * to_ports;
        if (n >= sources) return false;
        const struct who *own = &people[own_to ? to : from];
        if (!universe.addresses) {
            from_at = from_at == POOR - 1 ? POOR_V6 : from_at;
            to_at = to_at == POOR - 1 ? POOR_V6 : to_at;
        }
        if (own->farm[0] == '\0' || (from_at < V4) != (to_at < V4))
            continue; /* nobody's port; of two families */
        struct packet packet = {.direction = own_to ? FILTER_IN : FILTER_OUT,
                                .protocol = protocols[protocol]};
        bool has_ports = packet_has_ports(&packet);
        if (!has_ports && (port > 0 || n > 0)) continue;
        struct packet_end *const ends[] = {&packet.from, &packet.to};
        for (size_t i = 0; i < 2; i++) {
            const struct who *end = &people[i ? to : from];
            struct wide_prefix address;
            bool parsed = address_parse(addresses[i ? to_at : from_at], &address);
            ASSERT(parsed);
            packet.family = address.family;
            *ends[i] = (struct packet_end){.farm = end->farm,
                                           .tier = end->tier,
                                           .instance = end->instance,
                                           .internet = end->internet,
                                           .port = !has_ports ? 0
                                                   : i        ? ports[port]
                                                              : from_ports[n]};
            memcpy(ends[i]->address, address.address, ADDRESS_SIZE);
        }
        *ret_packet = packet;
        return true;
    }
}

bool filters_govern(const char *on, const struct packet *packet)
{
    const struct packet_end *own = packet->direction == FILTER_IN ? &packet->to : &packet->from;
    size_t size = strlen(on);
    const char *names[] = {own->farm, own->tier, own->instance};

    if (text_equal(on, FILTER_ON_ALL)) return true;
    if (strchr(on, '/') == NULL) return strncmp(own->farm, on, size) == 0 && own->farm[size] == '/';
    for (size_t i = 0; i < LENGTH(names); i++)
        if (text_equal(names[i], on)) return true;
    return false;
}

bool filters_pass(const struct filter *filter, const struct packet *packet)
{
    return filter_action_of(filter, filter_deciding_rule(filter, packet)) == FILTER_ALLOW;
}

static struct endpoint make_end(struct arena *arena, uint64_t *state, struct universe universe, bool named)
{
    struct endpoint end = {.kind = ENDPOINT_ANY, .name = ""};

    if (universe.names && (universe.apart ? named : filters_draw(state, 2) == 0)) {
        const struct who *who = &people[1 + filters_draw(state, PEOPLE_NAMED - 1)];
        if (who->internet) {
            end.kind = ENDPOINT_INTERNET;
            return end;
        }
        size_t depth = filters_draw(state, 3);
        end.kind = depth == 0 ? ENDPOINT_FARM : depth == 1 ? ENDPOINT_TIER : ENDPOINT_INSTANCE;
        end.name = depth == 0 ? who->farm : depth == 1 ? who->tier : who->instance;
        return end;
    }
    bool parsed =
        address_parse(prefixes[filters_draw(state, universe.addresses ? LENGTH(prefixes) : 1)], &end.prefix);
    ASSERT(parsed);
    end.kind = ENDPOINT_PREFIX;
    return end;
}

static const struct port_range *make_ports(struct arena *arena, uint64_t *state, unsigned least,
                                           size_t *ret_length)
{
    size_t length = 1 + filters_draw(state, 3);
    struct port_range *ranges = arena_alloc_array(arena, length, sizeof(*ranges));

    for (size_t i = 0; i < length; i++) {
        unsigned first = least + (unsigned)filters_draw(state, least ? 2 : 5), last = least ? 8 : 4;
        if (filters_draw(state, 5) == 0) last = UINT16_MAX;
        if (filters_draw(state, 2)) last = first;
        ranges[i] = (struct port_range){(uint16_t)first, (uint16_t)last};
    }
    *ret_length = length;
    return ranges;
}
