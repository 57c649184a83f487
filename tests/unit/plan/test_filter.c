/* Inclusion of filters and rules that never match, against every packet of small universes. */
#include "plan/filter/filter.h"

#include "base/text.h"
#include "filters.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 2000, RULES = 7 };

/* The first packet that both govern, inner lets pass and outer does not. */
static bool breaks(struct universe universe, const struct filter *outer, const struct filter *inner,
                   bool *ret_governs)
{
    struct packet packet;

    *ret_governs = false;
    for (size_t cursor = 0; filters_packet(universe, &cursor, &packet);) {
        if (!filters_govern(outer->on, &packet) || !filters_govern(inner->on, &packet)) continue;
        *ret_governs = true;
        if (filters_pass(inner, &packet) && !filters_pass(outer, &packet)) return true;
    }
    return false;
}

static void check_witness(const struct filter *outer, const struct filter *inner,
                          const struct filter_judgement *said)
{
    assert_int_equal(said->inner_rule, filter_deciding_rule(inner, &said->packet));
    assert_int_equal(said->outer_rule, filter_deciding_rule(outer, &said->packet));
    assert_true(filters_pass(inner, &said->packet) && !filters_pass(outer, &said->packet));
    const struct packet_end *own =
        said->packet.direction == FILTER_IN ? &said->packet.to : &said->packet.from;
    assert_false(own->internet);
    assert_true(packet_has_ports(&said->packet) || said->packet.from.port + said->packet.to.port == 0);
}

/* The universe has a packet of every kind that its rules can tell apart, so both have to say the same. */
static void inclusion_is_exact(void **state)
{
    uint64_t random = 5;
    size_t inside = 0, broken = 0, apart = 0;

    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct universe universe = filters_universe(&random);
        struct filter outer = filters_make(arena, &random, universe, RULES, NULL);
        struct filter inner = filters_make(arena, &random, universe, RULES, NULL);
        if (filters_draw(&random, 3) == 0) { /* else most are far from each other */
            inner.rules = outer.rules;
            inner.rules_length = outer.rules_length;
        }
        struct filter_judgement said;
        struct error err;
        bool governs = false, wrong = breaks(universe, &outer, &inner, &governs);
        assert_true(filter_is_inside(arena, &outer, &inner, &(uint64_t){0}, &said, &err));
        assert_int_equal(said.governs, governs || wrong);
        if (said.inside == wrong)
            fail_msg("round %d: %s, but %s", round, wrong ? "broken" : "inside", wrong ? "inside" : "broken");
        if (!said.inside) check_witness(&outer, &inner, &said);
        inside += said.inside && governs;
        broken += wrong;
        apart += !governs;
    }
    if (inside < ROUNDS / 10 || broken < ROUNDS / 4 || apart < ROUNDS / 20)
        fail_msg("too much alike: %zu inside, %zu broken, %zu apart", inside, broken, apart);
}

static void idle_rules_are_exact(void **state)
{
    uint64_t random = 6;
    size_t idle_rules = 0, busy_rules = 0;

    for (int round = 0; round < ROUNDS / 3; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct universe universe = filters_universe(&random);
        struct filter filter = filters_make(arena, &random, universe, 2 * RULES, "all");
        bool *busy = arena_alloc_array(arena, filter.rules_length + 1, sizeof(*busy));
        struct packet packet;
        const size_t *idle = NULL;
        size_t length = 0, n = 0;
        struct error err;
        for (size_t cursor = 0; filters_packet(universe, &cursor, &packet);)
            busy[filter_deciding_rule(&filter, &packet)] = true;
        assert_true(filter_idle_rules(arena, &filter, &idle, &length, &err));
        for (size_t rule = 1; rule <= filter.rules_length; rule++) {
            bool said = n < length && idle[n] == rule;
            n += said;
            if (said == busy[rule])
                fail_msg("round %d: rule %zu is %s", round, rule, busy[rule] ? "busy" : "idle");
        }
        assert_int_equal(n, length);
        idle_rules += length;
        busy_rules += filter.rules_length - length;
    }
    if (idle_rules < 200 || busy_rules < 1000)
        fail_msg("too much alike: %zu idle, %zu busy", idle_rules, busy_rules);
}

static struct filter read_filter(struct arena *arena, const char *text)
{
    struct documents documents;
    struct error err;

    if (!spec_read(arena, "text", text, strlen(text), &documents, &err))
        fail_msg("%u: %s", err.line, err.message);
    assert_int_equal(documents.length, 1);
    return *documents.items[0].filter;
}

/* said: "inside", "apart" (nothing is governed by both), or the packet and the numbers of the rules. */
static void assert_said(const char *outer_text, const char *inner_text, const char *said)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct filter outer = read_filter(arena, outer_text), inner = read_filter(arena, inner_text);
    struct filter_judgement judgement;
    struct error err;

    assert_true(filter_is_inside(arena, &outer, &inner, &(uint64_t){0}, &judgement, &err));
    if (judgement.inside)
        buf_add_text(&text, judgement.governs ? "inside" : "apart");
    else {
        packet_write(&judgement.packet, &text);
        buf_printf(&text, " %zu %zu", judgement.inner_rule, judgement.outer_rule);
    }
    assert_string_equal(buf_text(&text), said);
}

#define LANDLORD "kind: Filter\nname: o\nparty: landlord\n"
#define ACME "kind: Filter\nname: i\nparty: acme\n"

/* isolation.md's example in a boundary that lets less pass, and in one that lets as much pass. */
static void packets_are_of_the_kind_that_people_write(void **state)
{
    static const char inner[] =
        ACME "on: acme/shop/web\nrules:\n"
             "  - {action: deny,  direction: out, to: 10.0.0.0/28, protocol: tcp, port: 22}\n"
             "  - {action: allow, direction: in,  from: 10.0.0.0/24, protocol: tcp, port: 8000-8099}\n"
             "  - {action: reject, direction: in, protocol: udp}\n";
    assert_said(
        LANDLORD "on: all\nrules: [{action: allow, direction: in, protocol: tcp, port: 8000-8079}]\n", inner,
        "{\"direction\":\"in\",\"from\":\"10.0.0.1\",\"to\":\"192.0.2.1\",\"to_name\":\"acme/shop/web\","
        "\"protocol\":\"tcp\",\"from_port\":40000,\"port\":8080} 2 0");
    assert_said(LANDLORD "on: all\nrules: [{action: allow, direction: in, protocol: tcp, port: 8000-8099}]\n",
                inner, "inside");
    assert_said(LANDLORD "on: beta\n", inner, "apart");
    assert_said(LANDLORD "on: acme/shop/db\n", inner, "apart");
    assert_said(
        LANDLORD "on: acme/shop/web-3\n", inner,
        "{\"direction\":\"in\",\"from\":\"10.0.0.1\",\"to\":\"192.0.2.1\",\"to_name\":\"acme/shop/web-3\","
        "\"protocol\":\"tcp\",\"from_port\":40000,\"port\":8000} 2 0");
}

static void names_are_nested_and_addresses_are_whole(void **state)
{
    static const char tier[] =
        ACME "on: acme/shop\nrules: [{action: allow, direction: in, from: 'tier:acme/shop/web'}]\n";
    assert_said(LANDLORD "on: all\nrules: [{action: allow, from: 'farm:acme/shop'}]\n", tier, "inside");
    assert_said(LANDLORD "on: all\nrules: [{action: allow, from: 'instance:acme/shop/web-1'}]\n", tier,
                "{\"direction\":\"in\",\"from\":\"198.51.100.1\",\"from_name\":\"acme/shop/"
                "web\",\"to\":\"192.0.2.1\","
                "\"to_name\":\"acme/shop\",\"protocol\":\"tcp\",\"from_port\":40000,\"port\":443} 1 0");
    /* Two halves are the whole, to the last address of 128 bits. */
    static const char all[] = ACME "on: acme\ndefault: allow\nrules: [{action: deny, from: 0.0.0.0/0}]\n";
    assert_said(LANDLORD
                "on: all\nrules:\n  - {action: allow, from: '::/1'}\n  - {action: allow, from: '8000::/1'}\n",
                all, "inside");
    assert_said(
        LANDLORD "on: all\ndefault: allow\nrules:\n"
                 "  - {action: deny, to: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'}\n",
        all,
        "{\"direction\":\"in\",\"from\":\"2001:db8::1\",\"to\":\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\","
        "\"protocol\":\"tcp\",\"from_port\":40000,\"port\":443} 0 1");
    /* All ports but one, of one of two protocols. */
    assert_said(
        LANDLORD "on: all\ndefault: allow\nrules: [{action: deny, protocol: udp, port: [0-52, 54-65535]}]\n",
        ACME "on: acme\nrules: [{action: allow, protocol: udp, port: 53}, {action: allow, protocol: 50}]\n",
        "inside");
    assert_said(
        LANDLORD "on: all\ndefault: allow\nrules: [{action: deny, protocol: icmp}]\n",
        ACME
        "on: acme\ndefault: allow\nrules: [{action: deny, protocol: tcp}, {action: deny, protocol: udp}]\n",
        "{\"direction\":\"in\",\"from\":\"198.51.100.1\",\"to\":\"192.0.2.1\",\"protocol\":\"icmp\"} 0 1");
}

/* X-1 is an instance of X, unless there is a tier of that name. */
static void a_number_at_the_end_is_an_instance(void **state)
{
    static const char inner[] = ACME "on: acme/shop/web-1\ndefault: allow\n";
    static const char other[] =
        ACME "on: acme/shop/web-1\ndefault: allow\nrules: [{action: deny, from: 'tier:acme/shop/web-1'}]\n";
    assert_said(LANDLORD "on: acme/shop/web\ndefault: allow\n", inner, "inside");
    assert_said(LANDLORD "on: acme/shop/web\ndefault: allow\n", other, "apart");
    assert_said(LANDLORD "on: acme/shop/web-1-2\ndefault: allow\n", inner, "inside");
}

/* What inner's denies leave of its default are 32 parts; whichever of them it is that outer stops is found.
 */
static void every_part_is_looked_at(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct filter_rule inner_rules[32], outer_rule;
    struct filter inner = {.name = "i",
                           .party = "a",
                           .full_name = "a/i",
                           .on = "all",
                           .rules = inner_rules,
                           .rules_length = LENGTH(inner_rules),
                           .default_action = FILTER_ALLOW},
                  outer = inner;
    struct filter_judgement judgement;
    struct error err;

    outer.rules = &outer_rule;
    outer.rules_length = 1;
    for (size_t i = 0; i < 64; i++) {
        struct filter_rule *rule = i % 2 ? &outer_rule : &inner_rules[i / 2];
        *rule = (struct filter_rule){.action = FILTER_DENY,
                                     .direction = FILTER_BOTH,
                                     .to = {.name = ""},
                                     .protocol = FILTER_PROTOCOL_ANY};
        rule->from = (struct endpoint){.kind = ENDPOINT_PREFIX, .name = "", .prefix = {.bits = 6}};
        rule->from.prefix.address[0] = (unsigned char)(i << 2);
    }
    for (size_t i = 0; i < 64; i++) {
        outer_rule.from.prefix.address[0] = (unsigned char)(i << 2);
        assert_true(filter_is_inside(arena, &outer, &inner, &(uint64_t){0}, &judgement, &err));
        assert_int_equal(judgement.inside, i % 2 == 0);
        if (judgement.inside) continue;
        check_witness(&outer, &inner, &judgement);
        assert_int_equal(judgement.packet.from.address[0] >> 2, i);
    }
}

/* Inner stops the first three quarters of all senders and outer lets pass the last, but no single rule says
 * so of any pair of those that follow, which all overlap. It has to end, with the right answer or without
 * one. */
static void what_is_too_entangled_is_not_answered(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct filter_rule *rules[2];
    struct filter filters[2];
    struct filter_judgement judgement;
    struct error err = {0};

    for (size_t f = 0; f < 2; f++) {
        rules[f] = arena_alloc_array(arena, FILTER_RULES_MAX, sizeof(**rules));
        filters[f] = (struct filter){.name = "made",
                                     .party = "a",
                                     .full_name = "a/made",
                                     .on = "all",
                                     .rules = rules[f],
                                     .rules_length = FILTER_RULES_MAX};
        for (size_t i = 0; i < FILTER_RULES_MAX; i++) {
            struct port_range *ports = arena_alloc(arena, sizeof(*ports));
            *ports = (struct port_range){(uint16_t)i, (uint16_t)(i + UINT16_MAX / 2)};
            rules[f][i] = (struct filter_rule){.action = f == 0 ? FILTER_ALLOW : FILTER_DENY,
                                               .direction = FILTER_BOTH,
                                               .from = {.name = ""},
                                               .to = {.name = ""},
                                               .protocol = IP_TCP};
            *(f == 0 ? &rules[f][i].from_ports : &rules[f][i].ports) = ports;
            *(f == 0 ? &rules[f][i].from_ports_length : &rules[f][i].ports_length) = 1;
        }
    }
    const struct filter_rule all = {
        .direction = FILTER_BOTH, .to = {.name = ""}, .protocol = FILTER_PROTOCOL_ANY};
    static const char *const senders[] = {"0.0.0.0/1", "128.0.0.0/2", "::/1", "192.0.0.0/2", "8000::/1"};
    for (size_t i = 0; i < LENGTH(senders); i++) {
        struct filter_rule *rule = i < 3 ? &rules[0][i] : &rules[1][i - 3];
        *rule = all;
        rule->action = i < 3 ? FILTER_DENY : FILTER_ALLOW;
        rule->from = (struct endpoint){.kind = ENDPOINT_PREFIX, .name = ""};
        assert_true(address_parse(senders[i], &rule->from.prefix));
    }
    if (filter_is_inside(arena, &filters[1], &filters[0], &(uint64_t){0}, &judgement, &err))
        assert_true(judgement.inside);
    else
        assert_int_equal(err.code, ERROR_TOO_LARGE);
}

/* Two questions out of one purse: what the first has spent the second has not. */
static void work_is_one_budget(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const struct filter_rule deny = {.action = FILTER_DENY,
                                            .direction = FILTER_BOTH,
                                            .from = {.name = ""},
                                            .to = {.name = ""},
                                            .protocol = IP_TCP};
    const struct filter outer = {.name = "o",
                                 .party = "p",
                                 .full_name = "p/o",
                                 .on = "all",
                                 .default_action = FILTER_ALLOW,
                                 .rules = &deny,
                                 .rules_length = 1};
    const struct filter inner = {.name = "i",
                                 .party = "p",
                                 .full_name = "p/i",
                                 .on = "p/f",
                                 .default_action = FILTER_ALLOW,
                                 .rules = &deny,
                                 .rules_length = 1};
    struct filter_judgement judgement;
    struct error err;
    uint64_t work = 0;
    assert_true(filter_is_inside(arena, &outer, &inner, &work, &judgement, &err));
    assert_true(judgement.inside);
    uint64_t once = work;
    assert_true(once > 0);
    assert_true(filter_is_inside(arena, &outer, &inner, &work, &judgement, &err));
    assert_int_equal(work, 2 * once);
    work = FILTER_WORK_MAX;
    assert_false(filter_is_inside(arena, &outer, &inner, &work, &judgement, &err));
    assert_int_equal(err.code, ERROR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_is_exact),
        cmocka_unit_test(idle_rules_are_exact),
        cmocka_unit_test(packets_are_of_the_kind_that_people_write),
        cmocka_unit_test(names_are_nested_and_addresses_are_whole),
        cmocka_unit_test(a_number_at_the_end_is_an_instance),
        cmocka_unit_test(every_part_is_looked_at),
        cmocka_unit_test(what_is_too_entangled_is_not_answered),
        cmocka_unit_test(work_is_one_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
