#include "plan/place/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GI (1LL << 30)

static const int64_t whole[COST_DIMENSIONS] = {10000, 10 * GI, 100 * GI, COST_UNCOUNTED};

/* Ten hosts of 10 cpus, 10 GiB, 100 GiB of disk; eight tenths of cpus and memory are asked for, and so much
 * disk with a cpu. */
static struct cost_measure measure_of(int64_t disk)
{
    struct cost_measure measure = {0};
    const int64_t size[COST_DIMENSIONS] = {1000, GI, disk, 0};

    for (int n = 0; n < 10; n++)
        cost_offer(&measure, whole, 1);
    cost_demand(&measure, size, 80);
    cost_weigh_again(&measure);
    for (int n = 0; n < 10; n++)
        cost_see(&measure, whole);
    cost_weigh_end(&measure);
    assert_false(cost_find_scarce(&measure));
    assert_true(cost_find_scarce(&measure));
    return measure;
}

static double cost_in(const struct cost_measure *measure, const int64_t free[COST_DIMENSIONS], int64_t cpus,
                      int64_t memory, int64_t disk)
{
    const int64_t size[COST_DIMENSIONS] = {cpus * 1000, memory * GI, disk * GI, 0};
    double inverse[COST_DIMENSIONS];

    cost_invert(whole, inverse);
    return cost_of(measure, free, inverse, size);
}

static void disk_is_left_for_what_comes(void **state)
{
    const int64_t half[COST_DIMENSIONS] = {5000, 5 * GI, 50 * GI, COST_UNCOUNTED};
    const int64_t lacking[COST_DIMENSIONS] = {5000, 5 * GI, 20 * GI, COST_UNCOUNTED};
    struct cost_measure measure = measure_of(7 * GI);

    assert_true(measure.scarce[0] && measure.scarce[1] && !measure.scarce[2]);
    assert_true(cost_in(&measure, half, 1, 1, 20) < cost_in(&measure, lacking, 1, 1, 20));
    /* Rather an empty host, but not for what asks for little. */
    assert_true(cost_in(&measure, lacking, 1, 1, 20) > cost_in(&measure, whole, 1, 1, 20));
    assert_true(cost_in(&measure, lacking, 1, 1, 1) < cost_in(&measure, whole, 1, 1, 1));
    /* Where little is asked for, what is left makes no difference. */
    measure = measure_of(GI);
    double lacks = cost_in(&measure, lacking, 1, 1, 15) - cost_in(&measure, half, 1, 1, 15);
    assert_true(lacks > -1e-9 && lacks < 1e-9);
}

/* However much disk goes with a cpu: nothing is to be had from an empty host but what it offers. */
static void an_empty_host_is_never_short(void **state)
{
    struct cost_measure measure = measure_of(7 * GI);
    double inverse[COST_DIMENSIONS], left[COST_DIMENSIONS];

    measure.pairs[0].with *= 100;
    cost_invert(whole, inverse);
    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        left[d] = (double)whole[d];
    assert_true(cost_short(&measure, left, inverse) < 1e-9);
    left[2] /= 2;
    assert_true(cost_short(&measure, left, inverse) > 0.49);
}

/* The same demand, a little more or less of it, is the same measure: what is remembered stays right. */
static void a_little_more_is_no_other_measure(void **state)
{
    struct cost_measure measure = measure_of(7 * GI);
    const int64_t more[COST_DIMENSIONS] = {1000, GI, 4 * GI, 0};
    const int64_t disk[COST_DIMENSIONS] = {0, 0, 50 * GI, 0};

    cost_demand(&measure, more, 1);
    assert_true(cost_find_scarce(&measure));
    cost_demand(&measure, more, -1);
    assert_true(cost_find_scarce(&measure));
    cost_demand(&measure, disk, -4);
    assert_false(cost_find_scarce(&measure));
}

static void an_empty_host_of_another_direction_is_opened_last(void **state)
{
    const int64_t started[COST_DIMENSIONS] = {6900, 5 * GI, 80 * GI, COST_UNCOUNTED};
    const int64_t aside[COST_DIMENSIONS] = {9000, 3 * GI, 80 * GI, COST_UNCOUNTED};
    struct cost_measure measure = measure_of(GI);

    assert_true(cost_in(&measure, started, 1, 2, 1) < cost_in(&measure, whole, 1, 2, 1));
    assert_true(cost_in(&measure, aside, 1, 2, 1) > cost_in(&measure, whole, 1, 2, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_is_left_for_what_comes),
        cmocka_unit_test(an_empty_host_is_never_short),
        cmocka_unit_test(a_little_more_is_no_other_measure),
        cmocka_unit_test(an_empty_host_of_another_direction_is_opened_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
