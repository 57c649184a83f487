/* Service levels from the document to what is shown: admitted honestly, entered and left with a word. */
#include "control/internal.h"
#include "world.h"

#include <string.h>

#define GOLD                                                                                             \
    "kind: SLA\nname: gold\nmetric: cpu\nlevels: {committed: {rate: 1 EUR}, guaranteed: {rate: 2 EUR}, " \
    "extended: {rate: "                                                                                  \
    "3 EUR}}\n"
#define SHOP(sla, count)                                                        \
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n" sla "tiers:\n" \
    "  - {name: web, image: \"hello:1\", count: " count ", size: {cpus: 0.5, memory: 64Mi}, capacity: 1}\n"
#define WITH "sla: gold\n"

static bool has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) print_error("no %s in %s\n", part, text);
    return strstr(text, part) != NULL;
}

/* Three hosts of 4 cpus, two of them in one rack: 4 cpus are left when that is lost. */
static void test_refused_with_the_numbers(void **state)
{
    struct world *world = world_started(3);
    static const char refusal[] =
        "with the largest zone (east/b1/r1: 2 hosts) lost, what is committed to all would need 4.5 "
        "cpus of "
        "4: 0.5 cpus too many; lower committed, or ask the landlord for more hosts or another survive";
    apply(world, GOLD);
    const char *answer = expect(world, 409, landlord, "POST", "/v1/apply", SHOP(WITH, "9"));
    assert_true(has(answer, refusal));
    assert_true(has(answer, "\"field\":\"tiers\"") && has(answer, "\"line\":7") &&
                has(answer, "\"column\":3"));
    assert_true(has(expect(world, 409, landlord, "POST", "/v1/apply?dry_run=1", SHOP(WITH, "9")), refusal));
    assert_true(has(expect(world, 409, landlord, "POST", "/v1/diff", SHOP(WITH, "9")), refusal));
    expect(world, 404, landlord, "GET", "/v1/farms/acme/shop", NULL);
    expect(world, 200, landlord, "POST", "/v1/apply?dry_run=1", SHOP(WITH, "8"));
    apply(world, SHOP(WITH, "8"));
    answer =
        expect(world, 409, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":9}");
    assert_true(has(answer, refusal));
    wait_running(world, "acme/shop/", 8, 5000);

    /* Less is left than is promised: what was there stays, and may become less. */
    expect(world, 200, landlord, "POST", "/v1/hosts/h1/drain", "{}");
    assert_true(has(expect(world, 200, landlord, "POST", "/v1/apply", SHOP(WITH, "8")), "unchanged"));
    apply(world, SHOP(WITH, "7"));
    expect(world, 409, landlord, "POST", "/v1/apply", SHOP(WITH, "12"));
    /* Without a service level nothing is promised: what does not fit waits. */
    apply(world, SHOP("", "12"));
    world_free(world);
}

/* The store as if the load had been weighed: the tier has so many. */
static void scale(struct world *world, int64_t wanted, const char *reason)
{
    struct mirror *mirror = controller_mirror(world->controller);
    const struct farm *farm = mirror_get(mirror, RECORD_FARM, "acme/shop")->object;
    const struct farm_fact *fact = mirror_get(mirror, RECORD_FARM_FACT, "acme/shop")->object;
    const struct tier_scale scales[] = {{.tier = "web", .wanted = wanted, .since_ms = 1, .reason = reason}};
    CLEANUP_CHANGE struct change *change = change_new(world->store);
    CLEANUP_BUF struct buf json = {0};
    struct farm_fact scaled = *fact;
    struct error err;

    scaled.scales = scales;
    scaled.scales_length = 1;
    schema_write(&schema_farm_fact, "FarmFact", &scaled, &json);
    change_put_text(change, "farm-fact/acme/shop", buf_text(&json));
    levels_note(change, 1000, &(struct levels_of){farm, fact}, &(struct levels_of){farm, &scaled});
    assert_true(change_commit(change, NULL, &err));
    control_dispatch(world->controller);
}

static size_t times(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void test_levels_are_entered_and_left(void **state)
{
    struct world *world = world_started(3);
    apply(world, GOLD);
    apply(world, SHOP(WITH, "{committed: 2, guaranteed: 3, max: 5}"));
    wait_running(world, "acme/shop/", 2, 5000);
    world_run_ms(world, 1000);
    const char *farm = expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
    assert_true(has(farm,
                    "{\"name\":\"web\",\"committed\":2,\"guaranteed\":3,\"max\":5,\"wanted\":2,\"running\":2,"
                    "\"instances\":2,\"level\":\"committed\"}"));
    assert_true(has(farm, "\"sla\":\"gold\",\"level\":\"committed\""));
    scale(world, 4, "84 ms expected against 50");
    farm = expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
    assert_true(has(farm, "\"wanted\":4,\"running\":2,")); /* those that serve count */
    assert_true(has(farm, "\"sla\":\"gold\",\"level\":\"committed\""));
    wait_running(world, "acme/shop/", 4, 5000);
    world_run_ms(world, 1000);
    farm = expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL);
    assert_true(has(farm, "\"wanted\":4,\"running\":4,\"instances\":4,\"level\":\"extended\"}"));
    assert_true(has(farm, "\"sla\":\"gold\",\"level\":\"extended\""));
    const char *events = expect(world, 200, landlord, "GET", "/v1/events", NULL);
    assert_true(has(events,
                    "\"what\":\"level entered\",\"reason\":\"tier web: guaranteed; wanted are 4, committed "
                    "2, guaranteed 3, at most 5; 84 ms expected against 50\""));
    assert_true(has(events, "\"what\":\"level entered\",\"reason\":\"tier web: extended; wanted are 4"));
    assert_int_equal(times(events, "level entered"), 2);
    assert_int_equal(times(events, "level left"), 0);
    /* All that it has is promised from now on: nothing beyond is held. */
    apply(world, SHOP(WITH, "{committed: 4, guaranteed: 4, max: 5}"));
    events = expect(world, 200, landlord, "GET", "/v1/events", NULL);
    assert_int_equal(times(events, "level left"), 2);
    assert_true(
        has(events, "\"what\":\"level left\",\"reason\":\"tier web: extended; wanted are 4, committed 4"));
    scale(world, 5, "more");
    apply(world, SHOP(WITH, "{committed: 4, guaranteed: 4, max: 5}"));
    events = expect(world, 200, landlord, "GET", "/v1/events", NULL);
    assert_int_equal(times(events, "level entered"), 3); /* past guaranteed, which holds nobody */
    /* Without a service level it is not sized by its load any more. */
    apply(world, SHOP("", "{committed: 4, guaranteed: 4, max: 5}"));
    world_run_ms(world, 2000);
    events = expect(world, 200, landlord, "GET", "/v1/events", NULL);
    assert_int_equal(times(events, "level left"), 3);
    apply(world, SHOP(WITH, "{committed: 4, guaranteed: 4, max: 5}"));
    scale(world, 5, "more");
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    events = expect(world, 200, landlord, "GET", "/v1/events", NULL);
    assert_int_equal(times(events, "level left"), 4);
    assert_true(has(events, "tier web: extended; it is deleted"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_with_the_numbers),
        cmocka_unit_test(test_levels_are_entered_and_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
