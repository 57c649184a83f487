/* What-if on small grids: each part of the answer, and that it is what comes to pass. */
#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "model/quotas.h"
#include "plan/document/find.h"
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
    assert_int_equal(answer.total, answer.kept + answer.moved + answer.yielded + answer.lost);
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

/* Two of a low tier on a full host: one goes to where there is little room, the other waits. */
static void others_yield(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 2, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "db", 1, 2000, 1024)->priority = 70;
    grid_settle(grid);
    grid_host(grid, "h2", "east/b1/r1", "general", 2, 16);
    grid_tier(grid, grid_farm(grid, "acme/yields"), "job", 2, 1000, 1024)->priority = 20;
    grid_settle(grid);
    grid_host(grid, "h3", "east/b1/r2", "general", 1, 16);
    struct whatif_answer answer = ask_fail(grid, "host/h1");
    assert_string_equal(moves_of(grid, &answer), "acme/shop/db-1 h1 h2 4; acme/yields/job-1 h2 h3 2; ");
    assert_int_equal(answer.moved, 1);
    assert_int_equal(answer.yielded, 1);
    assert_int_equal(answer.yielded_lost, 1);
    assert_int_equal(answer.lost, 1);
    assert_string_equal(answer.losses[0].instance, "acme/yields/job-2");
    assert_false(answer.moves[0].yielded);
    assert_true(answer.moves[1].yielded);
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

/* Who has nowhere to go is told, with the reason that the live grid would give; so is who had none before. */
static void who_cannot_leave_is_told(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 2, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 2, 1000, 1024);
    grid_settle(grid);
    struct whatif_answer answer = ask_drain(grid, "site/east");
    assert_int_equal(answer.kept, 2);
    assert_int_equal(answer.stays_length, 2);
    assert_string_equal(answer.stays[0].instance, "acme/shop/web-1");
    assert_string_equal(answer.stays[1].host, "h1");
    assert_string_equal(answer.stays[1].reason, "h1 is to be emptied, but: no other host is up and active");
    grid_host(grid, "h2", "east/b1/r2", "general", 1, 16);
    answer = ask_drain(grid, "host/h1");
    assert_string_equal(moves_of(grid, &answer), "acme/shop/web-1 h1 h2 0; ");
    assert_int_equal(answer.stays_length, 1);
    assert_non_null(strstr(answer.stays[0].reason, "1 lacks cpus"));
    grid_intent(grid, "h1")->state = HOST_DRAINING;
    grid_settle(grid);
    answer = ask_drain(grid, "host/h1");
    assert_int_equal(answer.moved, 0);
    assert_int_equal(answer.stays_length, 1);
    assert_non_null(strstr(answer.stays[0].reason, "1 lacks cpus"));
    assert_int_equal(ask_drain(grid, "host/h2").stays_length, 1);
    assert_int_equal(ask_fail(grid, "host/h1").stays_length, 0);
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
    assert_int_equal(answer.total, 3);
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

/* It is in the grid that is asked about, and what is under way there ends it before the question begins. */
/* Acme leases to brio, which leases to cora: without brio's lease both stop, and nobody else notices. */
static void a_lease_ends(void **state)
{
    struct grid *grid = *state;
    static const char *const line[][2] = {{"landlord", "acme"}, {"acme", "brio"}, {"brio", "cora"}};
    static const char *const farms[] = {"acme/shop", "brio/site", "cora/blog"};
    struct lease leases[LENGTH(line)];
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 16);
    for (size_t n = 0; n < LENGTH(line); n++) {
        grid_party(grid, line[n][1], line[n][0]);
        leases[n] = (struct lease){.name = line[n][1],
                                   .from = line[n][0],
                                   .to = line[n][1],
                                   .capacity = limits_none,
                                   .rights = RIGHT_SOFTWARE | RIGHT_LEASE,
                                   .reason = "",
                                   .severed_by = ""};
        grid_tier(grid, grid_farm(grid, farms[n]), "web", (int64_t)n + 1, 500, 64);
    }
    grid->now.leases = leases;
    grid->now.leases_length = LENGTH(leases);
    grid_settle(grid);

    const char *const ends[] = {"lease/brio"};
    struct whatif_answer answer = ask(grid, &(struct whatif_question){.end = ends, .end_length = 1});
    assert_int_equal(answer.ended_leases_length, 1);
    assert_string_equal(answer.ended_leases[0], "brio");
    assert_int_equal(answer.total, 1);
    assert_int_equal(answer.kept, 1);
    assert_int_equal(answer.removed, 5);
    assert_int_equal(answer.freed.cpus_millis, 2500);
    assert_int_equal(answer.freed.memory_bytes, 5LL * 64 << 20);
    assert_int_equal(answer.zones[0].used_before.cpus_millis, 3000);
    assert_int_equal(answer.zones[0].used_after.cpus_millis, 500);
    assert_int_equal(answer.farms_length, 2);
    for (size_t n = 0; n < 2; n++) {
        assert_string_equal(answer.farms[n].name, farms[n + 1]);
        assert_string_equal(answer.farms[n].state_before, "ready");
        assert_string_equal(answer.farms[n].state_after, "stopped");
        assert_string_equal(answer.farms[n].reason, "repossessed: lease brio of party brio from acme ended");
    }
    /* Said by a document it is the same; and what was leased again may run. */
    struct lease document = leases[1];
    document.state = LEASE_ENDED;
    const struct whatif_document documents[] = {{RECORD_LEASE, &document}};
    struct whatif_question question = {.documents = documents, .documents_length = 1};
    answer = ask(grid, &question);
    assert_int_equal(answer.removed, 5);
    assert_int_equal(answer.ended_leases_length, 1);
    leases[1].state = LEASE_ENDED;
    struct farm_fact *fact = (struct farm_fact *)(uintptr_t)find_farm_fact(&grid->now, farms[1]);
    fact->repossessed = "repossessed: lease brio of party brio from acme ended";
    fact = (struct farm_fact *)(uintptr_t)find_farm_fact(&grid->now, farms[2]);
    fact->repossessed = "repossessed: lease brio of party brio from acme ended";
    document.state = LEASE_ACTIVE;
    answer = ask(grid, &question);
    assert_int_equal(answer.ended_leases_length, 0);
    assert_int_equal(answer.added, 5);
    assert_string_equal(answer.farms[1].state_after, "ready");
}

static void refuse_end(struct grid *grid, const char *name, const char *message)
{
    const char *const ends[] = {name};
    struct planner *planner = planner_of(grid);
    struct whatif_answer answer;
    struct error err = {0};
    const struct whatif_question question = {.end = ends, .end_length = 1};
    assert_false(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
    assert_string_equal(err.message, message);
    planner_free(planner);
}

static void leases_that_cannot_end(void **state)
{
    struct grid *grid = *state;
    struct lease leases[] = {{.name = "brio",
                              .from = "landlord",
                              .to = "brio",
                              .capacity = limits_none,
                              .state = LEASE_ENDED,
                              .reason = "by landlord",
                              .severed_by = ""}};
    grid->now.leases = leases;
    grid->now.leases_length = 1;
    refuse_end(grid, "lease/brio", "lease/brio has ended already: by landlord: leave it out of the question");
    refuse_end(grid, "lease/bri", "there is no lease bri: did you mean lease/brio?");
    refuse_end(grid, "brio", "brio is not a name here: did you mean lease/brio?");
    refuse_end(grid, "host/h1", "host/h1 is not a name here: what can end is lease/NAME");
}

static void names_that_are_over(void **state)
{
    static const char *const names[] = {"instance/acme/shop/web-3"};
    struct grid *grid = three_racks(*state);
    struct planner *planner = NULL;
    struct whatif_answer answer;
    struct error err = {0};
    const struct whatif_question question = {.fail = names, .fail_length = 1};
    for (size_t t = 0; t < 2; t++)
        if (text_equal(grid->tiers[0][t].name, "web")) grid->tiers[0][t].count = (struct count){2, 2, 2};
    planner = planner_of(grid);
    assert_non_null(planner_get(planner, RECORD_INSTANCE, "acme/shop/web-3"));
    assert_false(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
    assert_string_equal(
        err.message,
        "instance acme/shop/web-3 is on its way out, and gone before anything else happens: it is "
        "wiped and not wanted any more; leave it out of the question");
    assert_int_equal(error_exit_code(err.code), 3);
    planner_free(planner);
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
        {"zone/nowhere-at-all",
         "there is no zone nowhere-at-all: there are east, east/b1, east/b1/r1 and 2 more"},
        {"zone/",
         "zone/ names no zone: behind it comes a name, and there are east, east/b1, east/b1/r1 and 2 more"},
        {"host/", "host/ names no host: behind it comes a name, and there are h1, h2, h3 and 3 more"},
        {"host/none-of-them", "there is no host none-of-them: there are h1, h2, h3 and 3 more"},
        {"site/north-west", "there is no site north-west: there is east"},
        {"site/east/b1",
         "site/east/b1: a site is the first element of a zone's path: write site/east or zone/east/b1"},
        {"", "an empty text is not a name here: it is host/NAME, zone/PATH, site/NAME or "
             "instance/PARTY/FARM/NAME"},
        {"instance/acme/shop/wbe-1",
         "there is no instance acme/shop/wbe-1: did you mean instance/acme/shop/web-1?"},
        {"link/a-b", "link/a-b: this grid knows no links between sites: what can fail is host/NAME, "
                     "zone/PATH, site/NAME or "
                     "instance/PARTY/FARM/NAME"},
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
    /* What fails is not drained besides; the rest of a zone may be. */
    const char *const one[] = {"host/h1"}, *const rack[] = {"zone/east/b1/r1"};
    struct whatif_answer answer;
    struct error err = {0};
    struct whatif_question question = {.fail = one, .fail_length = 1, .drain = one, .drain_length = 1};
    assert_false(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
    assert_string_equal(err.message,
                        "host/h1 is to fail and to be drained in one question: leave one of the two out");
    assert_int_equal(error_exit_code(err.code), 2);
    question.drain = rack;
    assert_true(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
    assert_int_equal(answer.failed_hosts_length, 1);
    assert_int_equal(answer.drained_hosts_length, 1);
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

/* Marsaglia's xorshift64: "Xorshift RNGs", 2003 */
static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % below;
}

static void build_random(struct grid *grid, uint64_t *random)
{
    static const char *const spreads[] = {"", "host", "rack", "site"};
    static const char *const racks[] = {"east/b1/r1", "east/b1/r2", "east/b2/r1", "west/b1/r1"};
    size_t hosts = 4 + draw(random, 6), farms = 1 + draw(random, 4);
    for (size_t h = 0; h < hosts; h++)
        grid_host(grid, arena_printf(grid->arena, "h%zu", h + 1), racks[draw(random, 4)],
                  draw(random, 4) ? "general" : "spare", 2 + (int64_t)draw(random, 6), 16);
    for (size_t f = 0; f < farms; f++) {
        struct farm *farm = grid_farm(grid, arena_printf(grid->arena, "acme/f%zu", f));
        for (size_t t = 0; t < 2; t++) {
            struct tier *tier =
                grid_tier(grid, farm, t ? "db" : "web", (int64_t)draw(random, 6),
                          250 * (1 + (int64_t)draw(random, 8)), 256 * (1 + (int64_t)draw(random, 8)));
            tier->spread.by = spreads[draw(random, 4)];
            tier->spread.strict = tier->spread.by[0] != '\0' && draw(random, 3) == 0;
            tier->priority = (int64_t)draw(random, 101);
            tier->warm = draw(random, 4) == 0;
        }
        if (draw(random, 2)) grid_balance(grid, farm, "web", "auto");
    }
    grid_settle(grid);
}

static bool runs(struct grid *grid, const struct instance *instance)
{
    return instance && instance->wanted == WANTED_RUN && instance->host[0] != '\0' &&
           grid_fact(grid, instance->host)->state == HOST_UP;
}

/* Where it runs after all, as the answer has it; NULL: nowhere. */
static const char *foretold(const struct whatif_answer *answer, const char *name, const char *before)
{
    for (size_t n = 0; n < answer->moves_length; n++)
        if (text_equal(answer->moves[n].instance, name)) return answer->moves[n].to;
    for (size_t n = 0; n < answer->losses_length; n++)
        if (text_equal(answer->losses[n].instance, name)) return NULL;
    return before;
}

/* The tests' own world, which carries out all of every plan step by step, ends where the answer says. */
static void comes_to_pass(void **state)
{
    grid_free(*state);
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct grid *grid = grid_new();
        uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
        build_random(grid, &random);
        struct snapshot before = grid->now;
        const char *host = grid->hosts[draw(&random, before.hosts_length)].name;
        bool rack = draw(&random, 2);
        const char *zone = grid_intent(grid, host)->zone;
        bool *ran = arena_alloc_array(grid->arena, before.instances_length + 1, sizeof(*ran));
        for (size_t n = 0; n < before.instances_length; n++)
            ran[n] = runs(grid, &before.instances[n]);
        struct whatif_answer answer =
            ask_fail(grid, arena_printf(grid->arena, rack ? "zone/%s" : "host/%s", rack ? zone : host));
        for (size_t h = 0; h < before.hosts_length; h++) {
            if (rack ? !text_equal(grid->hosts[h].zone, zone) : !text_equal(grid->hosts[h].name, host))
                continue;
            grid_fact(grid, grid->hosts[h].name)->state = HOST_DOWN;
            grid_fact(grid, grid->hosts[h].name)->fenced = true;
        }
        grid_settle(grid);
        size_t removed = 0;
        for (size_t n = 0; n < before.instances_length; n++) {
            const struct instance *was = &before.instances[n];
            const struct instance *is = grid_instance(grid, was->name);
            const char *place = foretold(&answer, was->name, was->host);
            if (!ran[n]) continue;
            removed += is == NULL; /* a warm one serves for it */
            if (is == NULL) continue;
            if (text_equal(runs(grid, is) ? is->host : NULL, place)) continue;
            fail_msg("seed %llu: %s is on %s, not on %s", (unsigned long long)seed, was->name, is->host,
                     place ? place : "no host");
        }
        assert_int_equal(removed, answer.removed);
        grid_free(grid);
    }
    *state = grid_new();
}

/* New forms, of which many have no room to roll out. */
static void ask_for_more(struct grid *grid, uint64_t *random)
{
    for (size_t f = 0; f < grid->now.farms_length; f++)
        for (size_t t = 0; t < grid->farms[f].tiers_length; t++)
            if (draw(random, 2)) grid->tiers[f][t].size.cpus_millis *= 2 + (int64_t)draw(random, 3);
}

/* In grids that others wrote down instances may have less, or more, than their tiers ask for. */
static void make_unlike(struct grid *grid, uint64_t *random)
{
    for (size_t f = 0; f < grid->now.farms_length; f++)
        for (size_t t = 0; t < grid->farms[f].tiers_length; t++)
            if (draw(random, 3) == 0) grid->tiers[f][t].size.cpus_millis /= 2;
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        struct instance *instance = grid_instance(grid, grid->now.instances[n].name);
        instance->personality = "";
        if (draw(random, 3) == 0) instance->size.cpus_millis /= 2;
        if (draw(random, 6) == 0) instance->size.memory_bytes /= 2;
    }
}

/* 0 or more is exact: it is what trying every host, rack and site says. */
static void survives_is_exact_for_one(void **state)
{
    static const char *const words[WHATIF_KINDS] = {"host", "zone", "site"};
    size_t none[WHATIF_KINDS] = {0}, some[WHATIF_KINDS] = {0};
    grid_free(*state);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct grid *grid = grid_new();
        uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
        build_random(grid, &random);
        if (seed % 2 == 0) make_unlike(grid, &random);
        if (seed % 4 == 1) ask_for_more(grid, &random);
        struct whatif_answer now = ask(grid, &(struct whatif_question){0});
        for (int kind = 0; kind < WHATIF_KINDS; kind++) {
            bool loses = false;
            for (size_t h = 0; h < grid->now.hosts_length; h++) {
                const struct host *host = &grid->hosts[h];
                const char *name = kind == WHATIF_HOST ? host->name : host->zone;
                if (kind == WHATIF_SITE) name = arena_strndup(grid->arena, name, strcspn(name, "/"));
                loses |= ask_fail(grid, arena_printf(grid->arena, "%s/%s", words[kind], name)).lost > 0;
            }
            if ((now.survives[kind].count == 0) != loses)
                fail_msg("seed %llu: survives %zu of %s", (unsigned long long)seed, now.survives[kind].count,
                         words[kind]);
            assert_true(now.survives[kind].exact || now.survives[kind].count > 1);
            none[kind] += loses;
            some[kind] += !loses;
        }
        grid_free(grid);
    }
    for (int kind = 0; kind < WHATIF_KINDS; kind++) /* both were drawn */
        assert_true(none[kind] > 0 && some[kind] > 0);
    *state = grid_new();
}

static void survives_several(void **state)
{
    struct grid *grid = *state;
    for (int h = 0; h < 6; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1),
                  arena_printf(grid->arena, "%s/r%d", h < 3 ? "east" : "west", h), "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 6, 1000, 1024);
    grid_settle(grid);
    struct whatif_answer answer = ask(grid, &(struct whatif_question){0});
    assert_int_equal(answer.survives[WHATIF_HOST].count, 4); /* two hosts have room for all */
    assert_false(answer.survives[WHATIF_HOST].exact);
    assert_int_equal(answer.survives[WHATIF_RACK].count, 4);
    assert_int_equal(answer.survives[WHATIF_SITE].count, 1);
    assert_true(answer.survives[WHATIF_SITE].exact);
    answer = ask_fail(grid, "site/east");
    assert_int_equal(answer.lost, 0);
    assert_int_equal(answer.survives[WHATIF_HOST].count, 1);
    assert_true(answer.survives[WHATIF_HOST].exact);
    assert_int_equal(answer.survives[WHATIF_SITE].count, 0);
    assert_true(answer.survives[WHATIF_SITE].exact);
}

/* Sums may not say "safe" where strict spread leaves no host. */
static void survives_with_strict_spread(void **state)
{
    struct grid *grid = *state;
    for (int h = 0; h < 3; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1), arena_printf(grid->arena, "east/r%d", h),
                  "general", 8, 16);
    struct tier *web = grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 3, 1000, 1024);
    web->spread = (struct spread){"rack", true};
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
    web->count = (struct count){2, 2, 2};
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 1);
}

/* There is room enough, and none of it in one piece. */
static void survives_no_crumbs(void **state)
{
    struct grid *grid = *state;
    for (int h = 0; h < 3; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1), "east/r1", "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    grid_tier(grid, farm, "web", 2, 3000, 1024)->priority = 90;
    struct tier *db = grid_tier(grid, farm, "db", 1, 2000, 1024);
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
    assert_int_equal(
        ask_fail(grid, arena_printf(grid->arena, "host/%s", grid_instance(grid, "acme/shop/db-1")->host))
            .lost,
        1);
    db->size.cpus_millis = 1000;
    grid_tier_of(grid, farm, "web")->size.cpus_millis = 2000;
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 1);
}

/* A grid that others wrote down does not say of which form an instance is. */
/* Of three hosts one's worth of room is kept, so nothing new starts; what is lost may use it. */
static void survives_by_room_that_is_kept(void **state)
{
    struct grid *grid = *state;
    for (int h = 0; h < 3; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1), "east/r1", "general", 4, 16);
    grid_pool(grid, "general", "host");
    grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 12, 1000, 1024);
    grid_settle(grid);
    struct whatif_answer answer = ask(grid, &(struct whatif_question){0});
    assert_int_equal(answer.total, 8);
    assert_int_equal(answer.waiting, 4);
    assert_int_equal(answer.survives[WHATIF_HOST].count, 1);
    assert_int_equal(ask_fail(grid, "host/h1").lost, 0);
}

/* Ten cpus elsewhere for nine, but in pieces of five: each has room for one of three, and a rest. */
static void survives_no_pieces(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/r1", "general", 9, 64);
    grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 3, 3000, 256);
    grid_settle(grid);
    grid_host(grid, "h2", "east/r2", "general", 5, 64);
    grid_host(grid, "h3", "east/r3", "general", 5, 64);
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
    grid_host(grid, "h4", "east/r4", "general", 5, 64);
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 1);
}

/* What runs has less than its tier asks for by now: placed again it needs that. */
static void survives_what_has_another_size(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/r1", "general", 4, 16);
    grid_host(grid, "h2", "east/r2", "general", 4, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    struct tier *web = grid_tier(grid, farm, "web", 2, 1000, 1024);
    web->spread.by = "host";
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 1);
    for (int n = 1; n <= 2; n++)
        grid_instance(grid, arena_printf(grid->arena, "acme/shop/web-%d", n))->personality = "";
    web->size.cpus_millis = 3600;
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
    web->size.cpus_millis = 100; /* and less than it has may do where that much is not left */
    for (int n = 1; n <= 2; n++)
        grid_instance(grid, arena_printf(grid->arena, "acme/shop/web-%d", n))->size.cpus_millis = 3000;
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 1);
}

static void forms_that_nobody_said(void **state)
{
    struct grid *grid = three_racks(*state);
    for (int n = 1; n <= 3; n++)
        grid_instance(grid, arena_printf(grid->arena, "acme/shop/web-%d", n))->personality = "";
    struct whatif_answer answer = ask_fail(grid, "instance/acme/shop/web-1");
    assert_string_equal(answer.farms[0].state_before, "ready");
    assert_string_equal(answer.farms[0].state_after, "ready");
    assert_int_equal(answer.kept, 5);
}

/* Room is not all that it takes to start again. */
static void survives_only_what_can_start(void **state)
{
    static const char *const needs[] = {"db"};
    struct grid *grid = *state;
    for (int h = 0; h < 3; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1), arena_printf(grid->arena, "east/r%d", h),
                  "general", 8, 16);
    struct farm *farm = grid_farm(grid, "acme/shop");
    struct tier *web = grid_tier(grid, farm, "web", 3, 1000, 1024);
    struct tier *db = grid_tier(grid, farm, "db", 1, 1000, 1024);
    web->spread.by = "host";
    web->needs = needs;
    web->needs_length = 1;
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 2);
    grid_instance(grid, "acme/shop/db-1")->state = INSTANCE_FAILED;
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
    grid_instance(grid, "acme/shop/db-1")->state = INSTANCE_RUNNING;
    db->image = "hello:2";
    grid_settle(grid);
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 2);
    grid->now.images_length = 2; /* hello:2 is taken out of the library */
    assert_int_equal(ask(grid, &(struct whatif_question){0}).survives[WHATIF_HOST].count, 0);
}

/* An answer leaves no trace: asked again, and after another question, it is the same. */
static void nothing_is_left_of_a_question(void **state)
{
    struct grid *grid = three_racks(*state);
    struct planner *planner = planner_of(grid);
    const char *const names[] = {"zone/east/b1/r2", "host/h1"};
    const char *first = NULL;
    for (int round = 0; round < 3; round++) {
        struct whatif_question question = {.fail = &names[round % 2], .fail_length = 1};
        struct whatif_answer answer;
        struct error err;
        assert_true(whatif_ask(planner, grid->arena, &question, grid->now_ms, &answer, &err));
        if (round == 0) first = moves_of(grid, &answer);
        if (round == 2) assert_string_equal(moves_of(grid, &answer), first);
        assert_int_equal(planner_plan(planner, grid->arena, grid->now_ms).actions_length, 0);
    }
    for (size_t n = 0; n < grid->now.instances_length; n++)
        assert_ptr_equal(planner_get(planner, RECORD_INSTANCE, grid->now.instances[n].name),
                         &grid->now.instances[n]);
    planner_free(planner);
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
        CASE(nothing_happens),
        CASE(a_host_fails),
        CASE(others_yield),
        CASE(a_zone_and_a_site_fail),
        CASE(an_instance_fails),
        CASE(a_host_is_drained),
        CASE(who_cannot_leave_is_told),
        CASE(what_waited_is_not_lost),
        CASE(documents_of_the_question),
        CASE(a_lease_ends),
        CASE(leases_that_cannot_end),
        CASE(names_that_are_over),
        CASE(names_that_mean_nothing),
        CASE(zones_before_and_after),
        CASE(comes_to_pass),
        CASE(survives_is_exact_for_one),
        CASE(survives_several),
        CASE(survives_with_strict_spread),
        CASE(survives_by_room_that_is_kept),
        CASE(survives_no_pieces),
        CASE(survives_what_has_another_size),
        CASE(forms_that_nobody_said),
        CASE(survives_no_crumbs),
        CASE(survives_only_what_can_start),
        CASE(nothing_is_left_of_a_question),
    };
    return cmocka_run_group_tests_name("whatif", tests, NULL, NULL);
}
