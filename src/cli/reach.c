/* `croft reach`: who can open what to whom. `croft filter test`: who decides a packet. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/span.h"

#include <stdio.h>
#include <string.h>

static const char *words(struct cli *cli, struct span step);

int reach_run(struct cli *cli)
{
    static const struct column columns[] = {{"FROM", COLUMN_TEXT, 0},
                                            {"TO", COLUMN_TEXT, 0},
                                            {"PROTOCOL", COLUMN_TEXT, 0},
                                            {"PORTS", COLUMN_TEXT, 0},
                                            {"HOW FAR", COLUMN_PROSE, 1}};
    static const char *const options[][2] = {{"farm", "farm"}, {"from", "from_end"}, {"to", "to_end"}};
    CLEANUP_BUF struct buf path = {0}, text = {0};
    struct client_reply reply;
    struct node node;
    struct error err;
    char before = '?';

    buf_add_text(&path, "/v1/reach");
    for (size_t i = 0; i < LENGTH(options); i++) {
        const char *value = arguments_text(cli->arguments, options[i][0]);
        if (value == NULL) continue;
        buf_printf(&path, "%c%s=%s", before, options[i][1], cli_escape(cli, value));
        before = '&';
    }
    if (!cli_ask_text(cli, "GET", buf_text(&path), NULL, &reply, &err) ||
        !node_from_json(cli->arena, reply.body, reply.body_size, &node, &err))
        return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    struct table *table = table_new(columns, LENGTH(columns));
    struct span row;
    for (size_t cursor = 0; span_next(span_of(reply.body, reply.body_size), &cursor, &row);) {
        const char *ports = span_get_text(cli->arena, row, "ports");
        bool partly = text_equal(span_get_text(cli->arena, row, "partly"), "true");
        table_row(table, (const char *const[]){
                             span_get_text(cli->arena, row, "from"), span_get_text(cli->arena, row, "to"),
                             span_get_text(cli->arena, row, "protocol"), ports[0] ? ports : "all",
                             partly ? "from some ports or to some addresses only" : "all of it"});
    }
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
    return 0;
}

/* Exit 0 whether it passes or not: the question was answered. */
int filter_test_run(struct cli *cli)
{
    const char *on = arguments_text(cli->arguments, "on"), *packet = arguments_text(cli->arguments, "packet");
    struct span made, step;
    struct client_reply reply;
    struct node node;
    struct error err;

    if (on == NULL || packet == NULL) {
        error_set(&err, ERROR_USAGE, "missing: --%s",
                  on == NULL ? "on NAME" : "packet \"in tcp FROM:PORT > TO:PORT\"");
        return cli_fail(cli, &err);
    }
    const char *path =
        arena_printf(cli->arena, "/v1/judge?on=%s&packet=%s", cli_escape(cli, on), cli_escape(cli, packet));
    if (!cli_ask_text(cli, "GET", path, NULL, &reply, &err) ||
        !node_from_json(cli->arena, reply.body, reply.body_size, &node, &err))
        return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    made = span_of(reply.body, reply.body_size);
    for (size_t cursor = 0; span_next(span_get(made, "steps"), &cursor, &step);)
        fprintf(cli->out, "%s\n", words(cli, step));
    bool passes = text_equal(span_get_text(cli->arena, made, "passes"), "true");
    fprintf(cli->out, "%s\n", passes ? "passes" : "does not pass");
    return 0;
}

/* "rule 3 of filter acme/inner: deny" */
static const char *words(struct cli *cli, struct span step)
{
    const char *filter = span_get_text(cli->arena, step, "filter"),
               *rule = span_get_text(cli->arena, step, "rule"),
               *action = span_get_text(cli->arena, step, "action");

    if (filter[0] == '\0')
        return text_equal(action, "allow") ? "the farm's rules: allow"
                                           : "the farm's rules: deny, none of them allows it";
    if (text_equal(rule, "0"))
        return arena_printf(cli->arena, "the default of filter %s: %s", filter, action);
    return arena_printf(cli->arena, "rule %s of filter %s: %s", rule, filter, action);
}
