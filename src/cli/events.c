/* What happened, and why: `croft events` and `croft explain`. */
#include "base/text.h"
#include "cli/listing.h"
#include "cli/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct telling {
    struct cli *cli;
    const char *name; /* NULL: of everything */
};

static bool show_past(struct telling *telling, int64_t since_ms, struct error *err);
static bool follow(struct telling *telling, struct error *err);
static bool happened(void *ctx, const char *event, const char *data, size_t size);
static void show(struct cli *cli, struct arena *arena, struct span event);
static bool concerns(const char *event_name, const char *name);
static void tell_story(struct cli *cli, struct span answer);

int events_run(struct cli *cli)
{
    struct telling telling = {cli, arguments_positional(cli->arguments, 0)};
    const char *since = arguments_text(cli->arguments, "since");
    bool follows = arguments_has(cli->arguments, "follow");
    int64_t since_ms = 0;
    struct error err;

    if (since && !text_parse_duration(since, &since_ms)) {
        error_set(&err, ERROR_USAGE, "events: --since takes a time such as 10m, 1h or 7d, not \"%s\"", since);
        return cli_fail(cli, &err);
    }
    bool good = show_past(&telling, since_ms, &err) && (!follows || follow(&telling, &err));
    return good ? 0 : cli_fail(cli, &err);
}

int explain_run(struct cli *cli)
{
    const char *path =
        arena_printf(cli->arena, "/v1/explain/%s", cli_escape(cli, arguments_positional(cli->arguments, 0)));
    struct client_reply reply;
    struct node node;
    struct error err;

    if (!cli_ask_text(cli, "GET", path, NULL, &reply, &err)) return cli_fail(cli, &err);
    if (!node_from_json(cli->arena, reply.body, reply.body_size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) tell_story(cli, span_of(reply.body, reply.body_size));
    return 0;
}

/* Page by page. */
static bool show_past(struct telling *telling, int64_t since_ms, struct error *err)
{
    struct cli *cli = telling->cli;
    bool follows = arguments_has(cli->arguments, "follow");
    const char *what =
        arena_printf(cli->arena, "/v1/events?since=%" PRId64 "%s%s", (since_ms + 999) / 1000,
                     telling->name ? "&name=" : "", telling->name ? cli_escape(cli, telling->name) : "");
    const char *path = what;
    /* One array, but where it has no end: there an object a line. */
    bool array = cli->format == OUTPUT_JSON && !follows;
    struct client_reply reply;
    size_t shown = 0;

    do {
        struct span event;
        size_t cursor = 0;
        if (!cli_ask_text(cli, "GET", path, NULL, &reply, err)) return false;
        struct span list = span_of(reply.body, reply.body_size);
        if (array && path == what) fputc('[', cli->out);
        while (span_next(list, &cursor, &event)) {
            if (array && shown) fputs(",\n", cli->out);
            shown++;
            show(cli, cli->arena, event);
            if (cli->format == OUTPUT_JSON && follows) fputc('\n', cli->out);
        }
        if (reply.next) path = arena_printf(cli->arena, "%s&after=%s", what, cli_escape(cli, reply.next));
    } while (reply.next);
    if (array) fputs("]\n", cli->out);
    if (!cli_flush(cli)) return error_set(err, ERROR_FAILED, "cannot write the events");
    return true;
}

static bool follow(struct telling *telling, struct error *err)
{
    struct stream stream = {.event = happened, .ctx = telling};
    bool good = client_stream(telling->cli->client, "/v1/events?watch=0", 0, stream_data, &stream, err);
    stream_free(&stream);
    return good;
}

static bool happened(void *ctx, const char *event, const char *data, size_t size)
{
    struct telling *telling = ctx;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct span span = span_of(data, size);

    if (!text_equal(event, "put")) return true; /* old ones are forgotten */
    if (telling->name && !concerns(span_get_text(arena, span, "name"), telling->name)) return true;
    show(telling->cli, arena, span);
    if (telling->cli->format == OUTPUT_JSON) fputc('\n', telling->cli->out);
    return cli_flush(telling->cli);
}

/* A line a event: who reads along wants no columns that wait for the end. */
static void show(struct cli *cli, struct arena *arena, struct span event)
{
    struct node node;
    struct error err;
    const char *reason = span_get_text(arena, event, "reason"), *who = span_get_text(arena, event, "who"),
               *right = span_get_text(arena, event, "right");

    switch (cli->format) {
    case OUTPUT_JSON:
        fwrite(event.at, 1, event.size, cli->out);
        return;
    case OUTPUT_YAML:
        if (node_from_json(arena, event.at, event.size, &node, &err)) cli_print_node(cli, &node);
        fputs("---\n", cli->out);
        return;
    case OUTPUT_NAME:
        fprintf(cli->out, "%s\n", span_get_text(arena, event, "name"));
        return;
    case OUTPUT_TABLE:
        break;
    }
    CLEANUP_BUF struct buf line = {0}, text = {0};
    buf_printf(&line, "%s  %s %s %s", span_get_text(arena, event, "time"),
               span_get_text(arena, event, "kind"), span_get_text(arena, event, "name"),
               span_get_text(arena, event, "what"));
    if (reason[0]) buf_printf(&line, ": %s", reason);
    if (who[0] && !text_equal(who, "croft"))
        buf_printf(&line, " (%s%s%s)", who, right[0] ? " by " : "", right);
    text_add_shown(&text, buf_text(&line));
    fprintf(cli->out, "%s\n", buf_text(&text));
}

/* As the API sees it: the thing, or what is inside it. */
static bool concerns(const char *event_name, const char *name)
{
    size_t size = strlen(name);
    return text_starts(event_name, name) && (event_name[size] == 0 || event_name[size] == '/');
}

static void tell_story(struct cli *cli, struct span answer)
{
    CLEANUP_BUF struct buf text = {0};
    struct arena *arena = cli->arena;
    const char *kind = span_get_text(arena, answer, "kind");
    const char *reason = span_get_text(arena, answer, "reason");
    const char *state = span_get_text(arena, answer, "state");
    struct span events = span_get(answer, "events"), event;
    size_t cursor = 0;
    bool any = false;

    buf_printf(&text, "%s%s%s", kind, kind[0] ? " " : "", span_get_text(arena, answer, "name"));
    if (state[0]) buf_add_text(&text, " is ");
    style_state(&cli->style, state, &text);
    if (reason[0]) buf_printf(&text, ": %s", text_shown(arena, reason));
    buf_add_text(&text, ".\n");
    fputs(buf_text(&text), cli->out);
    while (span_next(events, &cursor, &event)) {
        if (!any) fputs("\nHow it came to this:\n", cli->out);
        any = true;
        fputs("  ", cli->out);
        show(cli, arena, event);
    }
    if (!any) fputs("Nothing is remembered of how it came to this.\n", cli->out);
}
