#include "base/text.h"

#include "check.h"

#include <stdio.h>
#include <time.h>

typedef bool parser(const char *text, int64_t *ret_value);
typedef char *formatter(char *out, int64_t value);

struct row {
    const char *text;
    int64_t value;
};

static void assert_parses(parser *parse, const struct row *rows, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int64_t value = -1;
        if (!parse(rows[i].text, &value)) fail_msg("refused: %s", rows[i].text);
        assert_int_equal(value, rows[i].value);
    }
}

static void assert_refused(parser *parse, const char *const *texts, size_t length)
{
    int64_t value = 77;
    for (size_t i = 0; i < length; i++)
        if (parse(texts[i], &value)) fail_msg("accepted: %s", texts[i]);
    assert_false(parse(NULL, &value));
    assert_int_equal(value, 77);
}

static void assert_formats(formatter *format, const struct row *rows, size_t length)
{
    char out[32];
    for (size_t i = 0; i < length; i++) {
        assert_ptr_equal(format(out, rows[i].value), out);
        assert_string_equal(out, rows[i].text);
    }
}

/* Values of every size, round ones more often than not, and all within 70 of the edges. */
static void assert_round_trips(parser *parse, formatter *format)
{
    static const int64_t scales[] = {1, 10, 1000, 1024, 60000, 1000000, 1048576, 86400000, 1099511627776};
    uint64_t seed = 6;
    for (int i = 0; i < 50000; i++) {
        int64_t scale = scales[check_random(&seed) % LENGTH(scales)];
        int64_t value = (int64_t)(check_random(&seed) >> (1 + check_random(&seed) % 63));
        if (i < 70) value = i;
        if (i >= 70 && i < 140) value = INT64_MAX - (i - 70);
        if (value <= INT64_MAX / scale && i >= 140) value *= scale;
        char out[32];
        int64_t back = -1;
        if (!parse(format(out, value), &back)) fail_msg("not parsed: %s", out);
        assert_true(back == value);
    }
}

static void cpus(void **state)
{
    static const struct row canonical[] = {
        {"0", 0},      {"0.001", 1},   {"0.01", 10},
        {"0.1", 100},  {"0.5", 500},   {"8", 8000},
        {"10", 10000}, {"1.25", 1250}, {"9223372036854775.807", INT64_MAX},
    };
    static const struct row accepted[] = {{"0.50", 500}, {"2.000", 2000}, {"1.0000", 1000}, {"08", 8000}};
    static const char *const bad[] = {"",
                                      ".5",
                                      "5.",
                                      "0.0001",
                                      "-1",
                                      "1e3",
                                      "0.5 ",
                                      " 1",
                                      "1,5",
                                      "1m",
                                      "0.5.5",
                                      "9223372036854775.808",
                                      "9223372036854776",
                                      "99999999999999999999999"};
    assert_formats(text_format_cpus, canonical, LENGTH(canonical));
    assert_parses(text_parse_cpus, canonical, LENGTH(canonical));
    assert_parses(text_parse_cpus, accepted, LENGTH(accepted));
    assert_refused(text_parse_cpus, bad, LENGTH(bad));
    assert_round_trips(text_parse_cpus, text_format_cpus);
}

static void bytes(void **state)
{
    static const struct row canonical[] = {
        {"0", 0},
        {"1", 1},
        {"1000", 1000},
        {"1Ki", 1024},
        {"1025", 1025},
        {"64Mi", 64LL << 20},
        {"32Gi", 32LL << 30},
        {"1536Mi", 1536LL << 20},
        {"1Ti", 1LL << 40},
        {"1024Ti", 1LL << 50},
        {"9223372036854775807", INT64_MAX},
    };
    static const struct row accepted[] = {
        {"1024Ki", 1 << 20}, {"0Gi", 0}, {"1.5Gi", 3LL << 29}, {"0.5Ki", 512}};
    static const char *const bad[] = {"",
                                      "Ki",
                                      "1K",
                                      "1ki",
                                      "1KiB",
                                      "1 Ki",
                                      "1Pi",
                                      "0.3Ki",
                                      "0.5",
                                      "-1Ki",
                                      "1.Ki",
                                      "8388608Ti",
                                      "9223372036854775808",
                                      "0.0000000000000000001Ti"};
    assert_formats(text_format_bytes, canonical, LENGTH(canonical));
    assert_parses(text_parse_bytes, canonical, LENGTH(canonical));
    assert_parses(text_parse_bytes, accepted, LENGTH(accepted));
    assert_refused(text_parse_bytes, bad, LENGTH(bad));
    assert_round_trips(text_parse_bytes, text_format_bytes);
}

static void rates(void **state)
{
    static const struct row canonical[] = {{"0", 0},           {"999", 999},         {"1K", 1000},
                                           {"1500K", 1500000}, {"10G", 10000000000}, {"1000G", 1000000000000},
                                           {"100M", 100000000}};
    static const struct row accepted[] = {{"1.5M", 1500000}, {"0.000000001G", 1}, {"1000K", 1000000}};
    static const char *const bad[] = {"", "1k", "1T", "1.5", "1.0001K", "G", "-1G", "9223372037G"};
    assert_formats(text_format_rate, canonical, LENGTH(canonical));
    assert_parses(text_parse_rate, canonical, LENGTH(canonical));
    assert_parses(text_parse_rate, accepted, LENGTH(accepted));
    assert_refused(text_parse_rate, bad, LENGTH(bad));
    assert_round_trips(text_parse_rate, text_format_rate);
}

static void durations(void **state)
{
    static const struct row canonical[] = {
        {"0s", 0},       {"1ms", 1},      {"250ms", 250},    {"5s", 5000},      {"90s", 90000},
        {"10m", 600000}, {"2h", 7200000}, {"7d", 604800000}, {"25h", 90000000}, {"1001ms", 1001}};
    static const struct row accepted[] = {
        {"0ms", 0}, {"0d", 0}, {"0.5s", 500}, {"60s", 60000}, {"24h", 86400000}};
    static const char *const bad[] = {"",      "5",  "0",  "5 s",          "s", "1h30m", "-1s",
                                      "0.5ms", "1w", "1S", "106751991168d"};
    assert_formats(text_format_duration, canonical, LENGTH(canonical));
    assert_parses(text_parse_duration, canonical, LENGTH(canonical));
    assert_parses(text_parse_duration, accepted, LENGTH(accepted));
    assert_refused(text_parse_duration, bad, LENGTH(bad));
    assert_round_trips(text_parse_duration, text_format_duration);
}

/* Differences are shown, though never parsed. */
static void negative_values(void **state)
{
    char out[32];
    assert_string_equal(text_format_cpus(out, -500), "-0.5");
    assert_string_equal(text_format_cpus(out, INT64_MIN), "-9223372036854775.808");
    assert_string_equal(text_format_bytes(out, -2048), "-2Ki");
    assert_string_equal(text_format_bytes(out, INT64_MIN), "-8388608Ti");
    assert_string_equal(text_format_rate(out, -1000), "-1K");
    assert_string_equal(text_format_duration(out, -60000), "-1m");
}

static void times(void **state)
{
    static const struct row known[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2000-02-29T12:00:00.000Z", 951825600000},
        {"2026-11-21T02:01:15.042Z", 1795226475042},
        {"2100-03-01T00:00:00.000Z", 4107542400000},
        {"0000-03-01T00:00:00.000Z", -62162035200000},
        {"292278994-08-17T07:12:55.807Z", INT64_MAX},
        {"-292275055-05-16T16:47:04.192Z", INT64_MIN},
    };
    assert_formats(text_format_time, known, LENGTH(known));
}

static void times_are_those_of_the_library(void **state)
{
    uint64_t seed = 7;
    for (int i = 0; i < 50000; i++) {
        int64_t second = (int64_t)(check_random(&seed) % 250000000000ULL); /* up to the year 9892 */
        int ms = (int)(check_random(&seed) % 1000);
        time_t wall = (time_t)second;
        struct tm parts;
        assert_non_null(gmtime_r(&wall, &parts));
        char date[32];
        char expected[48];
        char out[32];
        assert_true(strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts) > 0);
        snprintf(expected, sizeof(expected), "%s.%03dZ", date, ms);
        assert_string_equal(text_format_time(out, second * 1000 + ms), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus),
        cmocka_unit_test(bytes),
        cmocka_unit_test(rates),
        cmocka_unit_test(durations),
        cmocka_unit_test(negative_values),
        cmocka_unit_test(times),
        cmocka_unit_test(times_are_those_of_the_library),
    };
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
