/* What is left of a filter inside others, against every packet of small universes. */
#include "plan/filter/filter.h"

#include "base/text.h"
#include "filters.h"

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
        assert_true(filter_is_inside(arena, &outers[i], clamped, &said, &err));
        assert_true(said.inside);
    }
    assert_true(filter_is_inside(arena, inner, clamped, &said, &err));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
