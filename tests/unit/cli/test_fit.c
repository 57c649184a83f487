/* `croft fit` and `croft balance` on a grid in a file: what they print, and how wrong questions are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"
#include "simulate/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char grid[] =
    "{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"east/r1\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n"
    "{\"kind\":\"Host\",\"name\":\"h2\",\"zone\":\"east/r2\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n"
    "{\"kind\":\"Host\",\"name\":\"h3\",\"zone\":\"east/r2\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n"
    "{\"kind\":\"Instance\",\"name\":\"a/f/"
    "web-1\",\"host\":\"h1\",\"size\":{\"cpus\":1,\"memory\":\"4Gi\"}}\n"
    "{\"kind\":\"Instance\",\"name\":\"a/f/"
    "web-2\",\"host\":\"h1\",\"size\":{\"cpus\":1,\"memory\":\"4Gi\"}}\n"
    "{\"kind\":\"Instance\",\"name\":\"a/f/"
    "web-3\",\"host\":\"h1\",\"size\":{\"cpus\":1,\"memory\":\"4Gi\"}}\n";

struct room {
    char path[64];
};

static int start(void **state)
{
    struct room *room = mem_alloc(sizeof(*room));
    snprintf(room->path, sizeof(room->path), "/tmp/croft-test-fit-XXXXXX");
    int fd = mkstemp(room->path);
    bool good = fd >= 0 && write(fd, grid, strlen(grid)) == (ssize_t)strlen(grid);
    if (fd >= 0) close(fd);
    *state = room;
    return good ? 0 : -1;
}

static int stop(void **state)
{
    struct room *room = *state;
    unlink(room->path);
    mem_free(room);
    return 0;
}

/* @ stands for the grid's file. */
static char *run(const struct room *room, const char *line, int code)
{
    char *text = NULL, *rest = NULL, *argv[24];
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    CLEANUP_MEM char *words = mem_printf("croft %s", line);
    char path[64];
    int argc = 0;

    snprintf(path, sizeof(path), "%s", room->path);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = text_equal(word, "@") ? path : word;
    assert_int_equal(cli_main(argc, argv, file, file), code);
    fclose(file);
    return text;
}

static void check(const struct room *room, const char *line, int code, const char *expected)
{
    char *text = run(room, line, code);
    assert_string_equal(text, expected);
    free(text);
}

static struct node json(const struct room *room, struct arena *arena, const char *line)
{
    struct node node;
    struct error err;
    char *text = run(room, line, 0);
    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    free(text);
    return node;
}

static void fit_counts(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = json(*state, arena, "fit --grid @ --size cpus=1,memory=2Gi -o json");
    assert_int_equal(node_int(&node, "count", 0), 5 + 8 + 8);
    assert_string_equal(node_text(&node, "limited_by", ""), "cpus");
    assert_int_equal(node_int(&node, "waiting", -1), 0);
    node = json(*state, arena, "fit --grid @ --size cpus=1,memory=2Gi --survive host -o json");
    assert_int_equal(node_int(&node, "count", 0), 13);
    assert_string_equal(node_text(&node, "limited_by", ""), "cpus");
    assert_true(node_bool(&node, "to_survive", false));
    node = json(*state, arena, "fit --grid @ --size cpus=1,memory=2Gi --survive rack -o json");
    assert_int_equal(node_int(&node, "count", 0), 5);
    check(*state, "fit --grid @ --size cpus=1,memory=2Gi --survive site", 0,
          "0 more fit\nlimited by hosts, so that a loss is survived: as it is, the loss of 3 hosts, with "
          "host/h1, in zone/east/r1 "
          "would leave "
          "a/f/web-1 without room: no other host of its pool or class is left\n");
    node = json(*state, arena, "fit --grid @ --size cpus=1,memory=2Gi --survive site -o json");
    assert_int_equal(node_int(&node, "count", -1), 0);
    check(*state, "fit --grid @ --size cpus=1,memory=2Gi --survive host", 0,
          "13 more fit, and when any host is lost all find room elsewhere\n"
          "limited by cpus, so that a loss is survived: with 14 more, the loss of host/h1 would leave a new "
          "one "
          "without room: of 2 hosts 2 lack cpus\n");
}

static void balance_moves(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = json(*state, arena, "balance --grid @ -o json");
    const struct node *moves = node_get(&node, "moves");
    assert_int_equal(moves->length, 2);
    assert_string_equal(node_text(&moves->items[0], "instance", ""), "a/f/web-1");
    assert_string_equal(node_text(&moves->items[0], "from", ""), "h1");
    assert_string_equal(node_text(&moves->items[0], "to", ""), "h2");
    assert_true(strtod(node_text(&node, "score_before", "0"), NULL) > 5);
    assert_true(strtod(node_text(&node, "score_after", "1"), NULL) < 1e-6);
    assert_string_equal(node_text(&node, "score_is", ""),
                        "the less, the more alike the hosts of a pool; 0 is equal");
    assert_true(strtod(node_text(&node, "seconds_to_answer", "0"), NULL) > 0);
    check(*state, "balance --grid @ --moves 0", 0,
          "score 6.010, would be 6.010 with 0 moves: the less, the more alike the hosts of a pool; 0 is "
          "equal\n");
}

static void wrong_questions_are_told(void **state)
{
    struct resources size = {0};
    struct error err;
    check(*state, "fit --grid @", 2, "croft: fit: of what size? --size cpus=1,memory=2Gi,disk=10Gi\n");
    check(*state, "fit --grid @ --size cpus=0", 2,
          "croft: fit: --size \"cpus=0\" asks for nothing, so any number fits: name an amount above 0\n");
    check(*state, "fit --grid @ --size cpu=1", 2,
          "croft: fit: --size: \"cpu=1\" is not cpus=, memory=, disk= or network= with an amount\n");
    check(*state, "fit --grid @ --size cpus=1,memory=1Gb", 2,
          "croft: fit: --size: memory: expected bytes such as 64Mi or 10Gi, found \"1Gb\"\n");
    check(*state, "fit --grid @ --size cpus=-1", 2,
          "croft: fit: --size: cpus: expected a number of cores such as 0.5 or 8, found \"-1\"\n");
    check(*state, "fit --grid @ --size cpus=1,cpus=2", 2, "croft: fit: --size: cpus is said twice\n");
    check(*state, "fit --grid @ --size cpus=1,", 2,
          "croft: fit: --size: nothing comes behind the last comma\n");
    check(*state, "sim --seed x --hours 0.01", 2,
          "croft: sim: 'x' is not a seed N (--seed 7) nor seeds A..B (--seeds 1..100, at most 1000000)\n");
    check(*state, "sim --seed 1 --hours 0.01 --faults none,messages", 2,
          "croft: --faults: 'none' stands alone, not in a list\n");
    check(*state, "sim --seed 1 --hours 0.01 --faults messages,", 2,
          "croft: --faults: a name is missing at the end; croft sim --help names them\n");
    check(*state, "fit --grid @ --size cpus=1 --survive galaxy", 2,
          "croft: fit: --survive cannot be \"galaxy\": it is none, host, rack or site\n");
    check(*state, "fit --grid /nowhere/grid --size cpus=1", 3, "croft: there is no file /nowhere/grid\n");
    check(*state, "balance --grid @ --moves few", 2, "croft: balance: --moves takes a number, not \"few\"\n");
    assert_false(amounts_read("cpus=1,cpus=2", &size, &err));
    assert_false(amounts_read("cpus=1,", &size, &err));
    assert_false(amounts_read("cpus", &size, &err));
    assert_true(amounts_read("network=1G,disk=3Gi", &size, &err));
    assert_int_equal(size.network_bits_per_s, 1000000000);
    assert_int_equal(size.disk_bytes, 3LL << 30);
}

/* As the message of a wrong one says. */
static void help_names_faults(void **state)
{
    char *text = run(*state, "sim --help", 0);
    for (size_t n = 0; simulate_fault_name(n); n++)
        if (!strstr(text, simulate_fault_name(n)))
            fail_msg("%s: not in croft sim --help", simulate_fault_name(n));
    free(text);
}

static void wrong_grids_have_their_line(void **state)
{
    struct room *room = *state;
    FILE *file = fopen(room->path, "a");
    fputs("{\"kind\":\"Host\",\"name\":\"h4\",\"zone\":5}\n", file);
    fclose(file);
    char *text = run(room, "balance --grid @", 1);
    CLEANUP_MEM char *place = mem_printf("%s:7:", room->path);
    assert_true(text_starts(text, place));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fit_counts, start, stop),
        cmocka_unit_test_setup_teardown(balance_moves, start, stop),
        cmocka_unit_test_setup_teardown(wrong_questions_are_told, start, stop),
        cmocka_unit_test_setup_teardown(help_names_faults, start, stop),
        cmocka_unit_test_setup_teardown(wrong_grids_have_their_line, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
