#include "replay/replay.h"

#include "base/text.h"
#include "plan/share/share.h"
#include "replay/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char farms[] =
    "kind: SLA\nname: gold\npriority: urgent\ntarget: {response: 150ms, percentile: 99}\n"
    "levels: {committed: {rate: 0.020 EUR}, guaranteed: {rate: 0.030 EUR, fee: 5.00 EUR}, "
    "extended: {rate: 0.060 EUR, fee: 20.00 EUR}}\n---\n"
    "kind: SLA\nname: tin\npriority: low\ntarget: {response: 500ms, percentile: 95}\n"
    "levels: {committed: {rate: 0.01 USD}}\n---\n"
    "kind: Party\nname: p\n---\n"
    "kind: Farm\nname: a\nparty: p\nsla: gold\nsubnet: 10.0.0.0/20\ntiers:\n"
    "  - {name: web, image: 'x:1', count: {committed: 2, guaranteed: 10, max: 100}, capacity: 50, "
    "size: {cpus: 1, memory: 1Gi, disk: 1Gi}}\n---\n"
    "kind: Farm\nname: b\nparty: p\nsla: tin\nsubnet: 10.0.0.0/20\ntiers:\n"
    "  - {name: web, image: 'x:1', count: {committed: 2, guaranteed: 4, max: 100}, capacity: 50, "
    "size: {cpus: 1, memory: 1Gi, disk: 1Gi}}\n---\n"
    "kind: Farm\nname: plain\nparty: p\nsubnet: 10.0.0.0/20\ntiers:\n"
    "  - {name: web, image: 'x:1', count: 2, size: {cpus: 1, memory: 1Gi, disk: 1Gi}}\n";

struct stage {
    struct arena *arena;
    struct documents documents;
    struct trace trace;
    struct replay_options options;
};

static int set_up(void **state)
{
    struct stage *stage = mem_alloc(sizeof(*stage));
    struct error err;
    stage->arena = arena_new();
    stage->options = (struct replay_options){
        .hosts = 20, .lead_ms = 100, .oracle_late = -1, .file = "farms.yaml", .trace_file = "t.csv"};
    if (!spec_read(stage->arena, "farms.yaml", farms, strlen(farms), &stage->documents, &err))
        fail_msg("%s", err.message);
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    arena_free(stage->arena);
    mem_free(stage);
    return 0;
}

/* Two hours: a steps between 200 and 800, b is flat. */
static void make_trace(struct stage *stage, double scale)
{
    struct buf text = {0};
    struct error err;
    buf_add_text(&text, "time_s,farm,requests_per_s\n");
    for (int minute = 0; minute < 120; minute++) {
        double a = scale * (minute % 20 < 10 ? 200 + 10 * (minute % 10) : 800 - 15 * (minute % 10));
        buf_printf(&text, "%d,p/a,%.2f\n%d,p/b,%.2f\n", minute * 60, a, minute * 60, scale * 150);
    }
    if (!trace_read(stage->arena, "t.csv", buf_text(&text), text.size, &stage->trace, &err))
        fail_msg("%s", err.message);
    buf_free(&text);
}

static struct replay_report run(struct stage *stage, enum replay_policy policy)
{
    struct replay_report report;
    struct error err;
    stage->options.policy = policy;
    if (!replay_run(stage->arena, &stage->documents, &stage->trace, &stage->options, &report, &err))
        fail_msg("%s", err.message);
    return report;
}

static double bad(const struct replay_sums *sums)
{
    return sums->late + sums->refused;
}

static void policies_do_what_they_are_named_for(void **state)
{
    struct stage *stage = *state;
    make_trace(stage, 1);
    struct replay_report croft = run(stage, REPLAY_CROFT), target = run(stage, REPLAY_TARGET);
    struct replay_report peak = run(stage, REPLAY_STATIC), oracle = run(stage, REPLAY_ORACLE);

    assert_true(bad(&croft.total) < bad(&target.total) / 10);
    assert_true(croft.total.violation_minutes <= target.total.violation_minutes);
    assert_true(croft.total.server_s < target.total.server_s);
    assert_true(croft.total.server_s < oracle.total.server_s * 1.25);
    assert_true(oracle.total.server_s < croft.total.server_s);
    assert_int_equal(peak.total.violation_minutes, 0);
    assert_int_equal(peak.total.moves, 0);
    assert_true(peak.total.server_s > croft.total.server_s);
    for (size_t i = 0; i < 2; i++) { /* all saw the same demand */
        assert_true(croft.farms[i].sums.requests > target.farms[i].sums.requests - 1);
        assert_true(croft.farms[i].sums.requests < target.farms[i].sums.requests + 1);
    }
    assert_true(croft.farms[1].sums.requests > 150 * 7200 - 1 &&
                croft.farms[1].sums.requests < 150 * 7200 + 1);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    struct stage *stage = *state;
    struct buf text[2] = {{0}, {0}};
    make_trace(stage, 1);
    for (int i = 0; i < 2; i++) {
        struct replay_report report = run(stage, REPLAY_CROFT);
        replay_json(&report, &text[i]);
        replay_plot(&report, "croft", &text[i]);
    }
    assert_string_equal(buf_text(&text[0]), buf_text(&text[1]));
    assert_non_null(strstr(buf_text(&text[0]), "</svg>"));
    buf_free(&text[0]);
    buf_free(&text[1]);
}

/* The reports, to the last digit: with every compiler the same. A change of the rules changes them. */
static void figures_are_those_of_last_time(void **state)
{
    struct stage *stage = *state;
    static const char *const golden[] = {
        "{\"total\": {\"server_hours\": 33.175, \"peak_instances\": 31, \"requests\": 4599000, "
        "\"late_requests\": 5878, \"refused_requests\": 567, \"violation_minutes\": 6, "
        "\"violation_requests\": 6418, \"moves\": 139, \"cost\": \"25.97 EUR + 0.04 USD\"}",
        "{\"total\": {\"server_hours\": 39.694, \"peak_instances\": 25, \"requests\": 4599000, "
        "\"late_requests\": 109126, \"refused_requests\": 45652, \"violation_minutes\": 6, "
        "\"violation_requests\": 154739, \"moves\": 87, \"cost\": \"26.32 EUR + 0.04 USD\"}",
        "{\"total\": {\"server_hours\": 42.000, \"peak_instances\": 21, \"requests\": 4599000, "
        "\"late_requests\": 19, \"refused_requests\": 0, \"violation_minutes\": 0, "
        "\"violation_requests\": 0, \"moves\": 0, \"cost\": \"26.40 EUR + 0.04 USD\"}",
        "{\"total\": {\"server_hours\": 29.500, \"peak_instances\": 21, \"requests\": 4599000, "
        "\"late_requests\": 2323, \"refused_requests\": 0, \"violation_minutes\": 0, "
        "\"violation_requests\": 0, \"moves\": 72, \"cost\": \"25.77 EUR + 0.04 USD\"}"};
    make_trace(stage, 1);
    for (int policy = REPLAY_CROFT; policy <= REPLAY_ORACLE; policy++) {
        struct buf text = {0};
        struct replay_report report = run(stage, (enum replay_policy)policy);
        replay_json(&report, &text);
        const char *total = strstr(buf_text(&text), "\"farms\"");
        *strstr(text.data, ", \"farms\"") = '\0';
        assert_non_null(total);
        if (!text_equal(buf_text(&text), golden[policy])) fail_msg("%s", buf_text(&text));
        buf_free(&text);
    }
}

/* Six hosts of eight: what is committed and guaranteed of both, then the urgent one's. */
static void hosts_that_are_full_are_shared_by_level_and_priority(void **state)
{
    struct stage *stage = *state;
    make_trace(stage, 4);
    stage->options.hosts = 2;
    for (int policy = REPLAY_CROFT; policy <= REPLAY_ORACLE; policy++) {
        struct replay_report report = run(stage, (enum replay_policy)policy);
        assert_true(report.total.peak <= 16);
        assert_true(report.farms[1].sums.server_s >= 2 * 7200 - 1); /* committed */
        assert_true(report.total.refused > 0);
        assert_true(report.farms[0].sums.peak >= 10); /* guaranteed */
    }
}

static void asks(struct replay_world *world, int64_t a, int64_t b, int64_t got_a, int64_t got_b)
{
    world->farms[0].wanted = a;
    world->farms[1].wanted = b;
    (void)replay_share(world);
    replay_move(world);
    assert_int_equal(world->farms[0].got, got_a);
    assert_int_equal(world->farms[1].got, got_b);
    assert_int_equal(replay_has(&world->farms[0]), got_a); /* in the room of who goes, at once */
    assert_int_equal(replay_has(&world->farms[1]), got_b);
}

/* Room for 32; a is urgent, b is guaranteed 4. */
static void croft_shares_by_the_production_code(void **state)
{
    struct stage *stage = *state;
    struct error err;
    stage->options.hosts = 4;
    make_trace(stage, 1);
    struct replay_world world = {.arena = stage->arena, .options = &stage->options, .trace = &stage->trace};
    if (!replay_make(&world, &stage->documents, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < 2; i++) {
        world.farms[i].got = 2;
        world.farms[i].need = 50;
        world.farms[i].provided = 100;
    }
    asks(&world, 2, 40, 2, 30);
    world.now_ms = 60000;
    asks(&world, 40, 30, 2 + SHARE_MOVES_MIN, 30 - SHARE_MOVES_MIN);
    assert_int_equal(world.farms[0].coming.length, SHARE_MOVES_MIN);
    assert_int_equal(world.farms[1].leaving.length, SHARE_MOVES_MIN);
    asks(&world, 40, 14, 28, 4);
    assert_true(world.farms[0].waits_since_ms > 0);
    world.now_ms += 1000;
    asks(&world, 10, 30, 10, 20); /* the rest of what a offers is nobody's */
    world.now_ms += 1000;
    asks(&world, 10, 30, 10, 22);
    assert_true(world.farms[0].waits_since_ms == 0);
    world.now_ms += SHARE_DWELL_MS - 1; /* what was given a moment ago stays */
    asks(&world, 40, 22, 10, 22);
    world.now_ms += 1;
    asks(&world, 40, 22, 26, 6);
    replay_free(&world);
}

/* 0.01 an hour, two committed, two hours; and currencies are not mixed. */
static void costs_are_exact_and_by_currency(void **state)
{
    struct stage *stage = *state;
    struct buf text = {0};
    make_trace(stage, 0.01);
    struct replay_report report = run(stage, REPLAY_CROFT);
    replay_cost(&report.farms[1].sums, &text);
    assert_string_equal(buf_text(&text), "0.04 USD");
    buf_clear(&text);
    replay_cost(&report.total, &text);
    assert_string_equal(buf_text(&text), "0.08 EUR + 0.04 USD");
    buf_free(&text);
}

static void a_long_lead_is_late_for_all(void **state)
{
    struct stage *stage = *state;
    make_trace(stage, 1);
    struct replay_report quick = run(stage, REPLAY_CROFT);
    stage->options.lead_ms = 30000;
    struct replay_report slow = run(stage, REPLAY_CROFT);
    assert_true(bad(&slow.total) > bad(&quick.total) * 3);
}

static void the_oracle_spends_what_may_be_late_where_it_spares_most(void **state)
{
    struct stage *stage = *state;
    double last = 1e300;
    make_trace(stage, 1);
    for (double late = 10; late < 1e5; late *= 10) {
        stage->options.oracle_late = late;
        struct replay_report report = run(stage, REPLAY_ORACLE);
        assert_true(report.total.server_s <= last);
        last = report.total.server_s;
    }
}

static void what_does_not_fit_together_is_told(void **state)
{
    static const struct {
        const char *farm, *words;
    } cases[] = {
        {"p/aa", "no farm \"p/aa\" in farms.yaml, did you mean \"p/a\"?"},
        {"x", "no farm \"x\" in farms.yaml"},
        {"p/plain", "p/plain is not sized by load: in farms.yaml give it a service level"},
    };
    struct stage *stage = *state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct error err;
        struct replay_report report;
        char *text =
            mem_printf("time_s,farm,requests_per_s\n0,%s,1\n60,%s,1\n", cases[i].farm, cases[i].farm);
        assert_true(trace_read(stage->arena, "t.csv", text, strlen(text), &stage->trace, &err));
        assert_false(
            replay_run(stage->arena, &stage->documents, &stage->trace, &stage->options, &report, &err));
        if (!strstr(err.message, cases[i].words)) fail_msg("%s", err.message);
        assert_string_equal(err.file, "t.csv");
        assert_int_equal(err.line, 2);
        assert_int_equal(err.column, 3);
        mem_free(text);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(policies_do_what_they_are_named_for),
        CASE(the_same_input_gives_the_same_bytes),
        CASE(figures_are_those_of_last_time),
        CASE(hosts_that_are_full_are_shared_by_level_and_priority),
        CASE(croft_shares_by_the_production_code),
        CASE(costs_are_exact_and_by_currency),
        CASE(a_long_lead_is_late_for_all),
        CASE(the_oracle_spends_what_may_be_late_where_it_spares_most),
        CASE(what_does_not_fit_together_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
