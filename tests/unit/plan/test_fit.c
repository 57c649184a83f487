/* What `fit` promises is what the planner does: it places so many, and after any loss all have room; and
 * there are hardly any more that it could. */
#include "plan/whatif/fit.h"

#include "base/text.h"
#include "grid.h"
#include "plan/whatif/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* SplitMix64: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

struct sums {
    int64_t promised, most; /* most: what the planner takes */
};

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(draw(state) % n);
}

static size_t waiting(const struct snapshot *s)
{
    size_t count = 0;
    for (size_t n = 0; n < s->instances_length; n++)
        count += s->instances[n].host[0] == '\0';
    return count;
}

static bool lost_together(const struct host *a, const struct host *b, enum fit_survive survive)
{
    if (survive == FIT_SURVIVE_HOST) return text_equal(a->name, b->name);
    if (survive == FIT_SURVIVE_RACK) return text_equal(a->zone, b->zone);
    size_t size = strcspn(a->zone, "/");
    return size == strcspn(b->zone, "/") && memcmp(a->zone, b->zone, size) == 0;
}

/* Whether the planner places all after the loss of what stands with the host. */
static bool planner_recovers(struct grid *grid, const struct snapshot *s, size_t lost,
                             enum fit_survive survive)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct host_fact facts[GRID_HOSTS_MAX];
    struct snapshot after = *s;

    memcpy(facts, s->host_facts, s->host_facts_length * sizeof(*facts));
    for (size_t n = 0; n < s->host_facts_length; n++) {
        if (!lost_together(&grid->hosts[lost], grid_intent(grid, facts[n].name), survive)) continue;
        facts[n].state = HOST_DOWN;
        facts[n].fenced = true;
    }
    after.host_facts = facts;
    struct plan plan = plan_make(arena, &after, grid->now_ms);
    after = plan_apply(arena, &after, &plan);
    for (size_t n = 0; n < after.instances_length; n++)
        for (size_t f = 0; f < after.host_facts_length; f++)
            if (text_equal(after.instances[n].host, facts[f].name) && facts[f].fenced) return false;
    return waiting(&after) == 0;
}

/* Whether so many of the size are placed, and then survive. */
static bool planner_takes(struct grid *grid, const struct resources *size, int64_t count,
                          enum fit_survive survive)
{
    struct snapshot before = grid->now;
    struct farm *farm = grid_farm(grid, "zz/new");
    grid_tier(grid, farm, "new", count, 0, 0)->size = *size;
    struct plan plan = plan_make(grid->arena, &grid->now, grid->now_ms);
    struct snapshot after = plan_apply(grid->arena, &grid->now, &plan);
    bool good = waiting(&after) == 0;
    for (size_t n = 0; good && survive != FIT_SURVIVE_NONE && n < grid->now.hosts_length; n++)
        good = planner_recovers(grid, &after, n, survive);
    grid->now = before;
    return good;
}

/* The most of at least `least` and at most `most` with which it does; every number is tried. */
static int64_t most_of_planner(struct grid *grid, const struct resources *size, int64_t least, int64_t most,
                               enum fit_survive survive)
{
    while (most > least && !planner_takes(grid, size, most, survive))
        most--;
    return most;
}

static void expect_promise_is_kept(struct grid *grid, const struct resources *size, enum fit_survive survive,
                                   struct sums *sums)
{
    struct fit fit = fit_count(grid->arena, &grid->now, size, survive);
    bool as_it_is = planner_takes(grid, size, 0, survive);
    int64_t all = fit_count(grid->arena, &grid->now, size, FIT_SURVIVE_NONE).count;

    if (fit.count > 0 || as_it_is) assert_true(planner_takes(grid, size, fit.count, survive));
    if (survive == FIT_SURVIVE_NONE) assert_false(planner_takes(grid, size, fit.count + 1, survive));
    if (!as_it_is) return;
    sums->promised += fit.count;
    sums->most += most_of_planner(grid, size, fit.count, all, survive);
}

static void counts_what_fits(void **state)
{
    struct grid *grid = *state;
    const struct resources size = {2000, 4LL << 30, 10LL << 30, 0};
    struct fit fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE);
    assert_int_equal(fit.count, 0);
    assert_string_equal(fit.limited_by, "hosts");
    grid_host(grid, "h1", "east/r1", "general", 8, 32);
    grid_host(grid, "h2", "east/r1", "general", 8, 9);
    grid_host(grid, "h3", "east/r2", "other", 8, 12);
    fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE);
    assert_int_equal(fit.count, 4 + 2 + 3);
    assert_string_equal(fit.limited_by, "memory");
    assert_string_equal(fit.reason, "of 3 hosts 1 lacks cpus, 2 lack memory for one more");
    grid_intent(grid, "h1")->state = HOST_DRAINING;
    fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE);
    assert_int_equal(fit.count, 5);
    const struct resources large = {1000, 1LL << 30, 101LL << 30, 0};
    fit = fit_count(grid->arena, &grid->now, &large, FIT_SURVIVE_HOST);
    assert_int_equal(fit.count, 0);
    assert_string_equal(fit.limited_by, "disk");
    /* Sums stop at the top instead of turning over. */
    const struct resources tiny = {0, 0, 0, 1};
    fit = fit_count(grid->arena, &grid->now, &tiny, FIT_SURVIVE_NONE);
    assert_true(fit.count > 1LL << 60);
}

static void keeps_room_for_a_loss(void **state)
{
    struct grid *grid = *state;
    const struct resources size = {1000, 1LL << 30, 1LL << 30, 0};
    for (int n = 1; n <= 4; n++)
        grid_host(grid, arena_printf(grid->arena, "h%d", n),
                  arena_printf(grid->arena, "%s/r%d", n <= 2 ? "east" : "west", n), "general", 8, 32);
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE).count, 32);
    struct fit fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_HOST);
    assert_int_equal(fit.count, 24);
    assert_string_equal(fit.limited_by, "cpus");
    assert_true(fit.to_survive);
    assert_string_equal(fit.reason,
                        "with 25 more, the loss of host/h1 would leave a new one without room: of 3 "
                        "hosts 3 lack cpus");
    const struct resources wide = {1000, 8LL << 30, 1LL << 30, 0};
    fit = fit_count(grid->arena, &grid->now, &wide, FIT_SURVIVE_HOST);
    assert_int_equal(fit.count, 12);
    assert_string_equal(fit.limited_by, "memory");
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_SITE).count, 16);
    /* Two pools of two classes do not help each other. */
    grid_intent(grid, "h3")->class_name = grid_intent(grid, "h4")->class_name = "fast";
    grid_intent(grid, "h3")->pool = grid_intent(grid, "h4")->pool = "fast";
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_HOST).count, 16);
    grid_host(grid, "h5", "west/r5", "alone", 8, 32); /* what is there has nowhere to go */
    grid_intent(grid, "h5")->class_name = "alone";
    fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_HOST);
    assert_int_equal(fit.count, 16);
    assert_int_equal(fit.parts_length, 3);
    assert_string_equal(fit.parts[1].pool, "fast");
    assert_int_equal(fit.parts[1].count, 8);
    assert_int_equal(fit.parts[2].count, 0);
    assert_string_equal(fit.reason,
                        "with 1 more in pool alone, the loss of host/h5 would leave a new one without "
                        "room: no other host of its pool or class is left");
    assert_string_equal(fit.limited_by, "hosts");
    /* Where something is lost already when nothing is added, nothing fits. */
    grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 5, 5000, 1024);
    grid_settle(grid);
    fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_HOST);
    assert_int_equal(fit.count, 0);
    assert_string_equal(
        fit.reason,
        "as it is, the loss of host/h1 would leave acme/shop/web-1 without room: of 1 host 1 lacks cpus");
}

/* Of three alike one is kept free; what the others leave is let in, and no more. */
static void counts_what_pools_let_in(void **state)
{
    struct grid *grid = *state;
    const struct resources size = {1000, 1LL << 30, 1LL << 30, 0};
    for (int n = 1; n <= 3; n++)
        grid_host(grid, arena_printf(grid->arena, "h%d", n), "east/r1", "general", 8, 32);
    struct pool *pool = grid_pool(grid, "general", "host");
    struct fit fit = fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE);
    assert_int_equal(fit.count, 16);
    assert_string_equal(fit.limited_by, "cpus");
    assert_true(fit.to_survive);
    const struct resources wide = {1000, 8LL << 30, 1LL << 30, 0};
    assert_string_equal(fit_count(grid->arena, &grid->now, &wide, FIT_SURVIVE_NONE).limited_by, "memory");
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_HOST).count, 16);
    pool->survive = "rack"; /* the only one: nothing is let in */
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE).count, 0);
    pool->survive = "none";
    assert_int_equal(fit_count(grid->arena, &grid->now, &size, FIT_SURVIVE_NONE).count, 24);
}

/* Of no form that anybody said, and with less than their tiers ask for: placed again they need that. */
static void make_unlike(struct grid *grid, uint64_t *random)
{
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        struct instance *instance = grid_instance(grid, grid->now.instances[n].name);
        instance->personality = "";
        if (below(random, 3) == 0) instance->size.cpus_millis /= 2;
    }
}

/* Small grids of every kind, asked about each loss; the planner is asked about every number that might be. */
static void random_grids_agree_with_the_planner(void **state)
{
    static const char *const zones[] = {"a/1/x", "a/1/y", "a/2", "b/1/x", "b/1/y", "b"};
    static const char *const spreads[] = {"", "", "host", "rack", "site", "2"};
    struct sums sums = {0};

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct grid *grid = grid_new();
        uint64_t random = seed;
        size_t hosts = 2 + below(&random, 8);
        for (size_t n = 0; n < hosts; n++) {
            size_t pool = below(&random, 4);
            char name[16];
            snprintf(name, sizeof(name), "h%zu", n);
            int64_t cpus = 4 + (int64_t)below(&random, 3) * 4, memory = 8 + (int64_t)below(&random, 3) * 8;
            /* The largest host is one that may be lost, so that costs are measured otherwise then. */
            if (seed % 2 == 0) cpus = 2LL << below(&random, 5), memory = 4LL << below(&random, 5);
            grid_host(grid, name, zones[below(&random, LENGTH(zones))], pool < 3 ? "general" : "other", cpus,
                      memory);
        }
        static const char *const losses[] = {"host", "rack", "site"};
        if (seed % 3 == 0) grid_pool(grid, "general", losses[below(&random, LENGTH(losses))]);
        size_t farms = below(&random, 4);
        for (size_t n = 0; n < farms; n++) {
            char name[16];
            snprintf(name, sizeof(name), "a/f%zu", n);
            struct tier *tier =
                grid_tier(grid, grid_farm(grid, name), "web", 1 + (int64_t)below(&random, 4),
                          250 * (1 + (int64_t)below(&random, 8)), 512 * (1 + (int64_t)below(&random, 8)));
            tier->spread.by = spreads[below(&random, LENGTH(spreads))];
            tier->spread.strict = below(&random, 3) == 0;
            tier->priority = 40 + (int64_t)below(&random, 3) * 10;
        }
        grid_settle(grid);
        if (seed % 5 == 0) make_unlike(grid, &random);
        const struct resources size = {250 * (1 + (int64_t)below(&random, 8)),
                                       (1 + (int64_t)below(&random, 8)) << 29, 1LL << 30, 0};
        if (waiting(&grid->now) == 0)
            for (int survive = FIT_SURVIVE_NONE; survive <= FIT_SURVIVE_SITE; survive++)
                expect_promise_is_kept(grid, &size, (enum fit_survive)survive, &sums);
        grid_free(grid);
    }
    assert_true(sums.promised > 1000); /* they were no empty questions */
    assert_true(100 * sums.promised >= 95 * sums.most);
}

static int setup(void **state)
{
    *state = grid_new();
    return 0;
}

static int teardown(void **state)
{
    grid_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_what_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_room_for_a_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_what_pools_let_in, setup, teardown),
        cmocka_unit_test(random_grids_agree_with_the_planner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
