/* `croft describe`: everything about one thing. */
#include "base/text.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_SHOWN = 20, LABEL_WIDTH = 14 };

static bool describe(struct cli *cli, const struct thing *thing, const char *name, struct error *err);
static void show_map(struct cli *cli, const struct node *map, int depth);
static bool is_shown(const struct node *value);
static bool is_short(const struct node *value);
static void show_value(struct cli *cli, const struct node *value, int depth);
static bool is_flat(const struct node *node);
static void title(struct cli *cli, const char *text);
static bool show_instances(struct cli *cli, const char *key, const char *name, struct error *err);
static bool show_events(struct cli *cli, const char *name, struct error *err);

int describe_run(struct cli *cli)
{
    const struct thing *thing = NULL;
    struct error err;

    bool good = cli_thing(arguments_positional(cli->arguments, 0), &thing, &err) &&
                describe(cli, thing, arguments_positional(cli->arguments, 1), &err);
    return good ? 0 : cli_fail(cli, &err);
}

static bool describe(struct cli *cli, const struct thing *thing, const char *name, struct error *err)
{
    const char *path = arena_printf(cli->arena, "/v1/%s/%s", thing->plural, cli_escape(cli, name));
    struct node item;
    struct vec document = VEC_OF(struct node);

    if (!cli_ask(cli, "GET", path, NULL, &item, err)) return false;
    if (cli_print_node(cli, &item)) return true;
    const struct node *status = node_get(&item, "status");
    title(cli, arena_printf(cli->arena, "%s %s", thing->singular, name));
    show_map(cli, status ? status : &item, 1);
    for (size_t i = 0; status && i < item.length; i++)
        if (&item.items[i] != status) *(struct node *)vec_push(&document) = item.items[i];
    if (document.length > 0) {
        const struct node asked = {.kind = NODE_MAP, .items = document.items, .length = document.length};
        title(cli, "\nAs it was asked for");
        show_map(cli, &asked, 1);
    }
    vec_free(&document);
    if (text_equal(thing->plural, "farms") && !show_instances(cli, "farm", name, err)) return false;
    if (text_equal(thing->plural, "hosts") && !show_instances(cli, "host", name, err)) return false;
    return show_events(cli, name, err);
}

static void show_map(struct cli *cli, const struct node *map, int depth)
{
    int width = LABEL_WIDTH;

    for (size_t i = 0; i < map->length; i++) {
        int size = (int)text_columns(map->items[i].key) + 1;
        if (is_shown(&map->items[i]) && size > width) width = size;
    }
    for (size_t i = 0; i < map->length; i++) {
        const struct node *value = &map->items[i];
        const char *label = arena_printf(cli->arena, "%s:", text_shown(cli->arena, value->key));
        if (!is_shown(value)) continue;
        fprintf(cli->out, "%*s%-*s", 2 * depth, "", is_short(value) ? width + 1 : 0, label);
        show_value(cli, value, depth);
    }
}

/* What is empty says nothing. */
static bool is_shown(const struct node *value)
{
    if (value->kind == NODE_MAP || value->kind == NODE_LIST) return value->length > 0;
    return value->kind != NODE_NULL && (value->kind != NODE_STRING || value->text[0]);
}

/* It has room behind its label. */
static bool is_short(const struct node *value)
{
    return (value->kind != NODE_MAP && value->kind != NODE_LIST) || is_flat(value);
}

static void show_value(struct cli *cli, const struct node *value, int depth)
{
    CLEANUP_BUF struct buf text = {0};

    if (value->kind != NODE_MAP && value->kind != NODE_LIST) {
        style_state(&cli->style, text_shown(cli->arena, value->text), &text);
        fprintf(cli->out, "%s\n", buf_text(&text));
        return;
    }
    if (is_flat(value)) {
        for (size_t i = 0; i < value->length; i++) {
            const struct node *item = &value->items[i];
            buf_printf(&text, "%s%s%s%s", i ? ", " : "", text_shown(cli->arena, item->key),
                       item->key ? " " : "", text_shown(cli->arena, item->text));
        }
        fprintf(cli->out, "%s\n", buf_text(&text));
        return;
    }
    fputc('\n', cli->out);
    if (value->kind == NODE_MAP) show_map(cli, value, depth + 1);
    for (size_t i = 0; value->kind == NODE_LIST && i < value->length; i++) {
        const struct node *item = &value->items[i];
        fprintf(cli->out, "%*s- ", 2 * depth + 2, "");
        if (is_flat(item) || item->kind == NODE_LIST) {
            show_value(cli, item, depth + 1);
        } else if (item->kind == NODE_MAP) {
            fprintf(cli->out, "%s\n", text_shown(cli->arena, node_text(item, "name", "")));
            show_map(cli, item, depth + 2);
        } else {
            fprintf(cli->out, "%s\n", text_shown(cli->arena, item->text));
        }
    }
}

/* Only scalars, and few enough for a line. */
static bool is_flat(const struct node *node)
{
    if ((node->kind != NODE_MAP && node->kind != NODE_LIST) || node->length > 6) return false;
    for (size_t i = 0; i < node->length; i++)
        if (node->items[i].kind == NODE_MAP || node->items[i].kind == NODE_LIST) return false;
    return true;
}

static void title(struct cli *cli, const char *text)
{
    CLEANUP_BUF struct buf styled = {0};
    if (text[0] == '\n') fputc(*text++, cli->out);
    style_title(&cli->style, text, &styled);
    fprintf(cli->out, "%s\n", buf_text(&styled));
}

static bool show_instances(struct cli *cli, const char *key, const char *name, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct client_reply reply;
    struct span item;
    size_t cursor = 0, shown = 0;

    if (!cli_ask_text(cli, "GET", "/v1/instances", NULL, &reply, err)) return false;
    struct span list = span_of(reply.body, reply.body_size);
    struct table *table = listing_table("instances");
    while (span_next(list, &cursor, &item)) {
        if (!text_equal(span_get_text(cli->arena, item, key), name)) continue;
        listing_row(cli->arena, "instances", item, listing_now_ms(), table);
        shown++;
    }
    if (shown > 0) {
        title(cli, "\nInstances");
        table_print(table, &cli->style, &text);
        fputs(buf_text(&text), cli->out);
    }
    table_free(table);
    return true;
}

static bool show_events(struct cli *cli, const char *name, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct client_reply reply;
    struct span event;
    size_t cursor = 0;
    const char *path =
        arena_printf(cli->arena, "/v1/events?name=%s&last=%d", cli_escape(cli, name), EVENTS_SHOWN);

    if (!cli_ask_text(cli, "GET", path, NULL, &reply, err)) return false;
    struct span list = span_of(reply.body, reply.body_size);
    struct table *table = listing_table("events");
    title(cli, "\nRecent events");
    while (span_next(list, &cursor, &event))
        listing_row(cli->arena, "events", event, listing_now_ms(), table);
    if (cursor > 0)
        table_print(table, &cli->style, &text);
    else
        buf_add_text(&text, "  none\n");
    fputs(buf_text(&text), cli->out);
    table_free(table);
    return true;
}
