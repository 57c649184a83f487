/* The model of a farm's instances against queues that are simulated, request by request. */
#include "replay/station.h"

#include "base/mem.h"
#include "plan/share/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { RUNS = 300, SERVERS_MAX = 64 };

struct phase {
    int64_t ms;
    double rate;
    int64_t serving;
};

static const struct queue_load load = {0, 1, 0.02, 0.25, 1};

static double even(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double service(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum -= number_log(even(state));
    return sum / 4 * load.service_s;
}

/* First come, first served; nobody is refused. More servers only: those that come are free. */
static struct station_done simulate(const struct phase *phases, size_t length, double target_s)
{
    struct station_done done = {0};
    uint64_t state = 11;

    for (int run = 0; run < RUNS; run++) {
        double free_at[SERVERS_MAX] = {0}, now = 0, end = 0;
        int64_t serving = 0;
        for (size_t p = 0; p < length; p++) { /* who waits when one more comes is served by it, too */
            for (; serving < phases[p].serving; serving++)
                free_at[serving] = end;
            end += (double)phases[p].ms / 1000;
        }
        end = 0;
        for (size_t p = 0; p < length; p++) {
            double begin = end;
            end += (double)phases[p].ms / 1000;
            if (now < begin) now = begin;
            for (;;) {
                double next = now - number_log(even(&state)) / phases[p].rate;
                if (next > end) break;
                now = next;
                int64_t first = 0;
                for (int64_t i = 1; i < serving; i++)
                    if (free_at[i] < free_at[first]) first = i;
                free_at[first] = number_max(now, free_at[first]) + service(&state);
                if (p == 0) continue; /* warming up */
                done.arrived += 1.0 / RUNS;
                done.late += free_at[first] - now > target_s ? 1.0 / RUNS : 0;
            }
        }
    }
    return done;
}

static struct station_done model(const struct phase *phases, size_t length, double target_s)
{
    struct station station = {.load = load, .target_s = target_s};
    struct station_done done = {0};

    for (size_t p = 0; p < length; p++) {
        struct station_done each = {0};
        station_set(&station, phases[p].rate, phases[p].serving);
        station_pass(&station, phases[p].ms, &each);
        if (p == 0) continue;
        done.arrived += each.arrived;
        done.late += each.late;
        done.refused += each.refused;
    }
    return done;
}

/* One by one within 45 % of what is late, or two thousandths of all; together within a tenth. */
static void jumps_are_late_as_in_a_simulated_queue(void **state)
{
    static const struct phase cases[][4] = {
        {{10000, 300, 8}, {1100, 520, 8}, {8900, 520, 14}, {5000, 520, 14}},
        {{10000, 300, 8}, {1100, 700, 8}, {8900, 700, 20}, {5000, 700, 20}},
        {{10000, 900, 22}, {1100, 1200, 22}, {8900, 1200, 28}, {5000, 1200, 28}},
        {{10000, 300, 8}, {15000, 380, 8}, {15000, 380, 8}, {5000, 380, 9}},
        {{10000, 300, 8}, {1100, 420, 8}, {8900, 420, 10}, {5000, 420, 10}},
        {{10000, 700, 17}, {1100, 950, 17}, {8900, 950, 22}, {5000, 950, 22}},
        {{10000, 700, 17}, {1100, 900, 17}, {8900, 900, 20}, {5000, 900, 20}},
        {{10000, 150, 4}, {1100, 230, 4}, {8900, 230, 6}, {5000, 230, 6}},
        {{10000, 1500, 34}, {1100, 1700, 34}, {8900, 1700, 38}, {5000, 1700, 38}},
    };

    double sum_seen = 0, sum_said = 0;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct station_done seen = simulate(cases[i], 4, 0.15), said = model(cases[i], 4, 0.15);
        double off = said.late - seen.late;
        print_message("# case %zu: of %.0f late %.1f, simulated %.1f\n", i, said.arrived, said.late,
                      seen.late);
        assert_true(said.arrived > seen.arrived * 0.99 && said.arrived < seen.arrived * 1.01);
        assert_true(said.refused < said.arrived * 0.02);
        sum_seen += seen.late;
        sum_said += said.late;
        double most = number_max(seen.late * 0.45, seen.arrived * 0.002);
        if (off > most || -off > most) fail_msg("case %zu: late %g, simulated %g", i, said.late, seen.late);
    }
    assert_true(sum_said < sum_seen * 1.1 && sum_said > sum_seen * 0.9);
}

static void what_is_too_much_is_refused_and_nothing_is_lost(void **state)
{
    struct station station = {.load = load, .target_s = 0.15};
    struct station_done done = {0};

    station_set(&station, 1000, 10); /* twice what they can */
    station_pass(&station, 60000, &done);
    assert_true(done.arrived > 59999 && done.arrived < 60001);
    /* What they serve in a minute, and what waits at its end. */
    assert_true(done.refused > 60000 - 30000 - 600 && done.refused < 60000 - 30000 + 100);
    assert_true(done.late > 0.9 * (done.arrived - done.refused));
    struct station_done rest = {0};
    station_set(&station, 1000, 0);
    station_pass(&station, 1000, &rest);
    assert_true(rest.refused >= 1000);
}

static void how_time_is_cut_makes_no_difference(void **state)
{
    double late[2];
    for (int i = 0; i < 2; i++) {
        struct station station = {.load = load, .target_s = 0.15};
        struct station_done done = {0};
        station_set(&station, 300, 8);
        station_pass(&station, 5000, &done);
        for (int s = 0; s < (i ? 20 : 1); s++) {
            station_set(&station, 420, 8);
            station_pass(&station, i ? 200 : 4000, &done);
        }
        late[i] = done.late;
    }
    if (late[0] < late[1] * 0.93 || late[0] > late[1] * 1.07) fail_msg("%g and %g", late[0], late[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumps_are_late_as_in_a_simulated_queue),
        cmocka_unit_test(what_is_too_much_is_refused_and_nothing_is_lost),
        cmocka_unit_test(how_time_is_cut_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
