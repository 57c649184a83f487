/* One agent under a scripted controller: what it makes of documents, and what it says. */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const none[] = {NULL}, *const one[] = {"web-1", NULL},
                         *const two[] = {"web-1", "web-2", NULL}, *const last[] = {"web-2", NULL},
                         *const warm[] = {"web-1=warm", NULL};

static void test_difference(void **state)
{
    struct desk *desk = running(two);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    assert_int_equal(desk->hellos, 1);
    assert_int_equal(counts->creates, 2);
    assert_int_equal(counts->images, 1); /* fetched once for both */
    assert_int_equal(counts->expects, 1);
    tell(desk, 2, 1, two);
    world_run_ms(desk->world, 1000);
    assert_int_equal(counts->creates, 2);
    assert_int_equal(counts->expects, 1); /* nothing new: nothing is begun ahead */
    tell(desk, 3, 1, last);
    world_run_ms(desk->world, 3000);
    assert_int_equal(counts->creates, 2);
    assert_int_equal(counts->stops, 1);
    assert_false(truth(desk, "web-1").running);
    assert_true(truth(desk, "web-2").running);
    assert_false(said(desk, "web-1"));
    tell(desk, 4, 2, last); /* a new incarnation is a new instance */
    world_run_ms(desk->world, 3000);
    assert_int_equal(truth(desk, "web-2").incarnation, 2);
    assert_int_equal(counts->expects, 2);
    tell(desk, 5, 2, none);
    world_run_ms(desk->world, 3000);
    assert_false(fake_host_has_farm(desk->box->truth, "acme/shop"));
    assert_int_equal(counts->ports_added, counts->ports_removed);
    desk_free(desk);
}

/* The last few that were in force before are on disk, word for word, and no more than that. */
static void test_predecessors(void **state)
{
    struct desk *desk = running(two);
    const struct disk_port *disk = sim_disk_port(desk->box->disk);
    CLEANUP_BUF struct buf text = {0};
    struct vec names = VEC_OF(char *);
    struct error err;

    for (int64_t version = 2; version <= 9; version++) {
        tell(desk, version, 1, version % 2 ? two : one);
        world_run_ms(desk->world, 2000);
    }
    assert_true(disk->list(disk->self, "predecessors", &names, &err));
    assert_int_equal(names.length, 5);
    assert_string_equal(*(char **)vec_at(&names, 0), "4");
    assert_string_equal(*(char **)vec_at(&names, 4), "8");
    assert_true(disk->read(disk->self, "predecessors/8", &text, &err));
    assert_non_null(strstr(buf_text(&text), "\"version\":8"));
    for (size_t i = 0; i < names.length; i++)
        mem_free(*(char **)vec_at(&names, i));
    vec_free(&names);
    desk_free(desk);
}

static void test_refused(void **state)
{
    struct desk *desk = running(one);
    unsigned before = operations(desk->world);

    sim_identity_free(desk->signer);
    desk->signer = sim_identity_new("somebody");
    tell(desk, 2, 1, two);
    world_run_ms(desk->world, 1000);
    assert_true(said(desk, "\"refused_reason\":\"the signature is not croft's"));
    sim_identity_free(desk->signer);
    desk->signer = sim_identity_new("croft");
    tell(desk, 3, 1, two);
    buf_clear(&desk->document);
    world_run_ms(desk->world, 3000);
    assert_int_equal(truly_running(desk->world, ""), 2);
    before = operations(desk->world);

    buf_clear(&desk->document);
    sim_machine_exchanges(desk->world->controller_machine);
    struct exchange *held = desk->poll;
    desk->poll = NULL;
    tell(desk, 4, 1, one);
    desk->poll = held;
    edit(desk, "\"host\":\"h1\"", "\"host\":\"h2\"");
    world_run_ms(desk->world, 1000);
    assert_true(said(desk, "a document for h2, not for h1"));
    assert_true(said(desk, "\"refused_version\":4"));
    assert_true(said(desk, "\"document_version\":3"));

    tell(desk, 2, 1, none); /* older than what is in force */
    world_run_ms(desk->world, 1000);
    held = desk->poll;
    desk->poll = NULL;
    tell(desk, 5, 1, one);
    desk->poll = held;
    edit(desk, "\"cpus\":0.5", "\"cpus\":64");
    world_run_ms(desk->world, 1000);
    assert_true(said(desk, "more than this host has"));
    assert_int_equal(operations(desk->world), before);
    tell(desk, 6, 1, one);
    world_run_ms(desk->world, 3000);
    assert_true(said(desk, "\"document_version\":6"));
    assert_true(said(desk, "\"refused_reason\":\"\""));
    assert_int_equal(truly_running(desk->world, ""), 1);
    desk_free(desk);
}

static void test_roll_back(void **state)
{
    struct desk *desk = running(one);

    fake_host_fail_networks(desk->box->truth, 1);
    tell(desk, 2, 1, two);
    world_run_ms(desk->world, 2000);
    assert_true(said(desk, "\"refused_version\":2"));
    assert_true(said(desk, "network of farm acme/shop: no room for a bridge"));
    assert_true(said(desk, "\"document_version\":1"));
    assert_int_equal(truly_running(desk->world, ""), 1);
    assert_int_equal(desk->after, 2);
    fake_host_fail_networks(desk->box->truth, 1); /* it is tried again, and refused again */
    give_nothing(desk);
    world_run_ms(desk->world, 2000);
    assert_int_equal(desk->after, 1);
    tell(desk, 2, 1, two);
    world_run_ms(desk->world, 2000);
    assert_int_equal(desk->after, 2);
    assert_true(said(desk, "\"refused_version\":2"));
    box_stop_agent(desk->box); /* and after a restart it is still the one before */
    start_agent(desk->box);
    world_run_ms(desk->world, 2000);
    assert_true(said(desk, "\"document_version\":1"));
    fake_host_fail_networks(desk->box->truth, 1);
    tell(desk, 3, 1, two);
    world_run_ms(desk->world, 2000);
    assert_true(said(desk, "\"refused_version\":3"));
    give_nothing(desk);
    world_run_ms(desk->world, 2000);
    assert_int_equal(desk->after, 1);
    tell(desk, 3, 1, two); /* the same one, and now there is room */
    world_run_ms(desk->world, 2000);
    assert_int_equal(truly_running(desk->world, ""), 2);
    assert_true(said(desk, "\"refused_reason\":\"\""));
    desk_free(desk);
}

static void test_disk_fails(void **state)
{
    struct desk *desk = running(one);
    for (size_t fails = 1; fails < 4; fails++) {
        sim_disk_fail(desk->box->disk, fails);
        tell(desk, 10 * (int64_t)fails, 1, two);
        world_run_ms(desk->world, 1000);
        sim_disk_fail(desk->box->disk, 0);
        assert_true(said(desk, "the disk fails"));
        assert_true(said(desk, "\"document_version\":1"));
    }
    tell(desk, 100, 1, two);
    world_run_ms(desk->world, 2000);
    assert_int_equal(truly_running(desk->world, ""), 2);
    desk_free(desk);
}

static void test_restart_touches_nothing(void **state)
{
    struct desk *desk = running(two);
    unsigned before = operations(desk->world);

    desk->away = true; /* and needs nobody for it */
    box_stop_agent(desk->box);
    world_run_ms(desk->world, 5000);
    start_agent(desk->box);
    world_run_ms(desk->world, 60000);
    assert_int_equal(operations(desk->world), before);
    fake_world_script(desk->world->truth, "acme/shop/web-1")->unhealthy =
        true; /* it watches over them again */
    world_run_ms(desk->world, 4000);
    assert_true(operations(desk->world) > before);
    desk_free(desk);
}

/* At every moment of an instance's making an agent may end; its successor brings it to a good end. */
/* Name servers are looked after as long as farms are here, also by an agent without a controller. */
static void test_tends(void **state)
{
    struct desk *desk = running(two);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    unsigned before = counts->farms_tended;

    desk->away = true;
    world_run_ms(desk->world, 10000);
    assert_true(counts->farms_tended > before);
    box_stop_agent(desk->box);
    start_agent(desk->box);
    before = counts->farms_tended;
    world_run_ms(desk->world, 10000);
    assert_true(counts->farms_tended > before);
    desk->away = false;
    tell(desk, 5, 1, none);
    world_run_ms(desk->world, 30000);
    before = counts->farms_tended;
    world_run_ms(desk->world, 10000);
    assert_int_equal(counts->farms_tended, before);
    desk_free(desk);
}

static void test_restart_at_any_moment(void **state)
{
    for (int64_t us = 0; us < 12000; us += 500) {
        struct desk *desk = desk_new();
        boot(desk->box);
        tell(desk, 1, 1, two);
        sim_clock_run(desk->world->clock, us);
        box_stop_agent(desk->box);
        start_agent(desk->box);
        if (desk->document.size == 0) tell(desk, 2, 1, two);
        world_run_ms(desk->world, 5000);
        assert_int_equal(truly_running(desk->world, ""), 2);
        tell(desk, 3, 1, none);
        sim_clock_run(desk->world->clock, us);
        box_stop_agent(desk->box);
        start_agent(desk->box);
        world_run_ms(desk->world, 2000);
        if (desk->document.size == 0) tell(desk, 4, 1, none);
        world_run_ms(desk->world, 5000);
        struct vec left = VEC_OF(struct fake_instance);
        fake_world_list(desk->world->truth, &left);
        assert_int_equal(left.length, 0);
        vec_free(&left);
        desk_free(desk);
    }
}

static void test_exits(void **state)
{
    struct desk *desk = desk_new();
    struct fake_script *script = fake_world_script(desk->world->truth, "acme/shop/web-1");
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    script->exits = 100;
    script->exits_after_ms = 100;
    script->exit_status = 3;
    boot(desk->box);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 10000);
    assert_true(said(desk, "exited with 3 after 0.1 s; try"));
    unsigned starts = counts->starts;
    assert_true(starts > 3 && starts < 9); /* at once, then after 250 ms, 500 ms, 1 s, … */
    world_run_ms(desk->world, 300000);
    assert_true(counts->starts - starts < 12); /* a minute apart at last */
    script->exits = 0;
    world_run_ms(desk->world, 61000);
    assert_true(truth(desk, "web-1").running);
    assert_true(said(desk, "\"state\":\"running\""));
    world_run_ms(desk->world, 11000); /* ten good seconds forgive */
    script->unhealthy = true;
    world_run_ms(desk->world, 3100);
    script->unhealthy = false;
    world_run_ms(desk->world, 300);
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);
}

/* What comes in the place of one that rests does not inherit its alarm clock: it would wake up in the middle
 * of something. */
static void test_rest_ends_with_its_reason(void **state)
{
    struct desk *desk = desk_new();
    struct fake_script *script = fake_world_script(desk->world->truth, "acme/shop/web-1");
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    script->exits = 100;
    script->exits_after_ms = 100;
    boot(desk->box);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 10000); /* from now on it rests for 8 s */
    script->exits = 0;
    tell(desk, 2, 2, one);
    world_run_ms(desk->world, 1000);
    assert_int_equal(truth(desk, "web-1").incarnation, 2);
    unsigned wipes = counts->wipes;
    script->wipe_ms = 30000;
    tell(desk, 3, 2, none);
    world_run_ms(desk->world, 20000);
    assert_true(said(desk, "\"state\":\"wiping\""));
    assert_int_equal(counts->wipes, wipes + 1);
    world_run_ms(desk->world, 20000);
    assert_false(said(desk, "web-1"));
    desk_free(desk);
}

/* What is reported of an incarnation is its own, at whatever moment of its predecessor's failures it comes.
 */
static void test_failures_are_not_inherited(void **state)
{
    for (int moment_ms = 0; moment_ms < 700; moment_ms += 50) {
        struct desk *desk = desk_new();
        struct fake_script *script = fake_world_script(desk->world->truth, "acme/shop/web-1");
        script->exits = 100;
        script->exits_after_ms = 100;
        script->wipe_ms = 200;
        boot(desk->box);
        tell(desk, 1, 1, one);
        world_run_ms(desk->world, 1500 + moment_ms);
        assert_true(said(desk, "\"incarnation\":1"));
        assert_false(said(desk, "\"restarts\":0"));
        script->exits = 0;
        tell(desk, 2, 2, one);
        for (int ms = 0; ms < 1500; ms += 10) {
            world_run_ms(desk->world, 10);
            if (said(desk, "\"incarnation\":2")) assert_true(said(desk, "\"restarts\":0"));
        }
        assert_int_equal(truth(desk, "web-1").incarnation, 2);
        assert_true(said(desk, "\"incarnation\":2"));
        desk_free(desk);
    }
}

/* A command may end before the driver has said that it started. */
static void test_exits_at_once(void **state)
{
    struct desk *desk = desk_new();
    struct fake_script *script = fake_world_script(desk->world->truth, "acme/shop/web-1");
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    script->exits = 3;
    script->exits_after_ms = -1;
    script->exit_status = 3;
    boot(desk->box);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 200);
    assert_true(said(desk, "exited with 3 after 0.0 s; try"));
    world_run_ms(desk->world, 900);
    assert_int_equal(counts->starts, 4);
    assert_true(truth(desk, "web-1").running);
    assert_true(said(desk, "\"restarts\":3"));
    desk_free(desk);
}

static void test_made_badly(void **state)
{
    struct desk *desk = desk_new();
    struct fake_script *script = fake_world_script(desk->world->truth, "acme/shop/web-1");
    script->create_fails = 1;
    script->start_fails = 1;
    script->wipe_fails = 2;
    fake_host_fail_images(desk->box->truth, 1);
    boot(desk->box);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 10000);
    assert_true(truth(desk, "web-1").running);
    script->hangs_on_stop = true;
    tell(desk, 2, 1, none);
    world_run_ms(desk->world, 500);
    assert_true(said(desk, "\"state\":\"wiping\"")); /* not gone before it is */
    world_run_ms(desk->world, 5000);
    assert_false(said(desk, "web-1"));
    desk_free(desk);
}

static void test_unhealthy(void **state)
{
    struct desk *desk = running(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    fake_world_script(desk->world->truth, "acme/shop/")->unhealthy = true;
    world_run_ms(desk->world, 3100);
    assert_true(desk->told_unhealthy);
    fake_world_script(desk->world->truth, "acme/shop/")->unhealthy = false;
    world_run_ms(desk->world, 2000);
    assert_int_equal(counts->starts, 2);
    assert_true(said(desk, "\"restarts\":1"));
    assert_true(said(desk, "\"health\":\"good\""));
    desk_free(desk);
}

static void test_warm(void **state)
{
    struct desk *desk = running(warm);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    assert_true(truth(desk, "web-1").frozen);
    assert_true(said(desk, "\"warm\":true"));
    box_stop_agent(desk->box);
    start_agent(desk->box);
    world_run_ms(desk->world, 5000);
    assert_true(truth(desk, "web-1").frozen);
    tell(desk, 2, 1, one);
    world_run_ms(desk->world, 50);
    assert_true(truth(desk, "web-1").running && !truth(desk, "web-1").frozen);
    assert_true(said(desk, "\"warm\":false"));
    assert_int_equal(counts->creates, 1);
    desk_free(desk);
}

/* How many instances are made in one turn of the loop, at most. */
struct turns {
    struct desk *desk;
    unsigned creates, most;
};

static void judge_turn(void *ctx)
{
    struct turns *turns = ctx;
    unsigned creates = fake_host_counts(turns->desk->box->truth)->creates;
    if (creates - turns->creates > turns->most) turns->most = creates - turns->creates;
    turns->creates = creates;
}

/* Beats and others' questions pass between two creations: also when many waited for the same image, or for
 * the end of the same rest. */
static void test_one_a_turn(void **state)
{
    static const char *const six[] = {"web-1", "web-2", "web-3", "web-4", "web-5", "web-6", NULL};
    struct desk *desk = desk_new();
    struct turns turns = {.desk = desk};

    sim_clock_after_step(desk->world->clock, judge_turn, &turns);
    fake_world_script(desk->world->truth, "acme/shop/")->start_fails = 6;
    boot(desk->box);
    tell(desk, 1, 1, six);
    world_run_ms(desk->world, 5000);
    assert_int_equal(turns.creates, 12);
    assert_int_equal(turns.most, 1);
    assert_true(truth(desk, "web-6").running);
    desk_free(desk);
}

static void test_boot(void **state)
{
    struct desk *desk = running(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    desk->away = true;
    box_die(desk->box);
    boot(desk->box);
    world_run_ms(desk->world, 60000);
    assert_int_equal(counts->starts, 1); /* it may run elsewhere by now */
    box_stop_agent(desk->box);           /* which an agent that restarts meanwhile knows no better */
    start_agent(desk->box);
    world_run_ms(desk->world, 1000);
    assert_int_equal(counts->starts, 1);
    desk->away = false;
    world_run_ms(desk->world, 1000);
    assert_true(said(desk, "\"document_version\":0"));
    assert_int_equal(counts->starts, 1);
    tell(desk, 1, 1, one); /* the same one, confirmed */
    world_run_ms(desk->world, 2000);
    assert_int_equal(counts->starts, 2);
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);
}

static void test_fetch(void **state)
{
    struct desk *desk = desk_new();
    sim_blobs_piece(desk->world->blobs, 4);
    sim_blobs_damage(desk->world->blobs, 1);
    boot(desk->box);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 2000);
    assert_int_equal(desk->blobs, 14); /* 27 bytes by fours, and all of it again */
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);

    desk = desk_new();
    boot(desk->box);
    world_run_ms(desk->world, 1000);
    tell(desk, 1, 1, one);
    desk->away = true;
    world_run_ms(desk->world, 5000);
    assert_false(truth(desk, "web-1").running);
    desk->away = false;
    world_run_ms(desk->world, 20000);
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);
}

static bool has_hello(const struct desk *desk)
{
    return desk->box->compute->has_image(desk->box->compute->self, NULL, desk_image);
}

static bool has_layer(const struct desk *desk)
{
    const struct blob_port *blobs = sim_blobs_port(desk->box->blobs);
    int64_t size = 0;
    struct error err;
    return blobs->size(blobs->self, desk->world->layer, &size, &err);
}

/* An image stays for an hour after its last use; its layers only until they are unpacked. */
/* What a document names and no instance has yet is fetched in a quiet moment, and here when one comes. */
static void test_image_ahead(void **state)
{
    static const char *const image[] = {"hello:1", NULL};
    struct desk *desk = desk_new();
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    boot(desk->box);
    fake_host_fail_images(desk->box->truth, 1);
    tell(desk, 1, 1, image);
    world_run_ms(desk->world, 5000);
    assert_int_equal(counts->images, 1); /* it failed: with the next document again, and not all the time */
    tell(desk, 2, 1, image);
    world_run_ms(desk->world, 5000);
    assert_int_equal(counts->images, 2);
    assert_int_equal(counts->creates, 0);
    tell(desk, 3, 1, one);
    world_run_ms(desk->world, 5000);
    assert_int_equal(counts->images, 2);
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);
}

static void test_images_go(void **state)
{
    enum { MINUTE_MS = 60 * 1000 };
    struct desk *desk = running(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    int fetched = desk->blobs;

    assert_true(has_hello(desk));
    assert_false(has_layer(desk));
    world_run_ms(desk->world, 120 * MINUTE_MS); /* it is in use for all that time */
    assert_true(has_hello(desk));
    tell(desk, 2, 1, none);
    world_run_ms(desk->world, 45 * MINUTE_MS);
    assert_true(said(desk, "\"document_version\":2"));
    assert_true(has_hello(desk));
    tell(desk, 3, 2, one);
    world_run_ms(desk->world, 5000);
    assert_true(truth(desk, "web-1").running);
    assert_int_equal(counts->images, 1); /* not fetched again */
    assert_int_equal(desk->blobs, fetched);
    tell(desk, 4, 2, none);
    world_run_ms(desk->world, 59 * MINUTE_MS);
    assert_true(has_hello(desk));
    world_run_ms(desk->world, 12 * MINUTE_MS);
    assert_false(has_hello(desk));
    tell(desk, 5, 3, one);
    world_run_ms(desk->world, 5000);
    assert_true(truth(desk, "web-1").running);
    assert_int_equal(counts->images, 2);
    assert_false(has_layer(desk));
    desk_free(desk);
}

/* Versions of an image share most of their layers: those that are unpacked are not fetched again. */
static void test_layers_shared(void **state)
{
    struct desk *desk = running(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    static const char old_end[] = "0001\"", new_end[] = "0002\"";
    int fetched = desk->blobs;
    struct exchange *held = desk->poll;

    desk->poll = NULL;
    tell(desk, 2, 2, one);
    edit(desk, old_end, new_end); /* the image's digest, and then the instance's */
    desk->poll = held;
    edit(desk, old_end, new_end);
    world_run_ms(desk->world, 5000);
    assert_int_equal(truth(desk, "web-1").incarnation, 2);
    assert_true(truth(desk, "web-1").running);
    assert_int_equal(counts->images, 2);
    assert_int_equal(desk->blobs, fetched);
    desk_free(desk);
}

/* Nobody has said yet what this host is to run: what is here may be wanted. */
static void test_images_wait_for_word(void **state)
{
    struct desk *desk = running(one);

    desk->away = true;
    box_die(desk->box);
    boot(desk->box);
    world_run_ms(desk->world, 30 * 1000);
    assert_true(has_hello(desk));
    desk->away = false;
    tell(desk, 2, 2, none);
    world_run_ms(desk->world, 60 * 1000);
    assert_false(has_hello(desk)); /* no document of this boot named it */
    desk_free(desk);
}

static void test_reports_again(void **state)
{
    struct desk *desk = running(one);
    int before = desk->reports;
    desk->away = true;
    tell(desk, 2, 1, none);
    world_run_ms(desk->world, 5000);
    assert_int_equal(desk->reports, before);
    desk->away = false;
    world_run_ms(desk->world, 1000);
    assert_true(desk->reports > before);
    assert_true(said(desk, "\"document_version\":2"));
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_predecessors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_roll_back),
        cmocka_unit_test(test_disk_fails),
        cmocka_unit_test(test_restart_touches_nothing),
        cmocka_unit_test(test_tends),
        cmocka_unit_test(test_restart_at_any_moment),
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_exits_at_once),
        cmocka_unit_test(test_rest_ends_with_its_reason),
        cmocka_unit_test(test_failures_are_not_inherited),
        cmocka_unit_test(test_made_badly),
        cmocka_unit_test(test_unhealthy),
        cmocka_unit_test(test_warm),
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_images_go),
        cmocka_unit_test(test_layers_shared),
        cmocka_unit_test(test_images_wait_for_word),
        cmocka_unit_test(test_reports_again),
        cmocka_unit_test(test_one_a_turn),
        cmocka_unit_test(test_image_ahead),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
