/* `croft sla suggest`: the counts that would have been cheapest. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *better(struct arena *arena, struct span tier, const char *which);

int sla_suggest_run(struct cli *cli)
{
    static const struct column columns[] = {{"TIER", COLUMN_TEXT, 0},
                                            {"PEAK", COLUMN_NUMBER, 1},
                                            {"COMMITTED", COLUMN_TEXT, 0},
                                            {"GUARANTEED", COLUMN_TEXT, 0},
                                            {"MAX", COLUMN_TEXT, 0}};
    struct arena *arena = cli->arena;
    const char *farm = arguments_positional(cli->arguments, 0);
    const char *path = arena_printf(arena, "/v1/farms/%s/suggest", cli_escape(cli, farm));
    CLEANUP_BUF struct buf text = {0};
    struct client_reply reply;
    struct node node;
    struct error err;

    if (!strchr(farm, '/')) {
        error_set(&err, ERROR_USAGE, "sla suggest: of which farm? \"%s\" is none: PARTY/FARM", farm);
        return cli_fail(cli, &err);
    }
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
        table_row(table,
                  (const char *const[]){span_get_text(arena, tier, "name"),
                                        span_get_text(arena, tier, "peak"), better(arena, tier, "committed"),
                                        better(arena, tier, "guaranteed"), better(arena, tier, "max")});
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

/* "2 -> 6", or "2" where it is the cheapest already. */
static const char *better(struct arena *arena, struct span tier, const char *which)
{
    const char *is = span_get_text(arena, span_get(tier, "count"), which);
    const char *best = span_get_text(arena, span_get(tier, "best"), which);
    return text_equal(is, best) ? is : arena_printf(arena, "%s -> %s", is, best);
}
