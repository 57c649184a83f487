/* Books of long ago go: first those that ended first, a little at a time. */
#include "base/text.h"
#include "control/internal.h"
#include "control/usage.h"
#include "plan/bill/calendar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_A_ROUND = 1000 }; /* of each book; more go next time */

static const char kept_key[] = "usage-kept-from";
static const char *const shelves[] = {"usage/",     "host-usage/",  "farm-terms/",
                                      "sla-terms/", "party-terms/", "service/"};

static bool forget_some(struct store *store, struct change *change, const char *shelf, int64_t before_ms,
                        struct error *err);
static bool is_before(const struct store_item *item, const char *key);

bool usage_forget(struct controller *controller, int64_t months, struct error *err)
{
    struct store *store = controller->options.store;
    CLEANUP_CHANGE struct change *change = change_new(store);
    char text[32];

    if (months == 0) return true;
    int64_t from_ms = period_begins_ms(PERIOD_MONTH, usage_now_ms(controller));
    for (int64_t i = 0; i < months && from_ms > 0; i++)
        from_ms = period_begins_ms(PERIOD_MONTH, from_ms - 1);
    /* A bill from then on reads the whole week, for fees and credits. */
    int64_t before_ms = bill_reads_from_ms(from_ms);
    for (size_t i = 0; i < LENGTH(shelves); i++)
        if (!forget_some(store, change, shelves[i], before_ms, err)) return false;
    if (change_is_empty(change)) return true;
    if (from_ms < controller->kept_from_ms) from_ms = controller->kept_from_ms; /* fewer months were kept */
    snprintf(text, sizeof(text), "%" PRId64, from_ms);
    change_put_text(change, kept_key, text);
    if (!change_commit(change, NULL, err)) return false;
    controller->kept_from_ms = from_ms;
    control_dispatch(controller);
    return true;
}

bool usage_forget_begin(struct controller *controller, struct error *err)
{
    return usage_read_clock(controller, kept_key, &controller->kept_from_ms, err);
}

int64_t usage_kept_from_ms(const struct controller *controller)
{
    return controller->kept_from_ms;
}

/* Keys are in order of time. */
static bool forget_some(struct store *store, struct change *change, const char *shelf, int64_t before_ms,
                        struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *first_kept =
        arena_printf(arena, "%s%016" PRIx64, shelf, (uint64_t)(before_ms > 0 ? before_ms : 0));
    struct vec items = VEC_OF(struct store_item);

    /* Mostly the first is young already. */
    for (size_t limit = 1; limit <= ROWS_A_ROUND; limit += ROWS_A_ROUND - 1) {
        store_items_free(&items);
        if (!store_list(store, shelf, NULL, limit, &items, err)) return false;
        if (items.length == 0 || !is_before(vec_at(&items, 0), first_kept)) break;
    }
    for (size_t i = 0; i < items.length && is_before(vec_at(&items, i), first_kept); i++)
        change_delete_key(change, ((struct store_item *)vec_at(&items, i))->key);
    store_items_free(&items);
    return true;
}

static bool is_before(const struct store_item *item, const char *key)
{
    return strcmp(item->key, key) < 0;
}
