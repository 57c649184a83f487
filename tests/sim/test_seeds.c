/* A few seeds for each kind of fault in every run of the tests; those that found something once are in
 * `regressions`. Many are `croft sim --seeds`. */
#include "base/text.h"
#include "simulate/simulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE = 60 * 1000 };

static struct simulate_report *run(const struct simulate_options *options)
{
    struct simulate_report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    simulate(options, report);
    assert_true(report->finished);
    return report;
}

static void judge_good(const struct simulate_report *report)
{
    const char *line = NULL;
    if (!report->violated) return;
    for (unsigned i = 0; (line = story_line(&report->story, i)); i++)
        print_error("%s\n", line);
    fail_msg("seed %llu, %s: %s", (unsigned long long)report->seed, report->invariant, report->message);
}

/* The same seed is the same run, to the last bit; another one is another. */
static void test_repeats(void **state)
{
    const struct simulate_options options = {
        .seed = 5, .virtual_ms = 8 * MINUTE, .hosts = 5, .farms = 3, .faults = "all"};
    struct simulate_options other = options;
    struct simulate_report *first = run(&options), *second = run(&options);
    assert_int_equal(first->story.hash, second->story.hash);
    assert_memory_equal(first, second, sizeof(*first));
    other.seed = 6;
    struct simulate_report *third = run(&other);
    assert_int_not_equal(first->story.hash, third->story.hash);
    judge_good(first);
    judge_good(third);
    free(first);
    free(second);
    free(third);
}

/* Each kind by itself: it strikes, and nothing is violated. */
static void test_each_fault(void **state)
{
    const char *name = NULL;
    for (size_t i = 0; (name = simulate_fault_name(i)); i++) {
        uint64_t struck = 0;
        for (uint64_t seed = 1; struck == 0 && seed < 10; seed++) {
            const struct simulate_options options = {
                .seed = seed, .virtual_ms = 8 * MINUTE, .hosts = 5, .farms = 3, .faults = name};
            struct simulate_report *report = run(&options);
            judge_good(report);
            struck = report->faults[i];
            for (size_t other = 0; simulate_fault_name(other); other++)
                if (other != i) assert_int_equal(report->faults[other], 0);
            free(report);
        }
        if (struck == 0) fail_msg("%s never struck", name);
    }
}

/* With nothing wrong nothing is told as wrong, and everything was judged. */
static void test_none(void **state)
{
    size_t invariants = 0;
    const struct simulate_options options = {.seed = 1, .virtual_ms = 6 * MINUTE, .faults = "none"};
    struct simulate_report *report = run(&options);
    while (simulate_invariant_name(invariants))
        invariants++;
    judge_good(report);
    assert_int_equal(invariants, 17);
    assert_int_equal(report->checks, report->steps * invariants);
    assert_true(report->virtual_ms >= 6 * MINUTE - 1000);
    free(report);
}

static void test_list(void **state)
{
    struct error err;
    assert_true(simulate_check_faults("all", &err));
    assert_true(simulate_check_faults("none", &err));
    assert_true(simulate_check_faults("host-dies,messages", &err));
    assert_false(simulate_check_faults("host-dies,mesages", &err));
    assert_string_equal(err.message,
                        "there is no fault 'mesages', did you mean messages; croft sim --help names them");
    assert_false(simulate_check_faults("", &err));
    assert_false(simulate_check_faults("host-dies,", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_each_fault),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
