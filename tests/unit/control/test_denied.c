/* Events of denied packets: how many since the last one, and at most one for each kind and minute. */
#include "base/text.h"
#include "control/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int64_t steady_us(void *self)
{
    return *(int64_t *)self;
}

static int64_t wall_ms(void *self)
{
    return *(int64_t *)self / 1000;
}

static bool no_books(void *ctx, struct change *change, struct error *err)
{
    return true;
}

static void changed(void *ctx, enum record_kind kind, const char *name, const struct record *record)
{
}

static void report(struct session *session, int64_t packets)
{
    const struct denied_report items[] = {{"acme/shop", "web-1", "spoof", packets},
                                          {"acme/shop", "web-9", "spoof", packets}, /* not there */
                                          {"acme/shop", "web-1", "x\"y", packets}}; /* no reason of ours */
    const struct host_report whole = {
        .host = "h1", .boot = "b", .denied = items, .denied_length = LENGTH(items)};
    denied_take(session, &whole);
}

/* The events so far; the last one's reason has to begin with `last`. */
static size_t events(struct controller *controller, const char *last)
{
    struct vec items = VEC_OF(struct store_item);
    struct error err;
    assert_true(store_list(controller->options.store, "event/", NULL, 0, &items, &err));
    size_t length = items.length;
    if (length > 0) {
        const struct store_item *item = vec_at(&items, length - 1);
        CLEANUP_MEM char *wanted = mem_printf("\"what\":\"denied\",\"reason\":\"%s", last);
        if (strstr(item->value, wanted) == NULL) fail_msg("%s", item->value);
    }
    store_items_free(&items);
    return length;
}

static void take_total(void *ctx, const struct denied_total *total)
{
    assert_string_equal(total->instance, "acme/shop/web-1");
    *(int64_t *)ctx += total->packets;
}

static void test_once_a_minute(void **state)
{
    int64_t now_us = 1000000, all = 0;
    struct error err;
    const struct clock_port clock = {.self = &now_us, .steady_us = steady_us, .wall_ms = wall_ms};
    struct controller controller = {.options = {.clock = &clock, .store = store_open_memory()},
                                    .denied = map_new()};
    struct session session = {.controller = &controller};
    struct instance instance = {.name = "acme/shop/web-1", .farm = "acme/shop", .tier = "web", .host = "h1"};
    assert_true(mirror_new(controller.options.store, changed, NULL, &controller.mirror, &err));
    struct change *change = change_new(controller.options.store);
    change_follow(change, no_books, NULL);
    change_put(change, RECORD_INSTANCE, instance.name, &instance);
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(&controller);

    report(&session, 7); /* from before this controller */
    assert_int_equal(events(&controller, ""), 0);
    report(&session, 8);
    assert_int_equal(events(&controller, "1 packet with a source that is not its own (spoof)"), 1);
    now_us += 59000000;
    report(&session, 18);
    assert_int_equal(events(&controller, "1 packet "), 1);
    now_us += 2000000;
    denied_tick(&controller);
    assert_int_equal(events(&controller, "10 packets with a source"), 2);
    now_us += 61000000;
    report(&session, 18);
    assert_int_equal(events(&controller, "10 packets"), 2);
    report(&session, 3); /* its network was made anew */
    assert_int_equal(events(&controller, "3 packets"), 3);
    controller_denied(&controller, take_total, &all);
    assert_int_equal(all, 21);

    denied_free(controller.denied);
    mirror_free(controller.mirror);
    store_close(controller.options.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_a_minute)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
