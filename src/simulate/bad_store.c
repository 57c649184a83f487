#include "simulate/bad_store.h"

#include "base/attr.h"
#include "base/mem.h"
#include "store/provider.h"

struct bad_store {
    const struct store_provider *under;
    void *self;
    void (*spend)(void *ctx, int64_t us);
    void *ctx;
    int64_t slow_us;
    unsigned fail_every, fail_next, conflict_every, conflict_next;
};

static void layer_close(void *self);
static bool layer_load(void *self, struct store_state *ret_state, struct error *err);
static bool layer_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                      struct error *err);
static bool layer_list(void *self, const char *prefix, const char *after, size_t limit, struct vec *ret_items,
                       struct error *err);
static bool layer_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                         uint64_t *ret_revision, struct error *err);
static bool layer_next_change(void *self, struct store_place place, bool *ret_found,
                              struct store_change *ret_change, struct error *err);
static bool layer_compact(void *self, uint64_t revision, struct error *err);
static bool layer_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err);
static bool layer_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err);
static bool is_due(unsigned every, unsigned *next);
static const struct store_op *compare_of(const struct store_op *ops, size_t length);

static const struct store_provider layer_provider = {
    .close = layer_close,
    .load = layer_load,
    .get = layer_get,
    .list = layer_list,
    .commit = layer_commit,
    .next_change = layer_next_change,
    .compact = layer_compact,
    .lease_add = layer_lease_add,
    .lease_keys = layer_lease_keys,
};

struct store *bad_store_open(void (*spend)(void *ctx, int64_t us), void *ctx, struct bad_store **ret_layer)
{
    struct bad_store *layer = mem_alloc(sizeof(*layer));
    struct store *store = NULL;
    struct error err;

    layer->under = store_memory(&layer->self);
    layer->spend = spend;
    layer->ctx = ctx;
    ASSERT(store_new(&layer_provider, layer, &store, &err)); /* memory always loads */
    *ret_layer = layer;
    return store;
}

void bad_store_fail(struct bad_store *layer, unsigned n)
{
    layer->fail_every = layer->fail_next = n;
}

void bad_store_conflict(struct bad_store *layer, unsigned n)
{
    layer->conflict_every = layer->conflict_next = n;
}

void bad_store_slow(struct bad_store *layer, int64_t us)
{
    layer->slow_us = us;
}

static void layer_close(void *self)
{
    struct bad_store *layer = self;
    layer->under->close(layer->self);
    mem_free(layer);
}

static bool layer_load(void *self, struct store_state *ret_state, struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->load(layer->self, ret_state, err);
}

static bool layer_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                      struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->get(layer->self, key, revision, ret_item, err);
}

static bool layer_list(void *self, const char *prefix, const char *after, size_t limit, struct vec *ret_items,
                       struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->list(layer->self, prefix, after, limit, ret_items, err);
}

static bool layer_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                         uint64_t *ret_revision, struct error *err)
{
    struct bad_store *layer = self;
    const struct store_op *compare = compare_of(ops, length);

    if (layer->slow_us > 0) layer->spend(layer->ctx, layer->slow_us);
    if (is_due(layer->fail_every, &layer->fail_next))
        return error_set(err, ERROR_FAILED, "the store cannot write: input/output error");
    if (compare && is_due(layer->conflict_every, &layer->conflict_next))
        return store_conflict(err, compare, compare->revision + 1);
    return layer->under->commit(layer->self, ops, length, lease_over, ret_revision, err);
}

static bool layer_next_change(void *self, struct store_place place, bool *ret_found,
                              struct store_change *ret_change, struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->next_change(layer->self, place, ret_found, ret_change, err);
}

static bool layer_compact(void *self, uint64_t revision, struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->compact(layer->self, revision, err);
}

static bool layer_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->lease_add(layer->self, ttl_ms, ret_lease, err);
}

static bool layer_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err)
{
    struct bad_store *layer = self;
    return layer->under->lease_keys(layer->self, lease, ret_keys, err);
}

static bool is_due(unsigned every, unsigned *next)
{
    if (every == 0 || --*next > 0) return false;
    *next = every;
    return true;
}

static const struct store_op *compare_of(const struct store_op *ops, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (ops[i].kind == STORE_COMPARE) return &ops[i];
    return NULL;
}
