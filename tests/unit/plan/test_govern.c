#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
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
        cmocka_unit_test_setup_teardown(lines_end_even_in_a_circle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
