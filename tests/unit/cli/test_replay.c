/* `croft replay` and `croft sla surface`: what they print, and how wrong orders are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char farms[] =
    "kind: SLA\nname: gold\ntarget: {response: 150ms}\nlevels: {committed: {rate: 1 EUR}}\n---\n"
    "kind: Party\nname: p\n---\n"
    "kind: Farm\nname: a\nparty: p\nsla: gold\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - {name: web, image: 'x:1', count: {committed: 1, max: 9}, capacity: 50}\n";
static const char trace[] = "time_s,farm,requests_per_s\n0,p/a,100\n60,p/a,150\n120,p/a,100\n";

struct room {
    char directory[64], farms[80], trace[80], bad[80], plot[80];
    char out[65536], err[4096];
};

static int write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file) return -1;
    fputs(text, file);
    return fclose(file);
}

static int start(void **state)
{
    struct room *room = mem_alloc(sizeof(*room));
    snprintf(room->directory, sizeof(room->directory), "/tmp/croft-test-replay-XXXXXX");
    *state = room;
    if (!mkdtemp(room->directory)) return -1;
    snprintf(room->farms, sizeof(room->farms), "%s/farms", room->directory);
    snprintf(room->trace, sizeof(room->trace), "%s/trace", room->directory);
    snprintf(room->bad, sizeof(room->bad), "%s/bad", room->directory);
    snprintf(room->plot, sizeof(room->plot), "%s/plot", room->directory);
    return write_text(room->farms, farms) || write_text(room->trace, trace);
}

static int stop(void **state)
{
    struct room *room = *state;
    unlink(room->farms);
    unlink(room->trace);
    unlink(room->bad);
    unlink(room->plot);
    rmdir(room->directory);
    mem_free(room);
    return 0;
}

static int run(struct room *room, int argc, const char **argv)
{
    char *copies[16] = {0};
    memset(room->out, 0, sizeof(room->out));
    memset(room->err, 0, sizeof(room->err));
    FILE *out = fmemopen(room->out, sizeof(room->out) - 1, "w"),
         *err = fmemopen(room->err, sizeof(room->err) - 1, "w");
    for (int i = 0; i < argc; i++)
        copies[i] = mem_strdup(argv[i]);
    int code = cli_main(argc, copies, out, err);
    fclose(out);
    fclose(err);
    for (int i = 0; i < argc; i++)
        mem_free(copies[i]);
    return code;
}
#define RUN(room, ...) \
    run(room, (int)LENGTH(((const char *[]){"croft", __VA_ARGS__})), (const char *[]){"croft", __VA_ARGS__})

static void every_policy_prints_what_the_contract_lists(void **state)
{
    struct room *room = *state;
    static const char *const keys[] = {"server_hours",     "peak_instances",    "requests", "late_requests",
                                       "refused_requests", "violation_minutes", "moves",    "cost"};
    static const char *const policies[] = {"croft", "target", "static", "oracle"};
    for (size_t p = 0; p < LENGTH(policies); p++) {
        assert_int_equal(RUN(room, "replay", "--trace", room->trace, "--farms", room->farms, "--hosts", "2",
                             "--policy", policies[p], "-o", "json"),
                         0);
        struct arena *arena = arena_new();
        struct node node;
        struct error err;
        assert_true(node_from_json(arena, room->out, strlen(room->out), &node, &err));
        const struct node *list = node_get(&node, "farms");
        assert_true(list && list->length == 1);
        assert_string_equal(node_text(&list->items[0], "name", ""), "p/a");
        for (size_t k = 0; k < LENGTH(keys); k++) {
            assert_non_null(node_get(node_get(&node, "total"), keys[k]));
            assert_non_null(node_get(&list->items[0], keys[k]));
        }
        assert_int_equal(node_int(node_get(&node, "total"), "requests", 0), 21000);
        arena_free(arena);
    }
}

static void what_gets_no_demand_is_said(void **state)
{
    struct room *room = *state;
    char more[2048];

    assert_int_equal(RUN(room, "replay", "--trace", room->trace, "--farms", room->farms), 0);
    assert_string_equal(room->err, "");
    snprintf(more, sizeof(more),
             "%s  - {name: app, image: 'x:1', count: {committed: 1, max: 9}, capacity: 50}\n"
             "  - {name: db, image: 'x:1', count: {committed: 1}}\n---\n"
             "kind: Farm\nname: b\nparty: p\nsla: gold\nsubnet: 10.0.0.0/24\ntiers:\n"
             "  - {name: web, image: 'x:1', count: {committed: 1, max: 9}, capacity: 50}\n",
             farms);
    assert_int_equal(write_text(room->bad, more), 0);
    assert_int_equal(RUN(room, "replay", "--trace", room->trace, "--farms", room->bad, "-o", "json"), 0);
    assert_true(text_ends(room->err, "; left out: p/a/app, p/b/web (no rows)\n"));
    assert_ptr_equal(strchr(room->err, '\n'), room->err + strlen(room->err) - 1);
    assert_true(text_starts(room->out, "{"));
}

static void a_table_and_a_picture(void **state)
{
    struct room *room = *state;
    assert_int_equal(
        RUN(room, "replay", "--trace", room->trace, "--farms", room->farms, "--plot", room->plot), 0);
    assert_non_null(strstr(room->out, "server hours"));
    assert_non_null(strstr(room->out, "p/a"));
    assert_int_equal(access(room->plot, R_OK), 0);
    assert_int_equal(RUN(room, "sla", "surface", "--sla", "gold", "-f", room->farms), 0);
    assert_true(text_starts(room->out, "response,probability,need\n"));
    assert_int_equal(RUN(room, "sla", "surface", "--sla", "tin", "-f", room->farms), 3);
    assert_non_null(strstr(room->err, "no service level \"tin\""));
}

static void wrong_orders_are_told_in_one_line(void **state)
{
    struct room *room = *state;
    const struct {
        const char *options[6];
        int code;
        const char *words;
    } cases[] = {
        {{"--farms", room->farms}, 2, "which demand? --trace"},
        {{"--trace", room->trace}, 2, "which farms? --farms"},
        {{"--trace", room->trace, "--farms", room->farms, "--hosts", "0"}, 2, "--hosts is 1 to"},
        {{"--trace", room->trace, "--farms", room->farms, "--hosts", "many"}, 2, "\"many\" is not"},
        {{"--trace", room->trace, "--farms", room->farms, "--lead", "soon"}, 2, "--lead is a time"},
        {{"--trace", room->trace, "--farms", room->farms, "--late", "5"},
         2,
         "--late is with --policy oracle"},
        {{"--trace", room->trace, "--farms", room->farms, "--policy", "crof"}, 2, "croft"},
        {{"--trace", "/nowhere/t.csv", "--farms", room->farms}, 3, "no file /nowhere/t.csv"},
        {{"--trace", room->trace, "--farms", "/nowhere/f.yaml"}, 3, "no file /nowhere/f.yaml"},
        {{"--trace", room->trace, "--farms", room->trace}, 1, ":1:1:"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *argv[8] = {"croft", "replay"};
        int argc = 2;
        for (int k = 0; k < 6 && cases[i].options[k]; k++)
            argv[argc++] = cases[i].options[k];
        int code = run(room, argc, argv);
        if (code != cases[i].code || !strstr(room->err, cases[i].words))
            fail_msg("case %zu: %d, %s", i, code, room->err);
        assert_ptr_equal(strchr(room->err, '\n'), room->err + strlen(room->err) - 1);
    }
}

static void bad_traces_are_told_with_their_place(void **state)
{
    struct room *room = *state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"0,p/a,1\n", ":1:1: expected the header line"},
        {"time_s,farm,requests_per_s\n0,p/a,NaN\n", ":2:7: requests_per_s: "},
        {"time_s,farm,requests_per_s\n0,p/a,-1\n", ":2:7: requests_per_s: "},
        {"time_s,farm,requests_per_s\n0,p/a,1\n60,p/a,1\n180,p/a,1\n", ":4:1: time_s: a gap"},
        {"time_s,farm,requests_per_s\n0,p/a,1\n60,p/a,1\n30,p/a,1\n", ":4:1: time_s: disorder"},
        {"time_s,farm,requests_per_s\n0,p/b,1\n60,p/b,1\n", ":2:3: farm: no farm \"p/b\""},
        {"\x1f\x8b not gzip", ": damaged at byte "},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(write_text(room->bad, cases[i].text), 0);
        int code = RUN(room, "replay", "--trace", room->bad, "--farms", room->farms);
        if (code != 1 || !strstr(room->err, cases[i].words) || !strstr(room->err, room->bad))
            fail_msg("case %zu: %d, %s", i, code, room->err);
        assert_ptr_equal(strchr(room->err, '\n'), room->err + strlen(room->err) - 1);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_policy_prints_what_the_contract_lists),
        CASE(what_gets_no_demand_is_said),
        CASE(a_table_and_a_picture),
        CASE(wrong_orders_are_told_in_one_line),
        CASE(bad_traces_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
