/* `croft version`, and what is generated from the table. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/help.h"

#include <stdio.h>

int version_run(struct cli *cli)
{
    struct node answer = {0};
    struct error err;
    bool known = cli_ask(cli, "GET", "/v1/version", NULL, &answer, &err);
    const char *server = node_text(&answer, "version", "");

    if (cli->format == OUTPUT_JSON || cli->format == OUTPUT_YAML) {
        struct node items[] = {{.kind = NODE_STRING, .key = "client", .text = CROFT_VERSION},
                               {.kind = known ? NODE_STRING : NODE_NULL, .key = "server", .text = server}};
        const struct node both = {.kind = NODE_MAP, .items = items, .length = LENGTH(items)};
        cli_print_node(cli, &both);
        return 0;
    }
    /* Without a grid there is still one version to tell. */
    fprintf(cli->out, "client %s\n", CROFT_VERSION);
    if (known)
        fprintf(cli->out, "server %s\n", server);
    else
        fprintf(cli->out, "server unknown: %s\n", err.message);
    return 0;
}

int man_run(struct cli *cli)
{
    CLEANUP_BUF struct buf text = {0};
    help_man(CROFT_VERSION, &text);
    fputs(buf_text(&text), cli->out);
    return 0;
}

int completion_run(struct cli *cli)
{
    CLEANUP_BUF struct buf text = {0};
    if (text_equal(arguments_positional(cli->arguments, 0), "bash"))
        help_completion_bash(&text);
    else
        help_completion_zsh(&text);
    fputs(buf_text(&text), cli->out);
    return 0;
}
