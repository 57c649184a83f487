/* What goes on now: `croft logs`, `croft console` and `croft top`. */
#include "base/text.h"
#include "cli/listing.h"
#include "cli/way.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_WAIT_MS = 200, TOP_WAIT_MS = 2000, CELLS_MAX = 11 };

struct following {
    struct way *way;
    int64_t offset; /* -1: the end of what is kept */
    bool follows;
    bool previous; /* what it said before it ended last */
    bool seen;     /* an answer came */
};

static bool show_log(struct cli *cli, const char *instance, struct following *following, struct error *err);
static bool follow_log(struct cli *cli, struct following *following, struct error *err);
static bool show_load(struct cli *cli, const char *kind, struct error *err);
static void add_farm(struct arena *arena, struct span farm, const char **ret_cells);
static void add_instance(struct arena *arena, struct span instance, const char **ret_cells);
static void show_table(struct cli *cli, const char *kind, struct span list);

int logs_run(struct cli *cli)
{
    const char *instance = arguments_positional(cli->arguments, 0);
    struct following following = {.offset = arguments_has(cli->arguments, "tail") ? -1 : 0,
                                  .follows = arguments_has(cli->arguments, "follow"),
                                  .previous = arguments_has(cli->arguments, "previous")};
    struct error err;
    if (following.previous && following.follows) {
        error_set(&err, ERROR_USAGE, "logs: what has ended does not go on: --previous or --follow, not both");
        return cli_fail(cli, &err);
    }
    return show_log(cli, instance, &following, &err) ? 0 : cli_fail(cli, &err);
}

/* A container's console can be looked at only: `exec -t` is for keys. Who looks at it on a terminal wants to
 * see it live, as with other grids' consoles; a script wants an end. */
int console_run(struct cli *cli)
{
    const char *instance = arguments_positional(cli->arguments, 0);
    bool terminal = isatty(STDIN_FILENO) && cli->style.width > 0;
    bool follows =
        arguments_has(cli->arguments, "follow") || (terminal && !arguments_has(cli->arguments, "no-follow"));
    struct error err;

    if (arguments_has(cli->arguments, "follow") && arguments_has(cli->arguments, "no-follow")) {
        error_set(&err, ERROR_USAGE, "console: --follow or --no-follow, not both");
        return cli_fail(cli, &err);
    }
    struct following following = {.offset = -1, .follows = follows};
    if (show_log(cli, instance, &following, &err)) return 0;
    /* It was there, and ended. */
    if (!following.seen || !follows || (err.code != ERROR_NOT_FOUND && err.code != ERROR_REFUSED))
        return cli_fail(cli, &err);
    fprintf(cli->err, "%s has ended\n", instance);
    return 0;
}

int top_run(struct cli *cli)
{
    const char *kind = arguments_positional(cli->arguments, 0);
    bool again = arguments_has(cli->arguments, "watch");
    struct error err;

    do {
        if (!show_load(cli, kind ? kind : "hosts", &err)) return cli_fail(cli, &err);
        if (again) client_sleep(cli->client, TOP_WAIT_MS);
    } while (again && cli_flush(cli));
    return 0;
}

static bool show_log(struct cli *cli, const char *instance, struct following *following, struct error *err)
{
    bool good = way_find(cli, instance, &following->way, err) && follow_log(cli, following, err);
    way_free(following->way);
    return good;
}

/* Piece by piece, each beginning where the one before ended. */
static bool follow_log(struct cli *cli, struct following *following, struct error *err)
{
    for (;;) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        const char *after = arena_printf(arena, "after=%" PRId64 "%s", following->offset,
                                         following->previous ? "&previous=yes" : "");
        const struct client_request request = {.method = "GET",
                                               .path = way_path(following->way, arena, "log", after)};
        struct client_reply reply;

        if (!way_ask(following->way, arena, &request, &reply, err)) return false;
        following->seen = true;
        fwrite(reply.body, 1, reply.body_size, cli->out);
        if (!cli_flush(cli)) return error_set(err, ERROR_FAILED, "cannot write the log");
        int64_t next = reply.offset ? strtoll(reply.offset, NULL, 10) : following->offset;
        bool moved = reply.body_size > 0 && next != following->offset;
        following->offset = next;
        if (moved) continue;
        if (!following->follows) return true;
        client_sleep(cli->client, LOG_WAIT_MS);
    }
}

static bool show_load(struct cli *cli, const char *kind, struct error *err)
{
    struct client_reply reply;
    struct node node;
    bool clears = cli->style.width > 0 && arguments_has(cli->arguments, "watch");

    if (!cli_ask_text(cli, "GET", "/v1/top", NULL, &reply, err)) return false;
    struct span list = span_get(span_of(reply.body, reply.body_size), kind);
    if (clears) fputs("\033[H\033[2J", cli->out);
    if (cli->format == OUTPUT_TABLE || cli->format == OUTPUT_NAME) {
        show_table(cli, kind, list);
    } else {
        if (!node_from_json(cli->arena, list.at, list.size, &node, err)) return false;
        cli_print_node(cli, &node);
    }
    return true;
}

/* What is not known has an empty cell. */
static void show_table(struct cli *cli, const char *kind, struct span list)
{
    static const struct column of_hosts[] = {{"NAME", COLUMN_TEXT, 0},
                                             {"CPUS", COLUMN_NUMBER, 0},
                                             {"MEMORY", COLUMN_NUMBER, 0},
                                             {"INSTANCES", COLUMN_NUMBER, 1}};
    static const struct column of_farms[] = {
        {"NAME", COLUMN_TEXT, 0},        {"CPUS", COLUMN_NUMBER, 3},   {"MEMORY", COLUMN_NUMBER, 2},
        {"INSTANCES", COLUMN_NUMBER, 4}, {"LEVEL", COLUMN_TEXT, 1},    {"RATE/S", COLUMN_NUMBER, 0},
        {"RESPONSE", COLUMN_NUMBER, 0},  {"AT", COLUMN_TEXT, 1},       {"TARGET", COLUMN_NUMBER, 0},
        {"NEED", COLUMN_NUMBER, 0},      {"TREND/H", COLUMN_NUMBER, 1}};
    static const struct column of_instances[] = {
        {"NAME", COLUMN_TEXT, 0},        {"CPUS", COLUMN_NUMBER, 0},     {"MEMORY", COLUMN_NUMBER, 2},
        {"RESTARTS", COLUMN_NUMBER, 1},  {"REQUESTS", COLUMN_NUMBER, 4}, {"CONNECTIONS", COLUMN_NUMBER, 3},
        {"RUN QUEUE", COLUMN_NUMBER, 3}, {"DISK", COLUMN_NUMBER, 3}};
    bool farms = text_equal(kind, "farms"), instances = text_equal(kind, "instances");
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct table *table = instances ? table_new(of_instances, LENGTH(of_instances))
                          : farms   ? table_new(of_farms, LENGTH(of_farms))
                                    : table_new(of_hosts, LENGTH(of_hosts));
    struct span item;
    size_t cursor = 0;

    while (span_next(list, &cursor, &item)) {
        const char *cells[CELLS_MAX] = {span_get_text(arena, item, "name"),
                                        span_get_text(arena, item, "cpus_used"),
                                        listing_amount(arena, span_get_text(arena, item, "memory_used")),
                                        span_get_text(arena, item, instances ? "restarts" : "instances")};
        if (farms) add_farm(arena, item, cells + 4);
        if (instances) add_instance(arena, item, cells + 4);
        if (cli->format == OUTPUT_NAME)
            fprintf(cli->out, "%s\n", cells[0]);
        else
            table_row(table, cells);
    }
    if (cli->format == OUTPUT_TABLE) {
        table_print(table, &cli->style, &text);
        fputs(buf_text(&text), cli->out);
    }
    table_free(table);
}

static void add_farm(struct arena *arena, struct span farm, const char **ret_cells)
{
    const char *response = span_get_text(arena, farm, "response_ms");
    const char *target = span_get_text(arena, farm, "target_ms");
    const char *percentile = span_get_text(arena, farm, "percentile");
    const char *trend = span_get_text(arena, farm, "trend_percent_an_hour");

    ret_cells[0] = span_get_text(arena, farm, "level");
    ret_cells[1] = span_get_text(arena, farm, "rate");
    ret_cells[2] = response[0] ? arena_printf(arena, "%s ms", response) : "";
    ret_cells[3] = percentile[0] ? arena_printf(arena, "%s %%", percentile) : "";
    ret_cells[4] = target[0] ? arena_printf(arena, "%s ms", target) : "";
    ret_cells[5] = span_get_text(arena, farm, "need");
    ret_cells[6] = trend[0] ? arena_printf(arena, "%s%s %%", trend[0] == '-' ? "" : "+", trend) : "";
}

/* The balanced rates of its measurement modules. */
static void add_instance(struct arena *arena, struct span instance, const char **ret_cells)
{
    static const char *const modules[] = {"requests", "connections", "run_queue", "disk"};
    struct span rates = span_get(instance, "balanced");

    for (size_t i = 0; i < LENGTH(modules); i++)
        ret_cells[i] = span_get_text(arena, rates, modules[i]);
}
