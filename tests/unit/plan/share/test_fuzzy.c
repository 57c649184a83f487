#include "plan/share/fuzzy.h"

#include "base/text.h"
#include "model/scaling_rules.h"
#include "model/schemas.h"
#include "plan/share/surface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct scaling_rules *rules;

static int set_up(void **state)
{
    *state = arena_new();
    rules = scaling_rules_builtin(*state);
    return 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static const struct scaling_rules *read(struct arena *arena, const char *json)
{
    struct scaling_rules *read = arena_alloc(arena, sizeof(*read));
    struct error err;
    if (!model_read_json(&schema_scaling_rules, arena, json, strlen(json), read, &err))
        fail_msg("%s", err.message);
    return read;
}

static double need(double response, double probability, enum sla_priority priority)
{
    struct fuzzy_inputs inputs = {response, probability, priority};
    return fuzzy_need(rules, &inputs);
}

/* By hand: over 0 to 100 a triangle that is 1 at 50; cut off at h its centre is 50. */
static void the_centre_of_gravity_is_exact(void **state)
{
    const struct scaling_rules *one =
        read(*state, "{\"name\": \"x\", \"terms\": ["
                     "{\"of\": \"expected response time\", \"name\": \"any\", \"shape\": [0, 0, 10, 10]},"
                     "{\"of\": \"expected response time\", \"name\": \"half\", \"shape\": [0, 2, 2, 10]},"
                     "{\"of\": \"need\", \"name\": \"a\", \"shape\": [0, 50, 100]},"
                     "{\"of\": \"need\", \"name\": \"b\", \"shape\": [-100, -100, 0, 0]}],"
                     "\"rules\": [\"if expected response time is any then a\", \"if expected response time "
                     "is half then b\"]}");
    struct fuzzy_inputs inputs = {0, 1, SLA_LOW};
    assert_true(fuzzy_need(one, &inputs) > 49.9999999 && fuzzy_need(one, &inputs) < 50.0000001);
    /* b at one half: a box of 100 by 0.5 about -50, and the triangle of area 50 about 50: balanced. */
    inputs.response = 1;
    double balanced = fuzzy_need(one, &inputs);
    assert_true(balanced > -1e-9 && balanced < 1e-9);
}

/* Against the same by brute force, on overlapping and stepped shapes. */
static void it_is_what_fine_sampling_finds(void **state)
{
    enum { SAMPLES = 200000 };
    for (double response = 0; response < 2; response += 0.23) {
        for (double probability = 0; probability <= 1; probability += 0.07) {
            double area = 0, moment = 0;
            const double inputs[] = {response * 1000, probability * 1000, 1000};
            for (int i = 0; i < SAMPLES; i++) {
                double at = -100000 + 200000 * (i + 0.5) / SAMPLES, top = 0;
                for (size_t r = 0; r < rules->texts_length; r++) {
                    const struct scaling_rule *rule = &rules->rules[r];
                    double strength = scaling_membership(&rules->terms[rule->conclusion], at);
                    for (int k = 0; k < SCALING_INPUTS; k++) {
                        if (rule->premises[k] == 0) continue;
                        double member = scaling_membership(&rules->terms[rule->premises[k] - 1], inputs[k]);
                        if (member < strength) strength = member;
                    }
                    if (strength > top) top = strength;
                }
                area += top;
                moment += top * at;
            }
            double exact = need(response, probability, SLA_URGENT), sampled = moment / area / 1000;
            if (exact - sampled > 0.001 || sampled - exact > 0.001) fail_msg("%g, not %g", exact, sampled);
        }
    }
}

static void slower_never_means_less_need(void **state)
{
    for (int priority = SLA_LOW; priority <= SLA_URGENT; priority++)
        for (double probability = 0; probability <= 1; probability += 0.01)
            for (double response = 0, last = -100; response <= 3; response += 0.01) {
                double now = need(response, probability, (enum sla_priority)priority);
                if (now < last - 1e-9)
                    fail_msg("%d %g %g: %g after %g", priority, probability, response, now, last);
                last = now;
            }
}

static void what_is_surer_or_more_urgent_is_needed_more(void **state)
{
    for (double response = 1; response <= 3; response += 0.05)
        for (double probability = 0.01; probability <= 1; probability += 0.01) {
            assert_true(need(response, probability, SLA_URGENT) >=
                        need(response, probability, SLA_NORMAL) - 1e-9);
            assert_true(need(response, probability, SLA_NORMAL) >=
                        need(response, probability, SLA_LOW) - 1e-9);
        }
    assert_true(fuzzy_provides(rules, SLA_URGENT) < fuzzy_provides(rules, SLA_NORMAL));
    assert_true(fuzzy_provides(rules, SLA_NORMAL) < fuzzy_provides(rules, SLA_LOW));
    assert_true(fuzzy_provides(rules, SLA_LOW) <= 0.5);
}

static void the_default_requests_holds_and_offers(void **state)
{
    assert_true(need(1.2, 1, SLA_LOW) >= (double)rules->request_above);
    assert_true(need(0.92, 1, SLA_URGENT) > (double)rules->offer_below);
    assert_true(need(0.92, 1, SLA_URGENT) < (double)rules->request_above);
    assert_true(need(0.3, 1, SLA_URGENT) <= (double)rules->offer_below);
    assert_true(need(1e12, 1, SLA_URGENT) <= 100 && need(0, 0, SLA_LOW) >= -100);
    assert_string_equal(fuzzy_word(rules, SCALING_PROBABILITY, 900), "abundant");
    assert_string_equal(fuzzy_word(rules, SCALING_PRIORITY, 1000), "urgent");
}

static void the_surface_has_all_points(void **state)
{
    struct buf text = {0};
    size_t lines = 0;
    surface_csv(rules, SLA_URGENT, &text);
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    assert_int_equal(lines, 1 + 41 * 41);
    assert_true(text_starts(buf_text(&text), "response,probability,need\n0.00,0.000,"));
    buf_clear(&text);
    surface_svg(rules, SLA_URGENT, "a < b & c", &text);
    assert_non_null(strstr(buf_text(&text), "a &lt; b &amp; c"));
    assert_true(text_ends(buf_text(&text), "</svg>\n"));
    assert_non_null(strstr(buf_text(&text), "#be3228")); /* request, and offer */
    assert_non_null(strstr(buf_text(&text), "#2166ac"));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_centre_of_gravity_is_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_what_fine_sampling_finds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slower_never_means_less_need, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_surer_or_more_urgent_is_needed_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_default_requests_holds_and_offers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_surface_has_all_points, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
