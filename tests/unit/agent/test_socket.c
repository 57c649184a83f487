/* What an instance asks at its socket, and what becomes of it. */
#include "desk.h"

#include <stdio.h>
#include <string.h>

static void tell_beating(struct desk *desk, int64_t version, enum instance_wanted wanted, const char *role)
{
    const struct host_farm farm = {
        .name = "acme/shop", .vni = 7, .subnet = {0x0a000000U, 24}, .gateway = 0x0a000001U};
    const struct pair metadata[] = {{"role", role}, {"quote", "say \"hi\""}};
    const struct personality instance = {.instance = "acme/shop/web-1",
                                         .party = "acme",
                                         .farm = "acme/shop",
                                         .tier = "web",
                                         .incarnation = 1,
                                         .digest = desk_image,
                                         .size = {500, 64 << 20, 0, 0},
                                         .wanted = wanted,
                                         .metadata = metadata,
                                         .metadata_length = 2,
                                         .health = {.kind = HEALTH_HEARTBEAT,
                                                    .path = "",
                                                    .every_ms = 1000,
                                                    .timeout_ms = 500,
                                                    .fails = 3,
                                                    .within_ms = 5000},
                                         .address = 0x0a000002U};
    struct host_document document = {
        .version = version, .farms = &farm, .farms_length = 1, .instances = &instance, .instances_length = 1};
    tell_document(desk, &document);
    world_run_ms(desk->world, 1000);
}

static struct desk *beating(enum instance_wanted wanted)
{
    static const char *const none[] = {NULL};
    struct desk *desk = running(none);
    tell_beating(desk, 2, wanted, "primary");
    return desk;
}

/* The status; the answer's text in *ret_text. 0: nobody listens. */
static int says(struct desk *desk, const char *method, const char *path, const char *body,
                struct buf *ret_text)
{
    const struct local_request request = {
        .method = method, .path = path, .body = body, .body_size = strlen(body)};
    struct local_answer answer;
    buf_clear(ret_text);
    if (!sim_local_ask(desk->box->local, "/run/fake/acme/shop/web-1/socket", &request, &answer)) return 0;
    buf_add_text(ret_text, buf_text(&answer.body));
    buf_free(&answer.body);
    return answer.status;
}

static void beat(struct desk *desk, int64_t run_ms)
{
    CLEANUP_BUF struct buf text = {0};
    assert_int_equal(says(desk, "POST", "/v1/heartbeat", "", &text), 200);
    assert_string_equal(buf_text(&text), "{\"counts\":true,\"within\":\"5s\"}\n");
    world_run_ms(desk->world, run_ms);
}

/* In a report of the next while; it is soon followed by another one. */
static bool hears(struct desk *desk, const char *text, int64_t ms)
{
    while (ms-- > 0) {
        if (said(desk, text)) return true;
        world_run_ms(desk->world, 1);
    }
    return false;
}

static void test_asks(void **state)
{
    struct desk *desk = beating(WANTED_RUN);
    CLEANUP_BUF struct buf text = {0};

    assert_int_equal(says(desk, "GET", "/v1/me", "", &text), 200);
    assert_non_null(strstr(buf_text(&text), "\"name\":\"acme/shop/web-1\",\"party\":\"acme\""));
    assert_non_null(strstr(buf_text(&text), "\"number\":1,\"incarnation\":1,\"restarts\":0"));
    assert_int_equal(says(desk, "GET", "/v1/metadata", "", &text), 200);
    assert_string_equal(buf_text(&text), "{\"role\":\"primary\",\"quote\":\"say \\\"hi\\\"\"}\n");
    assert_int_equal(says(desk, "GET", "/v1/metadata/quote", "", &text), 200);
    assert_string_equal(buf_text(&text), "say \"hi\"");
    assert_int_equal(says(desk, "GET", "/v1/metadata/", "", &text), 404);
    assert_int_equal(says(desk, "GET", "/v1/metadata/nothing", "", &text), 404);
    assert_int_equal(says(desk, "POST", "/v1/me", "", &text), 405);
    assert_int_equal(says(desk, "POST", "/v1/metadata/role", "x", &text), 404);
    assert_int_equal(says(desk, "GET", "/v1/me/", "", &text), 404);
    assert_int_equal(says(desk, "GET", "/", "", &text), 404);
    /* What it is told changes while it runs. */
    unsigned creates = fake_host_counts(desk->box->truth)->creates;
    tell_beating(desk, 3, WANTED_RUN, "secondary");
    assert_int_equal(says(desk, "GET", "/v1/metadata/role", "", &text), 200);
    assert_string_equal(buf_text(&text), "secondary");
    assert_int_equal(fake_host_counts(desk->box->truth)->creates, creates);
    desk_free(desk);
}

static void test_heartbeat(void **state)
{
    struct desk *desk = beating(WANTED_RUN);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    assert_true(said(desk, "\"health\":\"unknown\"")); /* it has not said anything yet */
    beat(desk, 4500);
    assert_true(said(desk, "\"health\":\"good\""));
    for (int i = 0; i < 10; i++)
        beat(desk, 4500);
    assert_int_equal(counts->creates, 1);
    assert_true(hears(desk, "unhealthy: no heartbeat in 5s", 1000)); /* it was silent for too long */
    world_run_ms(desk->world, 28000);                                /* one that begins has time */
    assert_int_equal(counts->creates, 2);
    assert_true(hears(desk, "unhealthy: no heartbeat in 30s", 3000));
    world_run_ms(desk->world, 1000);
    assert_int_equal(counts->creates, 3);
    desk_free(desk);
}

/* The next agent listens at the same place, and gives what runs the time to speak again. */
static void test_agent_restarts(void **state)
{
    struct desk *desk = beating(WANTED_RUN);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    beat(desk, 4000);
    box_stop_agent(desk->box);
    world_run_ms(desk->world, 10000);
    assert_true(box_start_agent(desk->box, &err));
    world_run_ms(desk->world, 20000);
    assert_int_equal(says(desk, "GET", "/v1/me", "", &text), 200);
    beat(desk, 4000);
    assert_int_equal(counts->creates, 1);
    assert_true(said(desk, "\"health\":\"good\""));
    desk_free(desk);
}

/* It is well when it says so for the first time, and is held then: from the one who is held nothing is
 * expected. Let in, it has its time again. */
static void test_warm(void **state)
{
    struct desk *desk = beating(WANTED_WARM);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    assert_false(truth(desk, "web-1").frozen);
    beat(desk, 1000);
    assert_true(truth(desk, "web-1").frozen);
    world_run_ms(desk->world, 120000);
    assert_true(truth(desk, "web-1").frozen);
    tell_beating(desk, 3, WANTED_RUN, "primary");
    assert_false(truth(desk, "web-1").frozen);
    world_run_ms(desk->world, 3000);
    beat(desk, 4000);
    assert_int_equal(counts->creates, 1);
    world_run_ms(desk->world, 2000);
    assert_int_equal(counts->creates, 2);
    desk_free(desk);
}

static void test_restart(void **state)
{
    struct desk *desk = beating(WANTED_RUN);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);
    CLEANUP_BUF struct buf text = {0};

    beat(desk, 100);
    assert_int_equal(says(desk, "POST", "/v1/restart", "leaking \"memory\"\nand more", &text), 202);
    assert_int_equal(says(desk, "POST", "/v1/restart", "another", &text), 202); /* once is enough */
    assert_true(truth(desk, "web-1").running);                                  /* it has its answer first */
    assert_true(hears(desk, "it asked to be restarted: leaking \\\"memory\\\"", 1000));
    assert_false(said(desk, "and more"));
    world_run_ms(desk->world, 3000);
    assert_int_equal(counts->creates, 2);
    assert_int_equal(counts->stops, 1); /* it could end its work */
    assert_true(said(desk, "\"restarts\":1"));
    /* Again and again it has to wait, as what fails has to. */
    unsigned before = counts->creates;
    for (int i = 0; i < 60; i++) {
        says(desk, "POST", "/v1/restart", "", &text);
        world_run_ms(desk->world, 1000);
    }
    assert_true(counts->creates - before < 12);
    desk_free(desk);
}

/* Nobody listens for what is not there, nor for a balancer. */
static void test_comes_and_goes(void **state)
{
    static const char *const none[] = {NULL}, *const balancer[] = {"web-1", "www=3", NULL};
    struct desk *desk = beating(WANTED_RUN);
    CLEANUP_BUF struct buf text = {0};
    const struct local_request request = {.method = "GET", .path = "/v1/me", .body = ""};
    struct local_answer answer;

    assert_int_equal(says(desk, "GET", "/v1/me", "", &text), 200);
    tell(desk, 3, 1, none);
    world_run_ms(desk->world, 7000);
    assert_int_equal(says(desk, "GET", "/v1/me", "", &text), 0);
    tell(desk, 4, 2, balancer);
    world_run_ms(desk->world, 3000);
    assert_int_equal(says(desk, "GET", "/v1/me", "", &text), 200);
    assert_int_equal(says(desk, "POST", "/v1/heartbeat", "", &text), 200);
    assert_string_equal(buf_text(&text), "{\"counts\":false}\n");
    assert_true(truth(desk, "www").running);
    assert_false(sim_local_ask(desk->box->local, "/run/fake/acme/shop/www/socket", &request, &answer));
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks), cmocka_unit_test(test_heartbeat), cmocka_unit_test(test_agent_restarts),
        cmocka_unit_test(test_warm), cmocka_unit_test(test_restart),   cmocka_unit_test(test_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
