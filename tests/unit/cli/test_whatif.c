/* What `croft whatif` writes, for people and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/indent.h"
#include "cli/whatif.h"
#include "model/node.h"

#include <stdio.h>
#include <string.h>

static const char *failed[] = {"h1", "h4"};

static const struct whatif_zone zones[] = {
    {.path = "east",
     .depth = 1,
     .hosts = 6,
     .failed = 2,
     .away = 1,
     .total_before = {24000, 96LL << 30, 0, 0},
     .used_before = {12000, 12LL << 30, 0, 0},
     .total_after = {16000, 64LL << 30, 0, 0},
     .used_after = {11000, 11LL << 30, 0, 0}},
    {.path = "east/r1",
     .depth = 2,
     .hosts = 2,
     .failed = 2,
     .total_before = {8000, 32LL << 30, 0, 0},
     .used_before = {6000, 6LL << 30, 0, 0}},
    {.path = "east/r2",
     .depth = 2,
     .hosts = 4,
     .away = 1,
     .total_before = {16000, 64LL << 30, 0, 0},
     .used_before = {6000, 6LL << 30, 0, 0},
     .total_after = {16000, 64LL << 30, 0, 0},
     .used_after = {11000, 11LL << 30, 0, 0}},
};

static const struct whatif_move moves[] = {
    {"acme/shop/web-1", "h1", "h2", 2, false,
     "step 2: h1 is lost; h2 is the nearest of pool general with room"}};
static const struct whatif_lost losses[] = {
    {"acme/shop/web-2", "h4", false, "no host has room for cpus 1.5: of 4 hosts 4 lack cpus"}};
static const struct whatif_farm farms[] = {
    {"acme/docs", "ready", "ready", "every tier has what it wants"},
    {"acme/shop", "ready", "degraded", "tier web has 1 of 2: acme/shop/web-2: no host has room"},
};

static struct whatif_answer rack_fails(void)
{
    return (struct whatif_answer){.failed_hosts = failed,
                                  .failed_hosts_length = 2,
                                  .total = 9,
                                  .kept = 7,
                                  .moved = 1,
                                  .lost = 1,
                                  .waiting = 1,
                                  .moves = moves,
                                  .moves_length = 1,
                                  .losses = losses,
                                  .losses_length = 1,
                                  .farms = farms,
                                  .farms_length = 2,
                                  .zones = zones,
                                  .zones_length = 3,
                                  .survives = {{3, false}, {1, true}, {0, true}},
                                  .recover_ms = 261};
}

static void expect_laid_out(const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf direct = {0}, by_tree = {0};
    struct node node;
    struct error err;
    json_indent(json, strlen(json), &direct);
    assert_true(node_from_json(arena, json, strlen(json), &node, &err));
    node_to_pretty_json(&node, &by_tree);
    assert_string_equal(buf_text(&direct), buf_text(&by_tree));
}

static void a_picture_for_people(void **state)
{
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0};
    whatif_text(&answer, &(struct style){0}, &text);
    assert_string_equal(
        buf_text(&text),
        "2 hosts fail (h1, h4): of 9 instances 7 stay, 1 moves, 1 finds no place, 1 waits as before; all "
        "that can "
        "run does after about 0.26 s.\n"
        "\n"
        "ZONE  HOSTS   CPUS       MEMORY     \n"
        "east  ●●●✗✗·  50% → 69%  12% → 17%  ███████░░░\n"
        "  r1  ✗✗      75% →   –  19% →   –   \n"
        "  r2  ●●●·    38% → 69%   9% → 17%  ███████░░░\n"
        "● in use  ✗ fails  ◌ drained  · was not in use\n"
        "\n"
        "MOVES            FROM  TO  REASON\n"
        "acme/shop/web-1  h1    h2  step 2: h1 is lost; h2 is the nearest of pool general with room\n"
        "\n"
        "FINDS NO PLACE   FROM  REASON\n"
        "acme/shop/web-2  h4    no host has room for cpus 1.5: of 4 hosts 4 lack cpus\n"
        "\n"
        "FARM       BEFORE  AFTER     REASON\n"
        "acme/shop  ready   degraded  tier web has 1 of 2: acme/shop/web-2: no host has room\n"
        "\n"
        "After that it survives without losing an instance the loss of: at most 3 hosts, 1 rack, no site.\n");
}

/* Each instance is in one of the figures: who yields and waits is one of those that find no place. */
static void figures_add_up(void **state)
{
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0};
    answer.total = 12;
    answer.yielded = 1;
    answer.yielded_lost = 2;
    answer.lost = 3;
    whatif_text(&answer, &(struct style){0}, &text);
    assert_non_null(strstr(buf_text(&text),
                           "of 12 instances 7 stay, 1 moves, 1 yields and runs elsewhere, 3 find "
                           "no place (2 of them yield to others)"));
}

/* Why a drained host is not empty. */
static void who_cannot_leave_is_told(void **state)
{
    static const struct whatif_stay stays[] = {
        {"acme/shop/web-3", "h2", "h2 is to be emptied, but: no other host is up and active"}};
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0}, json = {0};
    answer.stays = stays;
    answer.stays_length = 1;
    whatif_text(&answer, &(struct style){0}, &text);
    assert_non_null(strstr(buf_text(&text), "7 stay (1 of them cannot leave), 1 moves"));
    assert_non_null(
        strstr(buf_text(&text),
               "\n\nCANNOT LEAVE     HOST  REASON\n"
               "acme/shop/web-3  h2    h2 is to be emptied, but: no other host is up and active\n\n"));
    whatif_json(&answer, 0.25, &json);
    assert_non_null(strstr(buf_text(&json),
                           "\"stays\":[{\"instance\":\"acme/shop/web-3\",\"host\":\"h2\",\"reason\":\"h2 is "
                           "to be emptied, but: no other host is up and active\"}],"));
    expect_laid_out(buf_text(&json));
    answer.losses_length = 0;
    answer.moves_length = 500; /* sums: one reason has to do */
    struct whatif_move *many = mem_alloc_array(500, sizeof(*many));
    for (size_t n = 0; n < 500; n++)
        many[n] = moves[0];
    answer.moves = many;
    buf_clear(&text);
    whatif_text(&answer, &(struct style){0}, &text);
    assert_non_null(strstr(buf_text(&text),
                           "acme/shop/web-3 cannot leave: h2 is to be emptied, but: no other host is up"));
    mem_free(many);
}

/* A lease ends: what stops, and what becomes free. */
static void what_becomes_free_is_told(void **state)
{
    static const char *ended[] = {"studio"};
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0}, json = {0};
    answer.failed_hosts_length = answer.moves_length = answer.losses_length = answer.waiting = 0;
    answer.moved = answer.lost = 0;
    answer.total = answer.kept = 7;
    answer.removed = 2;
    answer.freed = (struct resources){1500, 96LL << 20, 1LL << 30, 0};
    answer.ended_leases = ended;
    answer.ended_leases_length = 1;
    whatif_text(&answer, &(struct style){0}, &text);
    assert_true(text_starts(buf_text(&text),
                            "1 lease ends (studio): of 7 instances 7 stay, 2 besides are not wanted any more "
                            "(which frees 1.5 cpus, 96Mi of memory, 1Gi of disk); all that can"));
    whatif_json(&answer, 0.25, &json);
    assert_non_null(strstr(buf_text(&json), "\"ended_leases\":[\"studio\"],"));
    assert_non_null(strstr(buf_text(&json), "\"freed\":{\"cpus\":1.5,\"memory_bytes\":100663296,"
                                            "\"disk_bytes\":1073741824},"));
    expect_laid_out(buf_text(&json));
}

/* No row of a table is wider than the terminal. */
static void fits_the_terminal(void **state)
{
    struct whatif_answer answer = rack_fails();
    for (size_t width = 30; width <= 120; width += 10) {
        CLEANUP_BUF struct buf text = {0};
        whatif_text(&answer, &(struct style){.width = width}, &text);
        char *line = strchr(text.data, '\n') + 1; /* a sentence wraps by itself */
        for (char *end = NULL; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            if (text_starts(line, "After") || text_starts(line, "●")) continue;
            assert_true(text_columns(line) <= width);
        }
    }
}

/* Of very many the sums are told, and no more zones than one looks at. */
static void few_lines_for_many(void **state)
{
    enum { MANY = 500 };
    struct whatif_answer answer = rack_fails();
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct whatif_move *many = arena_alloc_array(arena, MANY, sizeof(*many));
    struct whatif_zone *racks = arena_alloc_array(arena, MANY, sizeof(*racks));
    struct whatif_farm *states = arena_alloc_array(arena, MANY, sizeof(*states));
    size_t lines = 0;
    for (int n = 0; n < MANY; n++) {
        many[n] = moves[0];
        many[n].instance = arena_printf(arena, "acme/f%d/web-%d", n % 50, n);
        racks[n] = zones[0];
        racks[n].path = arena_printf(arena, n ? "east/r%d" : "east", n);
        racks[n].depth = n ? 2 : 1;
        racks[n].failed = n < 2;
        states[n] = farms[1];
        states[n].name = arena_printf(arena, "acme/f%d", n);
    }
    answer.moves = many;
    answer.zones = racks;
    answer.farms = states;
    answer.moves_length = answer.zones_length = answer.farms_length = MANY;
    whatif_text(&answer, &(struct style){0}, &text);
    for (size_t n = 0; n < text.size; n++)
        lines += text.data[n] == '\n';
    assert_true(lines < 80);
    assert_non_null(strstr(buf_text(&text), "… and 498 zones more\n"));
    assert_non_null(strstr(
        buf_text(&text),
        "FARM       MOVE  FIND NO PLACE  CANNOT LEAVE\nacme/shop     0              1             0\n"));
    assert_non_null(strstr(buf_text(&text), "acme/f0      10              0             0\n"));
    assert_non_null(strstr(buf_text(&text), "… and 31 farms more; -o json names each instance\n"));
    assert_non_null(strstr(buf_text(&text), "… and 480 farms more\n"));
}

/* Without a tree it is what a tree gives. */
static void laid_out_as_all_json(void **state)
{
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0};
    whatif_json(&answer, 0.0000374, &text);
    expect_laid_out(buf_text(&text));
    buf_clear(&text);
    answer.recover_ms = 0;
    whatif_json(&answer, 12.3456789, &text);
    expect_laid_out(buf_text(&text));
    expect_laid_out("{}");
    expect_laid_out("[ ]");
    expect_laid_out(
        "{\"a\": [ {}, [[]], \"q\\\"}],:\\\\\", -1.5, null, true ], \"b\":{\"c\":\n{\"d\":[1]}}}");
    expect_laid_out("[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]"); /* deeper than one piece of spaces */
}

static void all_fields_for_programs(void **state)
{
    struct whatif_answer answer = rack_fails();
    CLEANUP_BUF struct buf text = {0};
    answer.zones_length = 1;
    whatif_json(&answer, 0.25, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"failed_hosts\":[\"h1\",\"h4\"],\"drained_hosts\":[],\"added_hosts\":[],\"ended_leases\":[],"
        "\"instances\":{\"total\":"
        "9,"
        "\"kept\":7,\"moved\":1,\"yielded\":0,\"lost\":1,\"yielded_lost\":0,\"removed\":0,\"restarted\":0,"
        "\"added\":0,\"waiting\":1},\"freed\":{\"cpus\":0,\"memory_bytes\":0,\"disk_bytes\":0},\"moves\":[{"
        "\"instance\":\"acme/shop/"
        "web-1\",\"from\":\"h1\",\"to\":\"h2\","
        "\"step\":2,\"yielded\":false,\"reason\":\"step 2: h1 is lost; h2 is the nearest of pool general "
        "with "
        "room\"}],\"lost\":[{\"instance\":\"acme/shop/"
        "web-2\",\"from\":\"h4\",\"yielded\":false,\"reason\":\"no "
        "host has room for cpus 1.5: of 4 hosts 4 lack "
        "cpus\"}],\"stays\":[],\"farms\":[{\"name\":\"acme/docs\","
        "\"state_before\":\"ready\",\"state_after\":\"ready\",\"reason\":\"every tier has what it wants\"},"
        "{\"name\":\"acme/shop\",\"state_before\":\"ready\",\"state_after\":\"degraded\",\"reason\":\"tier "
        "web has "
        "1 of 2: acme/shop/web-2: no host has "
        "room\"}],\"zones\":[{\"zone\":\"east\",\"hosts\":6,\"failed\":2,"
        "\"drained\":0,\"away\":1,\"before\":{\"cpus\":24,\"cpus_used\":12,\"memory_bytes\":103079215104,"
        "\"memory_bytes_used\":12884901888,\"disk_bytes\":0,\"disk_bytes_used\":0},\"after\":{\"cpus\":16,"
        "\"cpus_used\":11,\"memory_bytes\":68719476736,\"memory_bytes_used\":11811160064,\"disk_bytes\":0,"
        "\"disk_bytes_used\":0}}],\"survives\":{\"host\":3,\"rack\":1,\"site\":0},\"survives_is\":{\"host\":"
        "\"at "
        "most\",\"rack\":\"exact\",\"site\":\"exact\"},\"seconds_to_recover\":0.261,\"seconds_to_answer\":0."
        "25}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_for_people),     cmocka_unit_test(figures_add_up),
        cmocka_unit_test(who_cannot_leave_is_told), cmocka_unit_test(fits_the_terminal),
        cmocka_unit_test(few_lines_for_many),       cmocka_unit_test(all_fields_for_programs),
        cmocka_unit_test(laid_out_as_all_json),     cmocka_unit_test(what_becomes_free_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
