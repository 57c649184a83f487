/* Sharing: single rules by small grids, and what always holds by random ones. */
#include "plan/share/share.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_MS = 1000 * 1000, SIZES_MAX = 64 };

/* A grid of hosts of `cpus` free cores each, tiers, and members. */
struct grid {
    struct arena *arena;
    struct vec hosts, parties, tiers, instances;
};

static struct grid grid_new(size_t hosts, int64_t cpus)
{
    struct grid grid = {.arena = arena_new(),
                        .hosts = VEC_OF(struct share_host),
                        .parties = VEC_OF(struct share_party),
                        .tiers = VEC_OF(struct share_tier),
                        .instances = VEC_OF(struct share_instance)};
    for (size_t h = 0; h < hosts; h++)
        *(struct share_host *)vec_push(&grid.hosts) = (struct share_host){true, {cpus * 1000, 1 << 30, 0, 0}};
    return grid;
}

static void grid_free(struct grid *grid)
{
    vec_free(&grid->hosts);
    vec_free(&grid->parties);
    vec_free(&grid->tiers);
    vec_free(&grid->instances);
    arena_free(grid->arena);
}

/* A tier that has `wanted`, all on one host (none: -1), and calls for `calls`. */
static struct share_tier *tier_add(struct grid *grid, const char *farm, struct count count, int64_t wanted,
                                   int64_t calls, int host)
{
    size_t number = grid->tiers.length;
    for (int64_t i = 0; i < wanted; i++)
        *(struct share_instance *)vec_push(&grid->instances) =
            (struct share_instance){arena_printf(grid->arena, "web-%lld", (long long)i + 1), number,
                                    host < 0 ? SHARE_NONE : (size_t)host};
    struct share_tier *tier = vec_push(&grid->tiers);
    *tier = (struct share_tier){.farm = farm,
                                .tier = "web",
                                .party = SHARE_NONE,
                                .size = {.cpus_millis = 1000},
                                .count = count,
                                .wanted = wanted,
                                .calls = calls,
                                .need = 50,
                                .rate = 10,
                                .priority = SLA_NORMAL,
                                .why = farm};
    return tier;
}

/* One more of the tier, at its door. */
static void warm_add(struct grid *grid, size_t tier, size_t host)
{
    *(struct share_instance *)vec_push(&grid->instances) =
        (struct share_instance){.name = "web-w", .tier = tier, .host = host, .warm = true};
}

static struct share_input input_of(const struct grid *grid)
{
    return (struct share_input){.hosts = grid->hosts.items,
                                .hosts_length = grid->hosts.length,
                                .parties = grid->parties.items,
                                .parties_length = grid->parties.length,
                                .tiers = grid->tiers.items,
                                .tiers_length = grid->tiers.length,
                                .instances = grid->instances.items,
                                .instances_length = grid->instances.length,
                                .zones_length = grid->hosts.length,
                                .now_ms = NOW_MS};
}

/* "FARM WANTED [-LEAVER…]: REASON" and "FARM lacks N: REASON" lines. */
static const char *said(struct grid *grid)
{
    struct share_input input = input_of(grid);
    struct share_result result = share_decide(grid->arena, &input);
    CLEANUP_BUF struct buf text = {0};

    for (size_t i = 0; i < result.changes_length; i++) {
        const struct share_change *change = &result.changes[i];
        buf_printf(&text, "%s %lld", input.tiers[change->tier].farm, (long long)change->wanted);
        for (size_t n = 0; n < change->leave_length; n++)
            buf_printf(&text, " -%s", change->leave[n]);
        buf_printf(&text, ": %s\n", change->reason);
    }
    for (size_t i = 0; i < result.waits_length; i++)
        buf_printf(&text, "%s lacks %lld: %s\n", input.tiers[result.waits[i].tier].farm,
                   (long long)result.waits[i].lacks, result.waits[i].reason);
    return arena_strdup(grid->arena, buf_text(&text));
}

#define RESTS "no host has room; another farm has more than it may keep, but was given it a moment ago"
#define FULL "no host has room, and nobody else has more than it may keep"

static void nothing_is_called_for(void **state)
{
    struct grid grid = grid_new(1, 4);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 2, 4}, 2, 2, 0);
    assert_string_equal(said(&grid), "");
    grid_free(&grid);
}

/* From the door, the idle pool, what another offers, what another has beyond its guaranteed count. */
static void sources_in_order(void **state)
{
    struct grid grid = grid_new(1, 1);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 9, 9}, 1, 5, 0);
    warm_add(&grid, 0, 0);
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 0);
    tier_add(&grid, "c", (struct count){1, 3, 3}, 3, 2, 0);
    assert_string_equal(
        said(&grid),
        "a 5: a; 1 from its door; 1 from the idle pool; the room of 1 that another farm offers; "
        "the room of 1 that another farm has beyond its guaranteed count\n"
        "b 2 -web-3: b; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n"
        "c 2 -web-3: c; the room of 1 goes to another farm\n");
    grid_free(&grid);
}

static void offers_go_to_the_idle_pool(void **state)
{
    struct grid grid = grid_new(1, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 2, 4}, 4, 0, 0);
    assert_string_equal(said(&grid), "a 1: a; 3 to the idle pool\n");
    grid_free(&grid);
}

/* What the guaranteed count has called for is nobody else's, however urgent he is. */
static void guaranteed_stays(void **state)
{
    struct grid grid = grid_new(1, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 4, 4}, 1, 4, 0)->priority = SLA_URGENT;
    tier_add(&grid, "b", (struct count){1, 3, 3}, 3, 3, 0)->priority = SLA_LOW;
    assert_string_equal(said(&grid), "a lacks 3: " FULL "\n");
    grid_free(&grid);
}

/* Beyond its guaranteed count a tier takes only from lower priorities. */
static void extended_by_priority(void **state)
{
    struct grid grid = grid_new(1, 0);
    (void)state;
    struct share_tier *a = tier_add(&grid, "a", (struct count){1, 1, 4}, 1, 3, 0);
    assert_ptr_equal(a, grid.tiers.items);
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 0);
    assert_string_equal(said(&grid), "a lacks 2: " FULL "\n");
    ((struct share_tier *)grid.tiers.items)[0].priority = SLA_URGENT;
    assert_string_equal(said(&grid),
                        "a 3: a; the room of 2 that another farm has beyond its guaranteed count\n"
                        "b 1 -web-3 -web-2: b; the room of 2 beyond its guaranteed 1 goes to a farm that is "
                        "more urgent\n");
    grid_free(&grid);
}

/* Of those that are no more urgent than each other who needs it least gives. */
static void the_least_need_gives(void **state)
{
    struct grid grid = grid_new(1, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 1, 4}, 1, 2, 0)->priority = SLA_URGENT;
    tier_add(&grid, "b", (struct count){1, 1, 3}, 2, 2, 0)->need = 80;
    tier_add(&grid, "c", (struct count){1, 1, 3}, 2, 2, 0)->need = 20;
    assert_non_null(strstr(said(&grid), "c 1 -web-2: "));
    ((struct share_tier *)grid.tiers.items)[1].need = 10;
    assert_non_null(strstr(said(&grid), "b 1 -web-2: "));
    grid_free(&grid);
}

/* What was given a moment ago stays, unless somebody's committed count is not there. */
static void dwells(void **state)
{
    struct grid grid = grid_new(1, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 4, 4}, 1, 2, 0);
    tier_add(&grid, "b", (struct count){1, 1, 3}, 2, 2, 0)->given_ms = NOW_MS - SHARE_DWELL_MS + 1;
    assert_string_equal(said(&grid), "a lacks 1: " RESTS "\n");
    ((struct share_tier *)grid.tiers.items)[1].given_ms--;
    assert_string_equal(
        said(&grid),
        "a 2: a; the room of 1 that another farm has beyond its guaranteed count\n"
        "b 1 -web-2: b; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n");
    ((struct share_tier *)grid.tiers.items)[1].given_ms++;
    tier_add(&grid, "c", (struct count){1, 1, 1}, 1, 1, -1);
    assert_string_equal(
        said(&grid),
        "b 1 -web-2: b; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n"
        "a lacks 1: " FULL "\n");
    grid_free(&grid);
}

/* What only waits at another's door goes before what serves. */
static void doors_before_members(void **state)
{
    struct grid grid = grid_new(2, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 3, 3}, 1, 2, 0);
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 0);
    warm_add(&grid, 1, 1);
    assert_string_equal(said(&grid), "a 2: a; the room of 1 that wait at another farm's door\n"
                                     "b 3 -web-w: b; the room of 1 at its door goes to another farm\n");
    ((struct share_tier *)grid.tiers.items)[0].calls = 3;
    assert_string_equal(
        said(&grid),
        "a 3: a; the room of 1 that wait at another farm's door; the room of 1 that another farm has beyond "
        "its "
        "guaranteed count\n"
        "b 2 -web-w -web-3: b; the room of 1 at its door goes to another farm; the room of 1 beyond its "
        "guaranteed 1 goes to a farm that is promised it\n");
    /* The smaller one's is not enough, and so nobody's. */
    ((struct share_tier *)grid.tiers.items)[1].size.cpus_millis = 250;
    ((struct share_tier *)grid.tiers.items)[0].calls = 2;
    assert_string_equal(said(&grid), "a lacks 1: " FULL "\n");
    grid_free(&grid);
}

/* Nothing is taken where the taker may not stand, and it says so. */
static void apart_is_not_taken_in_vain(void **state)
{
    static const size_t racks[] = {0, 0, 1};
    struct grid grid = grid_new(3, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){2, 2, 2}, 1, 2, 0); /* one stands in rack 0, … */
    *(struct share_instance *)vec_push(&grid.instances) =
        (struct share_instance){.name = "web-2", .tier = 0, .host = SHARE_NONE}; /* … one waits */
    ((struct share_tier *)grid.tiers.items)[0].wanted = 2;
    ((struct share_tier *)grid.tiers.items)[0].zones = racks;
    ((struct share_tier *)grid.tiers.items)[0].apart = "rack";
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 1);
    assert_string_equal(said(&grid), "a lacks 1: " FULL "\n");
    ((struct share_host *)grid.hosts.items)[0].free[0] = 1000;
    assert_string_equal(said(&grid),
                        "a lacks 1: every rack that has room has one of it already, and it stands "
                        "strictly apart\n");
    ((struct share_host *)grid.hosts.items)[0].free[0] = 0;
    ((struct share_instance *)grid.instances.items)[3].host = 2;
    assert_string_equal(
        said(&grid),
        "b 2 -web-2: b; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n");
    ((struct share_host *)grid.hosts.items)[0].free[0] = 9000; /* two at a time stand apart as well */
    ((struct share_host *)grid.hosts.items)[2].free[0] = 9000;
    ((struct share_tier *)grid.tiers.items)[0].count = (struct count){2, 4, 4};
    ((struct share_tier *)grid.tiers.items)[0].calls = 4;
    assert_string_equal(said(&grid),
                        "a lacks 2: every rack that has room has one of it already, and it stands "
                        "strictly apart\n");
    grid_free(&grid);
}

/* What was taken for one that still has no place is not taken again and again: the planner may know why it
 * does not stand there. */
static void what_did_not_help_is_not_taken_again(void **state)
{
    static const char takes[] =
        "b 2 -web-3: b; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n";
    struct grid grid = grid_new(1, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 1, 1}, 1, 1, -1); /* it waits for a place */
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 0);
    assert_string_equal(said(&grid), takes);
    struct share_input input = input_of(&grid);
    struct share_result result = share_decide(grid.arena, &input);
    assert_int_equal(result.takers_length, 1);
    assert_int_equal(result.takers[0].tier, 0);
    assert_int_equal(result.takers[0].without, 1);
    struct share_tier *a = grid.tiers.items;
    a->took_ms = NOW_MS - SHARE_DWELL_MS + 1;
    a->took_for = 1;
    assert_string_equal(
        said(&grid), "a lacks 1: room was taken from others for it a moment ago, and did not help it yet\n");
    a->took_for = 2; /* there was another one, which has a place now */
    assert_string_equal(said(&grid), takes);
    a->took_for = 1;
    a->took_ms--;
    assert_string_equal(said(&grid), takes);
    grid_free(&grid);
}

/* Quota that another yields is of no use without room. */
static void quota_is_not_freed_in_vain(void **state)
{
    struct grid grid = grid_new(2, 0);
    (void)state;
    *(struct share_party *)vec_push(&grid.parties) =
        (struct share_party){.parent = SHARE_NONE, .left = {-1, -1, -1, -1}, .instances_left = 0};
    tier_add(&grid, "a", (struct count){1, 2, 2}, 1, 2, 0)->party = 0;
    ((struct share_tier *)grid.tiers.items)[0].size.cpus_millis = 4000;
    tier_add(&grid, "b", (struct count){1, 1, 3}, 3, 3, 1)->party = 0;
    assert_string_equal(said(&grid), "a lacks 1: " FULL "\n");
    ((struct share_host *)grid.hosts.items)[0].free[0] = 4000;
    assert_true(text_starts(said(&grid), "a 2: a; 1 from the idle pool"));
    grid_free(&grid);
}

static void order_of_service(void **state)
{
    struct grid grid = grid_new(1, 1);
    (void)state;
    tier_add(&grid, "extended", (struct count){1, 1, 4}, 1, 2, 0)->priority = SLA_URGENT;
    tier_add(&grid, "later", (struct count){1, 4, 4}, 1, 2, 0)->waits_since_ms = 7;
    tier_add(&grid, "sooner", (struct count){1, 4, 4}, 1, 2, 0)->waits_since_ms = 6;
    assert_true(text_starts(said(&grid), "sooner 2: "));
    tier_add(&grid, "needs more", (struct count){1, 4, 4}, 1, 2, 0)->need = 51;
    assert_true(text_starts(said(&grid), "needs more 2: "));
    tier_add(&grid, "has more", (struct count){1, 4, 4}, 1, 2, 0)->rate = 11;
    assert_true(text_starts(said(&grid), "has more 2: "));
    tier_add(&grid, "urgent", (struct count){1, 4, 4}, 1, 2, 0)->priority = SLA_URGENT;
    assert_true(text_starts(said(&grid), "urgent 2: "));
    tier_add(&grid, "committed", (struct count){2, 4, 4}, 2, 2, -1)->priority = SLA_LOW;
    assert_true(text_starts(said(&grid), "extended lacks 1: "));
    grid_free(&grid);
}

/* A large one gets the room of several small ones, where the fewest do, and no more than they can spare. */
static void several_move_as_one(void **state)
{
    struct grid grid = grid_new(2, 0);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 4, 4}, 1, 2, 0)->size.cpus_millis = 3000;
    tier_add(&grid, "b", (struct count){1, 3, 3}, 3, 1, 0);
    tier_add(&grid, "c", (struct count){1, 1, 2}, 2, 2, 0);
    assert_string_equal(
        said(&grid),
        "a 2: a; the room of 2 that another farm offers; the room of 1 that another farm has beyond its "
        "guaranteed "
        "count\nb 1 -web-3 -web-2: b; the room of 2 goes to another farm\n"
        "c 1 -web-2: c; the room of 1 beyond its guaranteed 1 goes to a farm that is promised it\n");
    tier_add(&grid, "d", (struct count){1, 4, 4}, 4, 3, 1)->size.cpus_millis = 2000;
    ((struct share_host *)grid.hosts.items)[1].free[0] = 1000;
    assert_string_equal(said(&grid),
                        "a 2: a; the room of 1 that another farm offers\n"
                        "b 1: b; 2 to the idle pool\nd 3 -web-4: d; the room of 1 goes to another "
                        "farm\n");
    grid_free(&grid);
}

static void quotas_hold(void **state)
{
    struct grid grid = grid_new(1, 9);
    (void)state;
    *(struct share_party *)vec_push(&grid.parties) =
        (struct share_party){.parent = SHARE_NONE, .left = {2500, -1, -1, -1}, .instances_left = -1};
    *(struct share_party *)vec_push(&grid.parties) =
        (struct share_party){.parent = 0, .left = {-1, -1, -1, -1}, .instances_left = 3};
    tier_add(&grid, "a", (struct count){1, 9, 9}, 1, 9, 0)->party = 1;
    assert_string_equal(said(&grid),
                        "a 3: a; 2 from the idle pool\na lacks 6: the quota of its party is used up\n");
    ((struct share_party *)grid.parties.items)[1].instances_left = 1;
    assert_true(text_starts(said(&grid), "a 2: "));
    grid_free(&grid);
}

/* From others, that is: what nobody has is given at once. */
static void only_so_many_at_a_time(void **state)
{
    struct grid grid = grid_new(1, 5);
    (void)state;
    tier_add(&grid, "a", (struct count){1, 99, 99}, 1, 50, 0);
    tier_add(&grid, "b", (struct count){1, 1, 99}, 40, 40, 0);
    const char *text = said(&grid);
    assert_true(text_starts(text, "a 22: a; 5 from the idle pool; the room of 16 that another farm has "
                                  "beyond its guaranteed count\nb 24 -web-40 "));
    assert_true(text_ends(text, "\na lacks 28: enough changes hands at once\n"));
    grid_free(&grid);
    grid = grid_new(1, 99);
    tier_add(&grid, "a", (struct count){1, 99, 99}, 1, 50, 0);
    assert_string_equal(said(&grid), "a 50: a; 49 from the idle pool\n");
    grid_free(&grid);
}

/* ---------------------------------------------------------------- random grids */

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    /* xorshift64* (Vigna, 2016) */
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (*seed * 2685821657736338717u >> 33) % below;
}

static struct grid random_grid(uint64_t seed)
{
    struct grid grid = grid_new(0, 0);
    size_t hosts = 1 + draw(&seed, 6), tiers = 1 + draw(&seed, 8);

    for (size_t h = 0; h < hosts; h++)
        *(struct share_host *)vec_push(&grid.hosts) = (struct share_host){
            draw(&seed, 8) != 0, {(int64_t)draw(&seed, 4) * 500, (int64_t)draw(&seed, 4), 1 << 30, 1 << 30}};
    for (size_t p = 0; p < 2; p++)
        *(struct share_party *)vec_push(&grid.parties) =
            (struct share_party){.parent = p ? 0 : SHARE_NONE,
                                 .left = {draw(&seed, 2) ? -1 : (int64_t)draw(&seed, 4) * 500, -1, -1, -1},
                                 .instances_left = draw(&seed, 2) ? -1 : (int64_t)draw(&seed, 5)};
    for (size_t t = 0; t < tiers; t++) {
        struct count count = {(int64_t)draw(&seed, 3), 0, 0};
        count.guaranteed = count.committed + (int64_t)draw(&seed, 3);
        count.max = count.guaranteed + (int64_t)draw(&seed, 4);
        int64_t wanted = count.committed + (int64_t)draw(&seed, (uint64_t)(count.max - count.committed) + 1);
        struct share_tier *tier = tier_add(&grid, arena_printf(grid.arena, "f%zu", t), count, wanted,
                                           (int64_t)draw(&seed, (uint64_t)count.max + 3), 0);
        tier->size = (struct resources){.cpus_millis = 500 * (int64_t)(1 + draw(&seed, 3)),
                                        .memory_bytes = (int64_t)draw(&seed, 3)};
        tier->priority = (enum sla_priority)draw(&seed, 3);
        tier->need = (double)draw(&seed, 201) - 100;
        tier->party = draw(&seed, 3) ? draw(&seed, 2) : SHARE_NONE;
        if (draw(&seed, 2)) warm_add(&grid, t, 0);
        tier->given_ms = draw(&seed, 2) ? NOW_MS : 0;
    }
    for (size_t i = 0; i < grid.instances.length; i++) {
        struct share_instance *instance = vec_at(&grid.instances, i);
        instance->host = draw(&seed, 5) || instance->warm ? draw(&seed, hosts) : SHARE_NONE;
    }
    return grid;
}

static bool left_of(const struct share_host *host, const struct share_tier *tier)
{
    return tier->size.cpus_millis <= host->free[0] && tier->size.memory_bytes <= host->free[1];
}

/* Single decisions: bounds, who may lose what, and no idle room while somebody waits for it. */
static void check_random(const struct grid *grid, const struct share_result *result)
{
    int64_t wanted[SIZES_MAX], lost[SIZES_MAX] = {0};
    bool moved = false;

    for (size_t t = 0; t < grid->tiers.length; t++)
        wanted[t] = ((const struct share_tier *)vec_at(&grid->tiers, t))->wanted;
    for (size_t i = 0; i < result->changes_length; i++) {
        wanted[result->changes[i].tier] = result->changes[i].wanted;
        lost[result->changes[i].tier] = (int64_t)result->changes[i].leave_length;
        moved = true;
    }
    for (size_t t = 0; t < grid->tiers.length; t++) {
        const struct share_tier *tier = vec_at(&grid->tiers, t);
        int64_t calls = tier->calls < tier->count.committed ? tier->count.committed : tier->calls;
        int64_t firm = calls < tier->count.guaranteed ? calls : tier->count.guaranteed;
        assert_true(wanted[t] >= tier->count.committed && wanted[t] <= tier->count.max);
        assert_true(wanted[t] >= (tier->wanted < firm ? tier->wanted : firm));
        assert_true(wanted[t] <= (tier->wanted > calls ? tier->wanted : calls));
        assert_true(lost[t] <= tier->wanted + 1); /* and what waits at its door */
    }
    for (size_t i = 0; i < result->waits_length && !moved; i++) {
        const struct share_tier *tier = vec_at(&grid->tiers, result->waits[i].tier);
        bool room = false;
        for (size_t h = 0; h < grid->hosts.length; h++) {
            const struct share_host *host = vec_at(&grid->hosts, h);
            room |= host->usable && left_of(host, tier);
        }
        /* Nothing was decided, so what is free is what was: it may be those that wait for a place. */
        bool waits = false;
        for (size_t n = 0; n < grid->instances.length; n++)
            waits |= ((const struct share_instance *)vec_at(&grid->instances, n))->host == SHARE_NONE;
        if (room && !waits) assert_string_equal(result->waits[i].reason, "the quota of its party is used up");
    }
}

static void random_grids(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct grid grid = random_grid(seed * 0x9e3779b97f4a7c15u);
        struct share_input input = input_of(&grid);
        struct share_result result = share_decide(grid.arena, &input);
        check_random(&grid, &result);
        grid_free(&grid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_called_for),
        cmocka_unit_test(sources_in_order),
        cmocka_unit_test(offers_go_to_the_idle_pool),
        cmocka_unit_test(guaranteed_stays),
        cmocka_unit_test(extended_by_priority),
        cmocka_unit_test(dwells),
        cmocka_unit_test(the_least_need_gives),
        cmocka_unit_test(order_of_service),
        cmocka_unit_test(doors_before_members),
        cmocka_unit_test(apart_is_not_taken_in_vain),
        cmocka_unit_test(quota_is_not_freed_in_vain),
        cmocka_unit_test(several_move_as_one),
        cmocka_unit_test(quotas_hold),
        cmocka_unit_test(only_so_many_at_a_time),
        cmocka_unit_test(what_did_not_help_is_not_taken_again),
        cmocka_unit_test(random_grids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
