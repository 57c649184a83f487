/* Watches: a listing that goes on, as server-sent events (WHATWG HTML, "Server-sent events").
 *
 * What is shown of a thing comes from its document and from other records: a farm's state from its instances.
 * Every change in the store marks the names whose items it may have changed; once a turn of the loop the
 * marked ones are shown anew, and told where they differ from what was told before. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

struct watcher {
    struct asked *asked;
    enum record_kind kind; /* RECORD_KINDS: events, which are told as they come */
    struct store_watch *watch;
    /* Names whose items may have changed: that of the watcher's own document, or of something else. */
    struct map *marked; /* by its document: the watcher; by another: `told` */
    bool all_marked;
    bool everything;     /* still to be told, from the beginning */
    bool known;          /* what is there now is the asker's already, and only to be remembered */
    struct map *told;    /* name -> its item, as last told */
    struct timer *flush; /* NULL: nothing is marked */
    /* A revision is told as an event's id only when all up to it has been told. */
    uint64_t seen, told_revision;
};

static bool start(struct watcher *watcher, const char *prefix, uint64_t revision, struct error *err);
static void changed(void *ctx, const struct store_item *item);
static void tell_event(struct watcher *watcher, const struct store_item *item);
static void mark_touched(struct watcher *watcher, const char *key);
static void mark(struct watcher *watcher, const char *name, size_t length);
static void mark_all(struct watcher *watcher);
static void mark_told(struct watcher *watcher);
static void flush_soon(struct watcher *watcher);
static void flush(void *ctx);
static void show(struct watcher *watcher, struct arena *arena, struct view *view, const char *name,
                 bool quietly, struct vec *ret_events);
static int compare_names(const void *a, const void *b);
static void send(struct watcher *watcher, const char *event, uint64_t revision, const char *data);
static void gone(void *ctx);
static void forget(struct watcher *watcher);
static void watcher_free(struct watcher *watcher);

struct event {
    const char *event;
    const char *json;
};

void watch_start(struct asked *asked, const char *prefix, uint64_t revision)
{
    struct api *api = asked->api;
    const struct net_port *net = api->options.net;
    const struct header headers[] = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
    struct watcher *watcher = mem_alloc(sizeof(*watcher));
    struct error err;

    watcher->asked = asked;
    watcher->marked = map_new();
    watcher->told = map_new();
    if (!start(watcher, prefix, revision, &err)) {
        watcher_free(watcher);
        answer_error(asked, &err);
        return;
    }
    *(struct watcher **)vec_push(&api->watchers) = watcher;
    net->start(net->self, asked->exchange, 200, headers, LENGTH(headers), gone, watcher);
}

void watch_free_all(struct api *api)
{
    while (api->watchers.length > 0)
        forget(*(struct watcher **)vec_at(&api->watchers, 0));
}

static bool start(struct watcher *watcher, const char *prefix, uint64_t revision, struct error *err)
{
    struct store *store = controller_store(watcher->asked->api->options.controller);
    uint64_t now = store_revision(store);
    const char *name = NULL;
    struct error none;

    if (revision > now)
        return error_set(err, ERROR_USAGE,
                         "revision %" PRIu64 " has not been yet, the last is %" PRIu64
                         ": list, and watch from the revision of that (ETag)",
                         revision, now);
    watcher->kind = RECORD_KINDS;
    if (!record_kind_of_path(prefix, &watcher->kind, &name, &none)) watcher->kind = RECORD_KINDS;
    /* Other kinds' changes count, too: those of all keys are looked at. */
    if (!store_watch_start(store, watcher->kind == RECORD_KINDS ? prefix : "", revision ? revision : now,
                           changed, watcher, &watcher->watch, err))
        return false;
    watcher->seen = now;
    watcher->told_revision = revision;
    watcher->everything = revision == 0;
    watcher->known = revision >= now;
    if (watcher->kind != RECORD_KINDS) flush_soon(watcher);
    return true;
}

static void changed(void *ctx, const struct store_item *item)
{
    struct watcher *watcher = ctx;

    if (watcher->kind == RECORD_KINDS) {
        tell_event(watcher, item);
        return;
    }
    if (item->revision > watcher->seen) watcher->seen = item->revision;
    mark_touched(watcher, item->key);
}

static void tell_event(struct watcher *watcher, const struct store_item *item)
{
    CLEANUP_ARENA struct arena *parsed = arena_new();
    CLEANUP_BUF struct buf json = {0};
    struct node event;
    struct error err;

    if (!item->value || !node_from_json(parsed, item->value, strlen(item->value), &event, &err) ||
        !event_visible(watcher->asked, &event))
        return;
    buf_printf(&json, "{\"revision\":%" PRIu64 ",%s", item->revision, item->value + 1);
    send(watcher, "put", item->revision, buf_text(&json));
}

/* Which items view.c makes from which records. What follows from few things only is marked by name; hosts
 * from any instance, since where one was before is not said: what did not change is not told. */
static void mark_touched(struct watcher *watcher, const char *key)
{
    const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
    size_t kind_size = (size_t)(name - key), party_size = strcspn(name, "/");
    enum record_kind kind = RECORD_KINDS;
    const char *own = NULL, *last = strrchr(name, '/');
    struct error err;

    if (record_kind_of_path(key, &kind, &own, &err) && kind == watcher->kind) {
        map_put(watcher->marked, name, watcher);
        flush_soon(watcher);
    }
    bool instance = kind == RECORD_INSTANCE, host = kind == RECORD_HOST,
         host_fact = kind_size == strlen("host-fact/") && text_starts(key, "host-fact/"),
         farm_fact = kind_size == strlen("farm-fact/") && text_starts(key, "farm-fact/");
    switch (watcher->kind) {
    case RECORD_HOST:
        if (host_fact) mark(watcher, name, strlen(name));
        if (instance) mark_all(watcher);
        return;
    case RECORD_FARM:
        if (farm_fact) mark(watcher, name, strlen(name));
        if (instance && last) mark(watcher, name, (size_t)(last - name));
        if (host_fact || kind == RECORD_IMAGE) mark_all(watcher); /* its way out; what a tier is made from */
        return;
    case RECORD_PARTY:
        if (instance) mark(watcher, name, party_size);
        return;
    case RECORD_INSTANCE:
        if (host) mark_all(watcher); /* its zone */
        return;
    case RECORD_POOL:
        if (host || instance) mark_all(watcher);
        if (host) mark_told(watcher); /* a pool without a document ends with its last host */
        return;
    case RECORD_IMAGE:
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_FILTER:
    case RECORD_LEASE:
    case RECORD_CONTACT:
    case RECORD_KEY:
    case RECORD_HOST_FACT:
    case RECORD_FARM_FACT:
    case RECORD_KINDS:
        return;
    }
}

static void mark(struct watcher *watcher, const char *name, size_t length)
{
    CLEANUP_MEM char *copy = mem_printf("%.*s", (int)length, name);
    if (!map_get(watcher->marked, copy)) map_put(watcher->marked, copy, watcher->told);
    flush_soon(watcher);
}

static void mark_all(struct watcher *watcher)
{
    watcher->all_marked = true;
    flush_soon(watcher);
}

static void mark_told(struct watcher *watcher)
{
    size_t cursor = 0;
    const char *name = NULL;

    while (map_next(watcher->told, &cursor, &name, NULL))
        mark(watcher, name, strlen(name));
}

static void flush_soon(struct watcher *watcher)
{
    const struct clock_port *clock = controller_options_of(watcher->asked->api->options.controller)->clock;
    if (!watcher->flush) watcher->flush = clock->after(clock->self, 0, flush, watcher);
}

static void flush(void *ctx)
{
    struct watcher *watcher = ctx;
    struct controller *controller = watcher->asked->api->options.controller;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec names = VEC_OF(const char *), events = VEC_OF(struct event);
    size_t length = 0, cursor = 0;
    const char *name = NULL;
    struct error unread;

    /* What came since the asker's revision is due, whether or not something changes now. When it cannot be
     * read it stays due, and the controller's own dispatch tells why. */
    if (!store_dispatch(controller_store(controller), &unread)) watcher->known = false;
    watcher->flush = NULL;
    bool quietly = watcher->known && !watcher->everything;
    bool all = watcher->all_marked || watcher->everything;
    const struct record *const *records = shown_list(arena, controller, watcher->kind, &length);
    for (size_t i = 0; (all || quietly) && i < length; i++)
        if (!map_get(watcher->marked, records[i]->name)) *(const char **)vec_push(&names) = records[i]->name;
    while (map_next(watcher->marked, &cursor, &name, NULL))
        *(const char **)vec_push(&names) = name;
    vec_sort(&names, compare_names);
    struct view *view = view_new(arena, controller, &watcher->asked->caller);
    for (size_t i = 0; i < names.length; i++) {
        name = *(const char **)vec_at(&names, i);
        bool silent = quietly && !all && !map_get(watcher->marked, name);
        show(watcher, arena, view, name, silent, &events);
    }
    view_free(view);
    for (size_t i = 0; i < events.length; i++) {
        const struct event *event = vec_at(&events, i);
        send(watcher, event->event, i + 1 < events.length ? watcher->told_revision : watcher->seen,
             event->json);
    }
    watcher->told_revision = watcher->seen;
    watcher->all_marked = watcher->everything = watcher->known = false;
    map_free(watcher->marked);
    watcher->marked = map_new();
    vec_free(&names);
    vec_free(&events);
}

/* quietly: the asker has it. A thing that is not there any more is told of if it was told before, or if it
 * was its document that went. */
static void show(struct watcher *watcher, struct arena *arena, struct view *view, const char *name,
                 bool quietly, struct vec *ret_events)
{
    const struct asked *asked = watcher->asked;
    const struct record *record = shown_get(arena, asked->api->options.controller, watcher->kind, name);
    CLEANUP_BUF struct buf json = {0};

    if (!record) {
        CLEANUP_MEM char *before = map_remove(watcher->told, name);
        const char *kind = watcher->kind == RECORD_HOST || watcher->kind == RECORD_POOL ? "host"
                           : watcher->kind == RECORD_PARTY                              ? "party"
                           : watcher->kind == RECORD_LEASE                              ? "lease"
                                                                                        : "";
        if (!before && (map_get(watcher->marked, name) != watcher ||
                        !caller_may_see_event(asked->api->options.controller, &asked->caller, kind, name)))
            return;
        buf_add_text(&json, "{\"name\":");
        buf_add_json_string(&json, name);
        buf_add_char(&json, '}');
        *(struct event *)vec_push(ret_events) =
            (struct event){"delete", arena_strdup(arena, buf_text(&json))};
        return;
    }
    if (!caller_may_see(asked->api->options.controller, &asked->caller, watcher->kind, record)) return;
    view_record(view, record, &json);
    const char *before = map_get(watcher->told, name);
    if (before && text_equal(before, buf_text(&json))) return;
    mem_free(map_put(watcher->told, name, mem_strdup(buf_text(&json))));
    if (!quietly)
        *(struct event *)vec_push(ret_events) = (struct event){"put", arena_strdup(arena, buf_text(&json))};
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return text_compare_natural(*left, *right);
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
    struct asked *asked = watcher->asked;

    for (size_t i = 0; i < api->watchers.length; i++) {
        if (*(struct watcher **)vec_at(&api->watchers, i) != watcher) continue;
        vec_remove(&api->watchers, i);
        break;
    }
    watcher_free(watcher);
    asked_free(asked);
}

static void watcher_free(struct watcher *watcher)
{
    struct controller *controller = watcher->asked->api->options.controller;
    const struct clock_port *clock = controller_options_of(controller)->clock;
    size_t cursor = 0;
    void *item = NULL;

    clock->cancel(clock->self, watcher->flush);
    store_watch_stop(controller_store(controller), watcher->watch);
    while (map_next(watcher->told, &cursor, NULL, &item))
        mem_free(item);
    map_free(watcher->told);
    map_free(watcher->marked);
    mem_free(watcher);
}
