#include "store/store.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/key_index.h"
#include "store/provider.h"

#include <string.h>

/* One change of a key. A key's versions hang on a chain from the newest to the oldest; the newest is in the
 * index. */
struct version {
    char *key;
    char *value; /* NULL: deleted */
    struct store_place place;
    uint64_t create_revision;
    uint64_t lease;
    struct version *older;
    struct version *newer;
};

struct memory {
    struct key_index *newest; /* key to its newest struct version, deletions too */
    struct vec log;           /* struct version *, in order of place, all from `compacted` on */
    uint64_t revision;
    uint64_t lease_last;
};

static void memory_close(void *self);
static bool memory_load(void *self, struct store_state *ret_state, struct error *err);
static bool memory_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                       struct error *err);
static bool memory_list(void *self, const char *prefix, const char *after, size_t limit,
                        struct vec *ret_items, struct error *err);
static bool memory_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                          uint64_t *ret_revision, struct error *err);
static bool memory_next_change(void *self, struct store_place place, bool *ret_found,
                               struct store_change *ret_change, struct error *err);
static bool memory_compact(void *self, uint64_t revision, struct error *err);
static bool memory_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err);
static bool memory_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err);

static void add_version(struct memory *memory, const struct store_op *op, struct store_place place);
static void forget_replaced(struct memory *memory, struct version *version, uint64_t revision);
static void version_free_chain(struct version *version);
static struct store_item copy_item(const struct version *version);
static struct version *log_at(const struct memory *memory, size_t index);
static size_t log_find(const struct memory *memory, struct store_place place);

static const struct store_provider memory_provider = {
    .close = memory_close,
    .load = memory_load,
    .get = memory_get,
    .list = memory_list,
    .commit = memory_commit,
    .next_change = memory_next_change,
    .compact = memory_compact,
    .lease_add = memory_lease_add,
    .lease_keys = memory_lease_keys,
};

const struct store_provider *store_memory(void **ret_self)
{
    struct memory *memory = mem_alloc(sizeof(*memory));
    memory->newest = key_index_new();
    memory->log = VEC_OF(struct version *);
    *ret_self = memory;
    return &memory_provider;
}

struct store *store_open_memory(void)
{
    void *memory = NULL;
    const struct store_provider *provider = store_memory(&memory);
    struct store *store = NULL;
    struct error err;
    bool loaded = store_new(provider, memory, &store, &err);
    ASSERT(loaded); /* memory_load() cannot fail */
    return store;
}

static void memory_close(void *self)
{
    struct memory *memory = self;
    for (const struct key_entry *entry = key_index_seek(memory->newest, ""); entry;
         entry = key_entry_next(entry))
        version_free_chain(key_entry_value(entry));
    key_index_free(memory->newest);
    vec_free(&memory->log);
    mem_free(memory);
}

static bool memory_load(void *self, struct store_state *ret_state, struct error *err)
{
    *ret_state = (struct store_state){.leases = VEC_OF(struct store_lease)};
    return true;
}

static bool memory_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                       struct error *err)
{
    const struct memory *memory = self;
    const struct version *version = key_index_get(memory->newest, key);
    while (version && version->place.revision > revision)
        version = version->older;
    if (!version || !version->value) return store_absent(err, key);
    *ret_item = copy_item(version);
    return true;
}

static bool memory_list(void *self, const char *prefix, const char *after, size_t limit,
                        struct vec *ret_items, struct error *err)
{
    const struct memory *memory = self;
    struct vec items = VEC_OF(struct store_item);
    const char *first = strcmp(after, prefix) > 0 ? after : prefix;
    for (const struct key_entry *entry = key_index_seek(memory->newest, first);
         entry && text_starts(key_entry_key(entry), prefix) && (limit == 0 || items.length < limit);
         entry = key_entry_next(entry)) {
        const struct version *version = key_entry_value(entry);
        if (version->value && strcmp(version->key, after) > 0)
            *(struct store_item *)vec_push(&items) = copy_item(version);
    }
    *ret_items = items;
    return true;
}

static bool memory_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                          uint64_t *ret_revision, struct error *err)
{
    struct memory *memory = self;
    for (size_t i = 0; i < length; i++) {
        if (ops[i].kind != STORE_COMPARE) continue;
        const struct version *version = key_index_get(memory->newest, ops[i].key);
        uint64_t revision = version && version->value ? version->place.revision : 0;
        if (revision != ops[i].revision) return store_conflict(err, &ops[i], revision);
    }
    struct store_place place = {.revision = memory->revision + 1};
    for (size_t i = 0; i < length; i++) {
        if (ops[i].kind == STORE_COMPARE) continue;
        const struct version *version = key_index_get(memory->newest, ops[i].key);
        if (ops[i].kind == STORE_DELETE && (!version || !version->value)) continue;
        add_version(memory, &ops[i], place);
        place.n++;
    }
    if (place.n > 0) memory->revision++;
    *ret_revision = memory->revision;
    return true; /* lease_over needs no work: the last keys that named it went just now */
}

static bool memory_next_change(void *self, struct store_place place, bool *ret_found,
                               struct store_change *ret_change, struct error *err)
{
    const struct memory *memory = self;
    size_t next = log_find(memory, place);
    *ret_found = next < memory->log.length;
    if (!*ret_found) return true;
    const struct version *version = log_at(memory, next);
    *ret_change = (struct store_change){.place = version->place, .item = copy_item(version)};
    return true;
}

/* Whatever may go is a change that the log still has, or was replaced by one: the work is in proportion to
 * the changes since the last time, not to the keys. */
static bool memory_compact(void *self, uint64_t revision, struct error *err)
{
    struct memory *memory = self;
    struct vec log = VEC_OF(struct version *);
    for (size_t i = 0; i < memory->log.length; i++) {
        struct version *version = log_at(memory, i);
        if (version->place.revision >= revision) *(struct version **)vec_push(&log) = version;
        if (version->place.revision <= revision) forget_replaced(memory, version, revision);
    }
    vec_free(&memory->log);
    memory->log = log;
    return true;
}

static bool memory_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err)
{
    struct memory *memory = self;
    *ret_lease = ++memory->lease_last;
    return true;
}

static bool memory_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err)
{
    const struct memory *memory = self;
    struct vec keys = VEC_OF(char *);
    for (const struct key_entry *entry = key_index_seek(memory->newest, ""); entry;
         entry = key_entry_next(entry)) {
        const struct version *version = key_entry_value(entry);
        if (version->lease == lease) *(char **)vec_push(&keys) = mem_strdup(version->key);
    }
    *ret_keys = keys;
    return true;
}

static void add_version(struct memory *memory, const struct store_op *op, struct store_place place)
{
    struct version *version = mem_alloc(sizeof(*version));
    version->key = mem_strdup(op->key);
    version->place = place;
    if (op->kind == STORE_PUT) {
        version->value = mem_strdup(op->value);
        version->lease = op->lease;
    }
    struct version *older = key_index_get(memory->newest, op->key);
    version->create_revision = older && older->value ? older->create_revision : place.revision;
    if (older) {
        older->newer = version;
        version->older = older;
    }
    key_index_put(memory->newest, op->key, version);
    *(struct version **)vec_push(&memory->log) = version;
}

/* Frees what the version replaces, and the version itself if it is a deletion from before the revision. What
 * it replaces is no longer in the log: the caller goes through the log from its beginning. */
static void forget_replaced(struct memory *memory, struct version *version, uint64_t revision)
{
    version_free_chain(version->older);
    version->older = NULL;
    if (version->value || version->place.revision == revision) return;
    if (version->newer)
        version->newer->older = NULL;
    else
        key_index_remove(memory->newest, version->key);
    version_free_chain(version);
}

static void version_free_chain(struct version *version)
{
    while (version) {
        struct version *older = version->older;
        mem_free(version->key);
        mem_free(version->value);
        mem_free(version);
        version = older;
    }
}

static struct store_item copy_item(const struct version *version)
{
    return (struct store_item){.key = mem_strdup(version->key),
                               .value = mem_strdup(version->value),
                               .revision = version->place.revision,
                               .create_revision = version->create_revision};
}

static struct version *log_at(const struct memory *memory, size_t index)
{
    return *(struct version **)vec_at(&memory->log, index);
}

/* The index of the first change behind the place. */
static size_t log_find(const struct memory *memory, struct store_place place)
{
    size_t low = 0;
    size_t high = memory->log.length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct store_place at = log_at(memory, middle)->place;
        if (at.revision < place.revision || (at.revision == place.revision && at.n <= place.n))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
