/* What an agent stores for parties: private images and kept logs; when it can be read, and when it goes. */
#include "desk.h"

#include "agent/internal.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 60 * 1000 };

static const char *const one[] = {"web-1", NULL}, *const two[] = {"web-1", "web-2", NULL},
                         *const other[] = {"web-2", NULL}, *const none[] = {NULL};

static struct desk *with_private(const char *const *names)
{
    struct desk *desk = desk_new();
    desk->image_party = "acme";
    boot(desk->box);
    tell(desk, 1, 1, names);
    world_run_ms(desk->world, 5000);
    return desk;
}

static void directories(const struct desk *desk, size_t all, size_t open)
{
    size_t is_open = 0;
    assert_int_equal(sim_private_count(desk->box->private, &is_open), all);
    assert_int_equal(is_open, open);
}

static void discard(struct desk *desk)
{
    struct error err;
    if (!disk_keys_discard(desk->box->agent, "acme", &err)) fail_msg("%s", err.message);
}

static void restart(struct desk *desk)
{
    box_stop_agent(desk->box);
    start_agent(desk->box);
    world_run_ms(desk->world, 5000);
}

static void opened(void *ctx, const char *directory, const struct error *err)
{
    buf_add_text(ctx, err ? err->message : directory);
}

/* In acme's directory, and nowhere else. */
static void a_private_image_is_stored_apart(void **state)
{
    struct desk *desk = with_private(one);
    const struct compute_driver *compute = desk->box->compute;
    const struct blob_port *blobs = sim_blobs_port(desk->box->blobs);
    int64_t size = 0;
    struct error err;

    assert_true(truth(desk, "web-1").running);
    directories(desk, 1, 1);
    assert_false(compute->has_image(compute->self, NULL, desk_image));
    assert_true(compute->has_image(compute->self, private_directory(desk->box->agent, "acme"), desk_image));
    assert_false(blobs->size(blobs->self, desk->world->layer, &size, &err));
    desk_free(desk);
}

static void a_public_one_needs_no_directory(void **state)
{
    struct desk *desk = running(one);

    world_run_ms(desk->world, 30 * MINUTE_MS);
    assert_true(truth(desk, "web-1").running);
    directories(desk, 0, 0);
    desk_free(desk);
}

/* Locked when for a minute nothing of the party was here, and found again with all that is in it; gone with
 * the keys. */
static void locked_when_idle(void **state)
{
    struct desk *desk = with_private(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    world_run_ms(desk->world, 20 * MINUTE_MS);
    directories(desk, 1, 1);
    tell(desk, 2, 1, none);
    world_run_ms(desk->world, 2 * MINUTE_MS);
    directories(desk, 1, 0);
    tell(desk, 3, 2, one);
    world_run_ms(desk->world, 5000);
    assert_true(truth(desk, "web-1").running);
    directories(desk, 1, 1);
    assert_int_equal(counts->images, 1);
    tell(desk, 4, 2, none);
    world_run_ms(desk->world, 12 * MINUTE_MS);
    directories(desk, 0, 0);
    desk_free(desk);
}

/* Needed again while it is being locked: at each moment of that, which takes 2 ms. */
static void locked_and_opened(void **state)
{
    static const struct host_party acme = {.name = "acme", .parent = "landlord"};
    for (int64_t wait_us = 0; wait_us < 6000; wait_us += 250) {
        struct desk *desk = with_private(one);
        size_t all = 0, open = 1;
        struct host_document document = {.version = 2, .parties = &acme, .parties_length = 1};
        tell_document(desk, &document); /* it has nothing here now, but may have */
        world_run_ms(desk->world, 50 * 1000);
        struct error err;
        while (private_directory(desk->box->agent, "acme"))
            sim_clock_run(desk->world->clock, 250);
        sim_clock_run(desk->world->clock, wait_us);
        CLEANUP_BUF struct buf ready = {0};
        assert_true(private_open(desk->box->agent, "acme", opened, &ready, &err));
        sim_clock_run(desk->world->clock, wait_us);
        if (ready.size == 0) {
            assert_null(private_directory(desk->box->agent, "acme"));
            assert_true(
                private_open(desk->box->agent, "acme", opened, &ready, &err)); /* one more who waits */
            assert_int_equal(ready.size, 0);
        }
        world_run_ms(desk->world, 100);
        assert_true(text_starts(buf_text(&ready), "/private/acme."));
        all = sim_private_count(desk->box->private, &open);
        assert_true(all == 1 && open == 1);
        desk_free(desk);
    }
}

/* What runs goes on from its directory; what is made after has another. */
static void discarded_while_in_use(void **state)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct desk *desk = with_private(one);
        discard(desk);
        if (restarts) restart(desk);
        world_run_ms(desk->world, 30000);
        assert_true(truth(desk, "web-1").running);
        size_t open = 0, left = sim_private_count(desk->box->private, &open);
        assert_in_range(left, 1, 2); /* the image may be fetched ahead, under the new key */
        tell(desk, 2, 1, two);
        world_run_ms(desk->world, 5000);
        assert_true(truth(desk, "web-2").running);
        discard(desk); /* once more */
        world_run_ms(desk->world, 30000);
        assert_true(truth(desk, "web-1").running && truth(desk, "web-2").running);
        left = sim_private_count(desk->box->private, &open);
        assert_in_range(left, 2, 3); /* one for each of them */
        assert_int_equal(truth(desk, "web-1").incarnation, 1);
        tell(desk, 3, 1, other);
        world_run_ms(desk->world, 30000);
        assert_false(truth(desk, "web-1").running);
        assert_true(truth(desk, "web-2").running);
        left = sim_private_count(desk->box->private, &open);
        assert_in_range(left, 1, 2); /* web-2's, and one for the log of web-1 */
        tell(desk, 4, 1, none);
        world_run_ms(desk->world, 12 * MINUTE_MS);
        directories(desk, 0, 0);
        desk_free(desk);
    }
}

static void discarded_while_opening(void **state)
{
    for (int64_t wait_us = 0; wait_us < 40000; wait_us += 500) {
        struct desk *desk = desk_new();
        desk->image_party = "acme";
        boot(desk->box);
        tell(desk, 1, 1, one);
        sim_clock_run(desk->world->clock, 1000 * 1000 + wait_us);
        discard(desk);
        world_run_ms(desk->world, 60000);
        assert_true(truth(desk, "web-1").running);
        size_t open = 0;
        assert_in_range(sim_private_count(desk->box->private, &open), 1, 2); /* it may run from the first */
        tell(desk, 2, 2, one);
        world_run_ms(desk->world, 30000);
        directories(desk, 1, 1);
        desk_free(desk);
    }
}

static void an_opening_that_fails_is_tried_again(void **state)
{
    struct desk *desk = desk_new();

    desk->image_party = "acme";
    boot(desk->box);
    sim_private_fail(desk->box->private, 4);
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 300);
    assert_false(truth(desk, "web-1").running);
    world_run_ms(desk->world, 5000);
    assert_true(truth(desk, "web-1").running);
    desk_free(desk);
}

/* A key that cannot be opened stops nobody: what is stored without it is of this run of the agent. */
static void a_damaged_key_stops_nobody(void **state)
{
    struct desk *desk = with_private(one);
    const struct disk_port *disk = sim_disk_port(desk->box->disk);
    CLEANUP_BUF struct buf kept = {0};
    struct error err;

    assert_true(disk->read(disk->self, "disk-keys/acme", &kept, &err));
    assert_true(disk->write(disk->self, "disk-keys/acme", "{", 1, 0600, &err));
    restart(desk);
    tell(desk, 2, 2, one);
    world_run_ms(desk->world, 10000);
    assert_true(truth(desk, "web-1").running);
    directories(desk, 2, 1); /* what is under the damaged one is left */
    assert_true(disk->write(disk->self, "disk-keys/acme", kept.data, kept.size, 0600, &err));
    restart(desk);
    tell(desk, 3, 3, one);
    world_run_ms(desk->world, 30000);
    assert_true(truth(desk, "web-1").running);
    directories(desk, 1, 1);
    desk_free(desk);
}

struct talk {
    int status;
    char body[8192];
};

static void talked(void *ctx, const struct answer *answer)
{
    struct talk *talk = ctx;
    talk->status = answer->status ? answer->status : -1;
    snprintf(talk->body, sizeof(talk->body), "%s", answer->body);
}

static struct call *start_asking(struct desk *desk, struct talk *talk, const char *instance)
{
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);
    CLEANUP_MEM char *path = mem_printf("/agent/log?instance=%s&after=0&previous=yes", instance);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = "h1",
                              .addresses = {desk->box->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {.method = "GET", .path = path};
    talk->status = 0;
    return net->call(net->self, &peer, &request, 25000, NULL, talked, talk);
}

static void ask_log(struct desk *desk, struct talk *talk, const char *instance)
{
    start_asking(desk, talk, instance);
    for (int i = 0; i < 26000 && !talk->status; i++)
        world_run_ms(desk->world, 1);
}

/* What a run said that ended by itself, before its successor runs, after the agent's restart, and when the
 * directory was locked meanwhile; and why it ended. */
static void a_log_is_kept(void **state)
{
    struct desk *desk = running(two);
    struct talk talk;

    ask_log(desk, &talk, "acme/shop/web-1");
    assert_int_equal(talk.status, 404);
    assert_true(fake_host_crash(desk->box->truth, "acme/shop/web-1", 3));
    world_run_ms(desk->world, 5000);
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_int_equal(talk.status, 200);
    assert_true(text_starts(talk.body, "--- acme/shop/web-1, incarnation 1, ended at 20"));
    assert_non_null(strstr(talk.body, ": exited with 3 after "));
    assert_non_null(strstr(talk.body, "\nacme/shop/web-1 1 starts\n"));
    directories(desk, 1, 1);
    restart(desk);
    directories(desk, 1, 0);
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_non_null(strstr(talk.body, ": exited with 3 after "));
    directories(desk, 1, 1);
    for (int i = 0; i < 2; i++) { /* of several the last */
        assert_true(fake_host_crash(desk->box->truth, "acme/shop/web-1", 4 + i));
        world_run_ms(desk->world, 15000);
    }
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_non_null(strstr(talk.body, ": exited with 5 after "));
    tell(desk, 2, 2, other); /* stopped, and the party is still here */
    world_run_ms(desk->world, 15000);
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_non_null(strstr(talk.body, "it was stopped\n"));
    ask_log(desk, &talk, "acme");
    assert_int_equal(talk.status, 404);
    discard(desk);
    world_run_ms(desk->world, 5000);
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_int_equal(talk.status, 404);
    desk_free(desk);
}

static void who_asks_may_leave(void **state)
{
    struct desk *desk = running(one);
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);
    struct talk talk;

    assert_true(fake_host_crash(desk->box->truth, "acme/shop/web-1", 3));
    world_run_ms(desk->world, 5000);
    for (int wait_us = 0; wait_us < 6000; wait_us += 300) {
        restart(desk);
        struct call *call = start_asking(desk, &talk, "acme/shop/web-1");
        sim_clock_run(desk->world->clock, wait_us);
        if (talk.status == 0) net->cancel(net->self, call);
        world_run_ms(desk->world, 1000);
    }
    ask_log(desk, &talk, "acme/shop/web-1");
    assert_int_equal(talk.status, 200);
    start_asking(desk, &talk, "acme/shop/web-1");
    desk_free(desk); /* in the middle of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_image_is_stored_apart),
        cmocka_unit_test(a_public_one_needs_no_directory),
        cmocka_unit_test(locked_when_idle),
        cmocka_unit_test(locked_and_opened),
        cmocka_unit_test(discarded_while_in_use),
        cmocka_unit_test(discarded_while_opening),
        cmocka_unit_test(an_opening_that_fails_is_tried_again),
        cmocka_unit_test(a_damaged_key_stops_nobody),
        cmocka_unit_test(a_log_is_kept),
        cmocka_unit_test(who_asks_may_leave),
    };
    return cmocka_run_group_tests_name("agent private", tests, NULL, NULL);
}
