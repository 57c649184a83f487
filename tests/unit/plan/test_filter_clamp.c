/* What is left of a filter inside others, against every packet of small universes. */
#include "plan/filter/filter.h"

#include "base/text.h"
#include "filters.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 2000, RULES = 5, OUTERS = 2 };

static bool wanted(const struct filter *outers, size_t length, const struct filter *inner,
                   const struct packet *packet)
{
    bool passes = filters_pass(inner, packet);
    for (size_t i = 0; i < length; i++)
        if (filters_govern(outers[i].on, packet)) passes = passes && filters_pass(&outers[i], packet);
    return passes;
}

static void check_all_packets(int round, struct universe universe, const struct filter *outers, size_t length,
                              const struct filter *inner, const struct filter *clamped)
{
    struct packet packet;
    for (size_t cursor = 0; filters_packet(universe, &cursor, &packet);) {
        if (!filters_govern(inner->on, &packet)) continue;
        if (filters_pass(clamped, &packet) == wanted(outers, length, inner, &packet)) continue;
        CLEANUP_BUF struct buf text = {0};
        packet_write(&packet, &text);
        fail_msg("round %d: %s is %s", round, buf_text(&text),
                 filters_pass(clamped, &packet) ? "let pass" : "stopped");
    }
}

static void check_inside(const struct filter *outers, size_t length, const struct filter *inner,
                         const struct filter *clamped)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct filter_judgement said;
    const size_t *idle = NULL;
    size_t idle_length = 0;
    struct error err;

    for (size_t i = 0; i < length; i++) {
        assert_true(filter_is_inside(arena, &outers[i], clamped, &(uint64_t){0}, &said, &err));
        assert_true(said.inside);
    }
    assert_true(filter_is_inside(arena, inner, clamped, &(uint64_t){0}, &said, &err));
    assert_true(said.inside);
    assert_true(filter_idle_rules(arena, clamped, &idle, &idle_length, &err));
    assert_int_equal(idle_length, 0);
    assert_string_equal(clamped->full_name, inner->full_name);
    assert_string_equal(clamped->on, inner->on);
}

static void what_is_left_is_exact(void **state)
{
    uint64_t random = 11;
    size_t clamps = 0, refused = 0, large = 0, changed = 0, by_names = 0;

    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct universe universe = filters_universe(&random);
        universe.apart = filters_draw(&random, 2);
        struct filter outers[OUTERS], clamped;
        const struct filter *pointers[OUTERS];
        size_t length = 1 + filters_draw(&random, OUTERS);
        for (size_t i = 0; i < OUTERS; i++) {
            outers[i] =
                filters_make(arena, &random, universe, RULES, filters_draw(&random, 3) ? "all" : NULL);
            pointers[i] = &outers[i];
        }
        struct filter inner = filters_make(arena, &random, universe, RULES, NULL);
        struct error err;
        if (!filter_clamp(arena, pointers, length, &inner, &clamped, &err)) {
            assert_true(err.code == ERROR_REFUSED || err.code == ERROR_TOO_LARGE);
            assert_true(universe.names); /* prefixes alone can always be said */
            refused += err.code == ERROR_REFUSED;
            large += err.code == ERROR_TOO_LARGE;
            continue;
        }
        check_all_packets(round, universe, outers, length, &inner, &clamped);
        check_inside(outers, length, &inner, &clamped);
        clamps++;
        changed += clamped.rules_length != inner.rules_length;
        by_names += universe.names;
    }
    if (clamps < ROUNDS / 2 || changed < ROUNDS / 4 || refused < 20 || large > ROUNDS / 100 ||
        by_names < ROUNDS / 10)
        fail_msg("too much alike: %zu clamped, %zu changed, %zu refused, %zu too large, %zu with names",
                 clamps, changed, refused, large, by_names);
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

/* left: the rules, without spaces; "": it is refused. */
static void assert_left(const char *outer_text, const char *inner_text, const char *left)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct filter outer = read_filter(arena, outer_text), inner = read_filter(arena, inner_text), clamped;
    const struct filter *outers = &outer;
    struct error err;

    if (!filter_clamp(arena, &outers, 1, &inner, &clamped, &err)) {
        assert_int_equal(err.code, ERROR_REFUSED);
        assert_string_equal(left, "");
        return;
    }
    check_inside(&outer, 1, &inner, &clamped);
    schema_write(&schema_filter, "Filter", &clamped, &text);
    const char *rules = strstr(buf_text(&text), "\"default\"");
    assert_non_null(rules);
    if (strcmp(rules, left) != 0) fail_msg("%s\nis not\n%s", rules, left);
}

#define LANDLORD "kind: Filter\nname: o\nparty: landlord\n"
#define ACME "kind: Filter\nname: i\nparty: acme\non: acme/shop\n"

static void what_is_left_can_be_read(void **state)
{
    /* Nothing is taken away; only what matters stands in front. */
    assert_left(LANDLORD "on: all\nrules: [{action: allow, protocol: tcp}]\n",
                ACME "rules: [{action: allow, protocol: tcp, port: 80}]\n",
                "\"default\":\"deny\",\"rules\":[{\"action\":\"allow\",\"protocol\":\"tcp\",\"port\":80}]}");
    assert_left(LANDLORD "on: all\ndefault: allow\nrules:\n  - {action: deny, protocol: udp}\n"
                         "  - {action: deny, protocol: tcp, port: 22}\n",
                ACME "rules: [{action: allow, protocol: tcp}]\n",
                "\"default\":\"deny\",\"rules\":[{\"action\":\"deny\",\"protocol\":\"tcp\",\"port\":22},"
                "{\"action\":\"allow\",\"protocol\":\"tcp\"}]}");
    /* A boundary around more than inner governs needs no names. */
    assert_left(LANDLORD "on: acme\ndefault: allow\nrules: [{action: deny, protocol: tcp, port: 22}]\n",
                ACME "rules: [{action: allow, protocol: tcp}]\n",
                "\"default\":\"deny\",\"rules\":[{\"action\":\"deny\",\"protocol\":\"tcp\",\"port\":22},"
                "{\"action\":\"allow\",\"protocol\":\"tcp\"}]}");
    /* Where an outer filter governs less, it says whose ports it means. */
    assert_left(
        LANDLORD "on: acme/shop/db\nrules: [{action: allow, direction: in, protocol: tcp}]\n",
        ACME "default: allow\n",
        "\"default\":\"allow\",\"rules\":["
        "{\"action\":\"allow\",\"direction\":\"in\",\"to\":\"tier:acme/shop/db\",\"protocol\":\"tcp\"},"
        "{\"action\":\"deny\",\"direction\":\"in\",\"to\":\"tier:acme/shop/db\"},"
        "{\"action\":\"deny\",\"direction\":\"out\",\"from\":\"tier:acme/shop/db\"}]}");
}

/* A tier's addresses are not known: what nobody may send is denied first. */
static void names_meet_addresses(void **state)
{
    assert_left(LANDLORD
                "on: all\nrules: [{action: allow, from: 128.0.0.0/1}, {action: allow, from: '::/0'}]\n",
                ACME "rules: [{action: allow, from: 'tier:acme/shop/web'}]\n",
                "\"default\":\"deny\",\"rules\":[{\"action\":\"deny\",\"from\":\"0.0.0.0/1\"},"
                "{\"action\":\"allow\",\"from\":\"tier:acme/shop/web\"}]}");
    assert_left(
        LANDLORD "on: all\nrules:\n  - {action: allow, direction: in, from: 0.0.0.0/0}\n"
                 "  - {action: allow, direction: out, from: '::/0'}\n",
        ACME "rules: [{action: allow, from: 'tier:acme/shop/web'}]\n",
        "\"default\":\"deny\",\"rules\":[{\"action\":\"deny\",\"direction\":\"out\",\"from\":\"0.0.0.0/0\"},"
        "{\"action\":\"deny\",\"direction\":\"in\",\"from\":\"::/0\"},"
        "{\"action\":\"allow\",\"from\":\"tier:acme/shop/web\"}]}");
    /* Both know both: no list of rules says it. */
    assert_left(
        LANDLORD "on: all\nrules: [{action: allow, from: 10.0.0.0/8}, {action: allow, from: internet}]\n",
        ACME "rules: [{action: allow, from: 'tier:acme/shop/web'}, {action: allow, from: 10.0.0.0/7}]\n", "");
    assert_left(LANDLORD "on: acme\n", "kind: Filter\nname: i\nparty: landlord\non: all\ndefault: allow\n",
                "");
}

/* What outer stops of the protocols that it does not name, it may let pass of one that it does. */
static void other_protocols_are_denied_alone(void **state)
{
    static const struct {
        const char *packet;
        bool passes;
    } cases[] = {{"in tcp 200.0.0.1:1 > 10.0.0.1:80", true}, {"in udp 200.0.0.1:1 > 10.0.0.1:80", false},
                 {"in tcp 70.0.0.1:1 > 10.0.0.1:80", false}, {"in tcp 10.0.0.9:1 > 10.0.0.1:80", true},
                 {"in icmp 200.0.0.1 > 10.0.0.1", false},    {"in tcp [::1]:1 > [::2]:80", false}};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct filter outer =
        read_filter(arena, LANDLORD "on: all\nrules:\n  - {action: allow, protocol: tcp, from: 128.0.0.0/1}\n"
                                    "  - {action: allow, from: 0.0.0.0/2}\n");
    struct filter inner = read_filter(arena, ACME "rules:\n  - {action: allow, from: 'tier:acme/shop/web'}\n"
                                                  "  - {action: allow, protocol: tcp}\n");
    const struct filter *outers = &outer;
    struct filter clamped;
    struct error err;

    assert_true(filter_clamp(arena, &outers, 1, &inner, &clamped, &err));
    check_inside(&outer, 1, &inner, &clamped);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct packet packet;
        assert_true(packet_parse(cases[i].packet, &packet, &err));
        if (filters_pass(&clamped, &packet) != cases[i].passes) fail_msg("%s", cases[i].packet);
        packet.from.tier = "acme/shop/web";
        packet.from.farm = "acme/shop";
        assert_int_equal(filters_pass(&clamped, &packet), filters_pass(&outer, &packet));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_exact),
        cmocka_unit_test(what_is_left_can_be_read),
        cmocka_unit_test(names_meet_addresses),
        cmocka_unit_test(other_protocols_are_denied_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
