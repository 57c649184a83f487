/* Commands that do one thing to one thing. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/wait.h"

#include <inttypes.h>
#include <stdio.h>

static const char *line(struct cli *cli, const char *kind, const char *name, const char *what);
static int host_order(struct cli *cli, const char *order, const char *what);

int delete_run(struct cli *cli)
{
    const char *name = arguments_positional(cli->arguments, 1);
    bool waits = arguments_has(cli->arguments, "wait");
    const struct thing *thing = NULL;
    struct node answer;
    struct error err;
    int64_t time_ms = 0;

    if (!cli_thing(arguments_positional(cli->arguments, 0), &thing, &err)) return cli_fail(cli, &err);
    if (waits && !wait_time(cli, &time_ms, &err)) return cli_fail(cli, &err);
    const char *path = arena_printf(cli->arena, "/v1/%s/%s", thing->plural, cli_escape(cli, name));
    if (!cli_ask(cli, "DELETE", path, NULL, &answer, &err)) return cli_fail(cli, &err);
    /* Everything else is gone with the answer. */
    bool wipes = waits && text_equal(thing->plural, "farms");
    if (wipes && !wait_wiped(cli, name, time_ms, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &answer)) fprintf(cli->out, "%s\n", line(cli, thing->singular, name, "deleted"));
    return 0;
}

int scale_run(struct cli *cli)
{
    const char *farm = arguments_positional(cli->arguments, 0),
               *tier = arguments_positional(cli->arguments, 1);
    const char *text = arguments_positional(cli->arguments, 2);
    CLEANUP_BUF struct buf body = {0};
    uint64_t count = 0;
    struct error err;

    if (!text_parse_u64(text, &count)) {
        error_set(&err, ERROR_USAGE, "scale: N is a number of instances, not \"%s\"", text);
        return cli_fail(cli, &err);
    }
    buf_add_text(&body, "{\"tier\":");
    buf_add_json_string(&body, tier);
    buf_printf(&body, ",\"count\":%" PRIu64 "}", count);
    const char *path = arena_printf(cli->arena, "/v1/farms/%s/scale", cli_escape(cli, farm));
    return cli_do(cli, "POST", path, buf_text(&body),
                  arena_printf(cli->arena, "farm %s tier %s scaled to %s", farm, tier, text));
}

int move_run(struct cli *cli)
{
    const char *instance = arguments_positional(cli->arguments, 0);
    const char *host = arguments_positional(cli->arguments, 1);
    CLEANUP_BUF struct buf body = {0};

    buf_add_text(&body, "{\"host\":");
    buf_add_json_string(&body, host);
    buf_add_char(&body, '}');
    const char *path = arena_printf(cli->arena, "/v1/instances/%s/move", cli_escape(cli, instance));
    return cli_do(cli, "POST", path, buf_text(&body),
                  arena_printf(cli->arena, "instance %s moves to %s", instance, host));
}

int drain_run(struct cli *cli)
{
    return host_order(cli, "drain", "draining");
}

int activate_run(struct cli *cli)
{
    return host_order(cli, "activate", "active");
}

int power_run(struct cli *cli)
{
    const char *host = arguments_positional(cli->arguments, 0);
    const char *order = arguments_positional(cli->arguments, 1);
    const char *path = arena_printf(cli->arena, "/v1/hosts/%s/power", cli_escape(cli, host));
    const char *body = arena_printf(cli->arena, "{\"order\":\"%s\"}", order);
    return cli_do(cli, "POST", path, body, arena_printf(cli->arena, "host %s power %s done", host, order));
}

int export_run(struct cli *cli)
{
    struct client_reply reply;
    struct error err;

    if (!cli_ask_text(cli, "GET", "/v1/export", NULL, &reply, &err)) return cli_fail(cli, &err);
    fwrite(reply.body, 1, reply.body_size, cli->out);
    return 0;
}

static int host_order(struct cli *cli, const char *order, const char *what)
{
    const char *host = arguments_positional(cli->arguments, 0);
    const char *path = arena_printf(cli->arena, "/v1/hosts/%s/%s", cli_escape(cli, host), order);
    return cli_do(cli, "POST", path, "{}", line(cli, "host", host, what));
}

static const char *line(struct cli *cli, const char *kind, const char *name, const char *what)
{
    return arena_printf(cli->arena, "%s %s %s", kind, name, what);
}
