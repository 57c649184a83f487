#include "control/change.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* Events are kept under "event/" and a number that only grows, so that a listing tells them in order. */
static const char event_prefix[] = "event/";

struct change {
    struct store *store;
    struct arena *arena;
    struct vec ops;     /* struct store_op; texts in the arena */
    struct map *by_key; /* key -> its index in ops plus one, as a pointer */
    struct vec events;  /* const char * JSON without the key, which is known at commit */
    struct vec records; /* struct noted: what of the ops are records */
    const char *right;
    bool (*follow)(void *ctx, struct change *change, struct error *err);
    void *ctx;
};

struct noted {
    enum record_kind kind;
    const char *name;
    size_t op; /* its index */
    const void *object;
};

static size_t add(struct change *change, const char *key, const char *value);
static void note(struct change *change, enum record_kind kind, const char *name, const void *object,
                 const char *json);
static const void *copy_of(struct arena *arena, enum record_kind kind, const void *object);
static bool next_event(struct store *store, uint64_t *ret_number, struct error *err);

struct change *change_new(struct store *store)
{
    struct change *change = mem_alloc(sizeof(*change));
    change->store = store;
    change->arena = arena_new();
    change->ops = VEC_OF(struct store_op);
    change->by_key = map_new();
    change->events = VEC_OF(const char *);
    change->records = VEC_OF(struct noted);
    return change;
}

void change_free(struct change *change)
{
    if (!change) return;
    vec_free(&change->ops);
    vec_free(&change->events);
    vec_free(&change->records);
    map_free(change->by_key);
    arena_free(change->arena);
    mem_free(change);
}

void change_freep(struct change **change)
{
    change_free(*change);
}

void change_put(struct change *change, enum record_kind kind, const char *name, const void *object)
{
    CLEANUP_BUF struct buf json = {0};
    schema_write(record_schema(kind), record_kind_name(kind), object, &json);
    note(change, kind, name, object, buf_text(&json));
}

void change_delete(struct change *change, enum record_kind kind, const char *name)
{
    note(change, kind, name, NULL, NULL);
}

void change_put_text(struct change *change, const char *key, const char *value)
{
    add(change, key, value);
}

void change_delete_key(struct change *change, const char *key)
{
    add(change, key, NULL);
}

void change_expect(struct change *change, enum record_kind kind, const char *name, uint64_t revision)
{
    struct store_op *op = vec_push(&change->ops);
    op->kind = STORE_COMPARE;
    op->key = record_key(change->arena, kind, name);
    op->revision = revision;
}

void change_event(struct change *change, int64_t wall_ms, const char *who, const char *kind, const char *name,
                  const char *what, const char *reason)
{
    CLEANUP_BUF struct buf json = {0};
    char time[32];
    const char *const keys[] = {"kind", "name", "what", "reason", "who", "right"};
    const char *const values[] = {kind, name, what, reason, who, change->right};

    buf_printf(&json, "{\"time\":\"%s\"", text_format_time(time, wall_ms));
    for (size_t i = 0; i < LENGTH(keys); i++) {
        if (values[i] == NULL) continue;
        buf_printf(&json, ",\"%s\":", keys[i]);
        buf_add_json_string(&json, values[i]);
    }
    buf_add_char(&json, '}');
    *(const char **)vec_push(&change->events) = arena_strdup(change->arena, buf_text(&json));
}

void change_right(struct change *change, const char *right)
{
    change->right = right;
}

bool change_is_empty(const struct change *change)
{
    return change->ops.length == 0 && change->events.length == 0;
}

size_t change_length(const struct change *change)
{
    return change->ops.length;
}

const char *change_staged(const struct change *change, const char *key)
{
    uintptr_t place = (uintptr_t)map_get(change->by_key, key);
    return place ? ((const struct store_op *)vec_at(&change->ops, place - 1))->value : NULL;
}

bool change_next_record(const struct change *change, size_t *cursor, struct change_record *ret_record)
{
    if (*cursor == change->records.length) return false;
    const struct noted *noted = vec_at(&change->records, (*cursor)++);
    const struct store_op *op = vec_at(&change->ops, noted->op);
    *ret_record = (struct change_record){noted->kind, noted->name, op->value, noted->object};
    return true;
}

void change_follow(struct change *change, bool (*follow)(void *ctx, struct change *change, struct error *err),
                   void *ctx)
{
    change->follow = follow;
    change->ctx = ctx;
}

bool change_commit(struct change *change, uint64_t *ret_revision, struct error *err)
{
    uint64_t number = 0;

    ASSERT(change->follow || change->records.length == 0);
    if (change->follow && change->records.length > 0 && !change->follow(change->ctx, change, err))
        return false;
    if (change->events.length > 0 && !next_event(change->store, &number, err)) return false;
    for (size_t i = 0; i < change->events.length; i++) {
        const char *key = arena_printf(change->arena, "%s%016" PRIx64, event_prefix, number + i);
        add(change, key, *(const char **)vec_at(&change->events, i));
    }
    vec_clear(&change->events);
    return store_txn(change->store, change->ops.items, change->ops.length, ret_revision, err);
}

/* Returns its place among the ops. */
static size_t add(struct change *change, const char *key, const char *value)
{
    uintptr_t place = (uintptr_t)map_get(change->by_key, key);
    struct store_op *op = place ? vec_at(&change->ops, place - 1) : vec_push(&change->ops);

    if (!place) map_put(change->by_key, key, (void *)(uintptr_t)change->ops.length);
    op->kind = value ? STORE_PUT : STORE_DELETE;
    op->key = arena_strdup(change->arena, key);
    op->value = arena_strdup(change->arena, value);
    return place ? place - 1 : change->ops.length - 1;
}

/* What books are kept of. Of one that is put again only the last counts. */
static void note(struct change *change, enum record_kind kind, const char *name, const void *object,
                 const char *json)
{
    size_t known = change->ops.length;
    size_t op = add(change, record_key(change->arena, kind, name), json);
    struct noted *noted = NULL;

    if (kind == RECORD_IMAGE || kind == RECORD_POOL || kind == RECORD_SCALING_RULES ||
        kind == RECORD_FILTER || kind == RECORD_LEASE || kind == RECORD_CONTACT || kind == RECORD_KEY)
        return;
    for (size_t i = change->records.length; op < known && i > 0 && !noted; i--) {
        struct noted *other = vec_at(&change->records, i - 1);
        if (other->op == op) noted = other;
    }
    if (!noted) noted = vec_push(&change->records);
    *noted =
        (struct noted){kind, arena_strdup(change->arena, name), op, copy_of(change->arena, kind, object)};
}

static const void *copy_of(struct arena *arena, enum record_kind kind, const void *object)
{
    if (!object) return NULL;
    if (kind == RECORD_INSTANCE) {
        struct instance *copy = arena_alloc(arena, sizeof(*copy));
        *copy = *(const struct instance *)object;
        const char **texts[] = {&copy->name, &copy->party, &copy->farm, &copy->tier, &copy->host};
        for (size_t i = 0; i < LENGTH(texts); i++)
            *texts[i] = arena_strdup(arena, *texts[i]);
        return copy;
    }
    if (kind != RECORD_HOST && kind != RECORD_HOST_FACT) return NULL;
    size_t size = record_schema(kind)->size;
    void *copy = arena_alloc(arena, size);
    memcpy(copy, object, size);
    return copy;
}

/* The revision grows with every transaction and a transaction has fewer events than 2^16 (the store's limit
 * of operations), so this number is new and greater than all before, without a counter to keep. */
static bool next_event(struct store *store, uint64_t *ret_number, struct error *err)
{
    uint64_t revision = store_revision(store);
    if (revision >> 47) return error_set(err, ERROR_REFUSED, "the store has run out of revision numbers");
    *ret_number = (revision + 1) << 16;
    return true;
}
