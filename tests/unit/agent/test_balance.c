/* What an agent says of its balancers. */
#include "desk.h"

#include <stdlib.h>
#include <string.h>

/* What is said to be in service, and what is. */
static int64_t served(const struct desk *desk, int64_t *ret_truly)
{
    const char *at = strstr(buf_text(&desk->report), "\"serves ");
    CLEANUP_BUF struct buf text = {0};

    *ret_truly = 0;
    fake_host_servers(desk->box->truth, "acme/shop/www", &text);
    for (const char *server = buf_text(&text); (server = strstr(server, "w-")); server++)
        ++*ret_truly;
    return at ? strtoll(at + strlen("\"serves "), NULL, 10) : 0;
}

/* Said before it is so. */
static bool boasts(void *ctx)
{
    int64_t truly = 0;
    return served(ctx, &truly) > truly;
}

static void test_balancer_says_what_is(void **state)
{
    static const char *const members[][2] = {{"www=1"}, {"www=2"}, {"www=3"},
                                             {"www=4"}, {"www=5"}, {"www=6"}};
    struct desk *desk = running(members[0]);
    int64_t truly = 0;

    assert_int_equal(served(desk, &truly), 1);
    /* Documents come faster than HAProxy is told of them. */
    for (int64_t i = 1; i < 5; i++) {
        tell(desk, i + 1, 1, members[i]);
        assert_false(sim_clock_run_until(desk->world->clock, 2000, boasts, desk));
    }
    assert_false(sim_clock_run_until(desk->world->clock, 100000, boasts, desk));
    assert_int_equal(served(desk, &truly), 5);
    /* The driver gave up for the moment: the agent does not. */
    fake_host_fail_balances(desk->box->truth, 2);
    tell(desk, 6, 1, members[5]);
    world_run_ms(desk->world, 1500);
    assert_true(said(desk, "\"document_version\":6"));
    assert_int_equal(served(desk, &truly), 5);
    assert_false(sim_clock_run_until(desk->world->clock, 2000000, boasts, desk));
    assert_int_equal(served(desk, &truly), 6);
    assert_int_equal(fake_host_counts(desk->box->truth)->starts, 1);
    /* A new one that fails at first has nothing in service before it has. */
    fake_host_fail_balances(desk->box->truth, 1);
    tell(desk, 7, 2, members[5]);
    world_run_ms(desk->world, 20000);
    assert_int_equal(served(desk, &truly), 6);
    desk_free(desk);
}

/* It is told once to take nothing new; its end is no failure, and is told as "drained"; wiped when it is not
 * wanted any more. */
static void test_balancer_retires(void **state)
{
    static const char *const one[] = {"www=1", NULL}, *const none[] = {NULL};
    static const char *const drains[] = {"www=1=drain", NULL};
    struct desk *desk = running(one);
    const struct fake_counts *counts = fake_host_counts(desk->box->truth);

    tell(desk, 2, 1, one);
    world_run_ms(desk->world, 1000);
    assert_int_equal(counts->signals, 0);
    tell(desk, 3, 1, drains);
    world_run_ms(desk->world, 5000);
    assert_int_equal(counts->signals, 1);
    assert_false(truth(desk, "acme/shop/www").running);
    assert_true(said(desk, "\"drained\":[\"acme/shop/www\"]"));
    assert_true(said(desk, "\"state\":\"running\""));
    assert_int_equal(counts->starts, 1);
    assert_int_equal(counts->wipes, 0);
    tell(desk, 5, 1, none);
    world_run_ms(desk->world, 1000);
    assert_int_equal(counts->wipes, 1);
    assert_false(said(desk, "www"));
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_balancer_says_what_is),
                                       cmocka_unit_test(test_balancer_retires)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
