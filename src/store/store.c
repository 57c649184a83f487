#include "store/store.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/planted.h"
#include "base/text.h"
#include "store/provider.h"

#include <inttypes.h>
#include <string.h>

/* A lease that was read from a file has no deadline until somebody tells the time. */
struct lease {
    uint64_t id;
    int64_t ttl_ms;
    bool timed;
    int64_t deadline_ms; /* if timed */
};

struct store_watch {
    char *prefix;
    struct store_place seen; /* everything up to here was delivered or does not concern it */
    void (*changed)(void *ctx, const struct store_item *item);
    void *ctx;
    bool stopped; /* during a dispatch, which frees it at its end */
};

struct store {
    const struct store_provider *provider;
    void *self;
    uint64_t revision;
    uint64_t compacted;
    struct vec leases;  /* struct lease, by id */
    struct vec watches; /* struct store_watch *, in order of their start */
    bool dispatching;
};

static bool check_ops(struct store *store, const struct store_op *ops, size_t length, struct error *err);
static bool check_op(struct store *store, const struct store_op *op, struct error *err);
static bool is_write(const struct store_op *op);
static struct store_place place_end(uint64_t revision);
static bool place_before(struct store_place a, struct store_place b);
static bool deliver_next(struct store *store, bool *ret_done, struct error *err);
static struct store_place least_seen(const struct store *store);
static void deliver(struct store *store, const struct store_change *change);
static void mark_all_seen(struct store *store);
static void free_stopped(struct store *store);
static struct store_watch *watch_at(const struct store *store, size_t index);
static void watch_free(struct store_watch *watch);
static struct lease *find_lease(const struct store *store, uint64_t id);
static bool lease_missing(struct error *err, uint64_t id);
static bool lease_over(const struct lease *lease, int64_t now_ms);
static void lease_extend(struct lease *lease, int64_t now_ms);
static bool end_lease(struct store *store, struct lease *lease, struct error *err);
static void keys_free(struct vec *keys);

void store_close(struct store *store)
{
    if (!store) return;
    ASSERT(!store->dispatching);
    for (size_t i = 0; i < store->watches.length; i++)
        watch_free(watch_at(store, i));
    vec_free(&store->watches);
    vec_free(&store->leases);
    store->provider->close(store->self);
    mem_free(store);
}

void store_closep(struct store **store)
{
    store_close(*store);
}

uint64_t store_revision(const struct store *store)
{
    return store->revision;
}

bool store_get(struct store *store, const char *key, struct store_item *ret_item, struct error *err)
{
    return store->provider->get(store->self, key, store->revision, ret_item, err);
}

bool store_list(struct store *store, const char *prefix, const char *after, size_t limit,
                struct vec *ret_items, struct error *err)
{
    return store->provider->list(store->self, prefix, after ? after : "", limit, ret_items, err);
}

bool store_txn(struct store *store, const struct store_op *ops, size_t length, uint64_t *ret_revision,
               struct error *err)
{
    if (!check_ops(store, ops, length, err)) return false;
    if (PLANTED(lost_write) && length > 0 && text_starts(ops[0].key, "farm/") && store->revision % 8 == 0)
        return true; /* acknowledged, and nowhere */
    if (!store->provider->commit(store->self, ops, length, 0, &store->revision, err)) {
        if (PLANTED(revision_back) && store->revision > 0) store->revision--;
        return false;
    }
    if (ret_revision) *ret_revision = store->revision;
    return true;
}

bool store_watch_start(struct store *store, const char *prefix, uint64_t from_revision,
                       void (*changed)(void *ctx, const struct store_item *item), void *ctx,
                       struct store_watch **ret_watch, struct error *err)
{
    if (store->compacted > 0 && from_revision < store->compacted - 1)
        return error_set(err, ERROR_NOT_FOUND,
                         "changes after revision %" PRIu64 " are no longer kept, only from %" PRIu64
                         " on: list '%s', then watch from the store's revision",
                         from_revision, store->compacted, prefix);
    struct store_watch *watch = mem_alloc(sizeof(*watch));
    watch->prefix = mem_strdup(prefix);
    watch->seen = place_end(from_revision);
    watch->changed = changed;
    watch->ctx = ctx;
    *(struct store_watch **)vec_push(&store->watches) = watch;
    *ret_watch = watch;
    return true;
}

void store_watch_stop(struct store *store, struct store_watch *watch)
{
    if (!watch) return;
    watch->stopped = true;
    if (!store->dispatching) free_stopped(store);
}

bool store_dispatch(struct store *store, struct error *err)
{
    if (store->dispatching) return true;
    store->dispatching = true;
    bool good = true;
    for (bool done = false; good && !done;)
        good = deliver_next(store, &done, err);
    store->dispatching = false;
    free_stopped(store);
    return good;
}

bool store_get_at(struct store *store, const char *key, uint64_t revision, struct store_item *ret_item,
                  struct error *err)
{
    if (revision < store->compacted)
        return error_set(err, ERROR_NOT_FOUND,
                         "%s: revision %" PRIu64 " is no longer kept, only from %" PRIu64 " on", key,
                         revision, store->compacted);
    if (revision > store->revision) revision = store->revision;
    return store->provider->get(store->self, key, revision, ret_item, err);
}

bool store_compact(struct store *store, uint64_t revision, struct error *err)
{
    if (revision > store->revision)
        return error_set(err, ERROR_INVALID,
                         "cannot compact to revision %" PRIu64 ": the store is only at %" PRIu64, revision,
                         store->revision);
    if (revision <= store->compacted) return true;
    if (place_before(least_seen(store), place_end(revision - 1)))
        return error_set(err, ERROR_REFUSED,
                         "cannot compact to revision %" PRIu64 ": watches are still due changes from before",
                         revision);
    if (!store->provider->compact(store->self, revision, err)) return false;
    store->compacted = revision;
    return true;
}

bool store_lease_grant(struct store *store, int64_t ttl_ms, int64_t now_ms, uint64_t *ret_lease,
                       struct error *err)
{
    if (ttl_ms <= 0)
        return error_set(err, ERROR_INVALID, "a lease needs a time to live above 0 ms, not %" PRId64, ttl_ms);
    struct lease lease = {.ttl_ms = ttl_ms};
    if (!store->provider->lease_add(store->self, ttl_ms, &lease.id, err)) return false;
    lease_extend(&lease, now_ms);
    *(struct lease *)vec_push(&store->leases) = lease;
    *ret_lease = lease.id;
    return true;
}

bool store_lease_keep(struct store *store, uint64_t lease, int64_t now_ms, struct error *err)
{
    struct lease *found = find_lease(store, lease);
    if (!found || lease_over(found, now_ms)) return lease_missing(err, lease);
    lease_extend(found, now_ms);
    return true;
}

bool store_lease_end(struct store *store, uint64_t lease, struct error *err)
{
    struct lease *found = find_lease(store, lease);
    if (!found) return lease_missing(err, lease);
    return end_lease(store, found, err);
}

bool store_tick(struct store *store, int64_t now_ms, struct error *err)
{
    for (size_t i = 0; i < store->leases.length;) {
        struct lease *lease = vec_at(&store->leases, i);
        if (!lease->timed) lease_extend(lease, now_ms);
        if (!lease_over(lease, now_ms))
            i++;
        else if (!end_lease(store, lease, err)) /* removes the i-th */
            return false;
    }
    return true;
}

void store_item_free(struct store_item *item)
{
    mem_free(item->key);
    mem_free(item->value);
    *item = (struct store_item){0};
}

void store_items_free(struct vec *items)
{
    for (size_t i = 0; i < items->length; i++)
        store_item_free(vec_at(items, i));
    vec_free(items);
}

bool store_new(const struct store_provider *provider, void *self, struct store **ret_store, struct error *err)
{
    struct store_state state;
    if (!provider->load(self, &state, err)) {
        provider->close(self);
        return false;
    }
    struct store *store = mem_alloc(sizeof(*store));
    store->provider = provider;
    store->self = self;
    store->revision = state.revision;
    store->compacted = state.compacted;
    store->leases = VEC_OF(struct lease);
    store->watches = VEC_OF(struct store_watch *);
    for (size_t i = 0; i < state.leases.length; i++) {
        const struct store_lease *lease = vec_at(&state.leases, i);
        *(struct lease *)vec_push(&store->leases) = (struct lease){.id = lease->id, .ttl_ms = lease->ttl_ms};
    }
    vec_free(&state.leases);
    *ret_store = store;
    return true;
}

bool store_absent(struct error *err, const char *key)
{
    return error_set(err, ERROR_NOT_FOUND, "%s does not exist", key);
}

bool store_conflict(struct error *err, const struct store_op *op, uint64_t revision)
{
    if (revision == 0)
        return error_set(err, ERROR_CONFLICT, "%s does not exist, expected it at revision %" PRIu64, op->key,
                         op->revision);
    if (op->revision == 0)
        return error_set(err, ERROR_CONFLICT, "%s exists already (revision %" PRIu64 ")", op->key, revision);
    return error_set(err, ERROR_CONFLICT,
                     "%s was changed meanwhile (revision %" PRIu64 ", expected %" PRIu64 "): read it again",
                     op->key, revision, op->revision);
}

static bool check_ops(struct store *store, const struct store_op *ops, size_t length, struct error *err)
{
    if (length > STORE_OPS_LENGTH_MAX)
        return error_set(err, ERROR_TOO_LARGE, "a transaction of %zu operations: at most %d are allowed",
                         length, STORE_OPS_LENGTH_MAX);
    CLEANUP(map_freep) struct map *written = map_new();
    for (size_t i = 0; i < length; i++) {
        if (!check_op(store, &ops[i], err)) return false;
        /* Any pointer that is not NULL would do as the value: only the keys count. */
        if (is_write(&ops[i]) && map_put(written, ops[i].key, store))
            return error_set(err, ERROR_INVALID, "%s is written twice in one transaction", ops[i].key);
    }
    return true;
}

static bool check_op(struct store *store, const struct store_op *op, struct error *err)
{
    ASSERT(op->key);
    if (op->key[0] == '\0') return error_set(err, ERROR_INVALID, "a key needs at least one byte");
    if (strnlen(op->key, STORE_KEY_SIZE_MAX + 1) > STORE_KEY_SIZE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "key %.40s…: longer than %d bytes", op->key,
                         STORE_KEY_SIZE_MAX);
    if (op->kind != STORE_PUT) return true;
    ASSERT(op->value);
    if (strnlen(op->value, STORE_VALUE_SIZE_MAX + 1) > STORE_VALUE_SIZE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "%s: its value is larger than %d bytes", op->key,
                         STORE_VALUE_SIZE_MAX);
    if (op->lease != 0 && !find_lease(store, op->lease)) {
        lease_missing(err, op->lease);
        return error_wrap(err, "%s", op->key);
    }
    return true;
}

static bool is_write(const struct store_op *op)
{
    return op->kind == STORE_PUT || op->kind == STORE_DELETE;
}

/* Behind all changes of the revision. */
static struct store_place place_end(uint64_t revision)
{
    return (struct store_place){.revision = revision, .n = UINT64_MAX};
}

static bool place_before(struct store_place a, struct store_place b)
{
    return a.revision != b.revision ? a.revision < b.revision : a.n < b.n;
}

/* Reads the history from the watch that is furthest behind: each change is read once for all watches, and
 * every watch gets the changes in order, whenever it was started. */
static bool deliver_next(struct store *store, bool *ret_done, struct error *err)
{
    struct store_place seen = least_seen(store);
    if (!place_before(seen, place_end(store->revision))) {
        *ret_done = true;
        return true;
    }
    bool found;
    struct store_change change;
    if (!store->provider->next_change(store->self, seen, &found, &change, err)) return false;
    if (!found) {
        mark_all_seen(store);
        return true;
    }
    deliver(store, &change);
    store_item_free(&change.item);
    return true;
}

/* The end of the store's history when no watch is behind. */
static struct store_place least_seen(const struct store *store)
{
    struct store_place least = place_end(store->revision);
    for (size_t i = 0; i < store->watches.length; i++) {
        const struct store_watch *watch = watch_at(store, i);
        if (!watch->stopped && place_before(watch->seen, least)) least = watch->seen;
    }
    return least;
}

static void deliver(struct store *store, const struct store_change *change)
{
    /* A watch that a callback starts now may be due older changes first: it waits for the next round. */
    size_t length = store->watches.length;
    for (size_t i = 0; i < length; i++) {
        struct store_watch *watch = watch_at(store, i);
        if (watch->stopped || !place_before(watch->seen, change->place)) continue;
        watch->seen = change->place;
        if (text_starts(change->item.key, watch->prefix)) watch->changed(watch->ctx, &change->item);
    }
}

static void mark_all_seen(struct store *store)
{
    struct store_place end = place_end(store->revision);
    for (size_t i = 0; i < store->watches.length; i++) {
        struct store_watch *watch = watch_at(store, i);
        if (place_before(watch->seen, end)) watch->seen = end;
    }
}

static void free_stopped(struct store *store)
{
    for (size_t i = store->watches.length; i-- > 0;) {
        struct store_watch *watch = watch_at(store, i);
        if (!watch->stopped) continue;
        vec_remove(&store->watches, i);
        watch_free(watch);
    }
}

static struct store_watch *watch_at(const struct store *store, size_t index)
{
    return *(struct store_watch **)vec_at(&store->watches, index);
}

static void watch_free(struct store_watch *watch)
{
    mem_free(watch->prefix);
    mem_free(watch);
}

/* Ids only grow, so the list is sorted by them. */
static struct lease *find_lease(const struct store *store, uint64_t id)
{
    size_t low = 0;
    size_t high = store->leases.length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct lease *lease = vec_at(&store->leases, middle);
        if (lease->id == id) return lease;
        if (lease->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool lease_missing(struct error *err, uint64_t id)
{
    return error_set(err, ERROR_NOT_FOUND, "lease %" PRIu64 " does not exist or is over", id);
}

static bool lease_over(const struct lease *lease, int64_t now_ms)
{
    return lease->timed && now_ms >= lease->deadline_ms;
}

static void lease_extend(struct lease *lease, int64_t now_ms)
{
    lease->timed = true;
    if (__builtin_add_overflow(now_ms, lease->ttl_ms, &lease->deadline_ms)) lease->deadline_ms = INT64_MAX;
}

/* Deletes its keys and itself in one transaction. On failure the lease stays, for the next tick. */
static bool end_lease(struct store *store, struct lease *lease, struct error *err)
{
    struct vec keys;
    if (!store->provider->lease_keys(store->self, lease->id, &keys, err)) return false;
    CLEANUP_MEM struct store_op *ops = mem_alloc_array(keys.length, sizeof(*ops));
    for (size_t i = 0; i < keys.length; i++)
        ops[i] = (struct store_op){.kind = STORE_DELETE, .key = *(char **)vec_at(&keys, i)};
    bool good = store->provider->commit(store->self, ops, keys.length, lease->id, &store->revision, err);
    keys_free(&keys);
    if (!good) return error_wrap(err, "cannot end lease %" PRIu64, lease->id);
    vec_remove(&store->leases, (size_t)(lease - (struct lease *)store->leases.items));
    return true;
}

static void keys_free(struct vec *keys)
{
    for (size_t i = 0; i < keys->length; i++)
        mem_free(*(char **)vec_at(keys, i));
    vec_free(keys);
}
