/* Tokens, and what is simple about images. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

int image_list_run(struct cli *cli)
{
    return get_list(cli, "images");
}

int image_remove_run(struct cli *cli)
{
    const char *name = arguments_positional(cli->arguments, 0),
               *party = arguments_text(cli->arguments, "party");
    const char *full =
        strchr(name, '/') ? name : arena_printf(cli->arena, "%s/%s", party ? party : "landlord", name);

    return cli_do(cli, "DELETE", arena_printf(cli->arena, "/v1/images/%s", cli_escape(cli, full)), NULL,
                  arena_printf(cli->arena, "image %s deleted", full));
}

/* The token alone on the line: what it is for is `CROFT_TOKEN=$(croft token create …)`. */
int token_create_run(struct cli *cli)
{
    const char *name = arguments_positional(cli->arguments, 0),
               *party = arguments_text(cli->arguments, "party");
    CLEANUP_BUF struct buf body = {0};
    struct node answer;
    struct error err;

    buf_add_text(&body, "{\"party\":");
    buf_add_json_string(&body, party ? party : "landlord");
    buf_add_text(&body, ",\"name\":");
    buf_add_json_string(&body, name ? name : "default");
    if (arguments_text(cli->arguments, "console")) {
        buf_add_text(&body, ",\"console\":");
        buf_add_json_string(&body, arguments_text(cli->arguments, "console"));
    }
    buf_add_char(&body, '}');
    if (!cli_ask(cli, "POST", "/v1/tokens", buf_text(&body), &answer, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &answer)) fprintf(cli->out, "%s\n", node_text(&answer, "token", ""));
    return 0;
}

int token_list_run(struct cli *cli)
{
    static const struct column columns[] = {{"ID", COLUMN_TEXT, 0},
                                            {"PARTY", COLUMN_TEXT, 0},
                                            {"NAME", COLUMN_TEXT, 0},
                                            {"CONSOLE", COLUMN_TEXT, 0},
                                            {"CREATED", COLUMN_TEXT, 1}};
    CLEANUP_BUF struct buf text = {0};
    struct node answer;
    struct error err;

    if (!cli_ask(cli, "GET", "/v1/tokens", NULL, &answer, &err)) return cli_fail(cli, &err);
    if (cli_print_node(cli, &answer)) return 0;
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t i = 0; i < answer.length; i++) {
        const struct node *token = &answer.items[i];
        const char *const cells[] = {node_text(token, "id", ""), node_text(token, "party", ""),
                                     node_text(token, "name", ""), node_text(token, "console", "all"),
                                     node_text(token, "created", "")};
        if (cli->format == OUTPUT_NAME)
            fprintf(cli->out, "%s\n", cells[0]);
        else
            table_row(table, cells);
    }
    if (cli->format == OUTPUT_TABLE) table_print(table, &cli->style, &text);
    fputs(buf_text(&text), cli->out);
    table_free(table);
    return 0;
}

int token_delete_run(struct cli *cli)
{
    const char *id = arguments_positional(cli->arguments, 0);
    return cli_do(cli, "DELETE", arena_printf(cli->arena, "/v1/tokens/%s", cli_escape(cli, id)), NULL,
                  arena_printf(cli->arena, "token %s deleted", id));
}
