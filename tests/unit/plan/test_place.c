#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "plan/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void creates_places_and_runs(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    grid_host(grid, "h2", "east/b1/r2", "general", 8, 32);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 2, 500, 64)->spread.by = "rack";
    grid_balance(grid, farm, "web", "auto");
    grid_plan(grid);
    assert_string_equal(grid_said(grid),
                        "farm acme/shop: the farm is new: network 1\n"
                        "create acme/shop/web-1 h1: tier web wants 2; h1 has room and fits best\n"
                        "create acme/shop/web-2 h2: tier web wants 2; h2 has room and fits best\n"
                        "create acme/shop/balance-1 h1: tier balance wants 1; h1 has room and fits best\n");
    grid_settle(grid);
    assert_int_equal(grid_count(grid, "acme/shop", "web", INSTANCE_RUNNING), 2);
    assert_int_equal(grid_instance(grid, "acme/shop/web-1")->address, 0x0a000003);
    const char *reason = NULL;
    assert_string_equal(plan_farm_state(grid->arena, &grid->now, farm, &reason), "ready");
    struct host_document document = plan_host_document(grid->arena, &grid->now, "h1");
    assert_int_equal(document.instances_length, 2);
    assert_int_equal(document.farms[0].members_length, 3);
    assert_int_equal(document.images_length, 2);
    assert_string_equal(document.instances[0].frontends[0].publish, "127.0.0.1:30000");
    assert_int_equal(document.instances[0].frontends[0].servers_length, 2);
    document = plan_host_document(grid->arena, &grid->now, "h2");
    assert_int_equal(document.instances_length, 1);
    assert_int_equal(document.images_length, 2); /* also the balancer's, which may have to come here */
}

/* What a host that is known to be off gets to read when it is back names nothing whose network would not know
 * it: its instances are no members, and may run elsewhere any moment. */
static void nothing_is_on_a_lost_host(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 2, 500, 64);
    grid_settle(grid);
    assert_int_equal(plan_host_document(grid->arena, &grid->now, "h1").instances_length, 2);
    grid_fact(grid, "h1")->state = HOST_DOWN; /* not surely off: it may go on */
    assert_int_equal(plan_host_document(grid->arena, &grid->now, "h1").instances_length, 2);
    grid_fact(grid, "h1")->fenced = true;
    assert_int_equal(plan_host_document(grid->arena, &grid->now, "h1").instances_length, 0);
    assert_int_equal(plan_host_document(grid->arena, &grid->now, "h1").farms_length, 0);
    grid_fact(grid, "h1")->state = HOST_UP;
    grid_fact(grid, "h1")->fenced = false;
    assert_int_equal(plan_host_document(grid->arena, &grid->now, "h1").instances_length, 2);
}

static void drains_stops_and_forgets(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    struct farm *farm = grid_farm(grid, "acme/shop");
    struct tier *web = grid_tier(grid, farm, "web", 3, 500, 64);
    grid_balance(grid, farm, "web", "auto");
    grid_settle(grid);
    web->count.committed = 2;
    grid_plan(grid);
    assert_string_equal(grid_said(grid), "drain acme/shop/web-3 h1: tier web wants 2\n");
    assert_int_equal(grid->plan.again_ms, grid->now_ms + 30000);
    struct host_document document = plan_host_document(grid->arena, &grid->now, "h1");
    const struct member *members = document.farms[0].members;
    for (size_t i = 0; i < document.farms[0].members_length; i++)
        assert_int_equal(members[i].aside, text_equal(members[i].instance, "web-3"));
    grid_work(grid);
    grid_plan(grid);
    assert_string_equal(grid_said(grid), "stop acme/shop/web-3 h1: it has no connections left\n");
    grid_work(grid);
    grid_plan(grid);
    assert_string_equal(grid_said(grid), "forget acme/shop/web-3: it is wiped and not wanted any more\n");
    web->count.committed = 3;
    grid_settle(grid);
    assert_null(grid_instance(grid, "acme/shop/web-3"));
    assert_non_null(grid_instance(grid, "acme/shop/web-4"));
    grid_delete_farm(grid, farm);
    grid_settle(grid);
    assert_int_equal(grid->now.instances_length, 0);
    assert_int_equal(grid->now.farm_facts_length, 0);
}

static void says_what_lacks(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east", "general", 2, 32);
    grid_host(grid, "h2", "east", "general", 8, 3);
    grid_host(grid, "h3", "east", "general", 8, 2);
    grid_tier(grid, grid_farm(grid, "acme/shop"), "big", 1, 4000, 8192);
    grid_plan(grid);
    assert_string_equal(grid_instance(grid, "acme/shop/big-1")->reason,
                        "no host has room for cpus 4, memory 8Gi, disk 1Gi: of 3 hosts 1 lacks cpus "
                        "(most free: 2 on h1), 2 lack memory (most free: 3Gi on h2)");
}

/* Another patience with the web tier makes new members of it; the balancer, and who talks to it, go on. */
static void balancer_stays_when_its_tier_changes(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    struct farm *farm = grid_farm(grid, "acme/shop");
    struct health *health = &grid_tier(grid, farm, "web", 2, 500, 64)->health;
    *health = (struct health){HEALTH_HTTP,      .path = "/",       .port = 80,
                              .every_ms = 1000, .timeout_ms = 500, .fails = 3};
    grid_balance(grid, farm, "web", "auto");
    grid_settle(grid);
    health->every_ms = 200;
    health->timeout_ms = 2000;
    health->fails = 5;
    grid_settle(grid);
    assert_null(grid_instance(grid, "acme/shop/web-1"));
    assert_int_equal(grid_instance(grid, "acme/shop/balance-1")->incarnation, 1);
    health->path = "/other";
    grid_settle(grid);
    assert_null(grid_instance(grid, "acme/shop/balance-1"));
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

static void expect_aside(struct grid *grid, const char *names)
{
    CLEANUP_BUF struct buf text = {0};
    struct host_document document = plan_host_document(grid->arena, &grid->now, "h1");
    for (size_t i = 0; i < document.farms[0].members_length; i++)
        if (document.farms[0].members[i].aside)
            buf_printf(&text, "%s ", document.farms[0].members[i].instance);
    assert_string_equal(buf_text(&text), names);
}

static void names_lead_to_members_that_serve(void **state)
{
    struct grid *grid = *state;
    const struct allow allow = {"web", "web", PROTOCOL_TCP, 80, 80};
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 3, 500, 64)->health.kind = HEALTH_TCP;
    farm->allow = &allow;
    farm->allow_length = 1;
    grid_plan(grid);
    expect_aside(grid, ""); /* nobody serves yet: all there is */
    grid_settle(grid);
    expect_aside(grid, "");
    grid_instance(grid, "acme/shop/web-1")->state = INSTANCE_BOOTING;
    grid_instance(grid, "acme/shop/web-2")->health = HEALTH_BAD;
    expect_aside(grid, "web-1 web-2 ");
    grid_instance(grid, "acme/shop/web-3")->health = HEALTH_UNKNOWN;
    expect_aside(grid, "");
    grid_tier_of(grid, farm, "web")->health.kind = HEALTH_NONE;
    expect_aside(grid, "web-1 web-2 ");
    farm->allow_length = 0; /* nobody may open it: no new documents for its sake */
    expect_aside(grid, "");
}

static void keeps_pools(void **state)
{
    const struct pool first = {"general", "host"}, second = {"spare", "none"}, changed = {"general", "rack"};
    struct planner *planner = planner_new();
    size_t cursor = 0;
    planner_put(planner, RECORD_POOL, &first);
    planner_put(planner, RECORD_POOL, &second);
    planner_put(planner, RECORD_POOL, &changed);
    assert_int_equal(planner_length(planner, RECORD_POOL), 2);
    assert_ptr_equal(planner_get(planner, RECORD_POOL, "general"), &changed);
    planner_delete(planner, RECORD_POOL, "general");
    assert_null(planner_get(planner, RECORD_POOL, "general"));
    assert_ptr_equal(planner_next(planner, RECORD_POOL, &cursor), &second);
    assert_null(planner_next(planner, RECORD_POOL, &cursor));
    planner_free(planner);
}

/* A size that becomes known, or is no more, changes what is free everywhere. */
static void knows_slivers(void **state)
{
    struct grid *grid = *state;
    for (int h = 1; h <= 6; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h), "east/b1/r1", "general", h < 6 ? 5 : 4, 32);
    grid_pool(grid, "general", "host");
    struct tier *web = grid_tier(grid, grid_farm(grid, "acme/a"), "web", 11, 2000, 64);
    grid_settle(grid);
    assert_int_equal(grid_count(grid, "acme/a", "web", INSTANCE_RUNNING), 10);
    struct farm *farm = grid_farm(grid, "acme/b");
    grid_tier(grid, farm, "tiny", 0, 1000, 64);
    grid_settle(grid);
    assert_int_equal(grid_count(grid, "acme/a", "web", INSTANCE_RUNNING), 11);
    grid_delete_farm(grid, farm);
    web->count.committed = 12;
    grid_settle(grid);
    assert_int_equal(grid_count(grid, "acme/a", "web", INSTANCE_RUNNING), 11);
}

/* More members than best hosts are remembered of a group (cost.h: COST_TOP), so that those apart have to be
 * looked for: forty hosts, each larger than the one before, in two racks. The best of equals in
 * spread is the smallest. */
static void spreads_over_more_hosts_than_are_remembered(void **state)
{
    struct grid *grid = *state;
    for (int h = 1; h <= 40; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h), h % 3 ? "east/b1/r1" : "east/b1/r2", "general",
                  8 + h, 32 + h);
    struct farm *farm = grid_farm(grid, "acme/shop");
    struct tier *strict = grid_tier(grid, farm, "strict", 36, 100, 64);
    strict->spread.by = "host";
    strict->spread.strict = true;
    grid_tier(grid, farm, "twice", 60, 100, 64)->spread.by = "host";
    grid_settle(grid);
    assert_int_equal(grid_count(grid, "acme/shop", "strict", INSTANCE_RUNNING), 36);
    assert_int_equal(grid_count(grid, "acme/shop", "twice", INSTANCE_RUNNING), 60);
    for (int n = 1; n <= 36; n++)
        assert_string_equal(grid_instance(grid, arena_printf(grid->arena, "acme/shop/strict-%d", n))->host,
                            arena_printf(grid->arena, "h%d", n));
    for (int h = 1; h <= 40; h++) {
        int members = 0;
        for (int n = 1; n <= 60; n++)
            members +=
                text_equal(grid_instance(grid, arena_printf(grid->arena, "acme/shop/twice-%d", n))->host,
                           arena_printf(grid->arena, "h%d", h));
        assert_in_range(members, 1, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creates_places_and_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_on_a_lost_host, setup, teardown),
        cmocka_unit_test_setup_teardown(drains_stops_and_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_lacks, setup, teardown),
        cmocka_unit_test_setup_teardown(balancer_stays_when_its_tier_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(names_lead_to_members_that_serve, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_slivers, setup, teardown),
        cmocka_unit_test_setup_teardown(spreads_over_more_hosts_than_are_remembered, setup, teardown),
        cmocka_unit_test(keeps_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
