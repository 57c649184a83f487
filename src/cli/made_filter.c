#include "cli/made_filter.h"

#include "model/packet.h"

#include <string.h>

enum { NETWORKS = 40, SERVICES = 25 };

static const struct filter_rule *make_rules(struct arena *arena, enum made_filter_kind kind, size_t length,
                                            uint64_t seed);
static struct filter_rule make_rule(struct arena *arena, enum made_filter_kind kind, uint64_t *random,
                                    uint64_t pool);
static struct filter_rule list_rule(struct arena *arena, uint64_t *random, uint64_t pool);
static struct filter_rule scattered_rule(struct arena *arena, uint64_t *random, bool entangled);
static void halve_rules(struct arena *arena, struct filter *filter);
static struct endpoint prefix_of(uint64_t address, unsigned bits);
static void set_ports(struct arena *arena, struct filter_rule *rule, uint64_t first, uint64_t last);
static uint64_t draw(uint64_t *state, uint64_t n);

void made_filters(struct arena *arena, const struct made_filter_options *options, struct filter *ret_outer,
                  struct filter *ret_inner)
{
    struct filter outer = {.name = "outer",
                           .party = "landlord",
                           .full_name = "landlord/outer",
                           .on = FILTER_ON_ALL,
                           .default_action = options->default_action,
                           .rules_length = options->rules};
    struct filter inner = outer;
    uint64_t random = options->seed + 1;
    struct filter_rule *rules = arena_alloc_array(arena, options->rules * 2, sizeof(*rules));
    size_t length = 0, lacks = options->rules / 2;

    inner.name = "inner";
    inner.full_name = "landlord/inner";
    outer.rules = make_rules(arena, options->kind, options->rules, options->seed);
    while (options->pair == MADE_FILTER_LACKS && lacks > 0 && outer.rules[lacks].action == FILTER_ALLOW)
        lacks--;
    for (size_t i = 0; i < options->rules; i++) {
        if (options->pair == MADE_FILTER_LACKS && i == lacks) continue;
        if (options->pair == MADE_FILTER_DENIES && i % 10 == 9 &&
            length + options->rules - i < FILTER_RULES_MAX) {
            rules[length] = make_rule(arena, options->kind, &random, options->seed);
            rules[length++].action = FILTER_DENY;
        }
        rules[length++] = outer.rules[i];
    }
    inner.rules = rules;
    inner.rules_length = length;
    if (options->pair == MADE_FILTER_PIECES) halve_rules(arena, &outer);
    if (options->pair == MADE_FILTER_PIECES) inner.rules_length = options->rules / 2;
    if (options->pair == MADE_FILTER_APART)
        inner.rules = make_rules(arena, options->kind, options->rules, ~options->seed);
    *ret_outer = outer;
    *ret_inner = inner;
}

const char *made_filter_name(struct arena *arena, const struct made_filter_options *options)
{
    static const char *const kinds[] = {"lists", "scattered", "entangled"};
    static const char *const pairs[] = {"equal", "inner denies more", "inner lacks a deny", "outer in pieces",
                                        "apart"};
    return arena_printf(arena, "%s, %s, default %s", kinds[options->kind], pairs[options->pair],
                        options->default_action == FILTER_ALLOW ? "allow" : "deny");
}

static const struct filter_rule *make_rules(struct arena *arena, enum made_filter_kind kind, size_t length,
                                            uint64_t seed)
{
    struct filter_rule *rules = arena_alloc_array(arena, length, sizeof(*rules));
    uint64_t random = seed;

    for (size_t i = 0; i < length; i++)
        rules[i] = make_rule(arena, kind, &random, seed);
    return rules;
}

static struct filter_rule make_rule(struct arena *arena, enum made_filter_kind kind, uint64_t *random,
                                    uint64_t pool)
{
    return kind == MADE_FILTER_LISTS ? list_rule(arena, random, pool)
                                     : scattered_rule(arena, random, kind == MADE_FILTER_ENTANGLED);
}

/* From a network to a smaller one, for a service; sometimes for all services, or from or to everywhere. */
static struct filter_rule list_rule(struct arena *arena, uint64_t *random, uint64_t pool)
{
    struct filter_rule rule = {.action = draw(random, 3) ? FILTER_ALLOW : FILTER_DENY,
                               .direction = FILTER_BOTH,
                               .protocol = draw(random, 4) ? IP_TCP : IP_UDP};
    uint64_t from = pool + draw(random, NETWORKS), to = pool + draw(random, NETWORKS),
             service = pool + draw(random, SERVICES);
    uint64_t shape = draw(random, 10), host = draw(random, 254) + 1;

    from = 10U << 24 | (draw(&from, 256) << 16);
    to = 10U << 24 | (draw(&to, 256) << 16) | (draw(&to, 8) << 8);
    rule.from = prefix_of(from, 16);
    rule.to = draw(random, 3) ? prefix_of(to, 24) : prefix_of(to | host, 32);
    if (shape == 0) rule.from = (struct endpoint){.name = ""};
    if (shape == 1 && rule.to.prefix.bits < 32) rule.to = (struct endpoint){.name = ""};
    if (draw(random, 4) == 0) rule.direction = (enum filter_direction)draw(random, 2);
    if (shape == 2) return rule;
    uint64_t first = draw(&service, 2000) + 20, last = first + (draw(&service, 4) ? 0 : draw(&service, 200));
    set_ports(arena, &rule, first, last);
    return rule;
}

static struct filter_rule scattered_rule(struct arena *arena, uint64_t *random, bool entangled)
{
    struct filter_rule rule = {.action = draw(random, 2) ? FILTER_ALLOW : FILTER_DENY,
                               .direction = FILTER_BOTH,
                               .from = {.name = ""},
                               .to = {.name = ""},
                               .protocol = FILTER_PROTOCOL_ANY};
    uint64_t given = 1 + draw(random, 31); /* never none */
    unsigned shortest = entangled ? 6 : 8, longest = entangled ? 12 : 32;

    while (entangled && (given & 6) == 0)
        given = draw(random, 32);

    if (given & 1) rule.direction = (enum filter_direction)draw(random, 2);
    if (given & 2)
        rule.from =
            prefix_of(draw(random, 1ULL << 32), shortest + (unsigned)draw(random, longest - shortest + 1));
    if (given & 4)
        rule.to =
            prefix_of(draw(random, 1ULL << 32), shortest + (unsigned)draw(random, longest - shortest + 1));
    if (given & 8) rule.protocol = draw(random, 2) ? IP_TCP : IP_UDP;
    if (given & 16) {
        if (rule.protocol == FILTER_PROTOCOL_ANY) rule.protocol = IP_TCP;
        uint64_t first = draw(random, 1 << 16), last = first + draw(random, 1000);
        set_ports(arena, &rule, first, last > UINT16_MAX ? UINT16_MAX : last);
    }
    return rule;
}

/* The first half of the rules, each as two that say the same together. */
static void halve_rules(struct arena *arena, struct filter *filter)
{
    struct filter_rule *rules = arena_alloc_array(arena, filter->rules_length + 1, sizeof(*rules));

    for (size_t i = 0; i < filter->rules_length / 2; i++) {
        struct filter_rule low = filter->rules[i], high = low;
        bool to = low.to.kind == ENDPOINT_PREFIX;
        struct endpoint *ends[] = {to ? &low.to : &low.from, to ? &high.to : &high.from};
        if (ends[0]->kind == ENDPOINT_PREFIX && ends[0]->prefix.bits < 32) {
            unsigned bit = ends[0]->prefix.bits++;
            ends[1]->prefix.bits++;
            ends[1]->prefix.address[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
        }
        rules[2 * i] = low;
        rules[2 * i + 1] = high;
    }
    filter->rules = rules;
    filter->rules_length = filter->rules_length / 2 * 2;
}

static struct endpoint prefix_of(uint64_t address, unsigned bits)
{
    struct endpoint end = {
        .kind = ENDPOINT_PREFIX, .name = "", .prefix = {.family = FAMILY_IPV4, .bits = bits}};
    uint64_t first = address >> (32 - bits) << (32 - bits);

    for (unsigned i = 0; i < 4; i++)
        end.prefix.address[i] = (unsigned char)(first >> (24 - 8 * i));
    return end;
}

static void set_ports(struct arena *arena, struct filter_rule *rule, uint64_t first, uint64_t last)
{
    struct port_range *range = arena_alloc(arena, sizeof(*range));

    *range = (struct port_range){(uint16_t)first, (uint16_t)last};
    rule->ports = range;
    rule->ports_length = 1;
}

/* SplitMix64: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014. */
static uint64_t draw(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}
