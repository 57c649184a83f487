/* What-if on small grids: each part of the answer, and that it is what comes to pass. */
#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "plan/whatif/whatif.h"
#include "plan/whatif/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Names in the answer may be the planner's. */
static struct planner *planner_of(struct grid *grid)
{
    struct planner *planner = planner_new_in(grid->arena);
    planner_put_all(planner, &grid->now);
    return planner;
}

static struct whatif_answer ask(struct grid *grid, const struct whatif_question *question)
{
    struct planner *planner = planner_of(grid);
    struct whatif_answer answer;
    struct error err = {0};
    if (!whatif_ask(planner, grid->arena, question, grid->now_ms, &answer, &err)) fail_msg("%s", err.message);
    planner_free(planner);
    assert_int_equal(answer.total + answer.yielded_lost,
                     answer.kept + answer.moved + answer.yielded + answer.lost + answer.removed);
    assert_int_equal(answer.losses_length, answer.lost);
    return answer;
}

static struct whatif_answer ask_fail(struct grid *grid, const char *name)
{
    const char *const names[] = {name};
    return ask(grid, &(struct whatif_question){.fail = names, .fail_length = 1});
}

static struct whatif_answer ask_drain(struct grid *grid, const char *name)
{
    const char *const names[] = {name};
    return ask(grid, &(struct whatif_question){.drain = names, .drain_length = 1});
}

/* "web-1 h1 h2 1; " */
static const char *moves_of(struct grid *grid, const struct whatif_answer *answer)
{
    CLEANUP_BUF struct buf text = {0};
    for (size_t n = 0; n < answer->moves_length; n++)
        buf_printf(&text, "%s %s %s %d; ", answer->moves[n].instance, answer->moves[n].from,
                   answer->moves[n].to, answer->moves[n].step);
    return arena_strdup(grid->arena, buf_text(&text));
}

/* Three racks of two hosts; web spread over racks, db on one host. */
static struct grid *three_racks(struct grid *grid)
{
    for (int h = 0; h < 6; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1),
                  arena_printf(grid->arena, "east/b1/r%d", h / 2 + 1), "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 3, 1000, 1024)->spread.by = "rack";
    grid_tier(grid, farm, "db", 1, 2000, 2048)->priority = 70;
    grid_balance(grid, farm, "web", "auto");
    grid_settle(grid);
    return grid;
}

static void nothing_happens(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask(grid, &(struct whatif_question){0});
    assert_int_equal(answer.total, 5);
    assert_int_equal(answer.kept, 5);
    assert_int_equal(answer.moves_length + answer.losses_length + answer.farms_length, 0);
    assert_int_equal(answer.recover_ms, 0);
    assert_int_equal(answer.failed_hosts_length, 0);
}

static void a_host_fails(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask_fail(grid, "host/h1");
    assert_string_equal(moves_of(grid, &answer), "acme/shop/balance-1 h1 h2 1; acme/shop/db-1 h1 h2 1; "
                                                 "acme/shop/web-1 h1 h2 1; ");
    assert_int_equal(answer.failed_hosts_length, 1);
    assert_string_equal(answer.failed_hosts[0], "h1");
    assert_int_equal(answer.kept, 2);
    assert_int_equal(answer.moved, 3);
    assert_int_equal(answer.farms_length, 1);
    assert_string_equal(answer.farms[0].state_before, "ready");
    assert_string_equal(answer.farms[0].state_after, "ready");
    /* bench/README.md: 261 ms for one; two more start on the same host. */
    assert_int_equal(answer.recover_ms, 261 + 2 * 9);
    assert_string_equal(answer.moves[0].reason, "step 1: h1 is lost; h2 in the same zone and pool has room");
}

static void a_zone_and_a_site_fail(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask_fail(grid, "zone/east/b1/r1");
    assert_int_equal(answer.failed_hosts_length, 2);
    assert_int_equal(answer.moved, 3);
    assert_int_equal(answer.lost, 0);
    answer = ask_fail(grid, "site/east");
    assert_int_equal(answer.failed_hosts_length, 6);
    assert_int_equal(answer.lost, 5);
    assert_string_equal(answer.losses[0].instance, "acme/shop/balance-1");
    assert_string_equal(answer.losses[0].reason, "no host is up and active");
    assert_string_equal(answer.farms[0].state_after, "degraded");
    for (int kind = 0; kind < WHATIF_KINDS; kind++) /* nothing is left that could be lost */
        assert_int_equal(answer.survives[kind].count, 0);
}

static void an_instance_fails(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask_fail(grid, "instance/acme/shop/web-2");
    assert_int_equal(answer.kept, 5);
    assert_int_equal(answer.restarted, 1);
    assert_int_equal(answer.moves_length, 0);
    assert_int_equal(answer.recover_ms, 26);
    assert_int_equal(answer.farms_length, 1);
    assert_string_equal(answer.farms[0].state_after, "ready");
}

static void a_host_is_drained(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask_drain(grid, "host/h1");
    assert_int_equal(answer.drained_hosts_length, 1);
    assert_int_equal(answer.failed_hosts_length, 0);
    assert_int_equal(answer.moved, 3);
    assert_int_equal(answer.moves[0].step, 0);
    assert_string_equal(answer.moves[0].to, "h2");
    assert_true(answer.recover_ms > 0);
}

static void what_waited_is_not_lost(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 4, 16);
    grid_host(grid, "h2", "east/b1/r2", "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/big");
    grid_tier(grid, farm, "web", 7, 1000, 1024);
    grid_tier(grid, farm, "huge", 1, 8000, 1024);
    grid_settle(grid);
    struct whatif_answer answer = ask_fail(grid, "host/h2");
    assert_int_equal(answer.total, 7);
    assert_int_equal(answer.waiting, 1);
    assert_int_equal(answer.kept, 4);
    assert_int_equal(answer.lost, 3);
    assert_string_equal(answer.losses[0].from, "h2");
    assert_true(strstr(answer.losses[0].reason, "lacks cpus") != NULL);
}

static void documents_of_the_question(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/big");
    grid_tier(grid, farm, "web", 6, 1000, 1024);
    grid_settle(grid);
    struct host more = grid->hosts[0];
    struct farm changed = *farm;
    struct tier tier = farm->tiers[0];
    more.name = "h2";
    tier.count = (struct count){3, 3, 3};
    changed.tiers = &tier;
    const struct whatif_document add[] = {{RECORD_HOST, &more}}, change[] = {{RECORD_FARM, &changed}};
    struct whatif_answer answer =
        ask(grid, &(struct whatif_question){.documents = add, .documents_length = 1});
    assert_int_equal(answer.total, 4);
    assert_int_equal(answer.added, 2);
    assert_int_equal(answer.waiting, 0);
    assert_string_equal(answer.added_hosts[0], "h2");
    assert_string_equal(answer.farms[0].state_before, "degraded");
    assert_string_equal(answer.farms[0].state_after, "ready");
    answer = ask(grid, &(struct whatif_question){.documents = change, .documents_length = 1});
    assert_int_equal(answer.removed, 1);
    assert_int_equal(answer.lost, 0);
    assert_int_equal(answer.kept, 3);
    assert_int_equal(answer.waiting, 0);
    /* All at once: what is added may fail in the same question. */
    const char *const both[] = {"host/h1"};
    answer = ask(grid, &(struct whatif_question){
                           .fail = both, .fail_length = 1, .documents = add, .documents_length = 1});
    assert_int_equal(answer.moved, 4);
    assert_int_equal(answer.waiting, 2);
}

static void names_that_mean_nothing(void **state)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"host/h7", "there is no host h7: did you mean host/h1?"},
        {"h1", "h1 is not a name here: did you mean host/h1?"},
        {"hots/h1", "hots/h1 is not a name here: did you mean host/h1?"},
        {"zone/east/b1/r9", "there is no zone east/b1/r9: did you mean zone/east/b1/r1?"},
        {"zone/eas", "there is no zone eas: did you mean zone/east?"},
        {"site/west", "there is no site west"},
        {"site/east/b1", "there is no site east/b1"},
        {"instance/acme/shop/wbe-1",
         "there is no instance acme/shop/wbe-1: did you mean instance/acme/shop/web-1?"},
        {"link/a-b", "link/a-b: this grid knows of no links between sites"},
        {"x", "x is not a name here: it is host/NAME, zone/PATH, site/NAME or instance/PARTY/FARM/NAME"},
    };
    struct grid *grid = three_racks(*state);
    struct planner *planner = planner_of(grid);
    for (size_t n = 0; n < LENGTH(cases); n++) {
        struct whatif_answer answer;
        struct error err = {0};
        struct whatif_question question = {.fail = &cases[n].name, .fail_length = 1};
        assert_false(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
        assert_string_equal(err.message, cases[n].message);
        assert_int_equal(error_exit_code(err.code), 3);
    }
    planner_free(planner);
}

static void zones_before_and_after(void **state)
{
    struct grid *grid = three_racks(*state);
    struct whatif_answer answer = ask_fail(grid, "zone/east/b1/r1");
    assert_int_equal(answer.zones_length, 5);
    assert_string_equal(answer.zones[0].path, "east");
    assert_string_equal(answer.zones[2].path, "east/b1/r1");
    assert_int_equal(answer.zones[0].depth, 1);
    assert_int_equal(answer.zones[0].hosts, 6);
    assert_int_equal(answer.zones[0].failed, 2);
    assert_int_equal(answer.zones[2].failed, 2);
    assert_int_equal(answer.zones[0].total_before.cpus_millis, 24000);
    assert_int_equal(answer.zones[0].total_after.cpus_millis, 16000);
    assert_int_equal(answer.zones[0].used_before.cpus_millis, 5500);
    assert_int_equal(answer.zones[0].used_after.cpus_millis, 5500);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(nothing_happens),           CASE(a_host_fails),
        CASE(a_zone_and_a_site_fail),    CASE(an_instance_fails),
        CASE(a_host_is_drained),         CASE(what_waited_is_not_lost),
        CASE(documents_of_the_question), CASE(names_that_mean_nothing),
        CASE(zones_before_and_after),
    };
    return cmocka_run_group_tests_name("whatif", tests, NULL, NULL);
}
