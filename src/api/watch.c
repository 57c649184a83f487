/* Watches: a listing that goes on, as server-sent events (WHATWG HTML, "Server-sent events"). */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

struct watcher {
    struct asked *asked;
    char *prefix;
    struct store_watch *watch;
};

static void show_all(struct watcher *watcher);
static void changed(void *ctx, const struct store_item *item);
static void send(struct watcher *watcher, const char *event, uint64_t revision, const char *data);
static void gone(void *ctx);
static void forget(struct watcher *watcher);

void watch_start(struct asked *asked, const char *prefix, uint64_t revision)
{
    struct api *api = asked->api;
    struct store *store = controller_store(api->options.controller);
    const struct net_port *net = api->options.net;
    const struct header headers[] = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
    struct watcher *watcher = mem_alloc(sizeof(*watcher));
    struct error err;

    watcher->asked = asked;
    watcher->prefix = mem_strdup(prefix);
    if (!store_watch_start(store, prefix, revision ? revision : store_revision(store), changed, watcher,
                           &watcher->watch, &err)) {
        mem_free(watcher->prefix);
        mem_free(watcher);
        answer_error(asked, &err);
        return;
    }
    *(struct watcher **)vec_push(&api->watchers) = watcher;
    net->start(net->self, asked->exchange, 200, headers, LENGTH(headers), gone, watcher);
    if (revision == 0) show_all(watcher);
}

void watch_free_all(struct api *api)
{
    while (api->watchers.length > 0)
        forget(*(struct watcher **)vec_at(&api->watchers, 0));
}

/* Everything that is there now, as if it had just been put. */
static void show_all(struct watcher *watcher)
{
    struct asked *asked = watcher->asked;
    struct controller *controller = asked->api->options.controller;
    enum record_kind kind = RECORD_KINDS;
    const char *name = NULL;
    size_t length = 0;
    struct error err;

    if (!record_kind_of_path(watcher->prefix, &kind, &name, &err)) return; /* events: only news */
    const struct record *const *records = mirror_list(controller_mirror(controller), kind, &length);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct view *view = view_new(arena, controller);
    for (size_t i = 0; i < length; i++) {
        CLEANUP_BUF struct buf json = {0};
        if (!caller_may_see(&asked->caller, kind, records[i])) continue;
        view_record(view, records[i], &json);
        send(watcher, "put", records[i]->revision, buf_text(&json));
    }
    view_free(view);
}

/* The mirror may have the change already or not yet, by the order in which watches are served: what is shown
 * is the newest that is known of the thing. */
static void changed(void *ctx, const struct store_item *item)
{
    struct watcher *watcher = ctx;
    struct asked *asked = watcher->asked;
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0};
    enum record_kind kind = RECORD_KINDS;
    const char *name = NULL;
    struct error err;

    if (text_starts(item->key, "event/")) {
        CLEANUP_ARENA struct arena *parsed = arena_new();
        struct node event;
        if (item->value && node_from_json(parsed, item->value, strlen(item->value), &event, &err) &&
            event_visible(&asked->caller, &event)) {
            buf_printf(&json, "{\"revision\":%" PRIu64 ",%s", item->revision, item->value + 1);
            send(watcher, "put", item->revision, buf_text(&json));
        }
        return;
    }
    if (!record_kind_of_path(item->key, &kind, &name, &err)) return;
    const struct record *record = mirror_get(controller_mirror(controller), kind, name);
    if (!record) {
        /* Whose it was is in its name: "acme/shop/web-1". */
        bool own = text_equal(asked->caller.party, "landlord") ||
                   (text_starts(name, asked->caller.party) && name[strlen(asked->caller.party)] == '/');
        buf_add_text(&json, "{\"name\":");
        buf_add_json_string(&json, name);
        buf_add_char(&json, '}');
        if (own) send(watcher, "delete", item->revision, buf_text(&json));
        return;
    }
    if (!caller_may_see(&asked->caller, kind, record)) return;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct view *view = view_new(arena, controller);
    view_record(view, record, &json);
    view_free(view);
    send(watcher, "put", item->revision, buf_text(&json));
}

static void send(struct watcher *watcher, const char *event, uint64_t revision, const char *data)
{
    const struct net_port *net = watcher->asked->api->options.net;
    CLEANUP_BUF struct buf text = {0};

    buf_printf(&text, "event: %s\nid: %" PRIu64 "\ndata: %s\n\n", event, revision, data);
    net->chunk(net->self, watcher->asked->exchange, text.data, text.size);
}

static void gone(void *ctx)
{
    forget(ctx);
}

static void forget(struct watcher *watcher)
{
    struct api *api = watcher->asked->api;

    for (size_t i = 0; i < api->watchers.length; i++) {
        if (*(struct watcher **)vec_at(&api->watchers, i) != watcher) continue;
        vec_remove(&api->watchers, i);
        break;
    }
    store_watch_stop(controller_store(api->options.controller), watcher->watch);
    asked_free(watcher->asked);
    mem_free(watcher->prefix);
    mem_free(watcher);
}
