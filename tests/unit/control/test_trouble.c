/* What a controller does when its own machine is in trouble: its store refuses, its clock jumps. */
#include "world.h"

#include <string.h>

static const char shop[] = "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                           "tiers:\n"
                           "  - {name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}}\n"
                           "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: "
                           "\"127.0.0.1:8080\"}\n";

static void refuse_all(void *ctx, const struct store_item *item)
{
    struct world *world = ctx;
    if (text_equal(item->key, "farm/acme/shop")) bad_store_fail(world->bad_store, 1);
}

/* From the moment on at which the farm is known, the store takes nothing for a while: no decision is written,
 * and as nothing happens nothing else asks for one. */
static void test_store_refuses(void **state)
{
    struct world *world = world_started(2);
    struct store_watch *watch = NULL;
    struct error err;

    world_run_ms(world, 3000);
    assert_true(
        store_watch_start(world->store, "", store_revision(world->store), refuse_all, world, &watch, &err));
    apply(world, shop);
    world_run_ms(world, 5000);
    assert_int_equal(truly_running(world, "acme/shop/"), 0);
    store_watch_stop(world->store, watch);
    bad_store_fail(world->bad_store, 0);
    wait_running(world, "acme/shop/", 3, 5000);
    assert_settled(world);
    world_free(world);
}

/* A member whose client never lets go leaves after 30 s, though the controller's wall clock is set back an
 * hour meanwhile, and a successor starts with that clock. */
static void test_clock_set_back(void **state)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world *world = world_started(3);
        apply(world, shop);
        wait_running(world, "acme/shop/", 3, 10000);
        world_run_ms(world, 2000);
        const char *host = truly_on(world, "acme/shop/web-1");
        struct box *balancer = world_box(world, truly_on(world, "acme/shop/balance-1"));
        fake_host_hold(balancer->truth, "web-1", 1);
        expect(world, 200, landlord, "POST", "/v1/instances/acme/shop/web-1/move",
               text_equal(host, "h1") ? "{\"host\":\"h2\"}" : "{\"host\":\"h1\"}");
        world_run_ms(world, 10000);
        assert_string_equal(truly_on(world, "acme/shop/web-1"), host);
        sim_machine_clock_jump(world->controller_clock, -3600 * 1000);
        if (restarts) {
            world_stop_controller(world);
            start_controller(world);
        }
        world_run_ms(world, 15000);
        assert_string_equal(truly_on(world, "acme/shop/web-1"), host);
        world_run_ms(world, 25000);
        assert_string_not_equal(truly_on(world, "acme/shop/web-1"), host);
        assert_settled(world);
        world_free(world);
    }
}

/* What has to go from a host that was never told of it: placed there and sent away again before the host's
 * next document was written. */
static void test_gone_untold(void **state)
{
    static const char web_3[] = "instance/acme/shop/web-3";
    struct world *world = world_started(2);
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    (void)state;
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 10000);
    world_run_ms(world, 5000);
    struct instance instance = *instance_of(world, "acme/shop/web-1");
    instance.name = "acme/shop/web-3";
    instance.number = 3;
    instance.wanted = WANTED_GONE;
    instance.state = INSTANCE_WIPING;
    instance.address = 0;
    schema_write(&schema_instance, "Instance", &instance, &text);
    const struct store_op put = {.kind = STORE_PUT, .key = web_3, .value = buf_text(&text)};
    assert_true(store_txn(world->store, &put, 1, NULL, &err));
    assert_true(store_dispatch(world->store, &err));
    assert_non_null(mirror_get(controller_mirror(world->controller), RECORD_INSTANCE, "acme/shop/web-3"));
    world_run_ms(world, 5000);
    assert_null(mirror_get(controller_mirror(world->controller), RECORD_INSTANCE, "acme/shop/web-3"));
    assert_settled(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_refuses),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_gone_untold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
