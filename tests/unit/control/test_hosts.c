/* Who is given up, who is not, and when others are asked. Time is virtual: what is said of it holds exactly.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { BEAT_MS = 250, SUSPECT_MS = 3 * BEAT_MS };

/* Looks at one host that were asked for, by what was known of it then. */
struct looks {
    struct world *world;
    const char *host;
    size_t while_up, while_suspect, delayed;
};

static void count_looks(void *ctx, const char *from, const char *to, const struct request *request,
                        struct sim_fate *ret_fate)
{
    struct looks *looks = ctx;
    if (!text_equal(from, "controller") || !text_equal(request->path, "/agent/look")) return;
    if (!strstr(request->body, looks->host)) return;
    if (fact_of(looks->world, looks->host)->state == HOST_UP) looks->while_up++;
    if (fact_of(looks->world, looks->host)->state == HOST_SUSPECT) looks->while_suspect++;
}

/* How often an event was told of a host. */
static size_t told(struct world *world, const char *host, const char *what)
{
    size_t count = 0;
    CLEANUP_MEM char *path = mem_printf("/v1/events?name=%s", host);
    CLEANUP_MEM char *wanted = mem_printf("\"what\":\"%s\"", what);
    for (const char *at = expect(world, 200, landlord, "GET", path, NULL); (at = strstr(at, wanted)); at++)
        count++;
    return count;
}

/* Runs to just behind a beat of a host that is about to go silent. */
struct beats {
    const char *host;
    size_t seen;
};

static void count_beats(void *ctx, const char *from, const char *to, const struct request *request,
                        struct sim_fate *ret_fate)
{
    struct beats *beats = ctx;
    beats->seen += text_equal(from, beats->host) && text_starts(request->path, "/agent/beat");
}

static bool both_came(void *ctx)
{
    return ((struct beats *)ctx)->seen == 2;
}

static void run_to_beat(struct world *world, const char *host)
{
    struct beats beats = {host, 0};
    sim_net_meddle(world->net, count_beats, &beats);
    assert_true(sim_clock_run_until(world->clock, 2 * BEAT_MS * 1000, both_came, &beats));
    sim_net_meddle(world->net, NULL, NULL);
}

static struct world *quiet(size_t hosts)
{
    struct world *world = world_started(hosts);
    world_run_ms(world, 4000);
    return world;
}

/* The others are asked before the third beat is missed, and have then found what they are asked for. */
static void test_asked_early(void **state)
{
    struct world *world = quiet(4);
    struct looks looks = {.world = world, .host = "h1"};

    run_to_beat(world, "h1");
    box_die(&world->boxes[0]);
    sim_net_meddle(world->net, count_looks, &looks);
    world_run_ms(world, SUSPECT_MS - 1);
    assert_int_equal(looks.while_up, 2);
    assert_int_equal(fact_of(world, "h1")->state, HOST_UP); /* but nobody is told yet */
    assert_int_equal(told(world, "h1", "suspected"), 0);
    wait_host(world, "h1", HOST_DOWN, 20);
    assert_int_equal(told(world, "h1", "suspected"), 1);
    assert_int_equal(looks.while_suspect, 0); /* no second round was needed */
    world_free(world);
}

/* One beat over each path is so late that the next is missed too: others are asked, and nobody is told. */
static void delay_beats(void *ctx, const char *from, const char *to, const struct request *request,
                        struct sim_fate *ret_fate)
{
    struct looks *looks = ctx;
    count_looks(ctx, from, to, request, ret_fate);
    if (!text_equal(from, looks->host) || !text_starts(request->path, "/agent/beat")) return;
    if (looks->delayed++ < 2) ret_fate->late_us = 400 * 1000;
}

static void test_late_beat(void **state)
{
    struct world *world = quiet(4);
    struct looks looks = {.world = world, .host = "h1"};

    sim_net_meddle(world->net, delay_beats, &looks);
    world_run_ms(world, 5000);
    assert_true(looks.while_up >= 2);
    assert_int_equal(looks.while_suspect, 0);
    assert_int_equal(told(world, "h1", "suspected"), 0);
    world_free(world);
}

/* Only the controller does not hear it: it is suspected, and not given up while others hear it. */
static void test_only_beats_lost(void **state)
{
    struct world *world = quiet(4);
    sim_net_cut(world->net, "h1", "controller", -1, true);
    wait_host(world, "h1", HOST_SUSPECT, 1000);
    for (int i = 0; i < 200; i++) {
        world_run_ms(world, 100);
        assert_int_equal(fact_of(world, "h1")->state, HOST_SUSPECT);
    }
    sim_net_cut(world->net, "h1", "controller", -1, false);
    wait_host(world, "h1", HOST_UP, 2000);
    world_free(world);
}

/* The controller hears nobody: the one that is cut off is itself. */
static void test_controller_cut_off(void **state)
{
    struct world *world = quiet(4);
    sim_net_cut_off(world->net, "controller", -1, true);
    for (int i = 0; i < 200; i++) {
        world_run_ms(world, 100);
        for (size_t j = 0; j < 4; j++)
            assert_int_not_equal(fact_of(world, world->boxes[j].name)->state, HOST_DOWN);
    }
    sim_net_cut_off(world->net, "controller", -1, false);
    for (size_t j = 0; j < 4; j++)
        wait_host(world, world->boxes[j].name, HOST_UP, 5000);
    world_free(world);
}

/* It ends while it has no question for a document at the controller, as when it applies one. */
static void lose_polls(void *ctx, const char *from, const char *to, const struct request *request,
                       struct sim_fate *ret_fate)
{
    ret_fate->lose = text_equal(from, "h1") && text_starts(request->path, "/agent/document");
}

static void test_line_breaks(void **state)
{
    struct world *world = quiet(4);
    run_to_beat(world, "h1");
    sim_net_meddle(world->net, lose_polls, NULL);
    world_run_ms(world, 25000); /* the one that waited was answered */
    run_to_beat(world, "h1");
    box_stop_agent(&world->boxes[0]);
    wait_host(world, "h1", HOST_SUSPECT, 50);
    start_agent(&world->boxes[0]);
    wait_host(world, "h1", HOST_UP, 1000);
    world_free(world);
}

/* Neither is there to look at the other; those that are left do it. */
static void test_two_die(void **state)
{
    for (size_t second = 1; second < 5; second++) {
        struct world *world = quiet(5);
        box_die(&world->boxes[0]);
        box_die(&world->boxes[second]);
        wait_host(world, "h1", HOST_DOWN, 1000);
        wait_host(world, world->boxes[second].name, HOST_DOWN, 100);
        for (size_t i = 1; i < 5; i++)
            assert_int_equal(fact_of(world, world->boxes[i].name)->state, i == second ? HOST_DOWN : HOST_UP);
        world_free(world);
    }
}

/* The second was heard just before they died, and yet it is not asked about the first: that would cost a
 * looker's time-out. */
static void test_fresh_dead(void **state)
{
    for (size_t second = 1; second < 5; second++) {
        struct world *world = quiet(5);
        struct box *other = &world->boxes[second];
        run_to_beat(world, "h1");
        box_stop_agent(other);
        world_run_ms(world, BEAT_MS - 30); /* their beats are so far apart */
        start_agent(other);
        world_run_ms(world, 4000);
        run_to_beat(world, other->name);
        box_die(&world->boxes[0]);
        box_die(other);
        wait_host(world, "h1", HOST_DOWN, SUSPECT_MS + 50);
        wait_host(world, other->name, HOST_DOWN, BEAT_MS);
        world_free(world);
    }
}

/* Who is asked first about one of them does not answer, so that it is found a round later. */
static void lose_first_looks(void *ctx, const char *from, const char *to, const struct request *request,
                             struct sim_fate *ret_fate)
{
    struct looks *looks = ctx;
    if (!text_equal(request->path, "/agent/look")) return;
    CLEANUP_MEM char *mark = mem_printf("\"host\":\"%s\"", looks->host);
    if (strstr(request->body, mark)) ret_fate->lose_answer = looks->delayed++ < 2;
}

/* What dies together is noted together, whoever is found first. */
static void test_one_loss(void **state)
{
    for (size_t second = 1; second < 5; second++) {
        struct world *world = quiet(5);
        const char *other = world->boxes[second].name;
        struct looks looks = {.world = world, .host = other};
        sim_net_meddle(world->net, lose_first_looks, &looks);
        box_die(&world->boxes[0]);
        box_die(&world->boxes[second]);
        for (int ms = 0; !fact_of(world, "h1")->fenced && !fact_of(world, other)->fenced; ms++) {
            world_run_ms(world, 1);
            assert_true(ms < 3000);
        }
        assert_true(fact_of(world, "h1")->fenced);
        assert_true(fact_of(world, other)->fenced);
        assert_int_equal(told(world, other, "fenced"), 1);
        world_free(world);
    }
}

/* Those who look do not say what they see. Their silence is not the host's. */
static void lose_looks(void *ctx, const char *from, const char *to, const struct request *request,
                       struct sim_fate *ret_fate)
{
    if (text_equal(request->path, "/agent/look")) ret_fate->lose_answer = *(bool *)ctx;
}

static void test_lookers_silent(void **state)
{
    struct world *world = quiet(4);
    bool lost = true;
    sim_net_meddle(world->net, lose_looks, &lost);
    box_die(&world->boxes[0]);
    wait_host(world, "h1", HOST_SUSPECT, 1000);
    for (int i = 0; i < 50; i++) {
        world_run_ms(world, 100);
        assert_int_equal(fact_of(world, "h1")->state, HOST_SUSPECT);
    }
    lost = false;
    wait_host(world, "h1", HOST_DOWN, 1000);
    world_free(world);
}

static void say_nothing(void *ctx, struct exchange *exchange, const struct request *request,
                        const struct sender *sender)
{
}

/* An agent that gets no processor: connections to it are made, for that its kernel does, and nothing comes.
 */
static void test_too_busy(void **state)
{
    struct world *world = quiet(4);
    struct box *box = &world->boxes[0];

    box_stop_agent(box);
    for (int path = 0; path < 2; path++)
        sim_machine_listen(box->machine, box->addresses[path], path, say_nothing, NULL);
    wait_host(world, "h1", HOST_SUSPECT, 1000);
    for (int i = 0; i < 80; i++) {
        world_run_ms(world, 100);
        assert_int_equal(fact_of(world, "h1")->state, HOST_SUSPECT);
    }
    start_agent(box);
    wait_host(world, "h1", HOST_UP, 2000);
    world_free(world);
}

/* What the store gives back damaged is told, with its key: nobody is to be told what to do by guesses. */
static void test_damaged_document(void **state)
{
    struct world *world = small_world(1);
    const struct controller_options options = {.clock = world->time,
                                               .net = sim_machine_port(world->controller_machine),
                                               .identity = sim_identity_port(world->identity),
                                               .blobs = sim_blobs_port(world->blobs),
                                               .store = world->store,
                                               .join_token = "join"};
    const struct store_op put = {.kind = STORE_PUT, .key = "host-document/h1", .value = "{\"version\":"};
    struct controller *controller = NULL;
    struct error err;

    assert_true(store_txn(world->store, &put, 1, NULL, &err));
    assert_false(controller_new(&options, &controller, &err));
    assert_null(controller);
    assert_non_null(strstr(err.message, "host-document/h1 in the store is damaged"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_early),      cmocka_unit_test(test_late_beat),
        cmocka_unit_test(test_only_beats_lost),  cmocka_unit_test(test_controller_cut_off),
        cmocka_unit_test(test_line_breaks),      cmocka_unit_test(test_two_die),
        cmocka_unit_test(test_one_loss),         cmocka_unit_test(test_lookers_silent),
        cmocka_unit_test(test_fresh_dead),       cmocka_unit_test(test_too_busy),
        cmocka_unit_test(test_damaged_document),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
