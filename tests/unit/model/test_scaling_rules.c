/* Rules as people write them: what is read, and each way to get them wrong. */
#include "check.h"

#include "base/text.h"
#include "model/scaling_rules.h"

#define TERMS                                                                                 \
    "'terms':[{'of':'expected response time','name':'high','shape':[1,2,10,10]},"             \
    "{'of':'expected response time','name':'too high','shape':[2,3,10,10]},"                  \
    "{'of':'expected response time','name':'fine','shape':[0,0,1,3]},"                        \
    "{'of':'priority','name':'urgent','shape':[0.5,1,1]},{'of':'priority','name':'middling'," \
    "'shape':[0.1,0.2,0.3]},{'of':'need','name':'request','shape':[0,50,100]},"               \
    "{'of':'need','name':'offer','shape':[-100,-50,0]}]"

static bool read(struct arena *arena, const char *rules, struct scaling_rules *ret_rules, struct error *err)
{
    CLEANUP_MEM char *json = mem_printf("{'name':'r'," TERMS ",'rules':[%s]}", rules);
    struct node node;

    for (char *at = json; *at; at++)
        if (*at == '\'') *at = '"';
    char *kept = arena_strdup(arena, json);
    assert_true(node_from_json(arena, kept, strlen(kept), &node, err));
    return schema_read(&schema_scaling_rules, arena, &node, ret_rules, err);
}

static void test_read(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct scaling_rules rules;
    struct error err;

    (void)state;
    assert_true(read(
        arena,
        "'if priority is urgent and  expected response time is too high then request',"
        "'if expected response time is high then request','if expected response time is fine then offer'",
        &rules, &err));
    assert_int_equal(rules.rules[0].premises[SCALING_RESPONSE], 2);
    assert_int_equal(rules.rules[0].premises[SCALING_PROBABILITY], 0);
    assert_int_equal(rules.rules[0].premises[SCALING_PRIORITY], 4);
    assert_int_equal(rules.rules[0].conclusion, 5);
    assert_int_equal(rules.rules[1].premises[SCALING_RESPONSE], 1);
    assert_int_equal(rules.rules[2].conclusion, 6);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *rules, *field, *message;
    } cases[] = {
        {"'when priority is urgent then request'", "rules[0]", "goes wrong at \"when priority"},
        {"'if priority is urgent'", "rules[0]", "goes wrong at its end"},
        {"'if price is urgent then request'", "rules[0]", "goes wrong at \"price"},
        {"'if priority is urgant then request'", "rules[0]",
         "no term \"urgant\" of priority, did you mean \"urgent\"?"},
        {"'if priority is urgent then request more'", "rules[0]", "goes wrong at \"more\""},
        {"'if priority is urgent and priority is urgent then request'", "rules[0]",
         "priority is in it twice"},
        {"'if priority is urgent then request','if priority is urgent then offer'", "rules[1]",
         "contradicts \"if priority is urgent then request\""},
        {"'if priority is urgent then request','if priority is urgent then request'", "rules[1]",
         "says the same as"},
        {"'if priority is urgent then request'", "rules", "no rule says what holds when"},
        {"'if expected response time is high then request','if expected response time is fine then offer',"
         "'if priority is middling then offer'",
         "rules[2]", "never fires"},
    };
    struct scaling_rules rules;
    struct error err;

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        if (read(arena, cases[i].rules, &rules, &err)) fail_msg("%s: taken", cases[i].rules);
        assert_string_equal(err.field, cases[i].field);
        if (!strstr(err.message, cases[i].message)) fail_msg("%s: %s", cases[i].rules, err.message);
    }
}

static void test_membership(void **state)
{
    static const int64_t corners[] = {1000, 2000, 4000, 8000}, steps[] = {0, 0, 1000, 1000};
    const struct scaling_term slope = {.shape_millis = corners, .shape_millis_length = 4};
    const struct scaling_term box = {.shape_millis = steps, .shape_millis_length = 4};

    (void)state;
    assert_true(scaling_membership(&slope, 999) == 0 && scaling_membership(&slope, 1000) == 0);
    assert_true(scaling_membership(&slope, 1500) == 0.5 && scaling_membership(&slope, 2000) == 1);
    assert_true(scaling_membership(&slope, 4000) == 1 && scaling_membership(&slope, 5000) == 0.75);
    assert_true(scaling_membership(&slope, 8000) == 0 && scaling_membership(&slope, 8001) == 0);
    assert_true(scaling_membership(&box, 0) == 1 && scaling_membership(&box, 1000) == 1);
    assert_true(scaling_membership(&box, 1001) == 0 && scaling_membership(&box, -1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_membership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
