/* What a grid file need not say. */
#include "check.h"

#include "base/text.h"
#include "spec/grid_file.h"

#define HOSTS                                                                                               \
    "{\"kind\":\"Host\",\"name\":\"h10\",\"zone\":\"a/b\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n" \
    "{\"kind\":\"Host\",\"name\":\"h2\",\"zone\":\"a/b\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n"
#define SHOP                                                                                            \
    "{\"kind\":\"Party\",\"name\":\"acme\"}\n"                                                          \
    "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.1.0.0/"                    \
    "24\",\"tiers\":[{\"name\":"                                                                        \
    "\"web\",\"image\":\"a:1\",\"count\":2,\"size\":{\"cpus\":2,\"memory\":\"1Gi\"},\"priority\":70}]," \
    "\"balance\":[{\"name\":\"www\",\"port\":80,\"to\":\"web:80\"}]}\n"
#define INSTANCE(name, more) "{\"kind\": \"Instance\", \"name\": \"" name "\"" more "}\n"
#define DIGEST "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

static struct grid_file read_grid(struct arena *arena, const char *text)
{
    struct grid_file grid = {0};
    struct error err;
    if (grid_file_read(arena, "f", text, strlen(text), &grid, &err)) return grid;
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    fail_msg("%s", buf_text(&line));
    return grid;
}

static const struct instance *instance_at(const struct grid_file *grid, size_t index, const char *name)
{
    assert_true(index < grid->snapshot.instances_length);
    assert_string_equal(grid->snapshot.instances[index].name, name);
    return &grid->snapshot.instances[index];
}

static void names_in_order(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid =
        read_grid(arena, INSTANCE("acme/shop/web-10", ",\"host\":\"h2\"") INSTANCE("acme/shop/web-9", "")
                             HOSTS INSTANCE("acme/lab/a-b-3", ",\"farm\":\"lab\""));
    assert_int_equal(grid.snapshot.hosts_length, 2);
    assert_string_equal(grid.snapshot.hosts[0].name, "h2");
    assert_string_equal(grid.snapshot.hosts[1].name, "h10");
    const struct instance *lab = instance_at(&grid, 0, "acme/lab/a-b-3");
    assert_string_equal(lab->party, "acme");
    assert_string_equal(lab->farm, "acme/lab");
    assert_string_equal(lab->tier, "a-b");
    assert_int_equal(lab->number, 3);
    instance_at(&grid, 1, "acme/shop/web-9");
    instance_at(&grid, 2, "acme/shop/web-10");
    assert_ptr_equal(grid.snapshot.instances[1].farm, grid.snapshot.instances[2].farm); /* kept once */
    assert_int_equal(grid.now_ms, 86400000);
}

static void hosts_are_up(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid =
        read_grid(arena, HOSTS
                  "{\"kind\":\"HostFact\",\"name\":\"h10\",\"state\":\"down\",\"since_ms\":1700000000000}\n");
    assert_int_equal(grid.snapshot.host_facts_length, 2);
    assert_string_equal(grid.snapshot.host_facts[0].name, "h2");
    assert_int_equal(grid.snapshot.host_facts[0].state, HOST_UP);
    assert_string_equal(grid.snapshot.host_facts[0].reason, "");
    assert_int_equal(grid.snapshot.host_facts[1].state, HOST_DOWN);
    assert_true(grid.now_ms == 1700000060000);
}

static void states_follow(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid = read_grid(
        arena, HOSTS INSTANCE("a/b/c-1", ",\"host\":\"h2\"") INSTANCE("a/b/c-2", "")
                   INSTANCE("a/b/c-3", ",\"host\":\"h2\",\"wanted\":\"drain\"")
                       INSTANCE("a/b/c-4", ",\"host\":\"h2\",\"state\":\"pending\"")
                           INSTANCE("a/b/c-5", ",\"host\":\"h2\",\"state\":\"running\",\"health\":\"bad\""));
    const struct instance *i = grid.snapshot.instances;
    assert_int_equal(i[0].state, INSTANCE_RUNNING);
    assert_int_equal(i[0].health, HEALTH_GOOD);
    assert_int_equal(i[0].incarnation, 1);
    assert_string_equal(i[0].personality, ""); /* not of another form than today's */
    assert_int_equal(i[1].state, INSTANCE_PENDING);
    assert_int_equal(i[1].incarnation, 0);
    assert_int_equal(i[1].address, 0);
    assert_int_equal(i[2].state, INSTANCE_DRAINING);
    assert_int_equal(i[3].state, INSTANCE_PENDING);
    assert_int_equal(i[3].health, HEALTH_UNKNOWN);
    assert_int_equal(i[4].health, HEALTH_BAD);
    /* The tier wants those that shall run. */
    assert_int_equal(grid.snapshot.farms[0].tiers[0].count.committed, 4);
}

static void form_of_the_tier(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid = read_grid(
        arena, HOSTS SHOP INSTANCE("acme/shop/web-7", ",\"host\":\"h2\"")
                   INSTANCE("acme/shop/web-8", ",\"host\":\"h2\",\"size\":{\"cpus\":1,\"memory\":\"1Gi\"},"
                                               "\"priority\":3,\"image\":\"a:0\",\"digest\":\"" DIGEST "\"")
                       INSTANCE("acme/shop/balance-1", ",\"host\":\"h2\""));
    const struct instance *balance = instance_at(&grid, 0, "acme/shop/balance-1");
    const struct instance *web = instance_at(&grid, 1, "acme/shop/web-7");
    const struct instance *other = instance_at(&grid, 2, "acme/shop/web-8");
    assert_int_equal(balance->size.cpus_millis, BALANCER_CPUS_MILLIS);
    assert_string_equal(balance->image, BALANCER_IMAGE);
    assert_int_equal(balance->priority, BALANCER_PRIORITY);
    assert_int_equal(web->size.cpus_millis, 2000);
    assert_int_equal(web->priority, 70);
    assert_string_equal(web->image, "a:1");
    assert_int_equal(other->size.cpus_millis, 1000);
    assert_int_equal(other->priority, 3);
    assert_string_equal(other->image, "a:0");
    assert_string_equal(other->digest, DIGEST);
    /* Images that the file does not have are there. */
    assert_int_equal(grid.snapshot.images_length, 2);
    assert_string_equal(grid.snapshot.images[0].name, "a:1");
    assert_string_equal(web->digest, grid.snapshot.images[0].digest);
    /* The farm's network and numbers. */
    assert_int_equal(grid.snapshot.farm_facts_length, 1);
    assert_int_equal(grid.snapshot.farm_facts[0].vni, 1);
    assert_int_equal(grid.snapshot.farm_facts[0].counters_length, 2);
    assert_string_equal(grid.snapshot.farm_facts[0].counters[0].tier, "web");
    assert_int_equal(grid.snapshot.farm_facts[0].counters[0].next, 9);
}

static void farms_of_instances(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid = read_grid(
        arena, HOSTS
        "{\"kind\":\"FarmFact\",\"name\":\"x/gone\",\"vni\":1}\n" INSTANCE("x/gone/a-1", ",\"host\":\"h2\"")
            INSTANCE("acme/shop/db-3",
                     ",\"host\":\"h2\",\"size\":{\"cpus\":1,\"memory\":\"2Gi\",\"disk\":\"1Gi\"}")
                INSTANCE("acme/shop/db-5", ",\"host\":\"h10\",\"priority\":90") INSTANCE(
                    "acme/shop/web-1", ",\"host\":\"h10\",\"image\":\"hello:1\",\"digest\":\"" DIGEST "\""));
    assert_int_equal(grid.snapshot.farms_length, 1); /* a network without a document is a deleted farm's */
    const struct farm *farm = &grid.snapshot.farms[0];
    assert_string_equal(farm->full_name, "acme/shop");
    assert_string_equal(farm->name, "shop");
    assert_int_equal(farm->tiers_length, 2);
    assert_string_equal(farm->tiers[0].name, "db");
    assert_int_equal(farm->tiers[0].count.committed, 2);
    assert_int_equal(farm->tiers[0].count.max, 2);
    assert_int_equal(farm->tiers[0].size.memory_bytes, 2LL << 30);
    assert_int_equal(farm->tiers[0].priority, 90);
    assert_string_equal(farm->tiers[0].spread.by, "");
    assert_string_equal(farm->tiers[1].image, "hello:1");
    assert_string_equal(grid.snapshot.parties[0].name, "acme");
    /* One that says it speaks for its tier. */
    assert_int_equal(instance_at(&grid, 1, "acme/shop/db-5")->size.memory_bytes, 2LL << 30);
    assert_int_equal(instance_at(&grid, 0, "acme/shop/db-3")->priority, 90);
    assert_int_equal(grid.snapshot.farm_facts_length, 2);
    assert_int_equal(grid.snapshot.farm_facts[0].vni, 2);
    for (size_t i = 0; i < grid.snapshot.images_length; i++)
        if (text_equal(grid.snapshot.images[i].name, "hello:1"))
            assert_string_equal(grid.snapshot.images[i].digest, DIGEST);
}

static void parties_unsaid(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid = read_grid(arena, HOSTS "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\","
                                                   "\"subnet\":\"10.1.0.0/24\",\"tiers\":[]}\n");
    assert_int_equal(grid.snapshot.parties_length, 1);
    assert_string_equal(grid.snapshot.parties[0].name, "acme");
    assert_string_equal(grid.snapshot.parties[0].parent, "landlord");
    assert_int_equal(grid.snapshot.parties[0].quota.instances, -1);
}

static void addresses(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid =
        read_grid(arena, HOSTS INSTANCE("a/b/c-1", ",\"host\":\"h2\"") INSTANCE("a/b/c-2", ",\"host\":\"h2\"")
                             INSTANCE("a/b/c-3", ",\"host\":\"h2\",\"address\":\"10.7.0.3\"")
                                 INSTANCE("a/b/c-4", ",\"host\":\"h2\",\"address\":\"10.7.9.9\"")
                                     INSTANCE("a/c/c-1", ",\"host\":\"h2\""));
    const struct instance *i = grid.snapshot.instances;
    const struct prefix *subnet = &grid.snapshot.farms[0].subnet;
    assert_int_equal(subnet->address, 0x0a070000);
    assert_int_equal(subnet->bits, 20); /* both addresses that are said */
    assert_int_equal(i[0].address, 0x0a070004);
    assert_int_equal(i[1].address, 0x0a070005);
    assert_int_equal(i[2].address, 0x0a070003);
    assert_int_equal(i[4].address, 0x0a000003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_order),     cmocka_unit_test(hosts_are_up),
        cmocka_unit_test(states_follow),      cmocka_unit_test(form_of_the_tier),
        cmocka_unit_test(farms_of_instances), cmocka_unit_test(addresses),
        cmocka_unit_test(parties_unsaid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
