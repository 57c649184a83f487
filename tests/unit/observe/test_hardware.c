/* From readings to findings. */
#include "observe/hardware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND };

static bool take(struct hardware_watch *watch, enum finding_kind kind, int64_t value, int64_t limit,
                 int64_t now_us)
{
    const struct hardware_reading reading = {kind, "it", value, limit};
    return hardware_watch_take(watch, &reading, 1, now_us);
}

static int64_t found(const struct hardware_watch *watch)
{
    size_t length = 0;
    const struct finding *findings = hardware_watch_findings(watch, &length);
    return length == 0 ? -1 : findings[0].value;
}

static void test_counter(void **state)
{
    struct hardware_watch *watch = hardware_watch_new();

    assert_false(take(watch, FINDING_MEMORY_ERRORS, 5000, 0, 0)); /* how long that took nobody knows */
    assert_false(take(watch, FINDING_MEMORY_ERRORS, 5010, 0, (int64_t)10 * MINUTE));
    assert_int_equal(found(watch), -1);
    assert_true(take(watch, FINDING_MEMORY_ERRORS, 5011, 0, (int64_t)20 * MINUTE));
    assert_int_equal(found(watch), 11);
    assert_false(take(watch, FINDING_MEMORY_ERRORS, 5012, 0, (int64_t)21 * MINUTE));
    assert_int_equal(found(watch), 11); /* not worth a word */
    assert_true(take(watch, FINDING_MEMORY_ERRORS, 5014, 0, (int64_t)22 * MINUTE));
    assert_int_equal(found(watch), 14);
    assert_true(take(watch, FINDING_MEMORY_ERRORS, 5016, 0, (int64_t)69 * MINUTE)); /* 16 of an hour */
    assert_false(
        take(watch, FINDING_MEMORY_ERRORS, 5016, 0, (int64_t)70 * MINUTE)); /* 6: between the limits */
    assert_int_equal(found(watch), 16);
    assert_true(take(watch, FINDING_MEMORY_ERRORS, 5016, 0, (int64_t)81 * MINUTE)); /* 4 */
    assert_int_equal(found(watch), -1);
    hardware_watch_free(watch);
}

static void test_counter_that_begins_anew(void **state)
{
    struct hardware_watch *watch = hardware_watch_new();

    assert_false(take(watch, FINDING_DISK_ERRORS, 1000, 0, 0));
    assert_false(take(watch, FINDING_DISK_ERRORS, 3, 0, SECOND));
    assert_true(take(watch, FINDING_DISK_ERRORS, 20, 0, 2 * SECOND));
    assert_int_equal(found(watch), 20);
    assert_true(take(watch, FINDING_DISK_ERRORS, INT64_MAX, 0, 3 * SECOND));
    assert_true(
        take(watch, FINDING_DISK_ERRORS, INT64_MAX, 0, (int64_t)500 * MINUTE)); /* far behind an hour */
    assert_int_equal(found(watch), -1);
    hardware_watch_free(watch);
}

static void test_gaps(void **state)
{
    static const struct {
        enum finding_kind kind;
        int64_t limit, values[6], founds[6];
    } rows[] = {
        {FINDING_HOT, 80, {80, 81, 78, 76, 75, 79}, {-1, 81, 81, 81, -1, -1}},
        {FINDING_HOT, 0, {80, 81, 78, 76, 75, 79}, {-1, -1, -1, -1, -1, -1}},
        {FINDING_DISK_FULL, 0, {95, 96, 92, 99, 90, 95}, {-1, 96, 96, 99, -1, -1}},
        {FINDING_MEMORY_LOST, 0, {0, 1, 1, 2, 2, 0}, {-1, 1, 1, 2, 2, -1}},
        {FINDING_DISK_FAILS, 0, {0, 1, 1, 0, 1, 0}, {-1, 1, 1, -1, 1, -1}},
        {FINDING_DISK_READ_ONLY, 0, {0, 1, 1, 0, 1, 0}, {-1, 1, 1, -1, 1, -1}},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct hardware_watch *watch = hardware_watch_new();
        for (size_t n = 0; n < LENGTH(rows[i].values); n++) {
            int64_t before = found(watch);
            bool news = take(watch, rows[i].kind, rows[i].values[n], rows[i].limit, (int64_t)n * SECOND);
            assert_int_equal(found(watch), rows[i].founds[n]);
            assert_int_equal(news, found(watch) != before);
        }
        hardware_watch_free(watch);
    }
}

static void test_what_goes_is_over(void **state)
{
    struct hardware_watch *watch = hardware_watch_new();
    struct hardware_reading readings[FINDINGS_MAX + 9];
    char names[LENGTH(readings)][8];
    size_t length = 0;

    for (size_t i = 0; i < LENGTH(readings); i++) {
        names[i][0] = 's';
        names[i][1] = (char)('0' + i / 10);
        names[i][2] = (char)('0' + i % 10);
        names[i][3] = '\0';
        readings[i] = (struct hardware_reading){FINDING_HOT, names[i], 99, 80};
    }
    assert_true(hardware_watch_take(watch, readings, LENGTH(readings), 0));
    const struct finding *findings = hardware_watch_findings(watch, &length);
    assert_int_equal(length, FINDINGS_MAX);
    assert_string_equal(findings[7].what, "s07");
    assert_true(hardware_watch_take(watch, readings + 1, 2, SECOND));
    findings = hardware_watch_findings(watch, &length);
    assert_int_equal(length, 2);
    assert_string_equal(findings[0].what, "s01");
    assert_true(hardware_watch_take(watch, NULL, 0, 2 * SECOND));
    assert_int_equal(found(watch), -1);
    assert_false(hardware_watch_take(watch, NULL, 0, 3 * SECOND));
    hardware_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counter),
                                       cmocka_unit_test(test_counter_that_begins_anew),
                                       cmocka_unit_test(test_gaps), cmocka_unit_test(test_what_goes_is_over)};
    return cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
