#include "plan/share/forecast.h"

#include "plan/share/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000 };
static const int64_t monday_ms = 345600000LL + 20000LL * 7 * DAY_MS;

static double even(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += even(state);
    return sum;
}

/* A day of office hours: quiet nights, a peak at noon, weekends at half. */
static double office(int64_t ms)
{
    int64_t day = ms / DAY_MS % 7, hour_ms = ms % DAY_MS;
    double from_noon = (double)(hour_ms - 12 * HOUR_MS) / (4 * HOUR_MS);
    return (100 + 900 * number_exp(-from_noon * from_noon)) * (day >= 5 ? 0.5 : 1);
}

/* Feeds rate(t) with noise of a count, every 10 s. */
static void feed(struct forecast *forecast, int64_t from_ms, int64_t until_ms, double (*rate)(int64_t),
                 uint64_t *seed)
{
    for (int64_t t = from_ms; t < until_ms; t += 10000) {
        double mean = rate(t) * 10, count = mean + normal(seed) * __builtin_sqrt(mean);
        assert_true(forecast_observe(forecast, monday_ms + t + 10000, 10000, count > 0 ? count : 0));
    }
}

static double apart(double a, double b)
{
    return a > b ? a / b - 1 : b / a - 1;
}

static void a_steady_rate_is_known_at_once_and_well(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 1;
    double margin;

    for (int s = 1; s <= 600; s++) {
        assert_true(forecast_observe(&forecast, monday_ms + s * 1000, 1000, 400 + 20 * normal(&seed)));
        double now = forecast_now(&forecast, &margin);
        if (s >= 10) assert_true(apart(now, 400) < 0.08);
    }
    assert_true(apart(forecast_now(&forecast, &margin), 400) < 0.02);
    assert_true(margin > 2 && margin < 20);
    assert_true(apart(forecast_rate(&forecast, 0.5), 400) < 0.05);
}

/* A jump is seen with the first count that has it, up and down. */
static void a_jump_is_seen_in_a_second(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 2;
    double margin;

    for (int s = 1; s <= 300; s++)
        forecast_observe(&forecast, monday_ms + s * 1000, 1000, 400 + 20 * normal(&seed));
    forecast_observe(&forecast, monday_ms + 301000, 1000, 700);
    assert_true(apart(forecast_now(&forecast, &margin), 700) < 0.01);
    assert_true(margin > 40); /* one count says no more */
    forecast_observe(&forecast, monday_ms + 302000, 1000, 300);
    assert_true(apart(forecast_now(&forecast, &margin), 300) < 0.01);
}

/* Of what is foreseen with probability p, so much more comes in that part of the windows. */
static void the_band_says_how_far_it_is_off(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 3;
    int over[3] = {0}, windows = 0;
    const double probabilities[] = {0.5, 0.25, 0.05};
    double level = 500;

    for (int minute = 0; minute < 3000; minute++) {
        int64_t at_ms = monday_ms + (int64_t)minute * MINUTE_MS;
        double foreseen[3];
        for (int i = 0; i < 3; i++)
            foreseen[i] = forecast_rate(&forecast, probabilities[i]);
        level = 500 * number_exp(0.2 * normal(&seed));
        for (int s = 1; s <= 60; s++)
            forecast_observe(&forecast, at_ms + s * 1000, 1000, level);
        if (minute < 300) continue;
        windows++;
        for (int i = 0; i < 3; i++)
            over[i] += level > foreseen[i];
    }
    for (int i = 0; i < 3; i++) {
        double part = (double)over[i] / windows;
        if (part > probabilities[i] * 1.3 || part < probabilities[i] * 0.6)
            fail_msg("probability %g: %g", probabilities[i], part);
    }
    double rate = forecast_rate(&forecast, 0.1);
    assert_true(apart(forecast_probability(&forecast, rate), 0.1) < 0.05);
}

/* A wild day, then a calm one: in three hours the band is what the calm one needs. */
static void the_band_follows_when_it_calms_down(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 10;

    for (int minute = 0; minute < 1440 + 180; minute++) {
        int64_t at_ms = monday_ms + (int64_t)minute * MINUTE_MS;
        double level = 500 * number_exp((minute < 1440 ? 0.6 : 0.05) * normal(&seed));
        for (int s = 1; s <= 60; s++)
            forecast_observe(&forecast, at_ms + s * 1000, 1000, level);
        if (minute == 1439) assert_true(forecast_rate(&forecast, 0.05) > 800);
    }
    double median = forecast_rate(&forecast, 0.5), rare = forecast_rate(&forecast, 0.05);
    if (rare > 1.25 * median) fail_msg("%g over %g", rare, median);
    assert_true(rare > 1.03 * median);
}

/* With a lead of ten minutes, on the flanks of a day: the season knows where it goes. */
static void the_season_is_learned(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 4;
    double with = 0, without = 0;

    forecast_set_lead(&forecast, 10 * MINUTE_MS);
    feed(&forecast, 0, 21 * (int64_t)DAY_MS, office, &seed);
    for (int64_t t = 21 * (int64_t)DAY_MS; t < 28 * (int64_t)DAY_MS; t += 10 * MINUTE_MS) {
        feed(&forecast, t, t + 10 * MINUTE_MS, office, &seed);
        double foreseen = forecast_rate(&forecast, 0.5), truth = office(t + 20 * MINUTE_MS);
        with += apart(foreseen, truth);
        without += apart(office(t + 10 * MINUTE_MS), truth);
    }
    if (with > 0.6 * without) fail_msg("season %g, last value %g", with, without);
}

static bool crowd;
static double office_with_crowd(int64_t ms)
{
    int64_t at = ms - (22 * (int64_t)DAY_MS + 4 * HOUR_MS);
    return office(ms) * (crowd && at >= 0 && at < 20 * MINUTE_MS ? 15 : 1);
}

/* Twenty minutes of fifteenfold demand at night: the next week, and the next hour, are as if it had not been.
 */
static void a_crowd_poisons_neither_season_nor_the_next_hour(void **state)
{
    double rates[2], hours[2];

    for (int i = 0; i < 2; i++) {
        struct forecast forecast = {0};
        uint64_t seed = 5;
        crowd = i == 1;
        feed(&forecast, 0, 22 * (int64_t)DAY_MS + 5 * HOUR_MS, office_with_crowd, &seed);
        hours[i] = forecast_rate(&forecast, 0.5);
        feed(&forecast, 22 * (int64_t)DAY_MS + 5 * HOUR_MS, 29 * (int64_t)DAY_MS + 4 * HOUR_MS,
             office_with_crowd, &seed);
        rates[i] = forecast_rate(&forecast, 0.5);
    }
    assert_true(apart(hours[1], hours[0]) < 0.15);
    assert_true(apart(rates[1], rates[0]) < 0.1);
}

static void zeros_gaps_and_nonsense_do_no_harm(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 6;
    double margin;

    assert_true(forecast_rate(&forecast, 0.05) == 0 && forecast_now(&forecast, &margin) == 0);
    feed(&forecast, 0, HOUR_MS, office, &seed);
    struct forecast before = forecast;
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS, 1000, 5));     /* seen already */
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS - 1, 1000, 5)); /* disorder */
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS + 1000, 1000, __builtin_nan("")));
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS + 1000, 1000, -1));
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS + 1000, 1000, __builtin_inf()));
    assert_false(forecast_observe(&forecast, monday_ms + HOUR_MS + 1000, 0, 1));
    assert_memory_equal(&before, &forecast, sizeof(before));
    feed(&forecast, 30 * HOUR_MS, 31 * HOUR_MS, office, &seed); /* a day is missing */
    for (int s = 1; s <= 600; s++)
        forecast_observe(&forecast, monday_ms + 31 * HOUR_MS + s * 1000, 1000, 0);
    double none = forecast_rate(&forecast, 0.05);
    assert_true(none >= 0 && none < 100);
    feed(&forecast, 32 * HOUR_MS, 33 * HOUR_MS, office, &seed);
    assert_true(apart(forecast_rate(&forecast, 0.5), office(33 * HOUR_MS)) < 0.3);
}

/* Written and read it is the same, and goes on the same, at any moment. */
static void a_restart_forgets_nothing(void **state)
{
    struct forecast forecast = {0};
    uint64_t seed = 8;

    for (int piece = 0; piece < 40; piece++) {
        struct arena *arena = arena_new();
        struct buf json = {0};
        struct forecast again;
        struct error err;
        feed(&forecast, piece * 5 * (int64_t)HOUR_MS, (piece + 1) * 5 * (int64_t)HOUR_MS - 170000, office,
             &seed);
        forecast_write(&forecast, &json);
        assert_true(json.size < 8192);
        assert_true(forecast_read(arena, buf_text(&json), json.size, &again, &err));
        assert_memory_equal(&forecast, &again, sizeof(again));
        buf_free(&json);
        arena_free(arena);
    }
}

static void damage_is_refused(void **state)
{
    struct forecast forecast = {0}, again;
    uint64_t seed = 9;
    struct buf json = {0};
    struct error err;

    feed(&forecast, 0, HOUR_MS, office, &seed);
    forecast_write(&forecast, &json);
    for (size_t at = 0; at < json.size; at += 3) {
        struct arena *arena = arena_new();
        struct buf bad = {0};
        buf_add(&bad, buf_text(&json), json.size);
        bad.data[at] = '~';
        if (forecast_read(arena, buf_text(&bad), bad.size, &again, &err)) fail_msg("byte %zu", at);
        assert_true(strlen(err.message) > 0);
        buf_free(&bad);
        arena_free(arena);
    }
    buf_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_rate_is_known_at_once_and_well),
        cmocka_unit_test(a_jump_is_seen_in_a_second),
        cmocka_unit_test(the_band_says_how_far_it_is_off),
        cmocka_unit_test(the_band_follows_when_it_calms_down),
        cmocka_unit_test(the_season_is_learned),
        cmocka_unit_test(a_crowd_poisons_neither_season_nor_the_next_hour),
        cmocka_unit_test(zeros_gaps_and_nonsense_do_no_harm),
        cmocka_unit_test(a_restart_forgets_nothing),
        cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
