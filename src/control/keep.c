/* What a long life leaves behind: old events, old history of the store, and layers that no image needs go, a
 * little at a time. */
#include "base/text.h"
#include "control/internal.h"

#include <inttypes.h>
#include <string.h>

enum {
    KEEP_EVERY_US = 60 * 1000 * 1000,
    EVENTS_A_ROUND = 1000, /* one transaction; more come next time */
};

/* Events are kept for thirty days, and no longer than the store changes this often; so is the history of
 * every other key, from which watches go on. (Bills are made from the books of usage.c, which are
 * kept for longer: usage_forget.c.) */
static const int64_t event_age_ms_max = INT64_C(30) * 24 * 3600 * 1000;
static const uint64_t revisions_kept = 1000 * 1000;

static void round_of(void *ctx);
static bool forget_events(struct controller *controller, struct error *err);
static bool is_old(const struct store_item *item, uint64_t revision, const char *oldest_time);

void keep_start(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    controller->keep = clock->after(clock->self, KEEP_EVERY_US, round_of, controller);
}

static void round_of(void *ctx)
{
    struct controller *controller = ctx;
    struct store *store = controller->options.store;
    uint64_t revision = store_revision(store);
    struct error err;

    keep_start(controller);
    if (!usage_keep(controller, &err)) control_log(controller, "keeping the books", &err);
    if (!usage_forget(controller, controller->options.keep_bills_months, &err))
        control_log(controller, "dropping old books", &err);
    if (!forget_events(controller, &err)) control_log(controller, "forgetting old events", &err);
    if (revision > revisions_kept && !store_compact(store, revision - revisions_kept, &err))
        control_log(controller, "forgetting old history", &err);
    if (!library_keep(controller, &err)) control_log(controller, "forgetting layers that nobody needs", &err);
}

static bool forget_events(struct controller *controller, struct error *err)
{
    const struct clock_port *clock = controller->options.clock;
    struct store *store = controller->options.store;
    CLEANUP_CHANGE struct change *change = change_new(store);
    struct vec items = VEC_OF(struct store_item);
    char oldest[32];

    text_format_time(oldest, clock->wall_ms(clock->self) - event_age_ms_max);
    if (!store_list(store, "event/", NULL, EVENTS_A_ROUND, &items, err)) return false;
    for (size_t i = 0; i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        if (is_old(item, store_revision(store), oldest)) change_delete_key(change, item->key);
    }
    store_items_free(&items);
    if (change_is_empty(change)) return true;
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

/* RFC 3339 in one zone with one width: order of text is order of time. */
static bool is_old(const struct store_item *item, uint64_t revision, const char *oldest_time)
{
    static const char begins[] = "{\"time\":\""; /* as control/change.c writes them */
    bool passed = revision > revisions_kept && item->revision < revision - revisions_kept;

    if (text_starts(item->value, begins))
        return passed || strncmp(item->value + strlen(begins), oldest_time, strlen(oldest_time)) < 0;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    ASSERT(node_from_json(arena, item->value, strlen(item->value), &node, &err));
    return passed || strcmp(node_text(&node, "time", ""), oldest_time) < 0;
}
