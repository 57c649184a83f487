/* `croft get`: lists, as they are or as tables. */
#include "base/text.h"
#include "cli/listing.h"
#include "cli/stream.h"

#include <string.h>

struct getting {
    struct cli *cli;
    const char *kind; /* plural */
    const char *name; /* NULL: all */
    struct table *table;
    size_t shown;
    int64_t now_ms;
};

static bool get_one(struct getting *getting, struct error *err);
static bool get_all(struct getting *getting, struct error *err);
static void show(struct getting *getting, struct span item);
static void begin(struct getting *getting);
static void end(struct getting *getting);
static bool watch(struct getting *getting, struct error *err);
static bool changed(void *ctx, const char *event, const char *data, size_t size);

int get_run(struct cli *cli)
{
    const struct thing *thing = NULL;
    struct getting getting = {.cli = cli, .now_ms = listing_now_ms()};
    struct error err;

    if (!cli_thing(arguments_positional(cli->arguments, 0), &thing, &err)) return cli_fail(cli, &err);
    getting.kind = thing->plural;
    getting.name = arguments_positional(cli->arguments, 1);
    bool good = false;
    if (arguments_has(cli->arguments, "watch"))
        good = watch(&getting, &err);
    else if (getting.name && !text_equal(getting.kind, "events"))
        good = get_one(&getting, &err);
    else
        good = get_all(&getting, &err);
    table_free(getting.table);
    return good ? 0 : cli_fail(cli, &err);
}

int get_list(struct cli *cli, const char *kind)
{
    struct getting getting = {.cli = cli, .kind = kind, .now_ms = listing_now_ms()};
    struct error err;
    bool good = get_all(&getting, &err);

    table_free(getting.table);
    return good ? 0 : cli_fail(cli, &err);
}

static bool get_one(struct getting *getting, struct error *err)
{
    struct cli *cli = getting->cli;
    struct client_reply reply;
    const char *path = arena_printf(cli->arena, "/v1/%s/%s", getting->kind, cli_escape(cli, getting->name));

    if (!cli_ask_text(cli, "GET", path, NULL, &reply, err)) return false;
    begin(getting);
    show(getting, span_of(reply.body, reply.body_size));
    end(getting);
    return true;
}

/* Page by page; each is shown as soon as it is there, but for tables, whose widths need all. */
static bool get_all(struct getting *getting, struct error *err)
{
    struct cli *cli = getting->cli;
    const char *what = arena_printf(cli->arena, "/v1/%s?", getting->kind), *path = NULL;
    struct client_reply reply;
    struct span item;
    bool first = true;

    if (getting->name) /* of events: those of one thing */
        what = arena_printf(cli->arena, "%sname=%s&", what, cli_escape(cli, getting->name));
    path = arena_strndup(cli->arena, what, strlen(what) - 1);
    do {
        size_t cursor = 0;
        if (!cli_ask_text(cli, "GET", path, NULL, &reply, err)) return false;
        if (first) begin(getting);
        first = false;
        struct span list = span_of(reply.body, reply.body_size);
        while (span_next(list, &cursor, &item))
            show(getting, item);
        if (reply.next) path = arena_printf(cli->arena, "%safter=%s", what, cli_escape(cli, reply.next));
    } while (reply.next);
    end(getting);
    return true;
}

static void begin(struct getting *getting)
{
    if (getting->cli->format == OUTPUT_TABLE) getting->table = listing_table(getting->kind);
    if (getting->cli->format == OUTPUT_JSON) fputc('[', getting->cli->out);
}

static void show(struct getting *getting, struct span item)
{
    struct cli *cli = getting->cli;
    struct span flat = listing_flat(item);

    switch (cli->format) {
    case OUTPUT_TABLE:
        listing_row(cli->arena, getting->kind, flat, getting->now_ms, getting->table);
        break;
    case OUTPUT_JSON:
        fputs(getting->shown ? ",\n" : "", cli->out);
        fwrite(flat.at, 1, flat.size, cli->out);
        break;
    case OUTPUT_NAME:
        fprintf(cli->out, "%s\n", listing_name(cli->arena, flat));
        break;
    case OUTPUT_YAML: {
        struct node node;
        struct error err;
        if (getting->shown) fputs("---\n", cli->out);
        if (node_from_json(cli->arena, flat.at, flat.size, &node, &err)) cli_print_node(cli, &node);
        break;
    }
    }
    getting->shown++;
}

static void end(struct getting *getting)
{
    struct cli *cli = getting->cli;
    CLEANUP_BUF struct buf text = {0};

    if (cli->format == OUTPUT_JSON) fputs("]\n", cli->out);
    if (!getting->table) return;
    /* An empty table says nothing to people; what reads tables by program finds no line. */
    if (getting->shown == 0) {
        fprintf(cli->err, "no %s\n", getting->kind);
        return;
    }
    table_print(getting->table, &cli->style, &text);
    fwrite(buf_text(&text), 1, text.size, cli->out);
}

/* All there is, then every change as a line (JSON: an object a line; what is gone has "deleted"). */
static bool watch(struct getting *getting, struct error *err)
{
    struct cli *cli = getting->cli;
    struct stream stream = {.event = changed, .ctx = getting};

    if (!cli_client(cli, err)) return false;
    const char *path = arena_printf(cli->arena, "/v1/%s?watch=0", getting->kind);
    bool good = client_stream(cli->client, path, 0, stream_data, &stream, err);
    stream_free(&stream);
    return good;
}

static bool changed(void *ctx, const char *event, const char *data, size_t size)
{
    struct getting *getting = ctx;
    struct cli *cli = getting->cli;
    CLEANUP_ARENA struct arena *arena = arena_new(); /* a watch may last for months */
    CLEANUP_BUF struct buf text = {0};
    struct span flat = listing_flat(span_of(data, size));
    bool is_gone = text_equal(event, "delete");
    const char *name = listing_name(arena, flat);

    if (getting->name && !text_equal(name, getting->name)) return true;
    if (cli->format == OUTPUT_JSON) {
        fwrite(flat.at, 1, is_gone ? flat.size - 1 : flat.size, cli->out);
        fputs(is_gone ? ",\"deleted\":true}\n" : "\n", cli->out);
    } else if (cli->format == OUTPUT_YAML) {
        struct node node;
        struct error err;
        if (node_from_json(arena, flat.at, flat.size, &node, &err)) cli_print_node(cli, &node);
        fputs("---\n", cli->out);
    } else if (is_gone || cli->format == OUTPUT_NAME) {
        fprintf(cli->out, is_gone ? "%s deleted\n" : "%s\n", name);
    } else {
        struct table *table = listing_table(getting->kind);
        listing_row(arena, getting->kind, flat, listing_now_ms(), table);
        table_print(table, &cli->style, &text);
        /* The titles once; columns keep no common width, since what comes is not known yet. */
        fputs(getting->shown++ ? strchr(buf_text(&text), '\n') + 1 : buf_text(&text), cli->out);
        table_free(table);
    }
    return cli_flush(cli);
}
