/* Farms that are sized by their load, on a whole grid: what callers of a fake world ask for, agents report,
 * the controller decides and hosts do. */
#include "control/internal.h"
#include "control/sizing.h"
#include "plan/plan.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char levels[] = "kind: SLA\nname: gold\npriority: urgent\n"
                             "target: {response: 100ms, percentile: 90}\n"
                             "levels: {committed: {rate: 0.02 EUR}, guaranteed: {rate: 0.03 EUR}, "
                             "extended: {rate: 0.06 EUR}}\n---\n"
                             "kind: SLA\nname: iron\npriority: low\n"
                             "target: {response: 100ms, percentile: 90}\n"
                             "levels: {committed: {rate: 0.01 EUR}, guaranteed: {rate: 0.02 EUR}, "
                             "extended: {rate: 0.03 EUR}}\n";

/* An instance serves 100 a second of 10 ms each. */
static void apply_farm(struct world *world, const char *name, const char *sla, const char *counts,
                       const char *cpus)
{
    CLEANUP_MEM char *yaml =
        mem_printf("kind: Farm\nname: %s\nparty: acme\n%s\nsubnet: 10.0.0.0/24\n"
                   "tiers:\n  - {name: web, image: \"hello:1\", capacity: 100, count: %s, "
                   "size: {cpus: %s, memory: 64Mi}, health: {exec: [health]}}\n"
                   "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: auto}\n",
                   name, sla, counts, cpus);
    apply(world, yaml);
}

static void ask_for(struct world *world, const char *farm, int64_t rate)
{
    const struct fake_demand demand = {.rate_millis = rate * 1000, .service_us = 10000, .concurrency = 1};
    fake_world_ask(world->truth, farm, "www", &demand);
}

static const struct tier_scale *scale_of(struct world *world, const char *farm)
{
    const struct record *record = mirror_get(controller_mirror(world->controller), RECORD_FARM_FACT, farm);
    return plan_scale(record ? record->object : NULL, "web");
}

/* How many it was given. What was never decided is what is committed: 1 in all these tests. */
static int64_t wanted(struct world *world, const char *farm)
{
    const struct tier_scale *scale = scale_of(world, farm);
    return scale ? scale->wanted : 1;
}

static void wait_wanted(struct world *world, const char *farm, int64_t least, int64_t most, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 100) {
        if (wanted(world, farm) >= least && wanted(world, farm) <= most) return;
        world_run_ms(world, 100);
    }
    fail_msg("%s was given %lld, not %lld to %lld: %s", farm, (long long)wanted(world, farm),
             (long long)least, (long long)most, expect(world, 200, landlord, "GET", "/v1/events", NULL));
}

static void wait_event(struct world *world, const char *text, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 500) {
        if (strstr(expect(world, 200, landlord, "GET", "/v1/events", NULL), text)) return;
        world_run_ms(world, 500);
    }
    fail_msg("nobody says '%s': %s", text, expect(world, 200, landlord, "GET", "/v1/events", NULL));
}

static struct world *sized_world(size_t nodes)
{
    struct world *world = world_started(nodes);
    apply(world, levels);
    return world;
}

static const char gold[] = "sla: gold", iron[] = "sla: iron";

static void test_grows_and_shrinks(void **state)
{
    struct world *world = sized_world(3);
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 3, max: 6}", "0.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    world_run_ms(world, 20000);
    assert_null(scale_of(world, "acme/shop")); /* of a load that nobody has seen nothing follows */
    ask_for(world, "acme/shop", 20);
    world_run_ms(world, 30000);
    assert_int_equal(wanted(world, "acme/shop"), 1);
    ask_for(world, "acme/shop", 190); /* two are in use for 95 % of the time */
    wait_wanted(world, "acme/shop", 3, 6, 15000);
    wait_event(world, "tier web scaled from 1 to ", 1000);
    /* Why is in the event and in the record. */
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/events", NULL),
                           "urgent, abundant, more arrives than 1 instance can serve: "));
    assert_non_null(strstr(scale_of(world, "acme/shop")->reason, "from the idle pool"));
    wait_running(world, "acme/shop/web-", (size_t)wanted(world, "acme/shop"), 10000);
    ask_for(world, "acme/shop", 5000);
    wait_wanted(world, "acme/shop", 6, 6, 15000); /* max is the end of it, whatever comes */
    world_run_ms(world, 20000);
    assert_int_equal(wanted(world, "acme/shop"), 6);
    wait_running(world, "acme/shop/web-", 6, 10000);
    ask_for(world, "acme/shop", 1);
    wait_wanted(world, "acme/shop", 1, 1, 30 * 60 * 1000);
    wait_running(world, "acme/shop/web-", 1, 10000);
    wait_event(world, "to the idle pool", 1000);
    world_run_ms(world, 60000);
    assert_int_equal(wanted(world, "acme/shop"), 1); /* what is committed is the other end */
    assert_settled(world);
    world_free(world);
}

/* A steady load keeps its number, once it is found. */
static void test_steady(void **state)
{
    struct world *world = sized_world(3);
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 3, max: 6}", "0.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/shop", 190);
    wait_wanted(world, "acme/shop", 3, 6, 15000);
    world_run_ms(world, 5 * 60 * 1000);
    int64_t found = wanted(world, "acme/shop"), since_ms = scale_of(world, "acme/shop")->since_ms;
    world_run_ms(world, 10 * 60 * 1000);
    assert_int_equal(wanted(world, "acme/shop"), found);
    assert_int_equal(scale_of(world, "acme/shop")->since_ms, since_ms);
    world_free(world);
}

/* Four cpus are the balancer's and two members': a third waits and says why, until there is a second host. */
static void test_no_room(void **state)
{
    struct world *world = small_world(2);
    start_controller(world);
    boot(&world->boxes[0]);
    wait_host(world, "h1", HOST_UP, 1000);
    CLEANUP_BUF struct buf yaml = {0};
    buf_add_text(&yaml, "kind: Party\nname: acme\nquota: {cpus: 100, memory: 100Gi, disk: 1Ti, "
                        "instances: 100, farms: 10}\n");
    world_images(world, &yaml);
    apply(world, buf_text(&yaml));
    apply(world, levels);
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 2, max: 6}", "1.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/shop", 200);
    wait_wanted(world, "acme/shop", 2, 2, 15000);
    wait_event(world, "tier web waits for ", 15000);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/events", NULL), "no host has room"));
    const struct sized *sized = sizing_get(world->controller, "acme/shop", "web");
    assert_non_null(sized);
    assert_non_null(strstr(sized->lacks_why, "no host has room"));
    assert_int_equal(wanted(world, "acme/shop"), 2); /* what cannot be is not decided */
    boot(&world->boxes[1]);
    wait_host(world, "h2", HOST_UP, 1000);
    wait_wanted(world, "acme/shop", 3, 4, 15000);
    wait_running(world, "acme/shop/web-", (size_t)wanted(world, "acme/shop"), 10000);
    world_run_ms(world, 5000);
    assert_null(sizing_get(world->controller, "acme/shop", "web")->lacks_why);
    world_free(world);
}

/* The quota of its party ends it, and is named as what does. */
static void test_quota(void **state)
{
    struct world *world = sized_world(3);
    apply(world, "kind: Party\nname: acme\nquota: {cpus: 100, memory: 100Gi, disk: 1Ti, instances: 3, "
                 "farms: 10}\n");
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 1, max: 6}", "0.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/shop", 400);
    wait_event(world, "the quota of its party is used up", 15000);
    int64_t given = wanted(world, "acme/shop");
    assert_in_range(given, 2, 3);
    world_run_ms(world, 10000);
    assert_int_equal(truly_running(world, "acme/shop/web-"), given);
    world_free(world);
}

/* What a farm has beyond its guaranteed count yields to one that is more urgent; the rest never does. */
static void test_takes_from_another(void **state)
{
    struct world *world = sized_world(2); /* eight cpus, two of them for balancers and slivers */
    apply_farm(world, "blog", iron, "{committed: 1, guaranteed: 2, max: 6}", "1");
    wait_running(world, "acme/blog/web-", 1, 5000);
    ask_for(world, "acme/blog", 480);
    wait_wanted(world, "acme/blog", 5, 6, 20000);
    world_run_ms(world, 35000); /* what was given rests for a while */
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 1, max: 5}", "1");
    wait_running(world, "acme/shop/web-", 1, 30000);
    ask_for(world, "acme/shop", 280);
    wait_wanted(world, "acme/shop", 4, 5, 90000);
    wait_event(world, "goes to a farm that is more urgent", 1000);
    wait_event(world, "that another farm has beyond its guaranteed count", 1000);
    for (int i = 0; i < 600; i++) { /* it calls for all of it all the time */
        assert_true(wanted(world, "acme/blog") >= 2);
        world_run_ms(world, 100);
    }
    world_free(world);
}

/* One that stands strictly apart takes only where it may stand: a fourth on three hosts takes nothing. */
static void test_apart_takes_nothing_in_vain(void **state)
{
    struct world *world = sized_world(3);
    apply(world,
          "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\n"
          "tiers:\n  - {name: web, image: \"hello:1\", capacity: 100, count: {committed: 1, guaranteed: 1, "
          "max: 6}, size: {cpus: 1, memory: 64Mi}, health: {exec: [health]}, "
          "spread: {by: host, strict: true}}\n"
          "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: auto}\n");
    apply_farm(world, "blog", iron, "{committed: 1, guaranteed: 1, max: 20}", "1");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/blog", 3000);
    wait_wanted(world, "acme/blog", 8, 20, 20000);
    world_run_ms(world, 40000); /* what was given rests for a while */
    ask_for(world, "acme/shop", 900);
    wait_wanted(world, "acme/shop", 3, 3, 90000);
    world_run_ms(world, 5000);
    int64_t left = wanted(world, "acme/blog");
    for (int i = 0; i < 600; i++) {
        world_run_ms(world, 100);
        assert_int_equal(wanted(world, "acme/blog"), left);
    }
    assert_int_equal(wanted(world, "acme/shop"), 3);
    world_free(world);
}

/* What was learned and decided is in the store: a new controller neither starts from nothing nor gives back
 * what it does not see used yet. */
static void test_restart(void **state)
{
    struct world *world = sized_world(3);
    struct store_item item;
    struct error err;
    apply_farm(world, "shop", gold, "{committed: 1, guaranteed: 3, max: 6}", "0.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/shop", 190);
    wait_wanted(world, "acme/shop", 3, 6, 15000);
    world_run_ms(world, 25 * 60 * 1000); /* ten minutes are the time between two writings */
    int64_t before = wanted(world, "acme/shop");
    assert_true(before >= 3);
    assert_true(store_get(world->store, "forecast/acme/shop/web", &item, &err));
    store_item_free(&item);
    struct box *box = world_box(world, instance_of(world, "acme/shop/balance-1")->host);
    box_stop_agent(box); /* nobody reports any load: what is known then was in the store */
    world_stop_controller(world);
    world_run_ms(world, 2000);
    start_controller(world);
    world_run_ms(world, 2000);
    const struct sized *sized = sizing_get(world->controller, "acme/shop", "web");
    double error = 0;
    assert_non_null(sized);
    assert_true(forecast_now(&sized->forecast, &error) > 150);
    start_agent(box);
    for (int i = 0; i < 600; i++) {
        assert_true(wanted(world, "acme/shop") >= before);
        world_run_ms(world, 100);
    }
    wait_running(world, "acme/shop/web-", (size_t)wanted(world, "acme/shop"), 10000);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    wait_running(world, "acme/shop/", 0, 10000);
    world_run_ms(world, 3000); /* and who is gone leaves no forecast */
    assert_false(store_get(world->store, "forecast/acme/shop/web", &item, &err));
    assert_null(sizing_get(world->controller, "acme/shop", "web"));
    world_free(world);
}

/* Without a service level, or without saying what an instance serves, a tier has what is committed. */
static void test_dropped(void **state)
{
    static const char counts[] = "{committed: 1, guaranteed: 3, max: 6}";
    struct world *world = sized_world(3);
    apply_farm(world, "shop", gold, counts, "0.5");
    wait_running(world, "acme/shop/web-", 1, 5000);
    ask_for(world, "acme/shop", 190);
    wait_wanted(world, "acme/shop", 3, 6, 15000);
    apply_farm(world, "shop", "state: running", counts, "0.5");
    world_run_ms(world, 3000);
    assert_null(scale_of(world, "acme/shop"));
    wait_running(world, "acme/shop/web-", 1, 10000);
    apply_farm(world, "shop", gold, counts, "0.5"); /* and with it again as before */
    wait_wanted(world, "acme/shop", 3, 6, 15000);
    apply(world, "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\n"
                 "tiers:\n  - {name: web, image: \"hello:1\", count: {committed: 1, guaranteed: 3, max: 6}, "
                 "size: {cpus: 0.5, memory: 64Mi}, health: {exec: [health]}}\n"
                 "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: auto}\n");
    world_run_ms(world, 3000);
    assert_null(scale_of(world, "acme/shop"));
    wait_running(world, "acme/shop/web-", 1, 10000);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_shrinks),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_takes_from_another),
        cmocka_unit_test(test_apart_takes_nothing_in_vain),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
