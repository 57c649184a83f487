/* `croft replay`: a scaling policy tried on demand as it once was. */
#include "replay/replay.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "spec/spec.h"

#include <stdio.h>

enum { HOSTS_MAX = 100000, LEAD_MS_MAX = 3600000 };

static bool read_order(struct cli *cli, struct replay_options *ret_options, struct error *err);
static bool read_files(struct cli *cli, const struct replay_options *options, struct documents *ret_documents,
                       struct trace *ret_trace, struct error *err);
static bool read_trace(struct cli *cli, const char *path, struct trace *ret_trace, struct error *err);
static bool write_plot(struct cli *cli, const struct replay_options *options,
                       const struct replay_report *report, struct error *err);
static void print_table(struct cli *cli, const struct replay_report *report);
static void add_row(struct cli *cli, const char *name, const struct replay_sums *sums, struct table *table);

int replay_run_command(struct cli *cli)
{
    struct replay_options options;
    struct documents documents;
    struct trace trace;
    struct replay_report report;
    struct node node;
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (!read_order(cli, &options, &err) || !read_files(cli, &options, &documents, &trace, &err) ||
        !replay_run(cli->arena, &documents, &trace, &options, &report, &err) ||
        !write_plot(cli, &options, &report, &err))
        return cli_fail(cli, &err);
    if (report.left_out[0] != '\0')
        fprintf(cli->err,
                "croft: replay: all demand of a farm goes to its first tier that is sized by load; left out: "
                "%s\n",
                report.left_out);
    replay_json(&report, &json);
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) print_table(cli, &report);
    return 0;
}

static bool read_order(struct cli *cli, struct replay_options *ret_options, struct error *err)
{
    struct replay_options options = {.oracle_late = -1};
    const char *hosts = arguments_text(cli->arguments, "hosts"),
               *lead = arguments_text(cli->arguments, "lead"), *late = arguments_text(cli->arguments, "late"),
               *policy = arguments_text(cli->arguments, "policy");
    uint64_t number;

    options.file = arguments_text(cli->arguments, "farms");
    options.trace_file = arguments_text(cli->arguments, "trace");
    if (options.trace_file == NULL)
        return error_set(err, ERROR_USAGE, "replay: which demand? --trace FILE.csv, or FILE.csv.gz");
    if (options.file == NULL)
        return error_set(err, ERROR_USAGE,
                         "replay: which farms? --farms FILE.yaml, farms and their service levels");
    if (!text_parse_u64(hosts ? hosts : "100", &number) || number < 1 || number > HOSTS_MAX)
        return error_set(err, ERROR_USAGE, "replay: --hosts is 1 to %d: \"%s\" is not", HOSTS_MAX, hosts);
    options.hosts = (int64_t)number;
    if (!text_parse_duration(lead ? lead : "100ms", &options.lead_ms) || options.lead_ms < 0 ||
        options.lead_ms > LEAD_MS_MAX)
        return error_set(err, ERROR_USAGE, "replay: --lead is a time up to 1h, such as 100ms: \"%s\" is not",
                         lead);
    for (int i = 0; policy && replay_policies[i]; i++)
        if (text_equal(policy, replay_policies[i])) options.policy = (enum replay_policy)i;
    if (late != NULL) {
        if (options.policy != REPLAY_ORACLE || !text_parse_u64(late, &number) || number > INT64_MAX)
            return error_set(err, ERROR_USAGE,
                             "replay: --late is with --policy oracle, and a number of requests");
        options.oracle_late = (double)number;
    }
    *ret_options = options;
    return true;
}

static bool read_files(struct cli *cli, const struct replay_options *options, struct documents *ret_documents,
                       struct trace *ret_trace, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};

    if (!user_file_read(options->file, &text, err)) return false;
    const char *kept = arena_strndup(cli->arena, buf_text(&text), text.size);
    if (!spec_read(cli->arena, options->file, kept, text.size, ret_documents, err)) return false;
    return read_trace(cli, options->trace_file, ret_trace, err);
}

static bool read_trace(struct cli *cli, const char *path, struct trace *ret_trace, struct error *err)
{
    CLEANUP_BUF struct buf packed = {0};
    CLEANUP_BUF struct buf text = {0};

    return user_file_read(path, &packed, err) &&
           trace_unpack(path, buf_text(&packed), packed.size, &text, err) &&
           trace_read(cli->arena, path, buf_text(&text), text.size, ret_trace, err);
}

static bool write_plot(struct cli *cli, const struct replay_options *options,
                       const struct replay_report *report, struct error *err)
{
    const char *path = arguments_text(cli->arguments, "plot");
    CLEANUP_BUF struct buf svg = {0};

    if (path == NULL) return true;
    replay_plot(report, replay_policies[options->policy], &svg);
    return user_file_write(path, &svg, err);
}

static void print_table(struct cli *cli, const struct replay_report *report)
{
    static const struct column columns[] = {
        {"farm", COLUMN_TEXT, 0},          {"server hours", COLUMN_NUMBER, 0}, {"peak", COLUMN_NUMBER, 3},
        {"requests", COLUMN_NUMBER, 2},    {"late", COLUMN_NUMBER, 0},         {"refused", COLUMN_NUMBER, 0},
        {"bad minutes", COLUMN_NUMBER, 0}, {"moves", COLUMN_NUMBER, 4},        {"cost", COLUMN_NUMBER, 1},
    };
    struct table *table = table_new(columns, LENGTH(columns));
    CLEANUP_BUF struct buf text = {0};

    for (size_t i = 0; i < report->length; i++)
        add_row(cli, report->farms[i].name, &report->farms[i].sums, table);
    add_row(cli, "total", &report->total, table);
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
}

static void add_row(struct cli *cli, const char *name, const struct replay_sums *sums, struct table *table)
{
    CLEANUP_BUF struct buf cost = {0};
    const char *cells[] = {name,
                           arena_printf(cli->arena, "%.1f", sums->server_s / 3600),
                           arena_printf(cli->arena, "%lld", (long long)sums->peak),
                           arena_printf(cli->arena, "%.0f", sums->requests),
                           arena_printf(cli->arena, "%.0f", sums->late),
                           arena_printf(cli->arena, "%.0f", sums->refused),
                           arena_printf(cli->arena, "%lld", (long long)sums->violation_minutes),
                           arena_printf(cli->arena, "%lld", (long long)sums->moves),
                           NULL};

    replay_cost(sums, &cost);
    cells[LENGTH(cells) - 1] = buf_text(&cost);
    table_row(table, cells);
}
