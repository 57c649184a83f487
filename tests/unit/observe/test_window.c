/* The balanced rate as it is defined, and at the edges of what is defined. */
#include "observe/window.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_rate(int64_t mean, int64_t min, int64_t max, int64_t wanted)
{
    int64_t rate = 77777;
    assert_true(window_rate(mean, min, max, &rate));
    assert_int_equal(rate, wanted);
}

static void test_rate(void **state)
{
    expect_rate(1000, 1000, 5000, -50); /* the least: ideal */
    expect_rate(5000, 1000, 5000, 50);  /* the most that is tolerated */
    expect_rate(3000, 1000, 5000, 0);
    expect_rate(1039, 1000, 5000, -50); /* 0.975 of a hundredth: down */
    expect_rate(1040, 1000, 5000, -49);
    expect_rate(13000, 1000, 5000, 250);
    expect_rate(999, 1000, 5000, -51); /* better than expected, down */
    expect_rate(0, 1000, 5000, -75);
    expect_rate(0, 0, 1, -50);
    expect_rate(1, 0, 1, 50);
    expect_rate(INT64_MAX, 0, 1, WINDOW_RATE_MAX);
    expect_rate(INT64_MAX, 0, INT64_MAX, WINDOW_RATE_MAX); /* what cannot be multiplied is far off */
    expect_rate(0, INT64_MAX / 2, INT64_MAX / 2 + 1, -WINDOW_RATE_MAX);
    expect_rate(1000 * 1000, 0, 1000, WINDOW_RATE_MAX);
}

static void test_no_scale(void **state)
{
    int64_t rate = 7;
    assert_false(window_rate(10, 5, 5, &rate));
    assert_false(window_rate(10, 6, 5, &rate));
    assert_false(window_rate(10, INT64_MIN, INT64_MAX, &rate));
    assert_int_equal(rate, 7);
}

static void test_window(void **state)
{
    struct window window = window_new(3);
    int64_t mean = 7;
    assert_false(window_mean_us(&window, &mean)); /* nothing is in it */
    assert_int_equal(mean, 7);
    window_add(&window, 10);
    assert_true(window_mean_us(&window, &mean));
    assert_int_equal(mean, 10);
    window_add(&window, 20);
    window_add(&window, 33);
    assert_true(window_mean_us(&window, &mean));
    assert_int_equal(mean, 21);
    window_add(&window, 1000); /* the oldest goes */
    assert_true(window_mean_us(&window, &mean));
    assert_int_equal(mean, (20 + 33 + 1000) / 3);
    window_add(&window, -5);
    window_add(&window, -5);
    window_add(&window, -5);
    assert_true(window_mean_us(&window, &mean));
    assert_int_equal(mean, 0);
    for (int i = 0; i < 3; i++)
        window_add(&window, INT64_MAX);
    assert_true(window_mean_us(&window, &mean));
    assert_true(mean > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate), cmocka_unit_test(test_no_scale),
                                       cmocka_unit_test(test_window)};
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
