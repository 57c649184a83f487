/* What happened, and why. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 10000, EXPLAIN_EVENTS_MAX = 50 };

static void list(struct asked *asked);
static void explain(struct asked *asked, const char *name);
/* Which events: those that the caller may see, of one thing, not older than from, behind one of them. */
struct choice {
    const char *name;  /* NULL: of everything */
    const char *from;  /* RFC 3339; "": any time */
    const char *after; /* key of an event, or NULL */
    size_t limit;
    bool last; /* the last of them; else the first */
};

/* *ret_next: key of the last one added when there are more behind it, else NULL. */
static bool add_events(struct asked *asked, const struct choice *choice, struct buf *ret_json,
                       const char **ret_next, struct error *err);
static const char *add_first(struct asked *asked, const struct choice *choice, const struct vec *items,
                             struct buf *ret_json);
static void add_last(struct asked *asked, const struct choice *choice, const struct vec *items,
                     struct buf *ret_json);
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

bool event_visible(const struct asked *asked, const struct node *event)
{
    return caller_may_see_event(asked->api->options.controller, &asked->caller, node_text(event, "kind", ""),
                                node_text(event, "name", ""));
}

static void list(struct asked *asked)
{
    const struct clock_port *clock = asked->api->options.clock;
    CLEANUP_BUF struct buf json = {0};
    int64_t since_s = 0, since_ms = 0, watch = 0, limit = 0, last = 0;
    struct error err;
    char from[32];

    if (!query_number(asked, "since", 0, &since_s, &err) || !query_watch(asked, &watch, &err) ||
        !query_limit(asked, "limit", EVENTS_MAX, &limit, &err) ||
        !query_limit(asked, "last", EVENTS_MAX, &last, &err)) {
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
    const struct choice choice = {.name = query_text(asked, "name"),
                                  .from = from,
                                  .after = query_text(asked, "after"),
                                  .limit = (size_t)(last < limit ? last : limit),
                                  .last = query_text(asked, "last") != NULL};
    const char *next = NULL;
    buf_add_char(&json, '[');
    if (!add_events(asked, &choice, &json, &next, &err)) {
        answer_error(asked, &err);
        return;
    }
    buf_add_char(&json, ']');
    const struct header headers[] = {{"Content-Type", "application/json"}, {"Croft-Next", next ? next : ""}};
    answer_raw(asked, 200, headers, next ? 2 : 1, json.data, json.size);
}

static void explain(struct asked *asked, const char *name)
{
    static const enum record_kind order[] = {
        RECORD_INSTANCE, RECORD_FARM,          RECORD_HOST,   RECORD_PARTY, RECORD_IMAGE,   RECORD_POOL,
        RECORD_SLA,      RECORD_SCALING_RULES, RECORD_FILTER, RECORD_LEASE, RECORD_CONTACT, RECORD_KEY};
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0}, item = {0};
    const struct record *record = NULL;
    struct node node = {0};
    struct error err;

    for (size_t i = 0; i < LENGTH(order) && !record; i++) {
        record = shown_get(asked->arena, controller, order[i], name);
        if (record && !caller_may_see(asked->api->options.controller, &asked->caller, order[i], record))
            record = NULL;
    }
    if (record) {
        struct view *view = view_new(asked->arena, controller, &asked->caller);
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
    const struct choice choice = {.name = name, .from = "", .limit = EXPLAIN_EVENTS_MAX, .last = true};
    const char *next = NULL;
    if (!add_events(asked, &choice, &json, &next, &err)) {
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

static bool add_events(struct asked *asked, const struct choice *choice, struct buf *ret_json,
                       const char **ret_next, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    const char *key = choice->after ? arena_printf(asked->arena, "event/%s", choice->after) : NULL;
    const char *next = NULL;

    if (!store_list(controller_store(asked->api->options.controller), "event/", key, 0, &items, err))
        return false;
    if (choice->last)
        add_last(asked, choice, &items, ret_json);
    else
        next = add_first(asked, choice, &items, ret_json);
    store_items_free(&items);
    *ret_next = next;
    return true;
}

static const char *add_first(struct asked *asked, const struct choice *choice, const struct vec *items,
                             struct buf *ret_json)
{
    CLEANUP_BUF struct buf json = {0};
    const struct store_item *last = NULL;
    size_t shown = 0;

    for (size_t i = 0; i < items->length; i++) {
        const struct store_item *item = vec_at(items, i);
        buf_clear(&json);
        if (!add_item(asked, item, choice->name, choice->from, &json)) continue;
        /* Not the one before this: it may be another party's. */
        if (shown == choice->limit) return arena_strdup(asked->arena, last->key + strlen("event/"));
        if (shown++) buf_add_char(ret_json, ',');
        buf_add(ret_json, json.data, json.size);
        last = item;
    }
    return NULL;
}

static void add_last(struct asked *asked, const struct choice *choice, const struct vec *items,
                     struct buf *ret_json)
{
    struct vec shown = VEC_OF(char *);

    for (size_t i = 0; i < items->length; i++) {
        struct buf json = {0};
        if (add_item(asked, vec_at(items, i), choice->name, choice->from, &json))
            *(char **)vec_push(&shown) = buf_take(&json);
        buf_free(&json);
    }
    size_t first = shown.length > choice->limit ? shown.length - choice->limit : 0;
    for (size_t i = 0; i < shown.length; i++) {
        char *text = *(char **)vec_at(&shown, i);
        if (i > first) buf_add_char(ret_json, ',');
        if (i >= first) buf_add_text(ret_json, text);
        mem_free(text);
    }
    vec_free(&shown);
}

static bool add_item(struct asked *asked, const struct store_item *item, const char *name, const char *from,
                     struct buf *ret_json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    ASSERT(node_from_json(arena, item->value, strlen(item->value), &node, &err));
    if (!event_visible(asked, &node)) return false;
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
