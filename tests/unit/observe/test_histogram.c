/* Percentiles against sorted times, and what is read from others. */
#include "observe/histogram.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { TIMES = 20000 };

static uint64_t next_random(uint64_t *seed) /* SplitMix64 */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void near(int64_t got, int64_t wanted)
{
    int64_t off = got > wanted ? got - wanted : wanted - got;
    if (off * HISTOGRAM_ERROR_PARTS > wanted) fail_msg("%lld for %lld", (long long)got, (long long)wanted);
}

static void test_size(void **state)
{
    assert_true(sizeof(struct histogram) <= 2048);
}

/* Of times from a microsecond to minutes, every percentile is within the bound. */
static void test_percentiles(void **state)
{
    static const int64_t PERCENTILES[] = {1, 1000, 25000, 50000, 90000, 99000, 99900, 99999, 100000};
    static int64_t times[TIMES];
    struct histogram histogram = {0};
    uint64_t seed = 1, sum = 0;
    for (size_t i = 0; i < TIMES; i++) {
        uint64_t bits = next_random(&seed);
        times[i] = (int64_t)(1 + (bits >> 8) % ((uint64_t)1 << (bits % 29)));
        histogram_add(&histogram, times[i], 1);
        sum += (uint64_t)times[i];
    }
    array_sort(times, TIMES, sizeof(times[0]), compare);
    assert_int_equal(histogram.count, TIMES);
    assert_int_equal(histogram_mean_us(&histogram), sum / TIMES); /* exact */
    for (size_t i = 0; i < LENGTH(PERCENTILES); i++) {
        int64_t rank = (PERCENTILES[i] * TIMES + 99999) / 100000;
        near(histogram_percentile_us(&histogram, PERCENTILES[i]), times[rank - 1]);
    }
}

static void test_every_time_has_its_bucket(void **state)
{
    for (int64_t time = 1; time < 1LL << HISTOGRAM_BITS; time += 1 + time / 100) {
        struct histogram histogram = {0};
        histogram_add(&histogram, time, 3);
        near(histogram_percentile_us(&histogram, 50000), time);
        assert_int_equal(histogram_later(&histogram, time * 2), 0);
        assert_int_equal(histogram_later(&histogram, time / 2), 3);
    }
    struct histogram histogram = {0};
    histogram_add(&histogram, -4, 1);
    histogram_add(&histogram, INT64_MAX, 1);
    assert_int_equal(histogram.count, 2);
    near(histogram_percentile_us(&histogram, 100000), 1LL << HISTOGRAM_BITS);
    assert_int_equal(histogram_percentile_us(&histogram, 50000), 0);
}

static void test_variation(void **state)
{
    struct histogram histogram = {0};
    assert_int_equal(histogram_scv_millis(&histogram), -1);
    histogram_add(&histogram, 5000, 1);
    assert_int_equal(histogram_scv_millis(&histogram), -1); /* one says nothing */
    histogram_add(&histogram, 5000, 9);
    assert_int_equal(histogram_scv_millis(&histogram), 0);
    /* Half 1, half 3: mean 2, variance 1, a quarter. */
    struct histogram two = {0};
    histogram_add(&two, 1, 500);
    histogram_add(&two, 3, 500);
    assert_int_equal(histogram_scv_millis(&two), 250);
    struct histogram zero = {0};
    histogram_add(&zero, 0, 5);
    assert_int_equal(histogram_scv_millis(&zero), -1);
}

static void test_merge_and_subtract(void **state)
{
    struct histogram a = {0}, b = {0};
    for (int64_t i = 1; i < 1000; i++) {
        histogram_add(&a, i * 7, 2);
        histogram_add(&b, i * i, 1);
    }
    struct histogram both = a, before = a;
    histogram_merge(&both, &b);
    assert_int_equal(both.count, a.count + b.count);
    histogram_subtract(&both, &b);
    assert_memory_equal(&both, &before, sizeof(both));
    histogram_subtract(&both, &a);
    histogram_subtract(&both, &a); /* was not in it */
    assert_int_equal(both.count, 0);
    assert_int_equal(both.sum_us, 0);
}

/* A count that is full stays full. */
static void test_full(void **state)
{
    struct histogram histogram = {0};
    histogram_add(&histogram, 5, UINT32_MAX);
    histogram_add(&histogram, 5, 7);
    assert_int_equal(histogram.count, UINT32_MAX);
    struct histogram other = histogram;
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram.count, UINT32_MAX);
    assert_int_equal(histogram_percentile_us(&histogram, 99999), 5);
}

static void test_text(void **state)
{
    struct histogram histogram = {0}, read = {0};
    CLEANUP_BUF struct buf text = {0};
    for (int64_t i = 0; i < 300; i++)
        histogram_add(&histogram, i * i * i, (uint32_t)i + 1);
    histogram_write(&histogram, &text);
    assert_true(histogram_read(buf_text(&text), &read));
    assert_memory_equal(&histogram, &read, sizeof(read));
    struct histogram empty = {0};
    buf_clear(&text);
    histogram_write(&empty, &text);
    assert_string_equal(buf_text(&text), ";0");
    assert_true(histogram_read(";0", &read));
    assert_int_equal(read.count, 0);
}

static void test_text_of_others(void **state)
{
    static const char *const WRONG[] = {"",
                                        ";",
                                        "1:2",
                                        "1:2;",
                                        " 1:2;2",
                                        "1:2 ;2",
                                        "2:1 1:1;3",      /* not ascending */
                                        "1:1 1:1;2",      /* twice */
                                        "1:0;0",          /* nothing */
                                        "416:1;1",        /* no such bucket */
                                        "1:4294967296;1", /* too many */
                                        "-1:1;1",
                                        "1:1;-1",
                                        "1:1;1 ",
                                        "1:1;99999999999999999", /* no such times have this sum */
                                        "1:1;99999999999999999999999",
                                        "0x1:1;1"};
    struct histogram read = {.count = 77};
    for (size_t i = 0; i < LENGTH(WRONG); i++)
        if (histogram_read(WRONG[i], &read)) fail_msg("%s", WRONG[i]);
    assert_int_equal(read.count, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size),
                                       cmocka_unit_test(test_percentiles),
                                       cmocka_unit_test(test_every_time_has_its_bucket),
                                       cmocka_unit_test(test_variation),
                                       cmocka_unit_test(test_merge_and_subtract),
                                       cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_text_of_others)};
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
