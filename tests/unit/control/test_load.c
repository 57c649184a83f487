/* Load of farms, from balancers of a fake world by agents to what the controller knows. */
#include "control/internal.h"
#include "control/load.h"
#include "observe/load.h"
#include "world.h"

#include <string.h>

static const char shop[] = "kind: SLA\nname: gold\ntarget: {response: 50ms, percentile: 90}\n"
                           "levels: {committed: {rate: 0.02 EUR}}\n"
                           "---\n"
                           "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\n"
                           "tiers:\n"
                           "  - {name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}, "
                           "health: {exec: [health]}}\n"
                           "balance:\n"
                           "  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: auto}\n";

/* 100 a second of 10 ms each over two instances: each is in use for half of the time. */
static const struct fake_demand half = {.rate_millis = 100 * 1000, .service_us = 10000, .concurrency = 1};

static struct world *loaded(const struct fake_demand *demand)
{
    struct world *world = world_started(2);
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 5000);
    world_run_ms(world, 2000);
    fake_world_ask(world->truth, "acme/shop", "www", demand);
    return world;
}

static const struct tier_load *load_of(struct world *world)
{
    const struct tier_load *load = load_get(world->controller, "acme/shop", "web");
    assert_non_null(load);
    return load;
}

static void near(int64_t got, int64_t wanted, int64_t percent)
{
    int64_t off = got > wanted ? got - wanted : wanted - got;
    if (off * 100 > wanted * percent) fail_msg("%lld is not near %lld", (long long)got, (long long)wanted);
}

static void test_rate_and_times(void **state)
{
    struct world *world = loaded(&half);
    assert_null(load_get(world->controller, "acme/shop", "web")); /* nothing was told yet */
    world_run_ms(world, 25000);
    const struct tier_load *load = load_of(world);
    near(load->rate_millis, 100 * 1000, 1);
    assert_int_equal(load->refused_millis, 0);
    assert_true(load->age_us < 2000000);
    near(load->mean_us, 20000, 3);        /* service / (1 - 0.5) */
    near(load->scv_millis, 1000, 15);     /* exponential, by twenty times */
    near(load->percentile_us, 46000, 15); /* 2.3 times the mean */
    assert_int_equal(load->percentile_millis, 90000);
    assert_int_equal(load->target_us, 50000);
    near(load->service_us, 20000, 5);              /* nobody has ever seen less */
    assert_int_equal(load->arrival_scv_millis, 0); /* always the same */
    assert_true(load->kept_millis > 85000 && load->kept_millis < 100000);
    near(load->open, 2, 0);
    assert_null(load_get(world->controller, "acme/shop", "db"));
    assert_null(load_get(world->controller, "acme/other", "web"));
    struct instance_load instance;
    assert_true(load_of_instance(world->controller, "acme/shop/web-1", &instance));
    assert_true(instance.means_us[MODULE_REQUESTS] > 0);
    assert_int_equal(instance.means_us[MODULE_DISK], -1);
    assert_false(load_of_instance(world->controller, "acme/shop/balance-1", &instance));
    world_free(world);
}

/* More than all instances can do is refused, and counted so; one more instance mends it. */
static void test_too_much(void **state)
{
    const struct fake_demand much = {.rate_millis = 240 * 1000, .service_us = 10000, .concurrency = 1};
    struct world *world = loaded(&much);
    world_run_ms(world, 15000);
    near(load_of(world)->refused_millis, 50 * 1000, 2); /* 2 · 100 · 0.95 are served */
    int64_t slow_us = load_of(world)->mean_us;
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":4}");
    wait_running(world, "acme/shop/web-", 4, 5000);
    world_run_ms(world, 25000);
    assert_int_equal(load_of(world)->refused_millis, 0);
    assert_true(load_of(world)->mean_us * 3 < slow_us);
    world_free(world);
}

/* Totals tell what a lost agent could not: nothing is counted twice or not at all. */
static void test_agent_away(void **state)
{
    struct world *world = loaded(&half);
    world_run_ms(world, 12000);
    struct box *box = world_box(world, instance_of(world, "acme/shop/balance-1")->host);
    int64_t units = load_of(world)->units;
    assert_in_range(units, 1000, 1200); /* from the first on: this controller saw the balancer start */
    box_stop_agent(box);
    world_run_ms(world, 3000); /* a fake balancer counts only while its agent is here */
    start_agent(box);
    world_run_ms(world, 6000);
    near(load_of(world)->rate_millis, 100 * 1000, 1);
    assert_in_range(load_of(world)->units, units + 400, units + 600);
    units = load_of(world)->units;
    world_stop_controller(world); /* nothing is queued up for it meanwhile, and totals are told anew */
    world_run_ms(world, 4000);
    start_controller(world);
    world_run_ms(world, 5000);
    assert_in_range(load_of(world)->units, 200, 500); /* of its own time only */
    box_stop_agent(box);
    world_run_ms(world, 11000);
    assert_null(load_get(world->controller, "acme/shop", "web")); /* old is not known */
    world_free(world);
}

struct minutes {
    size_t good, bad;
    int64_t last_ms;
};

static void on_minute(void *ctx, const char *farm, const char *tier, int64_t minute_ms, bool good)
{
    struct minutes *minutes = ctx;
    assert_string_equal(farm, "acme/shop");
    assert_string_equal(tier, "web");
    assert_int_equal(minute_ms % 60000, 0);
    assert_true(minute_ms > minutes->last_ms); /* each once */
    minutes->last_ms = minute_ms;
    *(good ? &minutes->good : &minutes->bad) += 1;
}

/* However a minute's end falls between reports and ticks: none goes by untold. */
static void test_every_minute(void **state)
{
    for (int64_t phase_ms = 0; phase_ms < 1000; phase_ms += 50) {
        struct minutes minutes = {0};
        struct world *world = loaded(&half);
        world_stop_controller(world);
        sim_machine_clock_jump(world->controller_clock, phase_ms);
        start_controller(world);
        load_on_minute(world->controller, on_minute, &minutes);
        world_run_ms(world, 185000);
        if (minutes.good + minutes.bad < 3)
            fail_msg("%zu minutes at %lld ms", minutes.good + minutes.bad, (long long)phase_ms);
        world_free(world);
    }
}

/* At a mean of 20 ms an eighth is later than 50, at 12.5 ms a fiftieth; a tenth may be. */
static void test_minutes(void **state)
{
    const struct fake_demand little = {.rate_millis = 40 * 1000, .service_us = 10000, .concurrency = 1};
    struct minutes minutes = {0};
    struct world *world = loaded(&little);
    load_on_minute(world->controller, on_minute, &minutes);
    world_run_ms(world, 185000);
    assert_in_range(minutes.good, 3, 4);
    assert_int_equal(minutes.bad, 0);
    const struct fake_demand much = {.rate_millis = 160 * 1000, .service_us = 10000, .concurrency = 1};
    fake_world_ask(world->truth, "acme/shop", "www", &much);
    world_run_ms(world, 180000);
    assert_in_range(minutes.bad, 2, 3);
    world_free(world);
}

/* From the decision to the instance's first good health; the default before one was seen. */
static void test_lead(void **state)
{
    struct world *world = world_started(2);
    bool measured = true;
    assert_int_equal(load_lead_ms(world->controller, "acme/shop", "web", &measured), LOAD_LEAD_MS_DEFAULT);
    assert_false(measured);
    fake_world_script(world->truth, "acme/shop/web-")->start_ms = 3000;
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 15000);
    world_run_ms(world, 3000);
    int64_t lead_ms = load_lead_ms(world->controller, "acme/shop", "web", &measured);
    assert_true(measured);
    assert_in_range(lead_ms, 3000, 5000);
    world_free(world);
}

/* A host speaks for what it has, and for nothing else. */
static void test_strangers(void **state)
{
    struct world *world = loaded(&half);
    world_run_ms(world, 5000);
    const struct instance *balancer = instance_of(world, "acme/shop/balance-1");
    const char *other = text_equal(balancer->host, "h1") ? "h2" : "h1";
    struct session *stranger = session_get(world->controller, other);
    const struct load_frontend frontend = {
        .name = "www", .units = 1LL << 50, .refused = 1LL << 50, .taken_us = 1LL << 50, .times = "400:9;9"};
    const struct load_frontend unknown = {.name = "nobody", .units = 5, .taken_us = 5, .times = ";0"};
    const struct load_balancer balancers[] = {{"acme/shop/balance-1", balancer->incarnation, &frontend, 1},
                                              {"acme/shop/web-1", 1, &frontend, 1},
                                              {"acme/gone/balance-1", 1, &frontend, 1}};
    const struct load_report report = {
        .host = other, .boot = "x", .balancers = balancers, .balancers_length = 3};
    int64_t mean_us = load_of(world)->mean_us;
    load_take(stranger, &report);
    near(load_of(world)->rate_millis, 100 * 1000, 1);
    assert_int_equal(load_of(world)->mean_us, mean_us);
    /* Its own host, of another incarnation, of a frontend that the farm does not have, of times that are
     * none. */
    struct session *own = session_get(world->controller, balancer->host);
    const struct load_balancer late[] = {{"acme/shop/balance-1", balancer->incarnation + 1, &frontend, 1},
                                         {"acme/shop/balance-1", balancer->incarnation, &unknown, 1}};
    const struct load_report own_report = {
        .host = balancer->host, .boot = "x", .balancers = late, .balancers_length = 2};
    load_take(own, &own_report);
    near(load_of(world)->rate_millis, 100 * 1000, 1);
    assert_int_equal(load_of(world)->mean_us, mean_us);
    world_free(world);
}

/* A farm that takes the name of one that is gone begins at nothing. */
static void test_another_farm(void **state)
{
    struct world *world = loaded(&half);
    world_run_ms(world, 12000);
    assert_true(load_of(world)->units > 900);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    wait_running(world, "acme/shop/", 0, 5000);
    assert_null(load_get(world->controller, "acme/shop", "web"));
    world_run_ms(world, 2000);
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 5000);
    world_run_ms(world, 4000);
    assert_in_range(load_of(world)->units, 100, 600);
    world_free(world);
}

static void report(struct world *world, int64_t second, int64_t units, int64_t refused)
{
    const struct instance *balancer = instance_of(world, "acme/shop/balance-1");
    const struct load_frontend frontend = {
        .name = "www", .units = units, .refused = refused, .taken_us = second * 1000000, .times = ";0"};
    const struct load_balancer balancers[] = {{balancer->name, balancer->incarnation, &frontend, 1}};
    const struct load_report whole = {
        .host = balancer->host, .boot = "b", .balancers = balancers, .balancers_length = 1};
    load_take(session_get(world->controller, balancer->host), &whole);
}

static void expect_totals(struct world *world, int64_t units, int64_t refused)
{
    assert_int_equal(load_of(world)->units, units);
    assert_int_equal(load_of(world)->refused, refused);
}

/* Lost, repeated, late, and from a program that was started anew. */
static void test_totals(void **state)
{
    struct minutes minutes = {0};
    struct world *world = world_started(2);
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 5000);
    load_on_minute(world->controller, on_minute, &minutes);
    report(world, 1, 100, 0);
    expect_totals(world, 100, 0);
    report(world, 4, 250, 4); /* two were lost */
    expect_totals(world, 250, 4);
    assert_int_equal(load_of(world)->rate_millis, 50 * 1000); /* of three seconds */
    report(world, 4, 250, 4);
    report(world, 3, 200, 3);
    expect_totals(world, 250, 4);
    report(world, 5, 40, 1); /* HAProxy died: it counts from zero */
    expect_totals(world, 290, 5);
    world_run_ms(world, 62000);
    assert_int_equal(minutes.good, 1); /* a tenth may be missed, 5 of 290 are less */
    assert_int_equal(minutes.bad, 0);
    report(world, 70, 100, 10);
    world_run_ms(world, 62000);
    assert_int_equal(minutes.bad, 1); /* nobody was late, but 9 of 60 were refused */
    world_free(world);
}

static void test_shown(void **state)
{
    struct world *world = loaded(&half);
    const char *text = expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
    assert_null(strstr(text, "\"rate\"")); /* not known: not there */
    world_run_ms(world, 12000);
    text = expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
    assert_non_null(strstr(text, "\"rate\":100"));
    assert_non_null(strstr(text, "\"response_ms\":"));
    text = expect(world, 200, landlord, "GET", "/v1/top", NULL);
    assert_non_null(strstr(text, "\"level\":\"committed\",\"rate\":100"));
    assert_non_null(strstr(text, "\"balanced\":{\"requests\":"));
    text = expect(world, 200, landlord, "GET", "/metrics", NULL);
    assert_non_null(strstr(text, "croft_tier_requests_per_second{farm=\"acme/shop\",tier=\"web\"} 100\n"));
    assert_non_null(
        strstr(text, "croft_instance_balanced_rate{instance=\"acme/shop/web-1\",module=\"requests\"}"));
    assert_null(strstr(text, "croft_instance_balanced_rate{instance=\"acme/shop/balance-1\""));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_and_times), cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_agent_away),     cmocka_unit_test(test_every_minute),
        cmocka_unit_test(test_minutes),        cmocka_unit_test(test_lead),
        cmocka_unit_test(test_strangers),      cmocka_unit_test(test_another_farm),
        cmocka_unit_test(test_totals),         cmocka_unit_test(test_shown)};
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
