#include "plan/share/need.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct scene {
    struct arena *arena;
    struct sla sla;
    struct need_tier tier;
    struct forecast forecast;
    struct need_memory memory;
    struct need_load load;
};

static const int64_t monday_ms = 345600000LL + 20000LL * 7 * 86400000;

static int set_up(void **state)
{
    struct scene *scene = mem_alloc(sizeof(*scene));
    const struct tier tier = {.capacity = 50, .count = {.committed = 2, .guaranteed = 10, .max = 40}};

    scene->arena = arena_new();
    scene->sla = (struct sla){.metric = METRIC_REQUESTS,
                              .priority = SLA_URGENT,
                              .target = {.response_ms = 150, .percentile_millis = 99000}};
    scene->tier = need_tier_of(&scene->sla, scaling_rules_builtin(scene->arena), &tier);
    scene->load = (struct need_load){.now_ms = monday_ms,
                                     .lead_ms = 100,
                                     .serving = 10,
                                     .service_scv = -1,
                                     .arrival_scv = -1,
                                     .inside = -1};
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    arena_free(scene->arena);
    mem_free(scene);
    return 0;
}

/* A second at that rate; what is decided serves at the next. */
static struct need second(struct scene *scene, double rate)
{
    scene->load.now_ms += 1000;
    bool counted = forecast_observe(&scene->forecast, scene->load.now_ms, 1000, rate);
    assert_true(counted);
    struct need need = need_of(&scene->tier, &scene->forecast, &scene->load, &scene->memory);
    assert_true(need.wanted >= scene->tier.committed && need.wanted <= scene->tier.max);
    assert_int_equal(need.change, need.wanted - scene->load.serving - scene->load.coming);
    scene->load.serving = need.wanted;
    scene->load.coming = 0;
    return need;
}

static void a_rise_is_requested_at_once_and_suffices(void **state)
{
    struct scene *scene = *state;
    for (int s = 0; s < 120; s++)
        second(scene, 300);
    int64_t before = scene->load.serving;
    struct need need = second(scene, 900);
    assert_true(need.change > 0 && need.need >= 20 && need.wanted > before);
    struct queue_load load = {900, 1, 0.02, 1, 1};
    struct queue queue = queue_of(&load, need.wanted);
    assert_true(queue_later(&queue, 0.15) <= 0.01);
    assert_true(need.response_s > 0.15);
    assert_true(need_response_s(&scene->tier, &need, &scene->load, need.wanted + 1) <= 0.15);
}

static void a_fall_is_offered_after_a_while_and_no_more_than_can_be_spared(void **state)
{
    struct scene *scene = *state;
    for (int s = 0; s < 120; s++)
        second(scene, 900);
    int64_t before = scene->load.serving;
    for (int s = 0; s < 10; s++) {
        second(scene, 300);
        assert_int_equal(scene->load.serving, before);
    }
    for (int s = 0; s < 30; s++)
        second(scene, 300);
    assert_true(scene->load.serving < before);
    struct queue_load load = {300, 1, 0.02, 1, 1};
    struct queue queue = queue_of(&load, scene->load.serving);
    assert_true(queue_later(&queue, 0.15) <= 0.01);
}

/* Late is who comes until what is decided serves: with a longer lead rarer jumps are provided for. */
static void with_a_longer_lead_more_is_held_ready(void **state)
{
    struct scene *scene = *state;
    int64_t held[2];
    for (int i = 0; i < 2; i++) {
        scene->load.lead_ms = i ? 5000 : 100;
        scene->load.serving = 10;
        scene->memory = (struct need_memory){0};
        memset(&scene->forecast, 0, sizeof(scene->forecast));
        for (int s = 0; s < 7200; s++) {
            int minute = s / 60;
            second(scene, minute % 19 == 7 ? 900 : minute % 3 ? 500 : 560);
        }
        held[i] = scene->load.serving;
    }
    assert_true(held[1] > held[0]);
}

/* Demand that swings every second: asked for at once, and no offer before it is below for long enough. */
static void it_does_not_flap(void **state)
{
    struct scene *scene = *state;
    int turns = 0, last = 0;
    for (int s = 0; s < 600; s++) {
        struct need need = second(scene, s % 2 ? 500 : 800);
        int way = need.change > 0 ? 1 : need.change < 0 ? -1 : last;
        turns += last != 0 && way != last;
        last = way;
    }
    assert_true(turns <= 2 * 600 / 10); /* the bound that the README states */
    assert_true(turns <= 4);            /* and what becomes of this swing */
}

static void what_piled_up_is_worked_off(void **state)
{
    struct scene *scene = *state;
    for (int s = 0; s < 120; s++)
        second(scene, 400);
    int64_t before = scene->load.serving;
    scene->load.inside = (double)before * 50; /* a second's work of all */
    struct need need = second(scene, 400);
    assert_true(need.wanted >= before + before / 4);
}

static void bounds_hold_and_are_told(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf text = {0};
    struct need need = second(scene, 1e6);
    assert_int_equal(need.wanted, 40);
    assert_true(need.short_of);
    need_say(&scene->tier, &need, &text);
    assert_non_null(strstr(buf_text(&text), "its max of 40 is too few"));
    for (int s = 0; s < 200; s++)
        need = second(scene, 0);
    assert_int_equal(need.wanted, 2);
}

/* No number of instances keeps a target that service alone breaks: then it is not max for ever. */
static void a_target_below_the_time_of_service_does_not_take_all(void **state)
{
    struct scene *scene = *state;
    scene->sla.target.response_ms = 10;
    for (int s = 0; s < 120; s++)
        second(scene, 300);
    assert_true(scene->load.serving >= 7 && scene->load.serving < 14);
    for (int s = 0; s < 60; s++)
        second(scene, 30);
    assert_true(scene->load.serving <= 3);
}

/* What was measured says that one of them could do it all: what its document says counts. */
static void an_instance_counts_for_no_more_than_its_capacity(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf text = {0};
    scene->load.service_s = 0.001;
    for (int s = 0; s < 120; s++)
        second(scene, 300);
    assert_true(scene->load.serving >= 6 && scene->load.serving <= 8);
    struct need need = second(scene, 900);
    assert_true(need.change > 0 && need.wanted >= 18 && (double)need.wanted >= need.provided / 50);
    need_say(&scene->tier, &need, &text);
    assert_non_null(strstr(buf_text(&text), "more arrives than "));
    for (int s = 0; s < 120; s++) {
        need = second(scene, 290);
        assert_true((double)need.wanted >= need.provided / 50);
    }
    assert_true(scene->load.serving < 18); /* and it does offer */
    need = second(scene, 1e6);
    assert_int_equal(need.wanted, 40);
    assert_true(need.short_of);
}

static void without_a_target_use_of_capacity_counts(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf text = {0};
    scene->sla.metric = METRIC_CONNECTIONS;
    struct need need = {0};
    for (int s = 0; s < 200; s++)
        need = second(scene, 1000);
    assert_true(need.wanted >= 24 && need.wanted <= 26); /* 1,000 over 50 at 85 % */
    need_say(&scene->tier, &need, &text);
    assert_non_null(strstr(buf_text(&text), "% of the capacity used against 85 %"));
}

static void the_sentence_tells_why(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf text = {0};
    for (int s = 0; s < 120; s++)
        second(scene, 300);
    scene->load.serving = 7;
    scene->load.now_ms += 1000;
    forecast_observe(&scene->forecast, scene->load.now_ms, 1000, 345);
    struct need need = need_of(&scene->tier, &scene->forecast, &scene->load, &scene->memory);
    need_say(&scene->tier, &need, &text);
    assert_true(text_starts(buf_text(&text), "urgent, "));
    assert_non_null(strstr(buf_text(&text), " expected against 150 ms: "));
    assert_true(text_ends(buf_text(&text), " more"));
}

/* Load that grows is there: nobody calls it rare. Load that may jump is. */
static void what_is_there_is_abundant(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf text = {0};
    struct need need = {0};
    scene->tier.max = 4000;
    for (int slope = 1; slope <= 64; slope *= 2) {
        int requests = 0;
        memset(&scene->forecast, 0, sizeof(scene->forecast));
        scene->load.serving = 7;
        for (int s = 0; s < 600; s++)
            second(scene, 300 + s % 17);
        for (int s = 0; s < 60; s++) {
            need = second(scene, 300 + slope * s);
            if (need.change <= 0) continue;
            requests++;
            buf_clear(&text);
            need_say(&scene->tier, &need, &text);
            if (!text_starts(buf_text(&text), "urgent, abundant, ")) fail_msg("%s", buf_text(&text));
            assert_true(need.probability == 1);
        }
        assert_true(requests >= 1);
    }
    need = second(scene, 30000);
    buf_clear(&text);
    need_say(&scene->tier, &need, &text);
    assert_true(text_starts(buf_text(&text), "urgent, abundant, more arrives than "));
    assert_non_null(strstr(buf_text(&text), " instances can serve: "));
    memset(&scene->forecast, 0, sizeof(scene->forecast));
    for (int s = 0; s < 60 * 119; s++)
        need = second(scene, s / 60 % 4 == 3 ? 800 : 300);
    scene->load.serving = 9;
    need = second(scene, 300);
    assert_true(need.change > 0 && need.probability < 1);
    buf_clear(&text);
    need_say(&scene->tier, &need, &text);
    assert_true(text_starts(buf_text(&text), "urgent, rare, more may arrive than 9 instances can serve: "));
    scene->load.serving = 9;
    need = second(scene, 1500);
    buf_clear(&text);
    need_say(&scene->tier, &need, &text);
    assert_true(text_starts(buf_text(&text), "urgent, abundant, more arrives than 9 instances can serve: "));
}

/* What would pile up within the target until more serve is not held ready: a wait that nobody notices. */
static void who_can_wait_is_not_provided_for(void **state)
{
    struct scene *scene = *state;
    double provided[2];
    for (int s = 0; s < 7200; s++)
        second(scene, s / 60 % 2 ? 500 : 600);
    for (int i = 0; i < 2; i++) {
        scene->sla.target.response_ms = i ? 1500 : 100;
        struct need need = need_of(&scene->tier, &scene->forecast, &scene->load, &scene->memory);
        provided[i] = need.provided;
    }
    assert_true(provided[1] < 0.95 * provided[0]);
}

/* With a longer lead less probable loads are provided for, but the words are of what the rules looked at. */
static void a_long_lead_does_not_change_the_words(void **state)
{
    struct scene *scene = *state;
    CLEANUP_BUF struct buf quick = {0}, slow = {0};
    for (int s = 0; s < 60 * 119; s++)
        second(scene, s / 60 % 4 == 3 ? 800 : 300);
    scene->load.serving = 9;
    scene->load.lead_ms = 100;
    struct need need = need_of(&scene->tier, &scene->forecast, &scene->load, &scene->memory);
    assert_true(need.probability < 1);
    need_say(&scene->tier, &need, &quick);
    scene->load.lead_ms = 10 * 1000;
    need = need_of(&scene->tier, &scene->forecast, &scene->load, &scene->memory);
    assert_true(need.probability < 1 && need.need > 0);
    need_say(&scene->tier, &need, &slow);
    assert_int_equal(strcspn(buf_text(&slow), "0123456789"), strcspn(buf_text(&quick), "0123456789"));
}

/* Forgetting what is remembered of a tier only delays an offer. */
static void a_lost_memory_delays_an_offer(void **state)
{
    struct scene *scene = *state;
    for (int s = 0; s < 120; s++)
        second(scene, 900);
    int64_t before = scene->load.serving;
    for (int s = 0; s < 60; s++) {
        scene->memory = (struct need_memory){0};
        second(scene, 300);
    }
    assert_int_equal(scene->load.serving, before);
    for (int s = 0; s < 30; s++)
        second(scene, 300);
    assert_true(scene->load.serving < before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_rise_is_requested_at_once_and_suffices),
        CASE(a_fall_is_offered_after_a_while_and_no_more_than_can_be_spared),
        CASE(with_a_longer_lead_more_is_held_ready),
        CASE(it_does_not_flap),
        CASE(what_piled_up_is_worked_off),
        CASE(bounds_hold_and_are_told),
        CASE(a_target_below_the_time_of_service_does_not_take_all),
        CASE(an_instance_counts_for_no_more_than_its_capacity),
        CASE(without_a_target_use_of_capacity_counts),
        CASE(the_sentence_tells_why),
        CASE(what_is_there_is_abundant),
        CASE(who_can_wait_is_not_provided_for),
        CASE(a_long_lead_does_not_change_the_words),
        CASE(a_lost_memory_delays_an_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
