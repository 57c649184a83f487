/* A small change to a large grid costs what the change costs, not what the grid costs: a ratio, no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/text.h"
#include "plan/planner.h"
#include "spec/grid_file.h"

enum {
    SMALL = 80,
    LARGE = 50 * SMALL, /* hosts */
    ON_HOST = 8,
    CHANGES = 40,
    TIMES_MORE_MAX = 10, /* where the whole grid is looked at it is about 50 */
};

/* In processor time, of which others on the machine take none. */
static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct snapshot read_grid(struct arena *arena, int hosts, int64_t *ret_now_ms)
{
    CLEANUP_BUF struct buf text = {0};
    struct grid_file grid;
    struct error err;
    for (int h = 0; h < hosts; h++) {
        buf_printf(&text,
                   "{\"kind\":\"Host\",\"name\":\"h%d\",\"zone\":\"east/b%d/r%d\",\"capacity\":{\"cpus\":16,"
                   "\"memory\":\"64Gi\",\"disk\":\"1Ti\"}}\n",
                   h, h % 4, h % 10);
        for (int n = 0; n < ON_HOST; n++)
            buf_printf(&text, "{\"kind\":\"Instance\",\"name\":\"p/f%d/web-%d\",\"host\":\"h%d\"}\n", h / 2,
                       h % 2 * ON_HOST + n + 1, h);
    }
    if (!grid_file_read(arena, "f", buf_text(&text), text.size, &grid, &err))
        fail_msg("%u:%u: %s: %s", err.line, err.column, err.field, err.message);
    *ret_now_ms = grid.now_ms;
    return grid.snapshot;
}

/* The planner is told that an instance fails, or that a host is lost, decides, and is told that it is not so.
 */
static double cost_of_change(int hosts, bool loses_host)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct planner *planner = planner_new();
    int64_t now_ms = 0;
    struct snapshot grid = read_grid(arena, hosts, &now_ms);
    double least = 1e9;

    planner_put_all(planner, &grid);
    assert_int_equal(planner_plan(planner, arena, now_ms).actions_length, 0);
    for (size_t n = 0; n < CHANGES; n++) {
        CLEANUP_ARENA struct arena *own = arena_new();
        const struct instance *instance = &grid.instances[n * grid.instances_length / CHANGES];
        const struct host_fact *fact = &grid.host_facts[n * grid.host_facts_length / CHANGES];
        struct instance failed = *instance;
        struct host_fact lost = *fact;
        failed.state = INSTANCE_FAILED;
        failed.since_ms = now_ms;
        lost.state = HOST_DOWN;
        lost.fenced = true;
        double begin = seconds_now();
        planner_put(planner, loses_host ? RECORD_HOST_FACT : RECORD_INSTANCE,
                    loses_host ? (const void *)&lost : &failed);
        struct plan plan = planner_plan(planner, own, now_ms);
        planner_put(planner, loses_host ? RECORD_HOST_FACT : RECORD_INSTANCE,
                    loses_host ? (const void *)fact : instance);
        struct plan none = planner_plan(planner, own, now_ms);
        double seconds = seconds_now() - begin;
        assert_int_equal(plan.actions_length, loses_host ? ON_HOST : 0);
        assert_int_equal(none.actions_length, 0);
        if (seconds < least) least = seconds;
    }
    planner_free(planner);
    return least;
}

static void costs_what_changes(void **state)
{
    (void)state;
    for (int loses_host = 0; loses_host < 2; loses_host++) {
        double small = cost_of_change(SMALL, loses_host), large = cost_of_change(LARGE, loses_host);
        print_message("# %s: %.1f times as long in a grid 50 times as large\n",
                      loses_host ? "a host is lost" : "an instance fails", large / small);
        assert_true(large < TIMES_MORE_MAX * small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(costs_what_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
