/* Orders of people and of the controller to one switch, in every order and at every distance: one at a time,
 * and the host is left as people asked last. After every step it is judged: one and only one. */
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { ORDERS_MAX = 3, SWITCH_MS = 1500 /* longer than it takes to give a host up */, START_MS = 2500 };

static const char shop[] = "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\ntiers:\n"
                           "  - {name: web, image: \"hello:1\", count: 3, size: {cpus: 0.1, memory: 16Mi}}\n";
static const char *const words[] = {[POWER_ON] = "on", [POWER_OFF] = "off", [POWER_CYCLE] = "cycle"};

/* A computer that takes a while from its power to its agent. */
struct computer {
    struct world *world;
    struct box *box;
    bool power;
    bool broken; /* it does not come up any more */
    struct timer *start;
    size_t cuts; /* of its power, by the switch */
};

/* What people have asked for, at which distances. */
struct course {
    enum power_order orders[ORDERS_MAX];
    size_t length;
    int64_t gap_ms;
    bool dies; /* it loses its power just before */
};

struct answer_count {
    size_t answers, good;
};

static void start(void *ctx)
{
    struct computer *computer = ctx;
    computer->start = NULL;
    boot(computer->box);
}

static void power_goes(struct computer *computer)
{
    const struct clock_port *clock = computer->world->time;
    clock->cancel(clock->self, computer->start);
    computer->start = NULL;
    computer->power = false;
    box_die(computer->box);
}

static bool act(void *ctx, const char *host, enum power_order order, struct error *err)
{
    struct computer *computer = ctx;
    const struct clock_port *clock = computer->world->time;

    assert_string_equal(host, computer->box->name);
    computer->cuts += order != POWER_ON;
    if (order != POWER_ON) power_goes(computer);
    if (order == POWER_OFF || computer->power) return true;
    if (computer->broken) return error_set(err, ERROR_FAILED, "%s went off again", host);
    computer->power = true;
    computer->start = clock->after(clock->self, START_MS * 1000, start, computer);
    return true;
}

/* Four hosts; the switch of h1 is slow, and so is h1. */
static struct world *slow_world(struct computer *ret_computer)
{
    struct world *world = world_started(4);

    world_stop_controller(world);
    sim_power_free(world->power);
    *ret_computer = (struct computer){.world = world, .box = world_box(world, "h1"), .power = true};
    world->power = sim_power_new(world->time, SWITCH_MS * 1000, act, ret_computer);
    start_controller(world);
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 10000);
    return world;
}

static void count_answer(void *ctx, const struct answer *answer)
{
    struct answer_count *count = ctx;
    count->answers++;
    count->good += answer->status == 200;
}

/* Does not wait for the answer. */
static void order(struct world *world, enum power_order what, struct answer_count *count)
{
    CLEANUP_MEM char *bearer = mem_printf("Bearer %s", landlord);
    const struct header headers[] = {{"Authorization", bearer}};
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {api_address}, .addresses_length = 1, .only_address = -1};
    CLEANUP_MEM char *body = mem_printf("{\"order\":\"%s\"}", words[what]);
    const struct request request = {.method = "POST",
                                    .path = "/v1/hosts/h1/power",
                                    .headers = headers,
                                    .headers_length = LENGTH(headers),
                                    .body = body,
                                    .body_size = strlen(body)};
    net->call(net->self, &peer, &request, 60000, NULL, count_answer, count);
}

static void take(struct computer *computer, const struct course *course)
{
    struct world *world = computer->world;
    const struct host_fact *fact = NULL;
    struct answer_count count = {0};
    bool stays_on = course->orders[course->length - 1] != POWER_OFF;
    char text[80] = "";

    for (size_t i = 0; i < course->length; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", words[course->orders[i]]);
    if (course->dies) power_goes(computer);
    for (size_t i = 0; i < course->length; i++) {
        if (i) world_run_ms(world, course->gap_ms);
        order(world, course->orders[i], &count);
    }
    world_run_ms(world, 30000);
    fact = fact_of(world, "h1");
    if (count.good != course->length || computer->power != stays_on ||
        fact->state != (stays_on ? HOST_UP : HOST_STATE_OFF) || fact->given_up == stays_on)
        fail_msg("%severy %d ms%s: %zu of %zu answered well, power %s, host %s: %s", text,
                 (int)course->gap_ms, course->dies ? ", having died" : "", count.good, count.answers,
                 computer->power ? "on" : "off", host_state_names[fact->state], fact->reason);
    assert_int_equal(sim_power_crossed(world->power), 0);
    wait_running(world, "acme/shop/", 3, 60000);
}

static void put_back(struct computer *computer)
{
    if (computer->power) return;
    expect(computer->world, 200, landlord, "POST", "/v1/hosts/h1/power", "{\"order\":\"on\"}");
    wait_host(computer->world, "h1", HOST_UP, 10000);
}

static void test_every_order(void **state)
{
    static const int64_t gaps_ms[] = {20, 400, 1200, 3000};
    struct computer computer;
    struct world *world = slow_world(&computer);
    size_t courses[] = {3, 9, 27};

    for (size_t length = 1; length <= ORDERS_MAX; length++)
        for (size_t n = 0; n < courses[length - 1] * LENGTH(gaps_ms) * 2; n++) {
            struct course course = {
                .length = length, .dies = n % 2, .gap_ms = gaps_ms[n / 2 % LENGTH(gaps_ms)]};
            size_t rest = n / 2 / LENGTH(gaps_ms);
            for (size_t i = 0; i < length; i++, rest /= 3)
                course.orders[i] = (enum power_order)(rest % 3);
            take(&computer, &course);
            put_back(&computer);
            world_run_ms(world, 2000);
        }
    world_free(world);
}

/* It is silent for so long that it is given up, and what it ran has ended with the cycle: that was enough. */
static void test_cycled_once(void **state)
{
    struct computer computer;
    struct world *world = slow_world(&computer);

    power_goes(&computer);
    expect(world, 200, landlord, "POST", "/v1/hosts/h1/power", "{\"order\":\"cycle\"}");
    wait_host(world, "h1", HOST_DOWN, 1000);
    wait_running(world, "acme/shop/", 3, START_MS); /* elsewhere, before it is back */
    wait_host(world, "h1", HOST_UP, 10000);
    world_run_ms(world, 10000);
    assert_int_equal(fact_of(world, "h1")->state, HOST_UP);
    assert_int_equal(computer.cuts, 1);
    world_free(world);
}

/* It does not come up from a cycle: then it is off, and what it ran runs elsewhere. */
static void test_does_not_come_up(void **state)
{
    struct computer computer;
    struct world *world = slow_world(&computer);

    computer.broken = true;
    expect(world, 500, landlord, "POST", "/v1/hosts/h1/power", "{\"order\":\"cycle\"}");
    wait_host(world, "h1", HOST_DOWN, 5000);
    wait_running(world, "acme/shop/", 3, 10000);
    assert_true(fact_of(world, "h1")->fenced);
    computer.broken = false;
    put_back(&computer);
    world_free(world);
}

/* The controller ends while one order is under way and another waits. */
static void test_controller_ends(void **state)
{
    struct computer computer;
    struct world *world = slow_world(&computer);
    struct answer_count count = {0};

    order(world, POWER_CYCLE, &count);
    world_run_ms(world, 100);
    order(world, POWER_OFF, &count);
    world_run_ms(world, 100);
    world_stop_controller(world);
    world_run_ms(world, 3000);
    assert_int_equal(count.answers, 2);
    assert_int_equal(count.good, 0);
    start_controller(world);
    wait_host(world, "h1", HOST_UP, 10000);
    assert_true(computer.power);
    wait_running(world, "acme/shop/", 3, 20000);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_cycled_once),
        cmocka_unit_test(test_does_not_come_up),
        cmocka_unit_test(test_controller_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
