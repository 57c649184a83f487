/* Moves that make hosts alike: each lowers the score, has room and keeps the rules when its turn comes; small
 * grids are compared with trying every move. */
#include "plan/whatif/balance.h"

#include "base/text.h"
#include "grid.h"
#include "plan/whatif/fleet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t below(uint64_t *state, size_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (size_t)((z ^ (z >> 31)) % n);
}

static void assert_near(double a, double b)
{
    if (fabs(a - b) > 1e-9) fail_msg("%.12f is not %.12f", a, b);
}

static double deviation(const double *values, size_t length)
{
    double mean = 0, squares = 0;
    for (size_t n = 0; n < length; n++)
        mean += values[n] / (double)length;
    for (size_t n = 0; n < length; n++)
        squares += (values[n] - mean) * (values[n] - mean);
    return sqrt(squares / (double)length);
}

/* By the definition, in the plainest way. */
static double score(struct grid *grid)
{
    static const char *const pools[] = {"general", "other"};
    double sum = 0;
    for (size_t p = 0; p < LENGTH(pools); p++) {
        double memory[GRID_HOSTS_MAX], disk[GRID_HOSTS_MAX], cpus[GRID_HOSTS_MAX], count[GRID_HOSTS_MAX];
        size_t length = 0;
        for (size_t h = 0; h < grid->now.hosts_length; h++) {
            const struct host *host = &grid->hosts[h];
            if (!text_equal(host->pool, pools[p]) || host->state != HOST_ACTIVE) continue;
            struct resources used = {0};
            size_t on = 0;
            for (size_t n = 0; n < grid->now.instances_length; n++) {
                const struct instance *i = &grid->now.instances[n];
                if (!text_equal(i->host, host->name)) continue;
                used.cpus_millis += i->size.cpus_millis;
                used.memory_bytes += i->size.memory_bytes;
                used.disk_bytes += i->size.disk_bytes;
                on++;
            }
            memory[length] = 1 - (double)used.memory_bytes / (double)host->capacity.memory_bytes;
            disk[length] = 1 - (double)used.disk_bytes / (double)host->capacity.disk_bytes;
            cpus[length] = (double)used.cpus_millis / (double)host->capacity.cpus_millis;
            count[length++] = (double)on;
        }
        if (length == 0) continue;
        sum += deviation(memory, length) + deviation(disk, length) + deviation(cpus, length) +
               4 * deviation(count, length);
    }
    return sum;
}

static const struct tier *tier_of(struct grid *grid, const struct instance *instance)
{
    for (size_t f = 0; f < grid->now.farms_length; f++)
        for (size_t t = 0; t < grid->farms[f].tiers_length; t++)
            if (text_equal(grid->farms[f].full_name, instance->farm) &&
                text_equal(grid->farms[f].tiers[t].name, instance->tier))
                return &grid->farms[f].tiers[t];
    return NULL;
}

static size_t beside(struct grid *grid, const struct instance *instance, const char *host)
{
    const struct tier *tier = tier_of(grid, instance);
    size_t count = 0;
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        const struct instance *o = &grid->now.instances[n];
        if (text_equal(o->name, instance->name) || !text_equal(o->farm, instance->farm) ||
            !text_equal(o->tier, instance->tier) || o->host[0] == '\0')
            continue;
        if (text_equal(tier->spread.by, "host"))
            count += text_equal(o->host, host);
        else if (text_equal(tier->spread.by, "rack"))
            count += text_equal(grid_intent(grid, o->host)->zone, grid_intent(grid, host)->zone);
    }
    return count;
}

static bool is_legal(struct grid *grid, const struct instance *instance, const char *to)
{
    const struct host *a = grid_intent(grid, instance->host), *b = grid_intent(grid, to);
    const struct tier *tier = tier_of(grid, instance);
    struct resources used = instance->size;
    if (a == b || !text_equal(a->pool, b->pool) || b->state != HOST_ACTIVE || a->state != HOST_ACTIVE)
        return false;
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        const struct instance *o = &grid->now.instances[n];
        if (!text_equal(o->host, to)) continue;
        used.cpus_millis += o->size.cpus_millis;
        used.memory_bytes += o->size.memory_bytes;
        used.disk_bytes += o->size.disk_bytes;
    }
    size_t there = beside(grid, instance, to);
    return used.cpus_millis <= b->capacity.cpus_millis && used.memory_bytes <= b->capacity.memory_bytes &&
           used.disk_bytes <= b->capacity.disk_bytes &&
           (there == 0 || (!tier->spread.strict && there <= beside(grid, instance, instance->host)));
}

/* The least score that one legal move leads to. */
static double best_of_all(struct grid *grid)
{
    double best = score(grid);
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        struct instance *i = grid_instance(grid, grid->now.instances[n].name);
        const char *from = i->host;
        if (from[0] == '\0') continue;
        for (size_t h = 0; h < grid->now.hosts_length; h++) {
            i->host = from;
            if (!is_legal(grid, i, grid->hosts[h].name)) continue;
            i->host = grid->hosts[h].name;
            double after = score(grid);
            if (after < best) best = after;
        }
        i->host = from;
    }
    return best;
}

static void evens_out(void **state)
{
    struct grid *grid = *state;
    for (int n = 1; n <= 4; n++)
        grid_host(grid, arena_printf(grid->arena, "h%d", n), "east/r1", "general", 16, 64);
    grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 8, 1000, 1024);
    grid_settle(grid);
    struct balancing answer = balance_make(grid->arena, &grid->now, SIZE_MAX);
    assert_near(answer.score_before, score(grid));
    assert_int_equal(answer.moves_length, 6); /* all stood on one host */
    assert_string_equal(answer.moves[0].instance, "acme/shop/web-1");
    assert_string_equal(answer.moves[0].from, "h1");
    assert_string_equal(answer.moves[0].to, "h2");
    assert_near(answer.score_after, 0);
    assert_int_equal(balance_make(grid->arena, &grid->now, 2).moves_length, 2);
    /* What changes stays. */
    grid_instance(grid, "acme/shop/web-3")->state = INSTANCE_BOOTING;
    assert_int_equal(balance_make(grid->arena, &grid->now, SIZE_MAX).moves_length, 0);
    grid_instance(grid, "acme/shop/web-3")->state = INSTANCE_RUNNING;
    grid_intent(grid, "h4")->state = HOST_DRAINING;
    grid_intent(grid, "h3")->pool = "other";
    answer = balance_make(grid->arena, &grid->now, SIZE_MAX);
    assert_int_equal(answer.moves_length, 4);
    for (size_t n = 0; n < 4; n++)
        assert_string_equal(answer.moves[n].to, "h2");
}

/* Where it goes it would have another size: it is no move of this question. */
static void what_changes_its_size_stays(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "a/1", "general", 8, 64);
    struct tier *web = grid_tier(grid, grid_farm(grid, "acme/shop"), "web", 2, 1000, 1024);
    grid_settle(grid);
    grid_host(grid, "h2", "a/1", "general", 8, 64);
    grid_settle(grid);
    assert_int_equal(balance_make(grid->arena, &grid->now, SIZE_MAX).moves_length, 1);
    web->size.cpus_millis = 500;
    assert_int_equal(balance_make(grid->arena, &grid->now, SIZE_MAX).moves_length, 0);
}

/* Capacities are of 8 + 8 * (0 … 1) cpus and so on, or differ up to 32 times. */
static struct grid *random_grid(uint64_t seed, bool very_different)
{
    static const char *const spreads[] = {"", "host", "rack"};
    struct grid *grid = grid_new();
    uint64_t random = seed;
    size_t hosts = 2 + below(&random, 6), farms = 1 + below(&random, 5);
    for (size_t n = 0; n < hosts; n++) {
        const char *name = arena_printf(grid->arena, "h%zu", n);
        const char *zone = arena_printf(grid->arena, "east/r%zu", below(&random, 3));
        const char *pool = below(&random, 4) ? "general" : "other";
        int64_t cpus = 8 + 8 * (int64_t)below(&random, 2), memory = 16 + 16 * (int64_t)below(&random, 3);
        if (very_different) cpus = 4LL << below(&random, 6), memory = 4LL << below(&random, 6);
        grid_host(grid, name, zone, pool, cpus, memory);
    }
    for (size_t n = 0; n < farms; n++) {
        struct tier *tier = grid_tier(grid, grid_farm(grid, arena_printf(grid->arena, "a/f%zu", n)), "web",
                                      1 + (int64_t)below(&random, 6), 250 * (1 + (int64_t)below(&random, 8)),
                                      512 * (1 + (int64_t)below(&random, 8)));
        tier->spread.by = spreads[below(&random, LENGTH(spreads))];
        tier->spread.strict = below(&random, 2) == 0;
    }
    grid_settle(grid);
    return grid;
}

/* Whether the answer moves one twice where the first of both, or the second, could have gone all the way. */
static bool goes_astray(struct grid *grid, const struct balancing *answer, size_t first, size_t second)
{
    bool possible = false;
    for (size_t at = first; !possible && at <= second; at += second - first) {
        possible = true;
        for (size_t n = 0; n <= second; n++) {
            struct instance *i = grid_instance(grid, answer->moves[n].instance);
            if ((n == first || n == second) && n != at) continue;
            const char *to = n == at ? answer->moves[second].to : answer->moves[n].to;
            possible = possible && is_legal(grid, i, to);
            i->host = to;
        }
        for (size_t n = second + 1; n-- > 0;)
            grid_instance(grid, answer->moves[n].instance)->host = answer->moves[n].from;
    }
    return possible;
}

static void expect_no_detours(struct grid *grid, const struct balancing *answer)
{
    for (size_t first = 0; first < answer->moves_length; first++)
        for (size_t second = first + 1; second < answer->moves_length; second++) {
            if (!text_equal(answer->moves[first].instance, answer->moves[second].instance)) continue;
            assert_false(goes_astray(grid, answer, first, second));
            break;
        }
}

static size_t expect_best_moves(struct grid *grid, size_t *joined)
{
    bool all_best = true;
    bool one_pool = true, waits = false;
    for (size_t h = 0; h < grid->now.hosts_length; h++)
        one_pool = one_pool && text_equal(grid->hosts[h].pool, grid->hosts[0].pool);
    for (size_t n = 0; n < grid->now.instances_length; n++)
        waits = waits || grid->now.instances[n].host[0] == '\0'; /* then its tier stays */
    struct balancing answer = balance_make(grid->arena, &grid->now, SIZE_MAX);
    assert_near(answer.score_before, score(grid));
    assert_true(answer.score_after <= answer.score_before);
    expect_no_detours(grid, &answer);
    for (size_t n = 0; n < answer.moves_length; n++) {
        struct instance *i = grid_instance(grid, answer.moves[n].instance);
        assert_string_equal(i->host, answer.moves[n].from);
        assert_true(is_legal(grid, i, answer.moves[n].to));
        /* With one pool the best move of all is the next one, or two of them are one. */
        double best = best_of_all(grid);
        i = grid_instance(grid, answer.moves[n].instance);
        i->host = answer.moves[n].to;
        assert_near(answer.moves[n].score, score(grid));
        all_best = all_best && (!one_pool || waits || answer.moves[n].score < best + 1e-6);
    }
    assert_near(answer.score_after, score(grid));
    if (one_pool && !waits && answer.score_after > 0.1) assert_near(best_of_all(grid), score(grid));
    *joined += !all_best;
    return answer.moves_length;
}

static void random_grids_get_the_best_moves(void **state)
{
    size_t moves = 0, joined = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct grid *grid = random_grid(seed, seed % 2 == 0);
        moves += expect_best_moves(grid, &joined);
        grid_free(grid);
    }
    assert_true(moves > 100);
    assert_true(joined < 12); /* two of the best moves became one that is not the best by itself */
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
        cmocka_unit_test_setup_teardown(evens_out, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_its_size_stays, setup, teardown),
        cmocka_unit_test(random_grids_get_the_best_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
