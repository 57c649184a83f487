/* `croft sla suggest`: the counts that would have been cheapest. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *counts(struct arena *arena, struct span count);

int sla_suggest_run(struct cli *cli)
{
    static const struct column columns[] = {{"TIER", COLUMN_TEXT, 0},
                                            {"PEAK", COLUMN_NUMBER, 1},
                                            {"COMMITTED GUARANTEED MAX", COLUMN_TEXT, 0},
                                            {"CHEAPEST", COLUMN_TEXT, 0}};
    struct arena *arena = cli->arena;
    const char *path =
        arena_printf(arena, "/v1/farms/%s/suggest", cli_escape(cli, arguments_positional(cli->arguments, 0)));
    CLEANUP_BUF struct buf text = {0};
    struct client_reply reply;
    struct node node;
    struct error err;

    if (!cli_ask_text(cli, "GET", path, NULL, &reply, &err) ||
        !node_from_json(arena, reply.body, reply.body_size, &node, &err))
        return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    struct span made = span_of(reply.body, reply.body_size), tier;
    const char *reason = span_get_text(arena, made, "reason");
    if (reason[0]) { /* why there is nothing to suggest */
        fprintf(cli->out, "%s\n", reason);
        return 0;
    }
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t cursor = 0; span_next(span_get(made, "tiers"), &cursor, &tier);)
        table_row(table, (const char *const[]){
                             span_get_text(arena, tier, "name"), span_get_text(arena, tier, "peak"),
                             counts(arena, span_get(tier, "count")), counts(arena, span_get(tier, "best"))});
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
    const char *saving = span_get_text(arena, made, "saving"),
               *currency = span_get_text(arena, made, "currency");
    bool none = saving[strspn(saving, "0.")] == '\0';
    fprintf(cli->out, "\n%.19sZ to %.19sZ, under %s: %s %s with the counts of now%s\n",
            span_get_text(arena, made, "from"), span_get_text(arena, made, "to"),
            span_get_text(arena, made, "sla"), span_get_text(arena, made, "cost"), currency,
            none ? "; no others would have been cheaper"
                 : arena_printf(arena, ", %s %s with the cheapest: saves %s %s",
                                span_get_text(arena, made, "cost_best"), currency, saving, currency));
    return 0;
}

static const char *counts(struct arena *arena, struct span count)
{
    return arena_printf(arena, "%s %s %s", span_get_text(arena, count, "committed"),
                        span_get_text(arena, count, "guaranteed"), span_get_text(arena, count, "max"));
}
