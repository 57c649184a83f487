/* What happened, and why. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 10000, EXPLAIN_EVENTS_MAX = 50 };

static void list(struct asked *asked);
static void explain(struct asked *asked, const char *name);
/* Adds the events that the caller may see, of one thing (NULL: all), not older than from; the last `limit`.
 */
static bool add_events(struct asked *asked, const char *name, const char *from, const char *after,
                       size_t limit, struct buf *ret_json, struct error *err);
static bool add_item(struct asked *asked, const struct store_item *item, const char *name, const char *from,
                     struct buf *ret_json);
static bool concerns(const char *event_name, const char *name);

bool route_events(struct asked *asked)
{
    if (!text_equal(asked->method, "GET")) return false;
    if (text_equal(asked->path, "events") || text_equal(asked->path, "event"))
        list(asked);
    else if (text_starts(asked->path, "explain/"))
        explain(asked, asked->path + strlen("explain/"));
    else
        return false;
    return true;
}

bool event_visible(const struct caller *caller, const struct node *event)
{
    const char *name = node_text(event, "name", "");
    size_t size = strlen(caller->party);

    if (text_equal(caller->party, "landlord")) return true;
    /* A host may have a party's name. */
    if (text_equal(name, caller->party)) return text_equal(node_text(event, "kind", ""), "party");
    return text_starts(name, caller->party) && name[size] == '/';
}

static void list(struct asked *asked)
{
    const struct clock_port *clock = asked->api->options.clock;
    CLEANUP_BUF struct buf json = {0};
    int64_t since_s = 0, since_ms = 0, watch = 0, limit = 0;
    struct error err;
    char from[32];

    if (!query_number(asked, "since", 0, &since_s, &err) || !query_watch(asked, &watch, &err) ||
        !query_number(asked, "limit", EVENTS_MAX, &limit, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (limit < 1 || limit > EVENTS_MAX) {
        error_set(&err, ERROR_USAGE, "?limit= takes 1 to %d, not %" PRId64, EVENTS_MAX, limit);
        answer_error(asked, &err);
        return;
    }
    if (watch >= 0) {
        watch_start(asked, "event/", (uint64_t)watch);
        return;
    }
    int64_t now_ms = clock->wall_ms(clock->self);
    bool all = since_s <= 0 || __builtin_mul_overflow(since_s, 1000, &since_ms) || since_ms > now_ms;
    text_format_time(from, all ? 0 : now_ms - since_ms);
    buf_add_char(&json, '[');
    if (!add_events(asked, query_text(asked, "name"), from, query_text(asked, "after"), (size_t)limit, &json,
                    &err)) {
        answer_error(asked, &err);
        return;
    }
    buf_add_char(&json, ']');
    answer_json(asked, 200, &json);
}

static void explain(struct asked *asked, const char *name)
{
    static const enum record_kind order[] = {RECORD_INSTANCE, RECORD_FARM, RECORD_HOST, RECORD_PARTY,
                                             RECORD_IMAGE};
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0}, item = {0};
    const struct record *record = NULL;
    struct node node = {0};
    struct error err;

    for (size_t i = 0; i < LENGTH(order) && !record; i++) {
        record = mirror_get(controller_mirror(controller), order[i], name);
        if (record && !caller_may_see(&asked->caller, order[i], record)) record = NULL;
    }
    if (record) {
        struct view *view = view_new(asked->arena, controller);
        view_record(view, record, &item);
        view_free(view);
        ASSERT(node_from_json(asked->arena, buf_text(&item), item.size, &node, &err));
    }
    const struct node *status = node_get(&node, "status");
    if (!status) status = &node;
    buf_add_text(&json, "{\"name\":");
    buf_add_json_string(&json, name);
    buf_add_text(&json, ",\"kind\":");
    buf_add_json_string(&json, record ? record_kind_name(record->kind) : "");
    buf_add_text(&json, ",\"state\":");
    buf_add_json_string(&json, node_text(status, "state", record ? "" : "gone"));
    buf_add_text(&json, ",\"reason\":");
    buf_add_json_string(&json, node_text(status, "reason", ""));
    buf_add_text(&json, ",\"events\":[");
    size_t before = json.size;
    if (!add_events(asked, name, "", NULL, EXPLAIN_EVENTS_MAX, &json, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!record && json.size == before) {
        error_set(&err, ERROR_NOT_FOUND, "nothing is known of %s", name);
        answer_error(asked, &err);
        return;
    }
    buf_add_text(&json, "]}");
    answer_json(asked, 200, &json);
}

static bool add_events(struct asked *asked, const char *name, const char *from, const char *after,
                       size_t limit, struct buf *ret_json, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    struct vec shown = VEC_OF(char *);
    char *key = after ? arena_printf(asked->arena, "event/%s", after) : NULL;

    if (!store_list(controller_store(asked->api->options.controller), "event/", key, 0, &items, err))
        return false;
    for (size_t i = 0; i < items.length; i++) {
        struct buf json = {0};
        if (add_item(asked, vec_at(&items, i), name, from, &json))
            *(char **)vec_push(&shown) = buf_take(&json);
        buf_free(&json);
    }
    size_t first = shown.length > limit ? shown.length - limit : 0;
    for (size_t i = 0; i < shown.length; i++) {
        char *text = *(char **)vec_at(&shown, i);
        if (i > first) buf_add_char(ret_json, ',');
        if (i >= first) buf_add_text(ret_json, text);
        mem_free(text);
    }
    vec_free(&shown);
    store_items_free(&items);
    return true;
}

static bool add_item(struct asked *asked, const struct store_item *item, const char *name, const char *from,
                     struct buf *ret_json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    ASSERT(node_from_json(arena, item->value, strlen(item->value), &node, &err));
    if (!event_visible(&asked->caller, &node)) return false;
    if (name && !concerns(node_text(&node, "name", ""), name)) return false;
    /* RFC 3339 in one zone with one width: order of text is order of time. */
    if (strcmp(node_text(&node, "time", ""), from) < 0) return false;
    buf_printf(ret_json, "{\"revision\":%" PRIu64 ",\"key\":\"%s\",%s", item->revision,
               item->key + strlen("event/"), item->value + 1);
    return true;
}

/* The thing itself, or something inside it: "acme/shop" concerns "acme/shop/web-1". */
static bool concerns(const char *event_name, const char *name)
{
    size_t size = strlen(name);
    return text_starts(event_name, name) && (event_name[size] == 0 || event_name[size] == '/');
}
