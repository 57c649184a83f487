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
    const struct denied_report items[] = {
        {"acme/shop", "web-1", "spoof", "", packets},
        {"acme/shop", "web-9", "spoof", "", packets}, /* not there */
        {"acme/shop", "web-1", "x\"y", "", packets}}; /* no reason of ours */
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

static void report_filters(struct session *session, int64_t inner, int64_t outer, int64_t gone)
{
    const struct denied_report items[] = {
        {"acme/shop", "web-1", "filter", "acme/inner", inner},
        {"acme/shop", "web-1", "filter", "landlord/outer", outer},
        {"acme/shop", "web-1", "filter", "acme/gone", gone}}; /* not there */
    const struct host_report whole = {
        .host = "h1", .boot = "b", .denied = items, .denied_length = LENGTH(items)};
    denied_take(session, &whole);
}

static void take_total(void *ctx, const struct denied_total *total)
{
    assert_string_equal(total->instance, "acme/shop/web-1");
    *(int64_t *)ctx += total->packets;
}

static void count_total(void *ctx, const struct denied_total *total)
{
    *(int64_t *)ctx += 1;
}

/* Of all tests: a clock, a controller that knows web-1 and two filters. */
static int64_t now_us;
static const struct clock_port ticking = {.self = &now_us, .steady_us = steady_us, .wall_ms = wall_ms};

static void begin(struct controller *controller)
{
    struct error err;
    const struct instance instance = {
        .name = "acme/shop/web-1", .farm = "acme/shop", .tier = "web", .host = "h1"};
    const struct filter inner = {"inner", "acme", "acme/inner", "acme/shop", FILTER_DENY, NULL, 0};
    const struct filter outer = {"outer", "landlord", "landlord/outer", "all", FILTER_DENY, NULL, 0};
    now_us = 1000000;
    *controller = (struct controller){.options = {.clock = &ticking, .store = store_open_memory()},
                                      .denied = map_new()};
    assert_true(mirror_new(controller->options.store, changed, NULL, &controller->mirror, &err));
    struct change *change = change_new(controller->options.store);
    change_follow(change, no_books, NULL);
    change_put(change, RECORD_INSTANCE, instance.name, &instance);
    change_put(change, RECORD_FILTER, inner.full_name, &inner);
    change_put(change, RECORD_FILTER, outer.full_name, &outer);
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(controller);
}

static void end(struct controller *controller)
{
    denied_free(controller->denied);
    mirror_free(controller->mirror);
    store_close(controller->options.store);
}

static void test_whose_filter(void **state)
{
    int64_t totals = 0;
    struct controller controller;
    struct session session = {.controller = &controller};
    struct error err;
    begin(&controller);
    report_filters(&session, 1, 0, 0);
    report_filters(&session, 13, 0, 7);
    assert_int_equal(events(&controller, "12 packets denied by acme's filter inner (filter)"), 1);
    report_filters(&session, 14, 1, 9); /* each in its own minute */
    assert_int_equal(events(&controller, "1 packet denied by landlord's filter outer (filter)"), 2);
    controller_denied(&controller, count_total, &totals);
    assert_int_equal(totals, 2);

    /* What a filter did is forgotten with it: one that comes by that name later begins anew. */
    struct change *change = change_new(controller.options.store);
    change_follow(change, no_books, NULL);
    change_delete(change, RECORD_FILTER, "acme/inner");
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(&controller);
    now_us += 2000000;
    denied_tick(&controller);
    totals = 0;
    controller_denied(&controller, count_total, &totals);
    assert_int_equal(totals, 1);
    end(&controller);
}

static void test_once_a_minute(void **state)
{
    int64_t all = 0;
    struct controller controller;
    struct session session = {.controller = &controller};
    begin(&controller);

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
    end(&controller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_a_minute),
                                       cmocka_unit_test(test_whose_filter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
