/* The whole loop: documents in, instances running where they should, through everything that fails. */
#include "world.h"

#include <string.h>

static const char shop[] = "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                           "tiers:\n"
                           "  - {name: web, image: \"hello:1\", count: 3, size: {cpus: 0.5, memory: 64Mi}, "
                           "health: {exec: [health]}, spread: host}\n"
                           "  - {name: db, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}\n";

static void settle(struct world *world)
{
    apply(world, shop);
    wait_running(world, "acme/shop/", 4, 5000);
    world_run_ms(world, 1000);
}

static void test_apply(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    assert_settled(world);
    assert_int_equal(fake_host_counts(world->boxes[0].truth)->images, 1);
    world_free(world);
}

static void test_scale(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":5}");
    wait_running(world, "acme/shop/web-", 5, 5000);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":1}");
    wait_running(world, "acme/shop/web-", 1, 20000);
    world_run_ms(world, 5000);
    assert_settled(world);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    wait_running(world, "acme/shop/", 0, 20000);
    world_run_ms(world, 5000);
    struct vec left = VEC_OF(struct fake_instance);
    fake_world_list(world->truth, &left);
    assert_int_equal(left.length, 0); /* wiped, not only stopped */
    vec_free(&left);
    for (size_t i = 0; i < 3; i++)
        assert_false(fake_host_has_farm(world->boxes[i].truth, "acme/shop"));
    assert_null(instance_of(world, "acme/shop/db-1"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
