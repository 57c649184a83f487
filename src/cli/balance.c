/* `croft balance`: the moves that make hosts alike, and on a live grid making them. */
#include "plan/whatif/balance.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SCORE_IS "the less, the more alike the hosts of a pool; 0 is equal"

enum { MOVE_MS_MAX = 5 * 60 * 1000, LOOK_AGAIN_MS = 100 };

/* Of an instance. */
struct place {
    const char *host;
    int64_t incarnation; /* another one each time it is placed */
    bool runs;
};

static bool read_moves(struct cli *cli, size_t *ret_moves, struct error *err);
static int64_t now_ms(void);
static void add_json(const struct balancing *answer, double seconds, struct buf *ret_json);
static void add_text(struct cli *cli, const struct balancing *answer, bool done, struct buf *ret_text);
static bool make_moves(struct cli *cli, const struct balancing *answer, struct error *err);
static bool make_move(struct cli *cli, const struct balancing_move *move, struct error *err);
static bool look(struct cli *cli, const struct balancing_move *move, struct arena *arena,
                 struct place *ret_place, struct error *err);

int balance_run(struct cli *cli)
{
    bool only_asks = arguments_has(cli->arguments, "dry-run") || arguments_has(cli->arguments, "grid");
    size_t moves_max = SIZE_MAX;
    struct grid_file grid;
    struct node node;
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    if (!read_moves(cli, &moves_max, &err) || !grid_read(cli, &grid, &err)) return cli_fail(cli, &err);
    double begin = cli_seconds_now();
    struct balancing answer = balance_make(cli->arena, &grid.snapshot, moves_max);
    add_json(&answer, cli_seconds_now() - begin, &text);
    if (!only_asks && !make_moves(cli, &answer, &err)) return cli_fail(cli, &err);
    if (!node_from_json(cli->arena, buf_text(&text), text.size, &node, &err)) return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    buf_clear(&text);
    add_text(cli, &answer, !only_asks, &text);
    fputs(buf_text(&text), cli->out);
    return 0;
}

static bool read_moves(struct cli *cli, size_t *ret_moves, struct error *err)
{
    const char *text = arguments_text(cli->arguments, "moves");
    uint64_t value = 0;

    if (text == NULL) return true;
    if (!text_parse_u64(text, &value) || value > SIZE_MAX)
        return error_set(err, ERROR_USAGE, "balance: --moves takes a number, not \"%s\"", text);
    *ret_moves = (size_t)value;
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_json(const struct balancing *answer, double seconds, struct buf *ret_json)
{
    buf_printf(ret_json, "{\"score_before\": %.8f, \"score_after\": %.8f, \"moves\": [", answer->score_before,
               answer->score_after);
    for (size_t n = 0; n < answer->moves_length; n++) {
        const struct balancing_move *move = &answer->moves[n];
        buf_add_text(ret_json, n ? ", {\"instance\": " : "{\"instance\": ");
        buf_add_json_string(ret_json, move->instance);
        buf_add_text(ret_json, ", \"from\": ");
        buf_add_json_string(ret_json, move->from);
        buf_add_text(ret_json, ", \"to\": ");
        buf_add_json_string(ret_json, move->to);
        buf_printf(ret_json, ", \"score\": %.8f}", move->score);
    }
    buf_printf(ret_json, "], \"score_is\": \"%s\", \"seconds_to_answer\": %.6f}", SCORE_IS, seconds);
}

static void add_text(struct cli *cli, const struct balancing *answer, bool done, struct buf *ret_text)
{
    static const struct column columns[] = {{"INSTANCE", COLUMN_TEXT, 0},
                                            {"FROM", COLUMN_TEXT, 0},
                                            {"TO", COLUMN_TEXT, 0},
                                            {"SCORE", COLUMN_NUMBER, 1}};
    buf_printf(ret_text, "score %.3f, %s %.3f with %zu move%s: %s\n", answer->score_before,
               done ? "now" : "would be", answer->score_after, answer->moves_length,
               answer->moves_length == 1 ? "" : "s", SCORE_IS);
    if (answer->moves_length == 0) return;
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t n = 0; n < answer->moves_length; n++) {
        const struct balancing_move *move = &answer->moves[n];
        const char *const cells[] = {move->instance, move->from, move->to,
                                     arena_printf(cli->arena, "%.3f", move->score)};
        table_row(table, cells);
    }
    table_print(table, &cli->style, ret_text);
    table_free(table);
}

static bool make_moves(struct cli *cli, const struct balancing *answer, struct error *err)
{
    for (size_t n = 0; n < answer->moves_length; n++) {
        const struct balancing_move *move = &answer->moves[n];
        cli_progress(cli, "move %zu of %zu: %s to %s", n + 1, answer->moves_length, move->instance, move->to);
        if (!make_move(cli, move, err))
            return error_wrap(err, "after %zu of %zu moves", n, answer->moves_length);
    }
    cli_progress(cli, "%s", "");
    return true;
}

/* One at a time: the next one may need the room that this one leaves. */
static bool make_move(struct cli *cli, const struct balancing_move *move, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf body = {0};
    int64_t end_ms = now_ms() + MOVE_MS_MAX;
    struct place before, now;

    if (!look(cli, move, arena, &before, err)) return false;
    buf_add_text(&body, "{\"host\":");
    buf_add_json_string(&body, move->to);
    buf_add_char(&body, '}');
    const char *path = arena_printf(cli->arena, "/v1/instances/%s/move", cli_escape(cli, move->instance));
    if (!cli_ask(cli, "POST", path, buf_text(&body), NULL, err)) return false;
    while (look(cli, move, arena, &now, err)) {
        if (now.runs && text_equal(now.host, move->to)) return true;
        if (now.runs && now.incarnation != before.incarnation)
            return error_set(err, ERROR_FAILED,
                             "%s went to %s and not to %s: the grid changed meanwhile, so ask again",
                             move->instance, now.host, move->to);
        if (now_ms() >= end_ms)
            return error_set(err, ERROR_TIMEOUT,
                             "%s does not run on %s after %d minutes: see croft explain %s", move->instance,
                             move->to, MOVE_MS_MAX / 60000, move->instance);
        client_sleep(cli->client, LOOK_AGAIN_MS);
    }
    return false;
}

static bool look(struct cli *cli, const struct balancing_move *move, struct arena *arena,
                 struct place *ret_place, struct error *err)
{
    const struct client_request request = {
        .method = "GET", .path = arena_printf(arena, "/v1/instances/%s", cli_escape(cli, move->instance))};
    struct client_reply reply;
    struct node answer;

    if (!client_ask(cli->client, arena, &request, &reply, err) ||
        !node_from_json(arena, reply.body, reply.body_size, &answer, err))
        return false;
    const struct node *status = node_get(&answer, "status");
    if (status == NULL) status = &answer;
    *ret_place = (struct place){.host = arena_strdup(arena, node_text(status, "host", "")),
                                .incarnation = node_int(status, "incarnation", 0),
                                .runs = text_equal(node_text(status, "state", ""), "running") &&
                                        !text_equal(node_text(status, "health", ""), "bad")};
    return true;
}
