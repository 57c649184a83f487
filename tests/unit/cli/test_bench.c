/* `croft bench`: the grid made by lot is the same each time, all of it finds a place, and the figures are
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What it says on either stream; the caller's to free. */
static char *run(const char *line, int code)
{
    char *text = NULL, *rest = NULL, *argv[24];
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    CLEANUP_MEM char *words = mem_printf("croft %s", line);
    int argc = 0;

    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    assert_int_equal(cli_main(argc, argv, file, file), code);
    fclose(file);
    return text;
}

static struct node json(struct arena *arena, const char *line)
{
    struct node node;
    struct error err;
    char *text = run(line, 0);
    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    free(text);
    return node;
}

static void all_are_placed(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *line = "bench place --hosts 60 --instances 300 --zones 2 --racks 3 --seed 5 -o json";
    struct node one = json(arena, line), other = json(arena, line);
    assert_int_equal(node_int(&one, "placed", 0), 300);
    assert_int_equal(node_int(&one, "wanted", 0), 300);
    assert_true(node_int(&one, "peak_bytes", 0) > 0);
    assert_true(node_int(&one, "ones", 0) > 0);
    assert_true(strtod(node_text(&one, "packing", "0"), NULL) >= 1);
    assert_true(strtod(node_text(&one, "placements_per_s", "0"), NULL) > 0);
    assert_true(strtod(node_text(&one, "one_us_p99", "0"), NULL) >=
                strtod(node_text(&one, "one_us_p50", "0"), NULL));
    assert_string_equal(node_text(&one, "packing", "a"), node_text(&other, "packing", "b"));
    assert_string_equal(node_text(&one, "hosts_used", "a"), node_text(&other, "hosts_used", "b"));
}

/* src/plan/README.md has the figures: 1.05 before. */
static void few_hosts_are_used(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = json(arena, "bench place --hosts 1000 --instances 10000 --seed 7 -o json");
    assert_int_equal(node_int(&node, "placed", 0), 10000);
    assert_true(strtod(node_text(&node, "packing", "9"), NULL) <= 1.015);
}

static void a_rack_is_lost(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node =
        json(arena, "bench lost-rack --hosts 60 --instances 200 --zones 2 --racks 3 --seed 5 -o json");
    assert_string_equal(node_text(&node, "rack", ""), "z1/r1");
    assert_int_equal(node_int(&node, "failed_hosts", 0), 10);
    assert_int_equal(node_int(&node, "instances", 0), 200);
    assert_true(node_int(&node, "lost", 0) > 0);
    assert_true(node_int(&node, "actions", 0) >= node_int(&node, "lost", 0));
    assert_int_equal(node_int(&node, "without_place", -1), 0);
}

/* Who calls for more gets it from the idle pool or from others, the same each time. */
static void hosts_are_shared(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *line = "bench share --farms 30 --hosts 300 --zones 2 --racks 3 --seed 5 -o json";
    struct node one = json(arena, line), other = json(arena, line);
    assert_int_equal(node_int(&one, "farms", 0), 30);
    assert_int_equal(node_int(&one, "hosts", 0), 300);
    assert_true(node_int(&one, "instances", 0) > 300);
    assert_true(node_int(&one, "got", 0) + node_int(&one, "lacks", 0) > 0);
    assert_true(node_int(&one, "given", 0) > 0);
    assert_true(strtod(node_text(&one, "ms_max", "0"), NULL) >=
                strtod(node_text(&one, "ms_p50", "1e9"), NULL));
    assert_int_equal(node_int(&one, "got", 0), node_int(&other, "got", 1));
    assert_int_equal(node_int(&one, "given", 0), node_int(&other, "given", 1));
}

/* All kinds are judged, and those that cannot break the boundary do not. */
static void filters_are_judged(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = json(arena, "bench filter --rules 60 --seed 3 -o json");
    const struct node *cases = node_get(&node, "cases");
    size_t broken = 0;

    assert_int_equal(node_int(&node, "rules", 0), 60);
    assert_true(cases != NULL && cases->length == 30);
    for (size_t i = 0; i < cases->length; i++) {
        const struct node *item = &cases->items[i];
        const char *name = node_text(item, "name", "");
        bool good = strstr(name, "equal") || strstr(name, "denies more") || strstr(name, "in pieces");
        if (good) assert_int_equal(node_int(item, "accepted", 0), node_int(item, "of", 1));
        broken += node_int(item, "accepted", 0) < node_int(item, "of", 0);
    }
    assert_true(broken > 4);
    char *text = run("bench filter --rules 5000", 2);
    assert_string_equal(text, "croft: bench filter: --rules takes a number from 1 to 4096, not \"5000\"\n");
    free(text);
}

static void wrong_numbers_are_told(void **state)
{
    char *text = run("bench place --hosts 0", 2);
    assert_string_equal(text, "croft: bench place: --hosts takes a number from 1 to 1000000, not \"0\"\n");
    free(text);
    text = run("bench place --hosts 10 --zones 2 --racks 6", 2);
    assert_string_equal(text, "croft: bench place: 2 zones of 6 racks are more racks than 10 hosts\n");
    free(text);
}

/* As many members as were asked for, every one within the largest host; another seed is another grid. */
static void grids_are_whole(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct made_options options = {.hosts = 30, .instances = 1000, .zones = 3, .racks = 2, .seed = 1};
    struct snapshot one = made_grid(arena, &options);
    options.seed = 2;
    struct snapshot two = made_grid(arena, &options);
    int64_t members = 0;

    assert_int_equal(one.hosts_length, 30);
    assert_int_equal(one.host_facts_length, 30);
    assert_string_equal(one.hosts[29].zone, "z3/r2");
    for (size_t f = 0; f < one.farms_length; f++) {
        assert_true(one.farms[f].tiers_length > 0);
        for (size_t t = 0; t < one.farms[f].tiers_length; t++)
            members += one.farms[f].tiers[t].count.committed;
    }
    assert_int_equal(members, 1000);
    assert_true(one.farms_length != two.farms_length ||
                one.farms[0].tiers[0].size.cpus_millis != two.farms[0].tiers[0].size.cpus_millis ||
                one.farms[0].tiers_length != two.farms[0].tiers_length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_placed),     cmocka_unit_test(few_hosts_are_used),
        cmocka_unit_test(a_rack_is_lost),     cmocka_unit_test(hosts_are_shared),
        cmocka_unit_test(filters_are_judged), cmocka_unit_test(wrong_numbers_are_told),
        cmocka_unit_test(grids_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
