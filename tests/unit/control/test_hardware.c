/* A host whose hardware goes bad: told, emptied, and back by a person's word or the policy's. */
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE = 60 * 1000 };

static const char farm[] =
    "{kind: Farm, name: shop, party: acme, subnet: 10.0.0.0/24, tiers: [{name: web, image: 'hello:1', count: "
    "4,"
    " size: {cpus: 0.5, memory: 64Mi, disk: 16Mi}, command: [x], health: {tcp: 80}}]}\n---\n"
    "{kind: Contact, name: ops, party: landlord, webhook: 'http://h/', group: 0s, hourly: 3600}\n";
static const char policy[] =
    "{kind: Pool, name: general, on_hardware: [{do: notify, to: ops}, {do: drain, after: 10m, most: 0.3}]}";

static void say(struct world *world, const char *host, enum finding_kind kind, int64_t value)
{
    const struct hardware_reading reading = {kind, "it", value, kind == FINDING_HOT ? 80 : 0};
    sim_hardware_say(world_box(world, host)->hardware, &reading);
}

static size_t told(struct world *world, const char *host, const char *what)
{
    size_t count = 0;
    CLEANUP_MEM char *path = mem_printf("/v1/events?name=%s", host);
    CLEANUP_MEM char *wanted = mem_printf("\"what\":\"%s\"", what);
    for (const char *at = expect(world, 200, landlord, "GET", path, NULL); (at = strstr(at, wanted)); at++)
        count++;
    return count;
}

static size_t on(struct world *world, const char *host)
{
    size_t count = 0;
    for (int n = 1; n < 10; n++) {
        char name[32];
        snprintf(name, sizeof(name), "acme/shop/web-%d", n);
        const char *where = truly_on(world, name);
        count += where && text_equal(where, host);
    }
    return count;
}

static void runs(struct world *world, const char *pool)
{
    apply(world, farm);
    apply(world, pool);
    wait_running(world, "acme/shop/web", 4, MINUTE);
}

static const char *other_than(struct world *world, const char *host)
{
    return on(world, host) == 0 ? "h2" : host;
}

static void emptied_and_back_by_word(void **state)
{
    struct world *world = world_started(4);
    runs(world, policy);
    const char *host = other_than(world, "h1");
    assert_true(on(world, host) > 0);
    say(world, host, FINDING_HOT, 95);
    world_run_ms(world, MINUTE);
    assert_int_equal(fact_of(world, host)->findings_length, 1);
    assert_int_equal(told(world, host, "hot"), 1);
    assert_int_equal(told(world, host, "told of"), 1);
    assert_non_null(
        strstr(expect(world, 200, landlord, "GET", "/v1/contacts/landlord%2Fops", NULL), "\"sent\":1"));
    world_run_ms(world, 8 * MINUTE);
    assert_string_equal(fact_of(world, host)->emptied, "");
    world_run_ms(world, 3 * MINUTE);
    CLEANUP_MEM char *why =
        mem_printf("it of %s: 95 °C, limit 80: drained by the policy of pool general", host);
    assert_string_equal(fact_of(world, host)->emptied, why);
    assert_int_equal(on(world, host), 0);
    wait_running(world, "acme/shop/web", 4, MINUTE);
    CLEANUP_MEM char *path = mem_printf("/v1/hosts/%s", host);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", path, NULL), "\"state\":\"draining\""));
    assert_non_null(
        strstr(expect(world, 200, landlord, "GET", "/metrics", NULL), "kind=\"hot\",what=\"it\"} 95\n"));
    /* It cools, and gets hot again: it stays empty, and so it does for the next controller and the next
     * agent. */
    say(world, host, FINDING_HOT, 40);
    world_run_ms(world, MINUTE);
    assert_int_equal(fact_of(world, host)->findings_length, 0);
    assert_true(host_is_emptied(fact_of(world, host)));
    say(world, host, FINDING_HOT, 95);
    world_run_ms(world, MINUTE);
    world_stop_controller(world);
    box_stop_agent(world_box(world, host));
    start_controller(world);
    start_agent(world_box(world, host));
    world_run_ms(world, 15 * MINUTE);
    assert_true(host_is_emptied(fact_of(world, host)));
    assert_int_equal(told(world, host, "drained by policy"), 1);
    /* Somebody says that it is good enough. */
    CLEANUP_MEM char *activate = mem_printf("/v1/hosts/%s/activate", host);
    expect(world, 200, landlord, "POST", activate, NULL);
    world_run_ms(world, 30 * MINUTE);
    assert_false(host_is_emptied(fact_of(world, host)));
    assert_true(fact_of(world, host)->findings[0].accepted);
    assert_int_equal(told(world, host, "drained by policy"), 1);
    /* What is new is another thing. */
    say(world, host, FINDING_DISK_FAILS, 1);
    world_run_ms(world, 12 * MINUTE);
    assert_true(host_is_emptied(fact_of(world, host)));
    world_free(world);
}

static void back_by_policy(void **state)
{
    struct world *world = world_started(4);
    runs(world, "{kind: Pool, name: general, on_hardware: [{do: drain, back: 5m}]}");
    say(world, "h1", FINDING_DISK_READ_ONLY, 1);
    world_run_ms(world, MINUTE);
    assert_true(host_is_emptied(fact_of(world, "h1")));
    say(world, "h1", FINDING_DISK_READ_ONLY, 0);
    world_run_ms(world, 4 * MINUTE);
    assert_true(host_is_emptied(fact_of(world, "h1")));
    world_run_ms(world, 3 * MINUTE);
    assert_false(host_is_emptied(fact_of(world, "h1")));
    assert_int_equal(told(world, "h1", "activated by policy"), 1);
    world_free(world);
}

/* All are too hot at once: a limit that is wrong, or the air. Most go on serving. */
static void never_all(void **state)
{
    struct world *world = world_started(6);
    runs(world, policy);
    for (int n = 1; n <= 6; n++) {
        char host[8];
        snprintf(host, sizeof(host), "h%d", n);
        say(world, host, FINDING_HOT, 95);
    }
    world_run_ms(world, 60 * MINUTE);
    size_t emptied = 0, spared = 0;
    for (int n = 1; n <= 6; n++) {
        char host[8];
        snprintf(host, sizeof(host), "h%d", n);
        emptied += host_is_emptied(fact_of(world, host));
        spared += strstr(fact_of(world, host)->spared, "drains at most 1 of its 6 hosts at once") != NULL;
    }
    assert_int_equal(emptied, 1);
    assert_int_equal(spared, 5);
    wait_running(world, "acme/shop/web", 4, MINUTE);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(emptied_and_back_by_word),
                                       cmocka_unit_test(back_by_policy), cmocka_unit_test(never_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
