/* Messages to contacts: grouped, taken back by what heals, not too many, not lost and not twice. */
#include "control/internal.h"
#include "control/notices.h"
#include "sim/blob.h"
#include "sim/clock.h"
#include "sim/post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct desk {
    struct sim_clock *sim;
    const struct clock_port *clock;
    struct sim_post *post;
    struct sim_blobs *blobs;
    struct store *store;
    struct controller *controller;
};

static void seconds(struct desk *desk, int64_t count)
{
    sim_clock_run(desk->sim, count * 1000 * 1000);
}

static void ignore(void *ctx, const char *line)
{
}

static void begin(struct desk *desk)
{
    const struct controller_options options = {.clock = desk->clock,
                                               .post = sim_post_port(desk->post),
                                               .blobs = sim_blobs_port(desk->blobs),
                                               .store = desk->store,
                                               .join_token = "t",
                                               .log = ignore};
    struct error err;
    if (!controller_new(&options, &desk->controller, &err)) fail_msg("%s", err.message);
}

static void put_contact(struct desk *desk, int64_t group_ms, int64_t hourly, const char *webhook)
{
    static const char *const mail[] = {"ops@example.com"};
    const struct contact contact = {.name = "ops",
                                    .party = "landlord",
                                    .full_name = "landlord/ops",
                                    .mail = mail,
                                    .mail_length = 1,
                                    .smtp = "smtp://mail:25",
                                    .from = "croft@example.com",
                                    .webhook = webhook,
                                    .group_ms = group_ms,
                                    .hourly = hourly};
    struct change *change = control_change(desk->controller);
    struct error err;
    change_put(change, RECORD_CONTACT, contact.full_name, &contact);
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(desk->controller);
}

static int setup(void **state)
{
    struct desk *desk = mem_alloc(sizeof(*desk));
    desk->sim = sim_clock_new(INT64_C(1767225600000));
    desk->clock = sim_clock_port(desk->sim);
    desk->post = sim_post_new(desk->clock, 1000);
    desk->blobs = sim_blobs_new();
    desk->store = store_open_memory();
    begin(desk);
    put_contact(desk, 30000, 3, "");
    *state = desk;
    return 0;
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    controller_free(desk->controller);
    store_close(desk->store);
    sim_post_free(desk->post);
    sim_blobs_free(desk->blobs);
    sim_clock_free(desk->sim);
    mem_free(desk);
    return 0;
}

static void add(struct desk *desk, const char *subject, enum notice_state what)
{
    struct change *change = control_change(desk->controller);
    const struct notice_line line = {subject, what, "because", control_now_ms(desk->controller)};
    struct error err;
    notices_add(desk->controller, change, "landlord/ops", &line);
    assert_true(change_is_empty(change) || change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(desk->controller);
}

static const struct sim_letter *letter(const struct desk *desk, size_t n)
{
    return vec_at(sim_post_letters(desk->post), n);
}

static size_t letters(const struct desk *desk)
{
    return sim_post_letters(desk->post)->length;
}

static size_t rows(struct desk *desk)
{
    struct vec items = VEC_OF(struct store_item);
    struct error err;
    assert_true(store_list(desk->store, "notice/", NULL, 0, &items, &err));
    size_t length = items.length;
    store_items_free(&items);
    return length;
}

static void test_group(void **state)
{
    struct desk *desk = *state;
    add(desk, "a/b/c-1", NOTICE_FAILED);
    seconds(desk, 20);
    add(desk, "a/b/c-2", NOTICE_FAILED);
    seconds(desk, 9);
    assert_int_equal(letters(desk), 0);
    seconds(desk, 2); /* since the first of them */
    assert_int_equal(letters(desk), 1);
    assert_string_equal(letter(desk, 0)->subject, "2 failed, 0 healed");
    assert_non_null(strstr(letter(desk, 0)->body, "a/b/c-2 failed, because"));
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").waiting, 0);
    seconds(desk, 4000);
    assert_int_equal(letters(desk), 1);
}

static void test_heals(void **state)
{
    struct desk *desk = *state;
    add(desk, "a/b/c-1", NOTICE_FAILED);
    add(desk, "a/b/c-1", NOTICE_FAILED); /* it goes on: no more to tell */
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").waiting, 1);
    add(desk, "a/b/c-1", NOTICE_HEALED);
    seconds(desk, 60);
    assert_int_equal(letters(desk), 0);
    assert_int_equal(rows(desk), 0);
    add(desk, "a/b/c-1", NOTICE_FAILED);
    seconds(desk, 40);
    add(desk, "a/b/c-1", NOTICE_HEALED);
    add(desk, "a/b/c-1", NOTICE_FAILED); /* again, before its health was told: what was told still holds */
    seconds(desk, 60);
    assert_int_equal(letters(desk), 1);
    add(desk, "a/b/c-1", NOTICE_HEALED);
    seconds(desk, 40);
    assert_int_equal(letters(desk), 2);
    assert_string_equal(letter(desk, 1)->subject, "a/b/c-1 healed");
}

static void test_rate(void **state)
{
    struct desk *desk = *state;
    for (int n = 0; n < 20; n++) {
        CLEANUP_MEM char *subject = mem_printf("a/b/c-%d", n);
        add(desk, subject, NOTICE_FAILED);
        seconds(desk, 60);
    }
    assert_int_equal(letters(desk), 3);
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").sent, 3);
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").waiting, 17);
    seconds(desk, 2300); /* but not yet an hour after the first */
    assert_int_equal(letters(desk), 3);
    seconds(desk, 200);
    assert_int_equal(letters(desk), 4);
    assert_string_equal(letter(desk, 3)->subject, "17 failed, 0 healed");
}

static void test_many(void **state)
{
    struct desk *desk = *state;
    for (int n = 0; n < 70; n++) {
        CLEANUP_MEM char *subject = mem_printf("a/b/c-%d", n);
        add(desk, subject, NOTICE_FAILED);
    }
    seconds(desk, 40);
    assert_int_equal(letters(desk), 1);
    assert_non_null(strstr(letter(desk, 0)->body, "and 20 more"));
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").waiting, 0);
}

static void test_again(void **state)
{
    struct desk *desk = *state;
    sim_post_refuse(desk->post, true);
    add(desk, "a/b/c-1", NOTICE_FAILED);
    seconds(desk, 31 + 600);
    size_t tries = sim_post_tries(desk->post);
    assert_in_range(tries, 9, 12); /* 1 s, 2 s, 4 s … apart */
    assert_string_equal(notices_standing(desk->controller, "landlord/ops").trouble, "mail: nobody takes it");
    sim_post_refuse(desk->post, false);
    seconds(desk, 300);
    assert_int_equal(letters(desk), 1);
    assert_string_equal(notices_standing(desk->controller, "landlord/ops").trouble, "");
}

/* A day is enough: who could not be told until then learns of newer things. */
static void test_gives_up(void **state)
{
    struct desk *desk = *state;
    sim_post_refuse(desk->post, true);
    add(desk, "a/b/c-1", NOTICE_FAILED);
    seconds(desk, 25 * 3600);
    assert_int_equal(notices_standing(desk->controller, "landlord/ops").waiting, 0);
    sim_post_refuse(desk->post, false);
    add(desk, "a/b/c-2", NOTICE_FAILED);
    seconds(desk, 60);
    assert_int_equal(letters(desk), 1);
    assert_string_equal(letter(desk, 0)->subject, "a/b/c-2 failed");
}

/* Wherever the controller ends, its successor goes on: nothing is lost, and what is sent again has its old
 * id. */
static void test_successor(void **state)
{
    struct desk *desk = *state;
    put_contact(desk, 30000, 3, "http://hook/");
    add(desk, "a/b/c-1", NOTICE_FAILED);
    seconds(desk, 10);
    controller_free(desk->controller);
    begin(desk);
    seconds(desk, 15);
    assert_int_equal(letters(desk), 0);
    sim_post_refuse(desk->post, true);
    seconds(desk, 6);
    controller_free(desk->controller); /* the message is made, and did not get there */
    sim_post_refuse(desk->post, false);
    begin(desk);
    seconds(desk, 2);
    assert_int_equal(letters(desk), 2);
    assert_string_equal(letter(desk, 0)->id, letter(desk, 1)->id);
    assert_int_not_equal(letter(desk, 0)->way, letter(desk, 1)->way);
    controller_free(desk->controller);
    begin(desk);
    seconds(desk, 100);
    assert_int_equal(letters(desk), 2);
}

static void test_contact_goes(void **state)
{
    struct desk *desk = *state;
    struct error err;
    add(desk, "a/b/c-1", NOTICE_FAILED);
    struct change *change = control_change(desk->controller);
    change_delete(change, RECORD_CONTACT, "landlord/ops");
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(desk->controller);
    seconds(desk, 60);
    assert_int_equal(letters(desk), 0);
    assert_int_equal(rows(desk), 0);
}

/* Its farm was deleted before anybody was told that it fails: nobody is. */
static void test_farm_goes(void **state)
{
    struct desk *desk = *state;
    const struct instance before = {
        .name = "a/b/c-1", .party = "a", .farm = "a/b", .tier = "c", .mend_step = 2};
    const struct action forget = {.kind = ACTION_FORGET, .name = before.name, .reason = "wiped"};
    struct error err;
    add(desk, "a/b/c-1", NOTICE_FAILED);
    add(desk, "a/b/c-2", NOTICE_FAILED);
    struct change *change = control_change(desk->controller);
    notices_follow(desk->controller, change, &forget, &before, control_now_ms(desk->controller));
    assert_true(change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(desk->controller);
    seconds(desk, 60);
    assert_int_equal(letters(desk), 1);
    assert_string_equal(letter(desk, 0)->subject, "a/b/c-2 failed");
}

static void follow_end(struct desk *desk, const char *name)
{
    const struct instance before = {
        .name = name, .party = "a", .farm = "a/b", .tier = "c", .host = "h1", .reason = "", .mend_step = 2};
    const struct action forget = {.kind = ACTION_FORGET, .name = name, .reason = "wiped"};
    struct change *change = control_change(desk->controller);
    struct error err;
    notices_follow(desk->controller, change, &forget, &before, control_now_ms(desk->controller));
    assert_true(change_is_empty(change) || change_commit(change, NULL, &err));
    change_free(change);
    control_dispatch(desk->controller);
}

/* Who was told that it fails is told that this is over, also by another controller, also when it was about to
 * be told once more, and once only. */
static void test_told_farm_goes(void **state)
{
    struct desk *desk = *state;
    add(desk, "a/b/c-1", NOTICE_FAILED);
    add(desk, "a/b/c-2", NOTICE_FAILED);
    seconds(desk, 60);
    assert_int_equal(letters(desk), 1);
    controller_free(desk->controller);
    begin(desk);
    add(desk, "a/b/c-2", NOTICE_FAILED);
    follow_end(desk, "a/b/c-1");
    follow_end(desk, "a/b/c-2");
    follow_end(desk, "a/b/c-3");
    seconds(desk, 60);
    assert_int_equal(letters(desk), 2);
    assert_string_equal(letter(desk, 1)->subject, "0 failed, 2 healed");
    assert_non_null(strstr(letter(desk, 1)->body, "a/b/c-1 healed, not wanted any more: wiped"));
    follow_end(desk, "a/b/c-1");
    seconds(desk, 60);
    assert_int_equal(letters(desk), 2);
    assert_int_equal(rows(desk), 1); /* how many were sent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_successor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contact_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_farm_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_farm_goes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
