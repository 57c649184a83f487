/* The books of a whole grid: nothing is lost and nothing is there twice, whenever the controller ends and
 * whatever its clock does. */
#include "world.h"

#include "control/usage.h"
#include "simulate/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR (INT64_C(3600) * 1000)

static const char shop[] =
    "kind: SLA\nname: gold\nperiod: day\ntarget: {response: 50ms, percentile: 99}\n"
    "levels:\n  committed: {rate: 0.020 EUR}\n  guaranteed: {rate: 0.030 EUR, fee: 5.00 EUR}\n"
    "credits: {below: 99.9, percent: 10}\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\n"
    "tiers:\n  - {name: web, image: \"hello:1\", count: 2, warm: 1, size: {cpus: 0.5, memory: 64Mi}}\n"
    "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: \"127.0.0.1:8080\"}\n";

/* A grid, and an audit that reads along. */
struct bench {
    struct world *world;
    struct audit *audit;
    struct store_watch *watch;
    uint64_t kill_at; /* revision; 0: never */
    int64_t jump_ms;  /* of the wall clock, then */
    bool killed;
};

static void reads_along(void *ctx, const struct store_item *item)
{
    audit_take(ctx, item);
}

static void audited(struct bench *bench)
{
    struct error err;
    if (!audit_check(bench->audit, &err)) fail_msg("kill at %" PRIu64 ": %s", bench->kill_at, err.message);
}

static struct bench bench_new(size_t nodes)
{
    struct bench bench = {.world = world_started(nodes)};
    struct error err;

    if (!audit_new(bench.world->store, &bench.audit, &err) ||
        !store_watch_start(bench.world->store, "", store_revision(bench.world->store), reads_along,
                           bench.audit, &bench.watch, &err))
        fail_msg("%s", err.message);
    return bench;
}

static void bench_free(struct bench *bench)
{
    store_watch_stop(bench->world->store, bench->watch);
    world_free(bench->world);
    audit_free(bench->audit);
}

/* For so long; in it the controller ends as by a crash when the store has come to kill_at, and another one
 * begins half a second later, by another clock. */
static void run(struct bench *bench, int64_t ms)
{
    struct world *world = bench->world;
    int64_t end_us = world->time->steady_us(world->time->self) + ms * 1000;

    while (world->time->steady_us(world->time->self) < end_us) {
        assert_true(sim_clock_step(world->clock));
        if (bench->killed || bench->kill_at == 0 || store_revision(world->store) < bench->kill_at) continue;
        bench->killed = true;
        bad_store_fail(world->bad_store, 0);
        world_stop_controller(world);
        sim_machine_clock_jump(world->controller_clock, bench->jump_ms);
        world_run_ms(world, 500);
        start_controller(world);
    }
    audited(bench);
}

/* The text with another part, to be freed. */
static char *with(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static const char *bill(struct world *world)
{
    return expect(world, 200, landlord, "GET", "/v1/bill?from=1970-01-01", NULL);
}

/* A day in the life of a farm, as far as it makes transactions. */
static void live(struct bench *bench)
{
    struct world *world = bench->world;

    apply(world, shop);
    run(bench, 6000);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":4}");
    run(bench, 3000);
    box_die(world_box(world, "h1"));
    run(bench, 8000);
    boot(world_box(world, "h1"));
    run(bench, 3000);
    expect(world, 200, landlord, "POST", "/v1/hosts/h2/drain", "{}");
    run(bench, 5000);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    run(bench, 8000);
}

/* At every transaction of its life, and, every second time, with that transaction lost. */
static void test_ends_at_any_time(void **state)
{
    static const int64_t jumps[] = {0, HOUR, -HOUR, 24 * HOUR};
    uint64_t revisions = 1;

    for (uint64_t at = 0; at < revisions; at++) {
        struct bench bench = bench_new(3);
        uint64_t first = store_revision(bench.world->store);
        bench.kill_at = at ? first + at : 0;
        bench.jump_ms = jumps[at % LENGTH(jumps)];
        if (at % 2) bad_store_fail(bench.world->bad_store, (unsigned)at + 1);
        live(&bench);
        if (at == 0) revisions = store_revision(bench.world->store) - first;
        assert_true(revisions > 30);
        const char *told = bill(bench.world);
        if (!strstr(told, "\"proof\":{\"holds\":true")) fail_msg("kill at %" PRIu64 ": %s", at, told);
        assert_non_null(strstr(told, "\"use\":\"committed\""));
        bench_free(&bench);
    }
}

/* The ledger's clock goes on at the steady clock's pace, whatever the wall clock does. */
static void test_clock_steps(void **state)
{
    static const int64_t jumps[] = {HOUR, -2 * HOUR, 24 * HOUR, -30 * 24 * HOUR, 7};
    struct bench bench = bench_new(2);
    struct world *world = bench.world;
    int64_t begun_ms = usage_now_ms(world->controller), begun_us = world->time->steady_us(world->time->self);

    apply(world, shop);
    for (size_t i = 0; i < LENGTH(jumps); i++) {
        run(&bench, 3000);
        sim_machine_clock_jump(world->controller_clock, jumps[i]);
    }
    run(&bench, 3000);
    int64_t true_ms = (world->time->steady_us(world->time->self) - begun_us) / 1000;
    assert_in_range(usage_now_ms(world->controller) - begun_ms - true_ms + 1, 0, 2); /* parts of one */
    assert_non_null(strstr(bill(world), "\"proof\":{\"holds\":true"));
    bench_free(&bench);
}

/* A successor whose clock is behind goes on from what was written last, at most a minute ago. */
static void test_clock_of_successor(void **state)
{
    struct bench bench = bench_new(2);
    struct world *world = bench.world;

    apply(world, shop);
    run(&bench, 130 * 1000);
    int64_t before_ms = usage_now_ms(world->controller);
    world_stop_controller(world);
    sim_machine_clock_jump(world->controller_clock, -100 * HOUR);
    world_run_ms(world, 1000);
    start_controller(world);
    int64_t after_ms = usage_now_ms(world->controller);
    assert_true(after_ms <= before_ms && after_ms > before_ms - 61 * 1000);
    run(&bench, 5000);
    world_stop_controller(world);
    sim_machine_clock_jump(world->controller_clock, 200 * HOUR);
    start_controller(world);
    assert_true(usage_now_ms(world->controller) > before_ms + 99 * HOUR);
    run(&bench, 5000);
    assert_non_null(strstr(bill(world), "\"proof\":{\"holds\":true"));
    bench_free(&bench);
}

/* Nobody pays for what a lost host ran. */
static void test_lost_host(void **state)
{
    struct bench bench = bench_new(2);
    struct world *world = bench.world;

    run(&bench, 1000);
    expect(world, 200, landlord, "POST", "/v1/hosts/h2/drain", "{}"); /* it helps to look, and has no room */
    apply(world, shop);
    wait_running(world, "acme/shop/web-", 3, 10000);
    run(&bench, 2000);
    world->power_fails = true; /* so it is down, and may still run: nothing of it starts elsewhere */
    box_die(world_box(world, "h1"));
    wait_host(world, "h1", HOST_DOWN, 5000);
    assert_string_equal(instance_of(world, "acme/shop/web-1")->host, "h1");
    run(&bench, 1000);
    CLEANUP_MEM char *before = mem_strdup(strstr(bill(world), "\"use\":\"committed\""));
    run(&bench, 10000);
    const char *after = strstr(bill(world), "\"use\":\"committed\"");
    const char *times[] = {strstr(before, "\"instance_ms\":"), strstr(after, "\"instance_ms\":")};
    assert_int_equal(atoll(times[0] + 14), atoll(times[1] + 14));
    bench_free(&bench);
}

/* Milliseconds billed as committed. */
static int64_t committed_ms(struct world *world)
{
    const char *at = strstr(bill(world), "\"use\":\"committed\"");
    assert_non_null(at);
    return atoll(strstr(at, "\"instance_ms\":") + strlen("\"instance_ms\":"));
}

/* All of the farm is on h1, which is about to go. */
static struct bench bench_on_one(void)
{
    struct bench bench = bench_new(2);
    struct world *world = bench.world;

    run(&bench, 1000);
    expect(world, 200, landlord, "POST", "/v1/hosts/h2/drain", "{}");
    apply(world, shop);
    wait_running(world, "acme/shop/web-", 3, 10000);
    run(&bench, 130 * 1000);
    world->power_fails = true; /* nothing of it starts elsewhere */
    return bench;
}

/* A host that ends while no controller is there to see it is billed until the one before was known to hear it
 * last: not for the hours until one is there again, be it that one ends on the way. */
static void test_lost_unseen(void **state)
{
    for (int comes_back = 0; comes_back < 2; comes_back++) {
        for (int crashes = 0; crashes < 3; crashes++) {
            struct bench bench = bench_on_one();
            struct world *world = bench.world;
            int64_t before_ms = committed_ms(world);
            world_stop_controller(world);
            box_die(world_box(world, "h1"));
            world_run_ms(world, 2 * HOUR);
            for (int i = 0; i < crashes; i++) {
                start_controller(world);
                expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale",
                       i ? "{\"tier\":\"web\",\"count\":2}" : "{\"tier\":\"web\",\"count\":3}");
                run(&bench, 500);
                world_stop_controller(world);
                world_run_ms(world, HOUR);
            }
            if (comes_back) boot(world_box(world, "h1"));
            start_controller(world);
            if (!comes_back) wait_host(world, "h1", HOST_DOWN, 15000);
            run(&bench, comes_back ? 10 * 1000 : 1000);
            int64_t more_ms = committed_ms(world) - before_ms;
            /* Of two that serve; when they are back, for some of the last ten seconds. */
            assert_in_range(more_ms + 2 * 61 * 1000, 1, 2 * (61 + (comes_back ? 10 : 0)) * 1000);
            assert_non_null(strstr(bill(world), "\"proof\":{\"holds\":true"));
            bench_free(&bench);
        }
    }
}

/* While one is there, to the beat. */
static void test_lost_seen(void **state)
{
    struct bench bench = bench_on_one();
    struct world *world = bench.world;
    int64_t before_ms = committed_ms(world);

    box_die(world_box(world, "h1"));
    wait_host(world, "h1", HOST_DOWN, 15000);
    run(&bench, 5000);
    assert_in_range(before_ms - committed_ms(world), 0, 2 * 300); /* beats come four a second */
    bench_free(&bench);
}

/* A store of a grid that had no books yet: they are opened with the first change, and are whole from then on.
 */
static void test_opening(void **state)
{
    struct bench bench = bench_new(3);
    struct world *world = bench.world;
    struct vec items = VEC_OF(struct store_item);
    struct error err;

    apply(world, shop);
    run(&bench, 8000);
    world_stop_controller(world);
    store_watch_stop(world->store, bench.watch);
    assert_true(store_list(world->store, "", NULL, 0, &items, &err));
    for (size_t i = 0; i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        if (!text_starts(item->key, "usage") && !text_starts(item->key, "host-usage") &&
            !strstr(item->key, "-terms"))
            continue;
        const struct store_op op = {.kind = STORE_DELETE, .key = item->key};
        assert_true(store_txn(world->store, &op, 1, NULL, &err));
    }
    store_items_free(&items);
    start_controller(world);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":3}");
    audit_free(bench.audit);
    assert_true(audit_new(world->store, &bench.audit, &err));
    assert_true(store_watch_start(world->store, "", store_revision(world->store), reads_along, bench.audit,
                                  &bench.watch, &err));
    run(&bench, 8000);
    const char *told = bill(world);
    assert_non_null(strstr(told, "\"proof\":{\"holds\":true"));
    assert_non_null(strstr(told, "\"use\":\"committed\""));
    bench_free(&bench);
}

/* A row that was tampered with in the store: the bill says so. */
static void test_tampered(void **state)
{
    struct bench bench = bench_new(2);
    struct world *world = bench.world;
    struct vec items = VEC_OF(struct store_item);
    struct error err;

    apply(world, shop);
    run(&bench, 8000);
    assert_true(store_list(world->store, "usage/", NULL, 1, &items, &err));
    const struct store_op op = {.kind = STORE_DELETE, .key = ((struct store_item *)vec_at(&items, 0))->key};
    assert_true(store_txn(world->store, &op, 1, NULL, &err));
    store_items_free(&items);
    assert_non_null(strstr(bill(world), "\"proof\":{\"holds\":false,\"fault\":\"on host "));
    bench_free(&bench);
}

/* Minutes of service: told twice they count once, one that missed stays so, and a credit follows. */
static void test_service(void **state)
{
    struct bench bench = bench_new(2);
    struct world *world = bench.world;
    struct error err;

    apply(world, shop);
    run(&bench, 8000);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL),
                           "\"target_ms\":50,\"percentile\":99,\"target_kept_percent\":null"));
    int64_t now_ms = usage_now_ms(world->controller);
    for (int again = 0; again < 2; again++) {
        struct change *change = change_new(world->store);
        for (int64_t minute = 0; minute < 90; minute++)
            assert_true(usage_note_service(world->controller, change, "acme/shop", "web",
                                           now_ms + minute * 60000, minute != 3, &err));
        assert_true(usage_note_service(world->controller, change, "acme/shop", "web", now_ms + 3 * 60000,
                                       true, &err));
        assert_true(change_commit(change, NULL, &err));
        change_free(change);
        assert_true(store_dispatch(world->store, &err));
    }
    const char *told = bill(world);
    assert_non_null(strstr(told, "\"charge\":\"credit\""));
    assert_non_null(strstr(told, "98.888 % of 90 minutes met the target in web, below 99.900 %: 10.000 % is "
                                 "paid back, as of now: the period is not over"));
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL),
                           "\"target_kept_percent\":98.888,\"target_minutes\":90"));
    /* Another period, of the same minutes: it is summed up anew with the next one. */
    CLEANUP_MEM char *monthly = with(shop, "period: day", "period: month");
    apply(world, monthly);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL),
                           "\"target_kept_percent\":null"));
    struct change *change = change_new(world->store);
    assert_true(
        usage_note_service(world->controller, change, "acme/shop", "web", now_ms + 90 * 60000, true, &err));
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL),
                           "\"target_kept_percent\":98.901,\"target_minutes\":91"));
    bench_free(&bench);
}

/* Who may see what of a bill, what is asked for wrongly, and a farm that is called like a question. */
static void test_asked(void **state)
{
    static const char *const wrong[] = {"from=2026-02-30", "to=2026-13", "from=2100-01", "from=x",
                                        "from=2023-11-14&to=2023-11-13"};
    static const char others[] =
        "kind: Party\nname: globex\n---\nkind: Party\nname: lab\nparent: acme\n---\n"
        "kind: Farm\nname: suggest\nparty: lab\nsubnet: 10.0.1.0/24\ntiers:\n"
        "  - {name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}\n";
    struct bench bench = bench_new(2);
    struct world *world = bench.world;
    char token[64] = "";

    apply(world, shop);
    apply(world, others);
    run(&bench, 8000);
    const char *made = expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\"}");
    assert_int_equal(sscanf(strstr(made, "\"token\":\""), "\"token\":\"%63[^\"]", token), 1);
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        CLEANUP_MEM char *path = mem_printf("/v1/bill?%s", wrong[i]);
        expect(world, 400, landlord, "GET", path, NULL);
    }
    const char *own = expect(world, 200, token, "GET", "/v1/bill", NULL);
    assert_non_null(strstr(own, "\"farm\":\"acme/shop\""));
    assert_non_null(strstr(own, "\"farm\":\"lab/suggest\""));
    assert_non_null(strstr(own, "\"proof\":{\"holds\":true"));
    assert_null(strstr(own, "\"had\""));
    assert_null(strstr(expect(world, 200, token, "GET", "/v1/bill?party=lab", NULL), "acme/shop"));
    expect(world, 404, token, "GET", "/v1/bill?party=globex", NULL);
    expect(world, 404, token, "GET", "/v1/bill?party=landlord", NULL);
    expect(world, 404, landlord, "GET", "/v1/bill?party=nobody", NULL);
    expect(world, 200, landlord, "GET", "/v1/bill?party=globex", NULL);
    assert_non_null(strstr(expect(world, 200, token, "GET", "/v1/farms/acme/shop/suggest", NULL),
                           "\"name\":\"web\",\"peak\":2,\"count\":{\"committed\":2"));
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/lab/suggest", NULL), "\"Farm\""));
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/lab/suggest/suggest", NULL),
                           "\"reason\":\"lab/suggest has no service level, and so costs nothing\""));
    assert_non_null(strstr(expect(world, 200, token, "GET", "/v1/bill?intervals=1", NULL),
                           "{\"instance\":\"acme/shop/web-1\",\"host\":\"h"));
    expect(world, 404, token, "GET", "/v1/farms/acme/none/suggest", NULL);
    /* What is gone still has its bill. */
    expect(world, 200, landlord, "DELETE", "/v1/farms/lab/suggest", NULL);
    run(&bench, 5000);
    expect(world, 200, landlord, "DELETE", "/v1/parties/lab", NULL);
    run(&bench, 1000);
    assert_non_null(strstr(expect(world, 200, token, "GET", "/v1/bill?party=lab", NULL), "lab/suggest"));
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_at_any_time),
        cmocka_unit_test(test_clock_steps),
        cmocka_unit_test(test_clock_of_successor),
        cmocka_unit_test(test_lost_host),
        cmocka_unit_test(test_lost_unseen),
        cmocka_unit_test(test_lost_seen),
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
