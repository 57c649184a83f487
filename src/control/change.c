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
};

static void add(struct change *change, const char *key, const char *value);
static bool next_event(struct store *store, uint64_t *ret_number, struct error *err);

struct change *change_new(struct store *store)
{
    struct change *change = mem_alloc(sizeof(*change));
    change->store = store;
    change->arena = arena_new();
    change->ops = VEC_OF(struct store_op);
    change->by_key = map_new();
    change->events = VEC_OF(const char *);
    return change;
}

void change_free(struct change *change)
{
    if (!change) return;
    vec_free(&change->ops);
    vec_free(&change->events);
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
    add(change, record_key(change->arena, kind, name), buf_text(&json));
}

void change_delete(struct change *change, enum record_kind kind, const char *name)
{
    add(change, record_key(change->arena, kind, name), NULL);
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
    const char *const keys[] = {"kind", "name", "what", "reason", "who"};
    const char *const values[] = {kind, name, what, reason, who};

    buf_printf(&json, "{\"time\":\"%s\"", text_format_time(time, wall_ms));
    for (size_t i = 0; i < LENGTH(keys); i++) {
        buf_printf(&json, ",\"%s\":", keys[i]);
        buf_add_json_string(&json, values[i]);
    }
    buf_add_char(&json, '}');
    *(const char **)vec_push(&change->events) = arena_strdup(change->arena, buf_text(&json));
}

bool change_is_empty(const struct change *change)
{
    return change->ops.length == 0 && change->events.length == 0;
}

bool change_commit(struct change *change, uint64_t *ret_revision, struct error *err)
{
    uint64_t number = 0;

    if (change->events.length > 0 && !next_event(change->store, &number, err)) return false;
    for (size_t i = 0; i < change->events.length; i++) {
        const char *key = arena_printf(change->arena, "%s%016" PRIx64, event_prefix, number + i);
        add(change, key, *(const char **)vec_at(&change->events, i));
    }
    vec_clear(&change->events);
    return store_txn(change->store, change->ops.items, change->ops.length, ret_revision, err);
}

static void add(struct change *change, const char *key, const char *value)
{
    uintptr_t place = (uintptr_t)map_get(change->by_key, key);
    struct store_op *op = place ? vec_at(&change->ops, place - 1) : vec_push(&change->ops);

    if (!place) map_put(change->by_key, key, (void *)(uintptr_t)change->ops.length);
    op->kind = value ? STORE_PUT : STORE_DELETE;
    op->key = arena_strdup(change->arena, key);
    op->value = arena_strdup(change->arena, value);
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
