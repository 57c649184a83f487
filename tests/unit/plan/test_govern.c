#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"
#include "model/packet.h"
#include "plan/filter/around.h"
#include "plan/filter/fits.h"
#include "plan/filter/govern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "landlord/outer acme/shop, acme/inner acme/shop/web" of the farm in a host's document. */
static const char *governing(struct grid *grid, const char *host, const char *farm)
{
    struct buf text = {0};
    struct host_document document = plan_host_document(grid->arena, &grid->now, host);
    for (size_t f = 0; f < document.farms_length; f++) {
        if (!text_equal(document.farms[f].name, farm)) continue;
        for (size_t i = 0; i < document.farms[f].filters_length; i++)
            buf_printf(&text, "%s%s %s", i == 0 ? "" : ", ", document.farms[f].filters[i].full_name,
                       document.farms[f].filters[i].on);
    }
    const char *kept = arena_strdup(grid->arena, buf_text(&text));
    buf_free(&text);
    return kept;
}

/* Documents are compared with those of a planner that was told each change (grid.c). */
static void outer_parties_come_first(void **state)
{
    struct grid *grid = *state;
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    grid_party(grid, "acme", "landlord");
    grid_party(grid, "other", "landlord");
    grid_party(grid, "sub", "acme");
    grid_tier(grid, grid_farm(grid, "other/shop"), "web", 1, 500, 64);
    grid_tier(grid, grid_farm(grid, "sub/shop"), "web", 1, 500, 64);
    grid_filter(grid, "acme/a", "sub/shop");
    grid_filter(grid, "acme/b", "acme");
    grid_filter(grid, "landlord/l", "all");
    grid_filter(grid, "landlord/m", "other/shop/web");
    grid_filter(grid, "sub/s", "sub/shop/web-1");
    grid_filter(grid, "sub/t", "sub/shopper");
    grid_settle(grid);
    grid_plan(grid);
    assert_string_equal(governing(grid, "h1", "sub/shop"),
                        "landlord/l sub/shop, acme/a sub/shop, acme/b sub/shop, "
                        "sub/s sub/shop/web-1");
    assert_string_equal(governing(grid, "h1", "other/shop"),
                        "landlord/l other/shop, landlord/m other/shop/web");

    /* Whose parent is another is governed by others; and a filter can go. */
    grid->parties[2].parent = "other";
    grid->filters[0] = grid->filters[5];
    grid->filters[0].full_name = "acme/a";
    grid->now.filters_length = 4;
    grid_plan(grid);
    assert_string_equal(governing(grid, "h1", "sub/shop"), "landlord/l sub/shop");
}

static void lines_end_even_in_a_circle(void **state)
{
    struct grid *grid = *state;
    const char *const *line = NULL;
    grid_party(grid, "a", "b");
    grid_party(grid, "b", "a");
    assert_true(govern_line(grid->arena, &grid->now, "a", &line) <= 4);
    assert_string_equal(line[0], PARTY_LANDLORD);
    assert_int_equal(govern_line(grid->arena, &grid->now, "gone", &line), 2);
    assert_string_equal(line[1], "gone");
}

static uint64_t draw(uint64_t *lot, uint64_t below)
{
    *lot = *lot * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth, MMIX */
    return (*lot >> 33) % below;
}

enum { PARTIES = 6, FILTERS = 24, NEWS = 5, ROUNDS = 400 };
static const char *const party_names[PARTIES] = {"a", "b", "c", "d", "e", "f"};
static const char *const farm_names[] = {"a/x", "b/x", "c/x", "d/x", "d/y", "f/x"};

static struct filter filter_by_lot(struct arena *arena, uint64_t *lot)
{
    static const struct port_range ports[] = {{80, 80}, {80, 90}, {22, 22}};
    struct filter_rule *rule = arena_alloc(arena, sizeof(*rule));
    const char *party = draw(lot, 4) == 0 ? PARTY_LANDLORD : party_names[draw(lot, PARTIES)];
    const char *farm = farm_names[draw(lot, LENGTH(farm_names))];
    const char *on = draw(lot, 5) == 0   ? FILTER_ON_ALL
                     : draw(lot, 4) == 0 ? party_names[draw(lot, PARTIES)]
                     : draw(lot, 2) == 0
                         ? farm
                         : arena_printf(arena, "%s/%s", farm, draw(lot, 2) == 0 ? "web" : "db-1");
    *rule = (struct filter_rule){.action = draw(lot, 2) == 0 ? FILTER_DENY : FILTER_ALLOW,
                                 .direction = FILTER_BOTH,
                                 .from = {.name = ""},
                                 .to = {.name = ""},
                                 .protocol = IP_TCP,
                                 .ports = &ports[draw(lot, LENGTH(ports))],
                                 .ports_length = 1};
    const char *name = arena_printf(arena, "n%d", (int)draw(lot, 3 * FILTERS));
    return (struct filter){.name = name,
                           .party = party,
                           .full_name = arena_printf(arena, "%s/%s", party, name),
                           .on = on,
                           .default_action = draw(lot, 3) == 0 ? FILTER_DENY : FILTER_ALLOW,
                           .rules = rule,
                           .rules_length = 1};
}

static int compare_filters(const void *a, const void *b)
{
    return text_compare_natural(((const struct filter *)a)->full_name, ((const struct filter *)b)->full_name);
}

/* As one list in order, the last of a name in place of the others. */
static size_t put_in_order(struct filter *filters, size_t length)
{
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        bool again = false;
        for (size_t k = i + 1; k < length; k++)
            again |= text_equal(filters[i].full_name, filters[k].full_name);
        if (!again) filters[kept++] = filters[i];
    }
    array_sort(filters, kept, sizeof(*filters), compare_filters);
    return kept;
}

/* Out of a grid by lot, with a text that brings filters and moves parties, it says of each filter what the
 * whole grid says: the same boundary, or none. */
static void what_is_around_is_enough(void **state)
{
    uint64_t lot = 5;
    size_t misfits = 0, fits = 0;
    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct planner *planner = planner_new();
        struct party parties[PARTIES], moved;
        struct filter all[FILTERS + NEWS];
        const struct filter *news[NEWS];
        for (size_t i = 0; i < PARTIES; i++) {
            const char *parent = i == 0 || draw(&lot, 3) == 0 ? PARTY_LANDLORD : party_names[draw(&lot, i)];
            parties[i] = (struct party){.name = party_names[i], .parent = parent};
        }
        for (size_t i = 0; i < FILTERS + NEWS; i++)
            all[i] = filter_by_lot(arena, &lot);
        size_t news_length = 0;
        for (size_t i = 0; i < NEWS; i++) {
            bool again = false; /* no text brings two of one name */
            for (size_t k = i + 1; k < NEWS; k++)
                again |= text_equal(all[FILTERS + i].full_name, all[FILTERS + k].full_name);
            if (again) continue;
            struct filter *copy = arena_alloc(arena, sizeof(*copy));
            *copy = all[FILTERS + i];
            news[news_length++] = copy;
        }
        struct filter old[FILTERS];
        memcpy(old, all, sizeof(old));
        size_t old_length = put_in_order(old, FILTERS), length = put_in_order(all, FILTERS + NEWS);
        const struct snapshot before = {
            .parties = parties, .parties_length = PARTIES, .filters = old, .filters_length = old_length};
        planner_put_all(planner, &before);
        struct party after[PARTIES];
        memcpy(after, parties, sizeof(after));
        after[PARTIES - 1].parent = draw(&lot, 2) == 0 ? PARTY_LANDLORD : "a";
        moved = after[PARTIES - 1];
        const struct party *brought = &moved;
        const struct around_news text = {&brought, 1, news, news_length};
        const struct snapshot now = {
            .parties = after, .parties_length = PARTIES, .filters = all, .filters_length = length};
        for (size_t i = 0; i < length; i++) {
            struct filter_fit whole, part;
            struct error err;
            uint64_t work[2] = {0, 0};
            if (!filter_around_does(&all[i])) continue;
            const struct snapshot around = filter_around(arena, planner, &text, &all[i]);
            assert_true(filter_fits(arena, &now, &all[i], &work[0], &whole, &err));
            assert_true(filter_fits(arena, &around, &all[i], &work[1], &part, &err));
            assert_string_equal(whole.outer ? whole.outer->full_name : "",
                                part.outer ? part.outer->full_name : "");
            misfits += whole.outer != NULL;
            fits += whole.outer == NULL;
        }
        planner_free(planner);
    }
    print_message("# %zu fit, %zu do not\n", fits, misfits);
    assert_true(fits > 500 && misfits > 500);
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
        cmocka_unit_test_setup_teardown(outer_parties_come_first, setup, teardown),
        cmocka_unit_test(what_is_around_is_enough),
        cmocka_unit_test_setup_teardown(lines_end_even_in_a_circle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
