/* `croft apply` and `croft diff`: documents of any number of files, as one.
 *
 * All files go in one request, joined as the documents of one YAML stream: so nothing of any is applied
 * unless all of all is valid, and one file may refer to what another one makes. Positions in messages are put
 * back. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/sources.h"
#include "cli/wait.h"

#include <stdio.h>

static bool read_sources(struct cli *cli, struct sources *ret_sources, struct error *err);
static bool send_sources(struct cli *cli, const struct sources *sources, const char *path,
                         struct node *ret_answer, struct error *err);
static void show_results(struct cli *cli, const struct node *answer, const struct node *results);
static bool wait_for(struct cli *cli, const struct node *results, struct error *err);
static void show_actions(struct cli *cli, const struct node *actions);

int apply_run(struct cli *cli)
{
    bool dry = arguments_has(cli->arguments, "dry-run"), waits = arguments_has(cli->arguments, "wait");
    struct sources sources = SOURCES_NONE;
    struct node answer;
    struct error err;
    int64_t ignored_ms = 0;

    bool good = !waits || wait_time(cli, &ignored_ms, &err); /* wrong usage before anything happens */
    good = good && read_sources(cli, &sources, &err) &&
           send_sources(cli, &sources, dry ? "/v1/apply?dry_run=1" : "/v1/apply", &answer, &err);
    if (good) show_results(cli, &answer, node_get(&answer, "results"));
    good = good && (!waits || dry || wait_for(cli, node_get(&answer, "results"), &err));
    sources_free(&sources);
    return good ? 0 : cli_fail(cli, &err);
}

int diff_run(struct cli *cli)
{
    struct sources sources = SOURCES_NONE;
    struct node answer;
    struct error err;

    bool good = read_sources(cli, &sources, &err) && send_sources(cli, &sources, "/v1/diff", &answer, &err);
    sources_free(&sources);
    if (!good) return cli_fail(cli, &err);
    show_results(cli, &answer, node_get(&answer, "documents"));
    if (cli->format == OUTPUT_TABLE) show_actions(cli, node_get(&answer, "actions"));
    return 0;
}

static bool read_sources(struct cli *cli, struct sources *ret_sources, struct error *err)
{
    const char *path = NULL;

    for (size_t i = 0; (path = arguments_nth(cli->arguments, "file", i)); i++)
        if (!sources_add(ret_sources, path, err)) return false;
    for (size_t i = 0; (path = arguments_positional(cli->arguments, i)); i++)
        if (!sources_add(ret_sources, path, err)) return false;
    if (ret_sources->files.length > 0) return true;
    return error_set(err, ERROR_USAGE, "%s: no file is named: -f FILE, or -f - for standard input",
                     cli->arguments->command->name);
}

static bool send_sources(struct cli *cli, const struct sources *sources, const char *path,
                         struct node *ret_answer, struct error *err)
{
    struct client_reply reply;
    const struct source *first = vec_at(&sources->files, 0);

    if (!cli_client(cli, err)) return false;
    /* A header cannot carry every path; the right one is put into the message here anyway. */
    const struct client_request request = {.method = "POST",
                                           .path = path,
                                           .body = buf_text(&sources->text),
                                           .body_size = sources->text.size,
                                           .file = cli_escape(cli, first->path)};
    if (!client_ask(cli->client, cli->arena, &request, &reply, err)) {
        if (err->file[0] || err->line > 0) sources_put_back(sources, err);
        return false;
    }
    return node_from_json(cli->arena, reply.body, reply.body_size, ret_answer, err);
}

static void show_results(struct cli *cli, const struct node *answer, const struct node *results)
{
    CLEANUP_BUF struct buf text = {0};

    if (cli_print_node(cli, answer)) return;
    for (size_t i = 0; results && i < results->length; i++) {
        const struct node *result = &results->items[i];
        const char *kind = node_text(result, "kind", ""), *name = node_text(result, "name", "");
        buf_printf(&text, "%s %s", kind, name);
        if (cli->format != OUTPUT_NAME) {
            buf_add_char(&text, ' ');
            style_state(&cli->style, node_text(result, "result", ""), &text);
        }
        buf_add_char(&text, '\n');
    }
    fputs(buf_text(&text), cli->out);
}

static bool wait_for(struct cli *cli, const struct node *results, struct error *err)
{
    size_t length = results ? results->length : 0, farms = 0;
    const char **names = arena_alloc_array(cli->arena, length + 1, sizeof(*names));
    int64_t time_ms = 0;

    for (size_t i = 0; i < length; i++)
        if (text_equal(node_text(&results->items[i], "kind", ""), "farm"))
            names[farms++] = node_text(&results->items[i], "name", "");
    if (!cli_flush(cli)) return error_set(err, ERROR_FAILED, "cannot write the results");
    return wait_time(cli, &time_ms, err) && wait_farms(cli, names, farms, time_ms, err);
}

static void show_actions(struct cli *cli, const struct node *actions)
{
    static const struct column columns[] = {{"STEP", COLUMN_NUMBER, 1},
                                            {"ACTION", COLUMN_TEXT, 0},
                                            {"NAME", COLUMN_TEXT, 0},
                                            {"HOST", COLUMN_TEXT, 2},
                                            {"REASON", COLUMN_PROSE, 3}};
    CLEANUP_BUF struct buf text = {0};

    if (!actions || actions->length == 0) {
        fputs("no instance would be started, moved or stopped\n", cli->out);
        return;
    }
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t i = 0; i < actions->length; i++) {
        const struct node *action = &actions->items[i];
        bool recovers = node_int(action, "step", 0) > 0; /* else there is none */
        const char *const cells[] = {recovers ? node_text(action, "step", "") : "",
                                     node_text(action, "kind", ""), node_text(action, "name", ""),
                                     node_text(action, "host", ""), node_text(action, "reason", "")};
        table_row(table, cells);
    }
    buf_add_char(&text, '\n');
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
}
