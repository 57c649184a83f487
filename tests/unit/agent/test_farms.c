/* A document with many farms is applied in many turns: what goes on meanwhile, and what may come between. */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 2, MANY = 40, FARM_MS = 30, BEATS_APART_MS = 400 };

/* What the host's networks are asked for, each of which takes time. */
struct watch {
    struct desk *desk;
    unsigned set, removed; /* since watch_start() */
    unsigned fails_at;     /* the so-manieth set fails; 0: none */
    size_t running;        /* instances that ran already */
};

static void farm_changes(void *ctx, const char *farm, bool there)
{
    struct watch *watch = ctx;

    sim_clock_spend(watch->desk->world->clock, FARM_MS * 1000);
    if (!there) {
        watch->removed++;
        return;
    }
    watch->set++;
    if (watch->set == watch->fails_at) fake_host_fail_networks(watch->desk->box->truth, 1);
    /* Nothing new is made before all networks are set. */
    assert_in_range(truly_running(watch->desk->world, ""), 0, watch->running);
}

static void port_goes(void *ctx)
{
    sim_clock_spend(((struct watch *)ctx)->desk->world->clock, FARM_MS * 1000);
}

/* At most one is begun between two turns: each has its port, and nothing else takes none. */
static bool one_more_port(struct desk *desk)
{
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    unsigned before = counts->ports_added;
    assert_true(sim_clock_step(desk->world->clock));
    assert_in_range(counts->ports_added, before, before + 1);
    return counts->ports_added < MANY;
}

static void watch_start(struct watch *watch, struct desk *desk)
{
    *watch = (struct watch){.desk = desk, .running = truly_running(desk->world, "")};
    desk->beats_apart_us = 0;
    fake_host_watch_networks(desk->box->truth, farm_changes, watch);
    fake_host_watch_ports(desk->box->truth, port_goes, watch);
}

static bool half_set(void *ctx)
{
    return ((struct watch *)ctx)->set >= MANY / 2;
}

/* Farms f0, f1, … with one instance each. */
static void tell_farms(struct desk *desk, int64_t version, size_t length)
{
    static char farms[MANY][24], names[MANY][32];
    struct host_farm farm[MANY];
    struct personality instance[MANY];

    for (size_t i = 0; i < length; i++) {
        snprintf(farms[i], sizeof(farms[i]), "acme/f%zu", i);
        snprintf(names[i], sizeof(names[i]), "acme/f%zu/web-1", i);
        farm[i] = (struct host_farm){
            .name = farms[i], .vni = 7 + (int64_t)i, .subnet = {0x0a000000U, 24}, .gateway = 0x0a000001U};
        instance[i] = (struct personality){.instance = names[i],
                                           .party = "acme",
                                           .farm = farms[i],
                                           .tier = "web",
                                           .incarnation = 1,
                                           .digest = desk_image,
                                           .size = {50, 16 << 20, 0, 0},
                                           .wanted = WANTED_RUN,
                                           .health = {.path = ""},
                                           .address = 0x0a000002U};
    }
    struct host_document document = {.version = version,
                                     .farms = farm,
                                     .farms_length = length,
                                     .instances = instance,
                                     .instances_length = length};
    tell_document(desk, &document);
}

/* The instance of f1 ends once by itself, 300 ms after this has returned. */
static struct desk *running_farms(size_t length)
{
    struct desk *desk = desk_new();
    struct fake_script *script = fake_world_script(desk->world->truth, "acme/f1/");

    script->exits = 1;
    script->exits_after_ms = 4300;
    boot(desk->box);
    tell_farms(desk, 1, length);
    world_run_ms(desk->world, 4000);
    assert_true(said(desk, "\"document_version\":1"));
    assert_int_equal(truly_running(desk->world, ""), length);
    return desk;
}

static void assert_farms(const struct desk *desk, size_t length)
{
    for (size_t i = 0; i < MANY; i++) {
        char name[24];
        snprintf(name, sizeof(name), "acme/f%zu", i);
        assert_int_equal(fake_host_has_farm(desk->box->truth, name), i < length);
    }
    assert_int_equal(truly_running(desk->world, ""), length);
}

/* Beats come in between and instances are seen to, also when all farms go; nothing is claimed too early. */
static void test_spread(void **state)
{
    struct desk *desk = running_farms(FEW);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    struct watch watch;

    watch_start(&watch, desk);
    tell_farms(desk, 2, MANY);
    assert_true(sim_clock_run_until(desk->world->clock, 5000 * 1000, half_set, &watch));
    assert_true(said(desk, "\"document_version\":1"));
    assert_true(said(desk, "\"restarts\":1")); /* the one of f1, made anew meanwhile */
    assert_int_equal(counts->creates, FEW + 1);
    assert_int_equal(truly_running(desk->world, ""), FEW);
    assert_int_equal(watch.removed, 0); /* which has left nothing that is on its way */
    world_run_ms(desk->world, 5000);
    assert_int_equal(watch.set, MANY);
    assert_true(said(desk, "\"document_version\":2"));
    assert_farms(desk, MANY);
    tell_farms(desk, 3, 0);
    world_run_ms(desk->world, 10000);
    assert_int_equal(watch.removed, MANY);
    assert_farms(desk, 0);
    assert_in_range(desk->beats_apart_us, 1, BEATS_APART_MS * 1000);
    desk_free(desk);
}

/* One changed farm, and as many as can be set quickly, do not wait for another turn. */
static void test_few_at_once(void **state)
{
    struct desk *desk = running_farms(MANY);
    unsigned before = fake_host_counts(desk->box->truth)->farms_set;

    tell_farms(desk, 2, MANY);
    for (unsigned set = before; set == before; set = fake_host_counts(desk->box->truth)->farms_set)
        assert_true(sim_clock_step(desk->world->clock));
    assert_int_equal(fake_host_counts(desk->box->truth)->farms_set, before + MANY);
    desk_free(desk);
}

/* Many instances that wait for one image are made one a turn, as those that need not wait. */
static void test_made_one_by_one(void **state)
{
    struct desk *desk = desk_new();

    boot(desk->box);
    tell_farms(desk, 1, MANY);
    while (one_more_port(desk)) {
    }
    world_run_ms(desk->world, 4000);
    assert_farms(desk, MANY);
    desk_free(desk);
}

/* What was set of a document that fails in its middle is left again, and nothing of it was ever made. */
static void test_roll_back(void **state)
{
    struct desk *desk = running_farms(FEW);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    struct watch watch;

    watch_start(&watch, desk);
    watch.fails_at = MANY / 2;
    tell_farms(desk, 2, MANY);
    world_run_ms(desk->world, 5000);
    assert_true(said(desk, "\"refused_version\":2"));
    assert_true(said(desk, "network of farm acme/f19: no room for a bridge"));
    assert_true(said(desk, "\"document_version\":1"));
    assert_int_equal(watch.set, MANY / 2 + FEW); /* the last good one's are set again */
    assert_farms(desk, FEW);
    assert_int_equal(counts->creates, FEW + 1); /* f1 again, nothing of the refused one */
    assert_in_range(desk->beats_apart_us, 1, BEATS_APART_MS * 1000);
    tell_farms(desk, 3, MANY);
    world_run_ms(desk->world, 5000);
    assert_true(said(desk, "\"document_version\":3"));
    assert_farms(desk, MANY);
    desk_free(desk);
}

/* A newer document waits until the one that is being applied is in force. */
static void test_newer_meanwhile(void **state)
{
    struct desk *desk = running_farms(FEW);
    struct watch watch;

    watch_start(&watch, desk);
    tell_farms(desk, 2, MANY);
    assert_true(sim_clock_run_until(desk->world->clock, 5000 * 1000, half_set, &watch));
    assert_null(desk->poll);
    tell_farms(desk, 3, FEW);
    fake_host_watch_networks(desk->box->truth, NULL, NULL);
    world_run_ms(desk->world, 10000);
    assert_true(said(desk, "\"document_version\":3"));
    assert_int_equal(fake_host_counts(desk->box->truth)->farms_set, FEW + MANY + FEW);
    assert_farms(desk, FEW);
    desk_free(desk);
}

/* The successor goes on with the document that is on disk, and claims it when all is set. What ran runs on.
 */
static void test_restart_meanwhile(void **state)
{
    struct desk *desk = running_farms(FEW);
    struct watch watch;

    watch_start(&watch, desk);
    tell_farms(desk, 2, MANY);
    assert_true(sim_clock_run_until(desk->world->clock, 5000 * 1000, half_set, &watch));
    box_stop_agent(desk->box);
    world_run_ms(desk->world, 1000);
    watch_start(&watch, desk);
    watch.fails_at = 1; /* there is nothing to go back to: the others are set all the same */
    start_agent(desk->box);
    assert_true(sim_clock_run_until(desk->world->clock, 5000 * 1000, half_set, &watch));
    assert_true(said(desk, "\"document_version\":0"));
    assert_null(desk->poll);
    world_run_ms(desk->world, 5000);
    assert_int_equal(watch.set, MANY);
    assert_true(said(desk, "\"document_version\":2"));
    assert_true(said(desk, "network of farm acme/f0: no room for a bridge"));
    assert_farms(desk, MANY); /* f0 was there before */
    assert_int_equal(fake_host_counts(desk->box->truth)->stops, 0);
    watch_start(&watch, desk);
    tell_farms(desk, 3, MANY);
    world_run_ms(desk->world, 5000);
    assert_true(said(desk, "\"refused_reason\":\"\""));
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_few_at_once),
        cmocka_unit_test(test_roll_back),
        cmocka_unit_test(test_newer_meanwhile),
        cmocka_unit_test(test_restart_meanwhile),
        cmocka_unit_test(test_made_one_by_one),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
