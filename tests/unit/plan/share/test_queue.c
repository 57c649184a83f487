/* The formulas against queues that are simulated, request by request. */
#include "plan/share/queue.h"

#include "base/mem.h"
#include "base/vec.h"
#include "plan/share/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { REQUESTS = 1000000, WARM_UP = 20000 };

struct simulated {
    double mean_wait_s, p95_s, p99_s, later;
};

static double even(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

/* A time of mean 1: constant, Erlang, exponential or hyperexponential. */
static double draw(uint64_t *state, double scv)
{
    double sum = 0;
    if (scv == 0) return 1;
    if (scv <= 1) {
        int phases = (int)(1 / scv + 0.5);
        for (int i = 0; i < phases; i++)
            sum -= number_log(even(state));
        return sum / phases;
    }
    double first = (1 + __builtin_sqrt((scv - 1) / (scv + 1))) / 2;
    double part = even(state) < first ? first : 1 - first;
    return -number_log(even(state)) / (2 * part);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static struct simulated simulate(const struct queue_load *load, int64_t servers, double target_s)
{
    double *free_at = mem_alloc_array((size_t)servers, sizeof(*free_at));
    double *responses = mem_alloc_array(REQUESTS, sizeof(*responses));
    struct simulated result = {0};
    uint64_t state = 7;
    double now = 0;

    for (int n = -WARM_UP; n < REQUESTS; n++) {
        int64_t first = 0;
        now += draw(&state, load->arrival_scv) / load->rate;
        for (int64_t i = 1; i < servers; i++)
            if (free_at[i] < free_at[first]) first = i;
        double begin = number_max(now, free_at[first]);
        free_at[first] = begin + draw(&state, load->service_scv) * load->service_s;
        if (n < 0) continue;
        result.mean_wait_s += (begin - now) / REQUESTS;
        responses[n] = free_at[first] - now;
        result.later += responses[n] > target_s ? 1.0 / REQUESTS : 0;
    }
    array_sort(responses, REQUESTS, sizeof(*responses), compare);
    result.p95_s = responses[(int)(REQUESTS * 0.95)];
    result.p99_s = responses[(int)(REQUESTS * 0.99)];
    mem_free(responses);
    mem_free(free_at);
    return result;
}

static void assert_near(double a, double b, double most)
{
    if (a - b > most || b - a > most) fail_msg("%.12g is not %.12g", a, b);
}

static double off(double is, double should)
{
    return is / should - 1;
}

/* The bounds are those of the README. Bursts are what two moments say least about. */
static void formulas_are_as_near_as_stated(void **state)
{
    static const struct {
        int64_t servers;
        double used, arrival_scv, service_scv;
    } cases[] = {
        {1, 0.7, 1, 1},    {1, 0.9, 1, 1},     {4, 0.7, 1, 1},  {4, 0.9, 1, 1},  {20, 0.8, 1, 1},
        {20, 0.95, 1, 1},  {50, 0.95, 1, 1},   {1, 0.8, 1, 0},  {4, 0.8, 1, 0},  {20, 0.9, 1, 0},
        {4, 0.8, 1, 0.25}, {20, 0.9, 1, 0.25}, {4, 0.8, 1, 4},  {20, 0.9, 1, 4}, {4, 0.8, 4, 1},
        {20, 0.9, 4, 1},   {4, 0.8, 0.25, 1},  {20, 0.9, 4, 4},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct queue_load load = {.arrival_scv = cases[i].arrival_scv,
                                  .service_s = 0.02,
                                  .service_scv = cases[i].service_scv,
                                  .concurrency = 1,
                                  .rate = cases[i].used * (double)cases[i].servers / 0.02};
        struct queue queue = queue_of(&load, cases[i].servers);
        double target_s = queue_percentile_s(&queue, 0.02);
        struct simulated seen = simulate(&load, cases[i].servers, target_s);
        double wait = off(queue_wait_s(&queue), seen.mean_wait_s);
        double p95 = off(queue_percentile_s(&queue, 0.05), seen.p95_s);
        double p99 = off(queue_percentile_s(&queue, 0.01), seen.p99_s);
        printf(
            "# c %3lld used %.2f arrivals %.2f service %.2f: mean wait %+.3f p95 %+.3f p99 %+.3f later 0.02 "
            "is %.4f\n",
            (long long)cases[i].servers, cases[i].used, cases[i].arrival_scv, cases[i].service_scv, wait, p95,
            p99, seen.later);
        double wait_max = cases[i].arrival_scv != 1 ? 0.25 : 0.15; /* what the README states */
        if (wait > wait_max || -wait > wait_max) fail_msg("mean wait of case %zu", i);
        if (p95 > 0.12 || -p95 > 0.12) fail_msg("p95 of case %zu", i);
        if (p99 > 0.12 || -p99 > 0.12) fail_msg("p99 of case %zu", i);
    }
}

/* Erlang's C of M/M/c, from tables: Cooper, Introduction to Queueing Theory, 1981. */
static void erlang_c_is_that_of_tables(void **state)
{
    const struct queue_load load = {.arrival_scv = 1, .service_s = 1, .service_scv = 1, .concurrency = 1};
    assert_near(queue_at(&load, 1, 0.5).waits, 0.5, 1e-12);
    assert_near(queue_at(&load, 2, 0.5).waits, 1.0 / 3, 1e-12);
    assert_near(queue_at(&load, 5, 0.8).waits, 0.554113, 1e-6);
    assert_near(queue_at(&load, 10, 0.8).waits, 0.409180, 1e-6);
}

/* A recursion that began at nothing, against the one that begins near the end. */
static void erlang_c_of_thousands_neither_overflows_nor_drifts(void **state)
{
    const struct queue_load load = {.arrival_scv = 1, .service_s = 1, .service_scv = 1, .concurrency = 1};
    for (int64_t servers = 500; servers <= 10000; servers += 950) {
        for (double used = 0.5; used < 0.9999; used += 0.0499) {
            double inverse = 1, offered = used * (double)servers;
            for (int64_t n = 1; n <= servers && inverse < 1e300; n++)
                inverse = 1 + (double)n / offered * inverse;
            double exact = inverse < 1e300 ? 1 / (inverse * (1 - used) + used) : 0;
            assert_near(queue_at(&load, servers, used).waits, exact, 1e-12);
        }
    }
    struct queue_load many = load;
    many.service_s = 0.01;
    many.rate = 950000;
    struct queue queue = queue_of(&many, 10000);
    assert_true(queue_percentile_s(&queue, 0.01) > 0.04 && queue_percentile_s(&queue, 0.01) < 0.05);
    assert_int_equal(queue_fewest(&many, 0.1, 0.01, 1, 9500), 9500);
}

static void fewest_is_the_first_that_is_good(void **state)
{
    for (double scv = 0; scv <= 4; scv += 0.5) {
        for (double rate = 0; rate < 3000; rate += 37) {
            struct queue_load load = {rate, 1, 0.02, scv, 1};
            int64_t fewest = queue_fewest(&load, 0.2, 0.01, 2, 1000);
            struct queue queue = queue_of(&load, fewest), fewer = queue_of(&load, fewest - 1);
            assert_true(queue_later(&queue, 0.2) <= 0.01 || fewest == 1000);
            assert_true(fewest == 2 || queue_later(&fewer, 0.2) > 0.01);
        }
    }
}

/* More servers, a longer time, less load: none makes anything later. */
static void nothing_goes_the_wrong_way(void **state)
{
    for (double scv = 0; scv <= 4; scv += 0.8) {
        struct queue_load load = {900, 1, 0.02, scv, 1};
        for (int64_t servers = 19; servers < 40; servers++) {
            struct queue queue = queue_of(&load, servers), more = queue_of(&load, servers + 1);
            for (double t = 0.001; t < 1; t *= 1.3) {
                assert_true(queue_later(&more, t) <= queue_later(&queue, t) + 1e-15);
                assert_true(queue_later(&queue, t * 1.3) <= queue_later(&queue, t) + 1e-15);
                assert_true(queue_later(&queue, t) >= 0 && queue_later(&queue, t) <= 1);
            }
            double last = 0;
            for (double late = 0.5; late > 1e-5; late /= 2) {
                double percentile = queue_percentile_s(&queue, late);
                assert_true(percentile >= last * 0.998);
                last = percentile;
                if (scv > 0)
                    assert_near(queue_later(&queue, percentile), late, late * 0.03); /* else it jumps */
            }
        }
    }
}

static void what_is_not_kept_up_with_never_answers(void **state)
{
    struct queue_load load = {1000, 1, 0.02, 1, 1};
    struct queue queue = queue_of(&load, 20), none = queue_of(&load, 0);
    assert_true(queue_percentile_s(&queue, 0.01) >= QUEUE_NEVER && queue_later(&queue, 1) >= 1);
    assert_true(queue_response_s(&none) >= QUEUE_NEVER && queue_later(&none, 1) >= 1);
    assert_int_equal(queue_fewest(&load, 0.2, 0.01, 1, 15), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_are_as_near_as_stated),
        cmocka_unit_test(erlang_c_is_that_of_tables),
        cmocka_unit_test(erlang_c_of_thousands_neither_overflows_nor_drifts),
        cmocka_unit_test(fewest_is_the_first_that_is_good),
        cmocka_unit_test(nothing_goes_the_wrong_way),
        cmocka_unit_test(what_is_not_kept_up_with_never_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
