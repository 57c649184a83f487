/* A month of a farm that sizes itself, by the real loop on virtual time: what it is billed in the end. */
#include "world.h"

#include "control/internal.h"
#include "control/usage.h"
#include "plan/bill/calendar.h"
#include "simulate/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE (INT64_C(60) * 1000)
#define DAY (24 * 60 * MINUTE)

/* The committed rate and the fee of the extended level are what changes. */
static const char gold[] =
    "kind: SLA\nname: gold\nperiod: month\ntarget: {response: 50ms, percentile: 90}\n"
    "levels:\n  committed: {rate: %s EUR}\n  guaranteed: {rate: 0.030 EUR, fee: 5.00 EUR}\n"
    "  extended: {rate: 0.060 EUR, fee: %s EUR}\ncredits: {below: 99.9, percent: 10}\n";
static const char shop[] =
    "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - {name: web, image: \"hello:1\", count: {committed: 1, guaranteed: 2, max: 3}, capacity: 90, "
    "size: {cpus: 0.25, memory: 64Mi}, health: {exec: [health]}}\n"
    "  - {name: app, image: \"hello:1\", count: {committed: 1, guaranteed: 2, max: 3}, capacity: 90, "
    "size: {cpus: 0.25, memory: 64Mi}, health: {exec: [health]}}\n"
    "balance:\n"
    "  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: \"127.0.0.1:8080\"}\n"
    "  - {name: rpc, mode: http, port: 81, to: \"app:8080\", publish: \"127.0.0.1:8081\"}\n";

static const struct fake_demand little = {.rate_millis = 2 * 1000, .service_us = 10000, .concurrency = 1};
static const struct fake_demand much = {.rate_millis = 400 * 1000, .service_us = 10000, .concurrency = 1};

static void price(struct world *world, const char *rate, const char *fee)
{
    CLEANUP_BUF struct buf text = {0};
    const char *at = strstr(gold, "%s"), *then = strstr(at + 2, "%s");

    buf_printf(&text, "%.*s%s%.*s%s%s", (int)(at - gold), gold, rate, (int)(then - at - 2), at + 2, fee,
               then + 2);
    apply(world, buf_text(&text));
}

static void ask_for(struct world *world, const struct fake_demand *web, const struct fake_demand *app)
{
    fake_world_ask(world->truth, "acme/shop", "www", web);
    fake_world_ask(world->truth, "acme/shop", "rpc", app);
}

/* The controller ends as by a crash; the next one begins when its wall clock is so much further. */
static void crash(struct world *world, int64_t later_ms)
{
    world_stop_controller(world);
    sim_machine_clock_jump(world->controller_clock, later_ms);
    world_run_ms(world, 500);
    start_controller(world);
}

static const char *farm(struct world *world)
{
    return expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
}

/* Runs until the farm is at the level. */
static void wait_level(struct world *world, const char *level)
{
    CLEANUP_MEM char *wanted = mem_printf("\"sla\":\"gold\",\"level\":\"%s\"", level);
    for (int s = 0; s < 3600; s++) {
        if (strstr(farm(world), wanted)) return;
        world_run_ms(world, 1000);
    }
    fail_msg("never %s: %s", level, farm(world));
}

/* The lines of a bill with the text, how many of them, and the sum of their amounts in millionths. */
static size_t count(const char *bill, const char *text, int64_t *ret_micros)
{
    size_t found = 0;

    *ret_micros = 0;
    for (const char *at = strstr(bill, "{\"charge\":"), *end; at; at = strstr(end, "{\"charge\":")) {
        end = strchr(at, '}');
        CLEANUP_MEM char *line = mem_printf("%.*s", (int)(end - at), at);
        if (!strstr(line, text)) continue;
        const char *amount = strstr(line, "\"amount\":") + strlen("\"amount\":");
        int64_t micros = llabs(atoll(amount)) * 1000000 + atoll(strchr(amount, '.') + 1);
        *ret_micros += amount[0] == '-' ? -micros : micros;
        found++;
    }
    return found;
}

static char *bill_of(struct world *world, int64_t from_ms, int64_t to_ms)
{
    char from[32], to[32];
    CLEANUP_MEM char *path =
        mem_printf("/v1/bill?from=%s&to=%s", text_format_time(from, from_ms), text_format_time(to, to_ms));
    const char *made = expect(world, 200, landlord, "GET", path, NULL);
    assert_non_null(strstr(made, "\"proof\":{\"holds\":true"));
    return mem_strdup(strstr(made, "\"invoices\":")); /* from here on it does not say when it was asked for */
}

static size_t fees(const char *bill, const char *level)
{
    CLEANUP_MEM char *text = mem_printf("\"charge\":\"fee\",\"use\":\"%s\"", level);
    int64_t micros = 0;
    size_t lines = count(bill, text, &micros);
    const char *at = strstr(bill, text);
    if (lines == 1) assert_int_equal(atoll(strstr(at, "\"times\":") + strlen("\"times\":")), 1);
    return lines;
}

static void up_and_down(struct world *world, const struct fake_demand *app)
{
    ask_for(world, &much, app);
    wait_level(world, "extended");
    world_run_ms(world, 3 * MINUTE);
    ask_for(world, &little, &little);
    wait_level(world, "committed");
}

/* Target missed for a part of the month, in one of two tiers; levels entered, left and entered again; rates
 * and fees changed on the way; controllers that end. When the month is over its bill pays back once, and has
 * each fee once; the next month has them anew. */
static void test_month(void **state)
{
    struct world *world = world_started(3);
    int64_t use = 0, guaranteed = 0, extended = 0, credit = 0, none = 0;

    price(world, "0.020", "20");
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 5000);
    int64_t month_ms = period_begins_ms(PERIOD_MONTH, usage_now_ms(world->controller));
    int64_t next_ms = period_ends_ms(PERIOD_MONTH, month_ms),
            after_ms = period_ends_ms(PERIOD_MONTH, next_ms);
    assert_non_null(strstr(farm(world), "\"target_kept_percent\":null"));
    up_and_down(world, &little);
    assert_non_null(strstr(farm(world), "\"target_minutes\":"));
    crash(world, 3 * DAY);
    price(world, "0.040", "25");
    up_and_down(world, &much); /* the same levels again, at another fee */
    world_run_ms(world, 3 * MINUTE);
    CLEANUP_MEM char *so_far = bill_of(world, month_ms, usage_now_ms(world->controller));
    assert_non_null(strstr(so_far, "as of now: the period is not over"));
    crash(world, next_ms - usage_now_ms(world->controller) + DAY);
    assert_non_null(strstr(farm(world), "\"target_kept_percent\":null")); /* of this month nothing is known */

    CLEANUP_MEM char *over = bill_of(world, month_ms, next_ms);
    assert_int_equal(count(over, "\"charge\":\"credit\"", &credit), 1);
    assert_non_null(strstr(over, "10.000 % is paid back\""));
    assert_int_equal(fees(over, "guaranteed"), 1);
    assert_int_equal(fees(over, "extended"), 1);
    count(over, "\"use\":\"guaranteed\"", &guaranteed);
    count(over, "\"charge\":\"fee\",\"use\":\"extended\"", &extended);
    assert_int_equal(extended, 20 * 1000000); /* the price of when it was first entered */
    assert_true(guaranteed > 5 * 1000000);
    assert_int_equal(count(over,
                           "\"use\":\"committed\",\"party\":\"acme\",\"farm\":\"acme/shop\",\"tier\":\"web\"",
                           &none),
                     2); /* a line for each rate */
    count(over, "\"charge\":", &use);
    use -= credit;
    assert_in_range(use + credit * 10 + 20, 0, 40); /* a tenth, but for the last millionth of each line */

    world_run_ms(world, 3 * MINUTE);
    crash(world, 0);
    CLEANUP_MEM char *again = bill_of(world, month_ms, next_ms);
    assert_string_equal(again, over);
    up_and_down(world, &much);
    CLEANUP_MEM char *next = bill_of(world, next_ms, usage_now_ms(world->controller));
    assert_int_equal(fees(next, "guaranteed"), 1);
    assert_int_equal(fees(next, "extended"), 1);
    crash(world, after_ms - usage_now_ms(world->controller) + DAY);
    CLEANUP_MEM char *both = bill_of(world, month_ms, after_ms);
    assert_int_equal(count(both, "\"charge\":\"fee\",\"use\":\"extended\"", &extended), 2);
    assert_int_equal(extended, 45 * 1000000);
    const char *told = expect(world, 200, landlord, "GET", "/v1/events?name=acme/shop&last=100", NULL);
    assert_non_null(strstr(told, "\"level entered\""));
    assert_non_null(strstr(told, "\"level left\""));
    const char *why = expect(world, 200, landlord, "GET", "/v1/explain/acme/shop", NULL);
    assert_non_null(strstr(why, "\"level entered\""));
    world_free(world);
}

/* Old months go, whole; what is left can be billed as before, and what reaches further back is refused. */
static void test_forget(void **state)
{
    struct world *world = world_started(2);
    struct error err;

    price(world, "0.020", "20");
    apply(world, shop);
    wait_running(world, "acme/shop/", 3, 5000);
    int64_t first_ms = period_begins_ms(PERIOD_MONTH, usage_now_ms(world->controller));
    for (int month = 0; month < 4; month++) {
        expect(world, 200, landlord, "POST", "/v1/hosts/h2/drain", "{}");
        world_run_ms(world, 5000);
        expect(world, 200, landlord, "POST", "/v1/hosts/h2/activate", "{}");
        world_run_ms(world, 5000);
        crash(world, 30 * DAY);
    }
    int64_t now_ms = usage_now_ms(world->controller), kept_ms = period_begins_ms(PERIOD_MONTH, now_ms);
    for (int month = 0; month < 2; month++)
        kept_ms = period_begins_ms(PERIOD_MONTH, kept_ms - 1);
    CLEANUP_MEM char *all = bill_of(world, first_ms, now_ms), *late = bill_of(world, kept_ms, now_ms);
    assert_true(usage_forget(world->controller, 0, &err)); /* never */
    CLEANUP_MEM char *same = bill_of(world, first_ms, now_ms);
    assert_string_equal(same, all);
    for (int again = 0; again < 2; again++) {
        assert_true(usage_forget(world->controller, 2, &err));
        CLEANUP_MEM char *still = bill_of(world, kept_ms, now_ms);
        assert_string_equal(still, late);
        char from[32];
        CLEANUP_MEM char *path = mem_printf("/v1/bill?from=%s", text_format_time(from, kept_ms - 1));
        const char *refused = expect(world, 400, landlord, "GET", path, NULL);
        assert_non_null(strstr(refused, "are dropped: ask for what was later"));
        crash(world, 0); /* its successor knows, too */
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_month), cmocka_unit_test(test_forget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
