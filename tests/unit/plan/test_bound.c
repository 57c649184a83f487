#include "plan/whatif/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t draw(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

static void assert_near(double a, double b)
{
    if (a - b > 1e-6 || b - a > 1e-6) fail_msg("%.9f is not %.9f", a, b);
}

static void one_shape_is_the_tightest_dimension(void **state)
{
    const struct bound_shape shape = {{{32000, 128LL << 30, 2LL << 40, 0}}, 100};
    assert_near(bound_hosts(&shape, 1, &(struct fleet_size){{64000, 640LL << 30, 1LL << 40, 0}}), 5);
    assert_near(bound_hosts(&shape, 1, &(struct fleet_size){{336000, 0, 0, 0}}), 10.5);
    assert_near(bound_hosts(&shape, 1, &(struct fleet_size){{3200000, 0, 0, 0}}), 100);
    assert_true(bound_hosts(&shape, 1, &(struct fleet_size){{3200001, 0, 0, 0}}) < 0);
    assert_true(bound_hosts(&shape, 1, &(struct fleet_size){{0, 0, 0, 1}}) < 0);
    assert_near(bound_hosts(&shape, 1, &(struct fleet_size){{0, 0, 0, 0}}), 0);
}

static void shapes_are_mixed(void **state)
{
    /* 10 cpus and 10 of memory: by one of each kind 5 + 5 hosts would do, larger ones halve one kind. */
    const struct bound_shape shapes[] = {{{{2, 0, 0, 0}}, 5}, {{{0, 2, 0, 0}}, 9}, {{{4, 1, 0, 0}}, 2}};
    /* Both large ones: 8 cpus, 2 memory. Then 1 of the first, 4 of the second. */
    assert_near(bound_hosts(shapes, 3, &(struct fleet_size){{10, 10, 0, 0}}), 2 + 1 + 4);
    /* Small ones are used when the large ones are used up. */
    const struct bound_shape sizes[] = {{{{1, 1, 1, 1}}, 100}, {{{10, 10, 10, 10}}, 3}};
    assert_near(bound_hosts(sizes, 2, &(struct fleet_size){{50, 20, 10, 5}}), 3 + 20);
}

/* The fewest whole hosts that offer it, by trying all. */
static int64_t fewest(const struct bound_shape *shapes, size_t length, const struct fleet_size *demand)
{
    int64_t best = -1;
    bool met = true;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        met = met && demand->of[d] <= 0;
    if (met) return 0;
    if (length == 0) return -1;
    for (int64_t n = 0; n <= shapes->count; n++) {
        struct fleet_size rest = *demand;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            rest.of[d] -= n * shapes->size.of[d];
        int64_t more = fewest(shapes + 1, length - 1, &rest);
        if (more >= 0 && (best < 0 || n + more < best)) best = n + more;
    }
    return best;
}

/* It is a bound, and a good one: a vertex of the problem has at most as many fractions as dimensions. */
static void whole_hosts_are_never_fewer(void **state)
{
    uint64_t random = 7;
    size_t answers = 0;
    for (int round = 0; round < 500; round++) {
        struct bound_shape shapes[4] = {0};
        struct fleet_size demand = {{0}};
        size_t length = 1 + draw(&random, 4);
        for (size_t t = 0; t < length; t++) {
            shapes[t].count = (int64_t)draw(&random, 6);
            for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
                shapes[t].size.of[d] = (int64_t)draw(&random, 20);
        }
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            demand.of[d] = (int64_t)draw(&random, 80);
        double bound = bound_hosts(shapes, length, &demand);
        int64_t least = fewest(shapes, length, &demand);
        if (least < 0) {
            assert_true(bound < 0);
            continue;
        }
        answers++;
        assert_true(bound >= 0 && bound <= (double)least + 1e-6);
        assert_true((double)least <= bound + FLEET_DIMENSIONS + 1e-6);
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
            struct fleet_size one = {{0}};
            one.of[d] = demand.of[d];
            assert_true(bound_hosts(shapes, length, &one) <= bound + 1e-6);
        }
    }
    assert_true(answers > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shape_is_the_tightest_dimension),
        cmocka_unit_test(shapes_are_mixed),
        cmocka_unit_test(whole_hosts_are_never_fewer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
