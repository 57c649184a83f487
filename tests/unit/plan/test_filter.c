/* Inclusion of filters and rules that never match, against every packet of small universes. */
#include "plan/filter/filter.h"

#include "base/text.h"
#include "filters.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 3000, RULES = 7 };

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
        assert_true(filter_is_inside(arena, &outer, &inner, &said, &err));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_is_exact),
        cmocka_unit_test(idle_rules_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
