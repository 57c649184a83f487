/* Hosts that come back by other hands than the controller's, while it cannot tell them what has become of
 * what they ran. After every step it is judged: one and only one. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static const char shop[] =
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - {name: web, image: \"hello:1\", count: 3, size: {cpus: 0.1, memory: 16Mi}, spread: host}\n";

/* Three hosts with an instance each; ret_box: one of them. */
static struct world *three(struct box **ret_box)
{
    struct world *world = world_started(3);
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 10000);
    world_run_ms(world, 2000);
    *ret_box = world_box(world, truly_on(world, "acme/shop/web-1"));
    return world;
}

static void cut(struct world *world, const struct box *box, bool is_cut)
{
    sim_net_cut(world->net, box->name, "controller", -1, is_cut);
    sim_net_cut(world->net, "controller", box->name, -1, is_cut);
}

static bool is_switched_off(void *ctx)
{
    return ((struct box *)ctx)->switched_off;
}

static bool is_down(void *ctx)
{
    const struct box *box = ctx;
    return fact_of(box->world, box->name)->state == HOST_DOWN;
}

/* It loses its power, is given up, and switched off; nothing that the controller says about the switch gets
 * through. */
static void run_to_fence(struct world *world, struct box *box)
{
    box_die(box);
    assert_true(sim_clock_run_until(world->clock, 5000000, is_down, box));
    world_run_ms(world, 20); /* the switch takes 50 */
    assert_false(box->switched_off);
    sim_net_cut(world->net, "controller", "*", -1, true);
    assert_true(sim_clock_run_until(world->clock, 1000000, is_switched_off, box));
    assert_true(fact_of(world, box->name)->fenced);
}

/* As wait_running(), with no controller. */
static void wait_truly(struct world *world, size_t count, int64_t ms)
{
    for (int64_t i = 0; i < ms / 10 && truly_running(world, "acme/shop/") != count; i++)
        world_run_ms(world, 10);
    assert_int_equal(truly_running(world, "acme/shop/"), count);
}

static void assert_well(struct world *world)
{
    wait_running(world, "acme/shop/", 3, 60000);
    world_run_ms(world, 10000);
    assert_settled(world);
    for (size_t i = 0; i < world->boxes_length; i++) {
        assert_int_equal(fact_of(world, world->boxes[i].name)->state, HOST_UP);
        assert_false(fact_of(world, world->boxes[i].name)->given_up);
    }
}

/* The others hear a controller, and it does not: that one has to confirm what it has. When there is none any
 * more, it goes on by itself. */
static void test_others_hear(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);

    cut(world, box, true);
    box_die(box);
    world_run_ms(world, 100);
    boot(box);
    for (int i = 0; i < 600; i++) {
        world_run_ms(world, 100);
        assert_int_equal(truly_running(world, "acme/shop/"), 2);
        assert_int_not_equal(fact_of(world, box->name)->state, HOST_DOWN); /* the others reach it */
    }
    world_stop_controller(world);
    world_run_ms(world, 5000);
    assert_int_equal(truly_running(world, "acme/shop/"), 2); /* it may be back at any moment */
    wait_truly(world, 3, 15000);
    cut(world, box, false);
    start_controller(world);
    assert_well(world);
    world_free(world);
}

/* All were without power, and the controller stays away: nobody has heard one. */
static void test_all_without_power(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);

    world_stop_controller(world);
    for (size_t i = 0; i < world->boxes_length; i++)
        box_die(&world->boxes[i]);
    world_run_ms(world, 1000);
    for (size_t i = 0; i < world->boxes_length; i++)
        boot(&world->boxes[i]);
    wait_truly(world, 3, 10000);
    start_controller(world);
    assert_well(world);
    world_free(world);
}

/* Its power is back while what the controller has written of it is on its way to the others. */
static void test_back_before_word(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);

    run_to_fence(world, box);
    cut(world, box, true);
    boot(box);
    world_run_ms(world, 8000); /* judged all the while */
    sim_net_cut(world->net, "controller", "*", -1, false);
    world_run_ms(world, 50000);
    cut(world, box, false);
    assert_well(world);
    world_free(world);
}

/* Its power is back when the controller has written that it is off, and ended before it could tell anybody.
 */
static void test_back_untold(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);

    run_to_fence(world, box);
    world_stop_controller(world);
    boot(box);
    world_run_ms(world, 1000);
    sim_net_cut(world->net, "controller", "*", -1, false);
    world_run_ms(world, 60000);
    assert_int_equal(truly_running(world, "acme/shop/"), 2);
    start_controller(world);
    assert_well(world);
    world_free(world);
}

/* The switch did not open after all, and it answers again: nobody has to know it as given up. */
static void test_spared(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);

    world->power_fails = true;
    expect(world, 500, landlord, "POST", "/v1/hosts/h1/power", "{\"order\":\"off\"}");
    assert_false(fact_of(world, "h1")->given_up);
    sim_net_cut_off(world->net, "h1", -1, true);
    wait_host(world, "h1", HOST_DOWN, 5000);
    world_run_ms(world, 3000);
    assert_true(fact_of(world, "h1")->given_up);
    sim_net_cut_off(world->net, "h1", -1, false);
    wait_host(world, "h1", HOST_UP, 5000);
    world->power_fails = false;
    assert_well(world);
    world_free(world);
}

struct queue {
    const char *from;
    bool is_open;
};

static void late_hello(void *ctx, const char *from, const char *to, const struct request *request,
                       struct sim_fate *ret_fate)
{
    const struct queue *queue = ctx;
    (void)to;
    if (queue->is_open && text_equal(request->path, "/agent/hello") && text_equal(from, queue->from))
        ret_fate->late_us = 5000000;
}

/* A hello stood in a queue until after its run was over and the next one had said hello: the next one's
 * reports have to be heard all the same. */
static void test_hello_overtaken(void **state)
{
    struct box *box = NULL;
    struct world *world = three(&box);
    struct queue queue = {box->name, true};

    (void)state;
    sim_net_meddle(world->net, late_hello, &queue);
    box_die(box);
    boot(box);
    CLEANUP_MEM char *over = mem_strdup(box->boot);
    world_run_ms(world, 200);
    queue.is_open = false;
    box_die(box);
    boot(box);
    world_run_ms(world, 2000);
    assert_string_equal(fact_of(world, box->name)->boot, box->boot);
    for (int i = 0; i < 400 && !text_equal(fact_of(world, box->name)->boot, over); i++)
        world_run_ms(world, 10);
    assert_string_equal(fact_of(world, box->name)->boot, over);
    assert_well(world);
    assert_string_equal(fact_of(world, box->name)->boot, box->boot);
    assert_true(fact_of(world, box->name)->document_version > 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_hear),      cmocka_unit_test(test_all_without_power),
        cmocka_unit_test(test_back_before_word), cmocka_unit_test(test_back_untold),
        cmocka_unit_test(test_spared),           cmocka_unit_test(test_hello_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
