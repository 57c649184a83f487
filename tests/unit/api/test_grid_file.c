/* The export of a live grid is a grid file: what is read of it says the same again. */
#include "world.h"

#include "spec/grid_file.h"
#include "spec/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char farms[] = "kind: Party\nname: beta\n---\nkind: Pool\nname: general\nsurvive: host\n---\n"
                            "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                            "tiers:\n  - {name: web, image: \"hello:1\", count: 3, size: {cpus: 0.5, memory: "
                            "64Mi}, needs: [db], warm: 1,\n"
                            "     env: {A: \"\\u00e4\"}}\n"
                            "  - {name: db, image: \"hello:1\", spread: rack, priority: 80}\n"
                            "balance: [{name: www, port: 80, to: \"web:8080\", publish: auto}]\n---\n"
                            "kind: Farm\nname: lab\nparty: beta\nsubnet: 10.0.0.0/24\ntiers: [{name: a, "
                            "image: \"hello:1\", count: 2}]\n";

static char *exported(struct world *world, const char *token)
{
    return mem_strdup(expect(world, 200, token, "GET", "/v1/export", NULL));
}

static struct grid_file read_grid(struct arena *arena, const char *text)
{
    struct grid_file grid = {0};
    struct error err;
    if (grid_file_read(arena, "export", text, strlen(text), &grid, &err)) return grid;
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    fail_msg("%s", buf_text(&line));
    return grid;
}

static void check_same(struct world *world)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_MEM char *text = exported(world, landlord);
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    struct grid_file grid = read_grid(arena, text);
    grid_file_write(&grid.snapshot, &first);
    assert_string_equal(buf_text(&first), text);
    struct grid_file again = read_grid(arena, buf_text(&first));
    grid_file_write(&again.snapshot, &second);
    assert_string_equal(buf_text(&second), buf_text(&first));
    assert_int_equal(again.now_ms, grid.now_ms);
    for (size_t i = 0; i < grid.snapshot.instances_length; i++)
        assert_true(grid.snapshot.instances[i].since_ms < grid.now_ms);
}

/* In every state on the way: new, running, a host lost, a tier gone, a farm deleted. */
static void test_export_is_a_grid_file(void **state)
{
    struct world *world = world_started(3);
    check_same(world);
    apply(world, farms);
    check_same(world);
    wait_running(world, "acme/shop/web", 3, 20000);
    wait_running(world, "beta/lab/a", 2, 20000);
    check_same(world);
    expect(world, 200, landlord, "POST", "/v1/hosts/h2/drain", "{}");
    check_same(world);
    apply(world, "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                 "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 1, memory: 64Mi}}]\n");
    check_same(world);
    expect(world, 200, landlord, "DELETE", "/v1/farms/beta/lab", NULL);
    check_same(world);
    world_free(world);
}

static void test_tenants_export_lacks_hosts(void **state)
{
    struct world *world = world_started(2);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid = {0};
    struct error err;
    apply(world, farms);
    wait_running(world, "acme/shop/db", 1, 20000);
    const char *answer =
        expect(world, 201, landlord, "POST", "/v1/tokens", "{\"name\":\"t\",\"party\":\"acme\"}");
    struct node node;
    assert_true(node_from_json(arena, answer, strlen(answer), &node, &err));
    CLEANUP_MEM char *text = exported(world, node_text(&node, "token", ""));
    assert_null(strstr(text, "\"Host\""));
    assert_null(strstr(text, "beta/lab"));
    assert_false(grid_file_read(arena, "export", text, strlen(text), &grid, &err));
    assert_non_null(strstr(err.message, "no Host at all: what a tenant exports has none"));
    assert_string_equal(err.field, "host");
    assert_true(err.line > 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_export_is_a_grid_file),
                                       cmocka_unit_test(test_tenants_export_lacks_hosts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
