#include "control/mirror.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

struct kind_row {
    const char *prefix;
    const char *name;
    const struct schema *schema;
};

static const struct kind_row kind_rows[RECORD_KINDS] = {
    [RECORD_HOST] = {"host/", "Host", &schema_host},
    [RECORD_PARTY] = {"party/", "Party", &schema_party},
    [RECORD_FARM] = {"farm/", "Farm", &schema_farm},
    [RECORD_IMAGE] = {"image/", "Image", &schema_image},
    [RECORD_POOL] = {"pool/", "Pool", &schema_pool},
    [RECORD_SLA] = {"sla/", "SLA", &schema_sla},
    [RECORD_SCALING_RULES] = {"scaling-rules/", "ScalingRules", &schema_scaling_rules},
    [RECORD_FILTER] = {"filter/", "Filter", &schema_filter},
    [RECORD_LEASE] = {"lease/", "Lease", &schema_lease},
    [RECORD_CONTACT] = {"contact/", "Contact", &schema_contact},
    [RECORD_KEY] = {"key/", "Key", &schema_party_key},
    [RECORD_INSTANCE] = {"instance/", "Instance", &schema_instance},
    [RECORD_HOST_FACT] = {"host-fact/", "HostFact", &schema_host_fact},
    [RECORD_FARM_FACT] = {"farm-fact/", "FarmFact", &schema_farm_fact},
};

/* A record with the arena that holds it and all it points to. */
struct entry {
    struct record record;
    struct arena *arena;
};

struct mirror {
    struct store *store;
    struct store_watch *watch;
    struct map *entries[RECORD_KINDS]; /* name -> struct entry */
    struct vec sorted[RECORD_KINDS];   /* const struct record *, rebuilt when stale */
    bool stale[RECORD_KINDS];
    struct vec objects[RECORD_KINDS]; /* copies of the objects, in order: the snapshot's arrays */
    struct snapshot snapshot;
    bool snapshot_stale;
    void (*changed)(void *ctx, enum record_kind kind, const char *name, const struct record *record);
    void *ctx;
};

static void take_in(void *ctx, const struct store_item *item);
static bool load(struct mirror *mirror, uint64_t *ret_revision, struct error *err);
static bool put(struct mirror *mirror, enum record_kind kind, const struct store_item *item,
                struct entry **ret_old, struct error *err);
static struct entry *drop(struct mirror *mirror, enum record_kind kind, const char *name);
static bool kind_of_key(const char *key, enum record_kind *ret_kind, const char **ret_name);
static void sort_kind(struct mirror *mirror, enum record_kind kind);
static int compare_records(const void *a, const void *b);
static void entry_free(struct entry *entry);

bool mirror_new(struct store *store,
                void (*changed)(void *ctx, enum record_kind kind, const char *name,
                                const struct record *record),
                void *ctx, struct mirror **ret_mirror, struct error *err)
{
    struct mirror *mirror = mem_alloc(sizeof(*mirror));
    uint64_t revision = 0;

    mirror->store = store;
    mirror->snapshot_stale = true;
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        mirror->entries[kind] = map_new();
        mirror->sorted[kind] = VEC_OF(const struct record *);
        mirror->objects[kind] = (struct vec){.item_size = kind_rows[kind].schema->size};
        mirror->stale[kind] = true;
    }
    if (!load(mirror, &revision, err) ||
        !store_watch_start(store, "", revision, take_in, mirror, &mirror->watch, err)) {
        mirror_free(mirror);
        return error_wrap(err, "loading the grid's state");
    }
    mirror->changed = changed;
    mirror->ctx = ctx;
    *ret_mirror = mirror;
    return true;
}

void mirror_free(struct mirror *mirror)
{
    if (!mirror) return;
    store_watch_stop(mirror->store, mirror->watch);
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        size_t cursor = 0;
        void *value = NULL;
        while (map_next(mirror->entries[kind], &cursor, NULL, &value))
            entry_free(value);
        map_free(mirror->entries[kind]);
        vec_free(&mirror->sorted[kind]);
        vec_free(&mirror->objects[kind]);
    }
    mem_free(mirror);
}

const struct record *mirror_get(const struct mirror *mirror, enum record_kind kind, const char *name)
{
    const struct entry *entry = map_get(mirror->entries[kind], name);
    return entry ? &entry->record : NULL;
}

const struct record *const *mirror_list(struct mirror *mirror, enum record_kind kind, size_t *ret_length)
{
    sort_kind(mirror, kind);
    *ret_length = mirror->sorted[kind].length;
    return mirror->sorted[kind].items;
}

const struct snapshot *mirror_snapshot(struct mirror *mirror)
{
    struct snapshot *s = &mirror->snapshot;
    if (!mirror->snapshot_stale) return s;
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        sort_kind(mirror, (enum record_kind)kind);
    *s = (struct snapshot){
        .parties = mirror->objects[RECORD_PARTY].items,
        .parties_length = mirror->objects[RECORD_PARTY].length,
        .hosts = mirror->objects[RECORD_HOST].items,
        .hosts_length = mirror->objects[RECORD_HOST].length,
        .host_facts = mirror->objects[RECORD_HOST_FACT].items,
        .host_facts_length = mirror->objects[RECORD_HOST_FACT].length,
        .images = mirror->objects[RECORD_IMAGE].items,
        .images_length = mirror->objects[RECORD_IMAGE].length,
        .pools = mirror->objects[RECORD_POOL].items,
        .pools_length = mirror->objects[RECORD_POOL].length,
        .slas = mirror->objects[RECORD_SLA].items,
        .slas_length = mirror->objects[RECORD_SLA].length,
        .rules = mirror->objects[RECORD_SCALING_RULES].items,
        .rules_length = mirror->objects[RECORD_SCALING_RULES].length,
        .filters = mirror->objects[RECORD_FILTER].items,
        .filters_length = mirror->objects[RECORD_FILTER].length,
        .leases = mirror->objects[RECORD_LEASE].items,
        .leases_length = mirror->objects[RECORD_LEASE].length,
        .contacts = mirror->objects[RECORD_CONTACT].items,
        .contacts_length = mirror->objects[RECORD_CONTACT].length,
        .keys = mirror->objects[RECORD_KEY].items,
        .keys_length = mirror->objects[RECORD_KEY].length,
        .farms = mirror->objects[RECORD_FARM].items,
        .farms_length = mirror->objects[RECORD_FARM].length,
        .farm_facts = mirror->objects[RECORD_FARM_FACT].items,
        .farm_facts_length = mirror->objects[RECORD_FARM_FACT].length,
        .instances = mirror->objects[RECORD_INSTANCE].items,
        .instances_length = mirror->objects[RECORD_INSTANCE].length,
    };
    mirror->snapshot_stale = false;
    return s;
}

struct snapshot mirror_surroundings(struct mirror *mirror)
{
    sort_kind(mirror, RECORD_HOST_FACT);
    sort_kind(mirror, RECORD_IMAGE);
    sort_kind(mirror, RECORD_KEY);
    return (struct snapshot){
        .host_facts = mirror->objects[RECORD_HOST_FACT].items,
        .host_facts_length = mirror->objects[RECORD_HOST_FACT].length,
        .images = mirror->objects[RECORD_IMAGE].items,
        .images_length = mirror->objects[RECORD_IMAGE].length,
        .keys = mirror->objects[RECORD_KEY].items,
        .keys_length = mirror->objects[RECORD_KEY].length,
    };
}

const char *record_key(struct arena *arena, enum record_kind kind, const char *name)
{
    return arena_printf(arena, "%s%s", kind_rows[kind].prefix, name);
}

const struct schema *record_schema(enum record_kind kind)
{
    return kind_rows[kind].schema;
}

const char *record_kind_name(enum record_kind kind)
{
    return kind_rows[kind].name;
}

/* Every record that is there, in pages, so that a large store does not stand in memory twice. */
static bool load(struct mirror *mirror, uint64_t *ret_revision, struct error *err)
{
    *ret_revision = store_revision(mirror->store);
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        char *after = NULL;
        bool more = true;
        while (more) {
            struct vec items = VEC_OF(struct store_item);
            bool good = store_list(mirror->store, kind_rows[kind].prefix, after, 1000, &items, err);
            mem_free(after);
            after = NULL;
            for (size_t i = 0; good && i < items.length; i++) {
                struct entry *old = NULL;
                good = put(mirror, (enum record_kind)kind, vec_at(&items, i), &old, err);
                if (good) entry_free(old);
            }
            more = good && items.length == 1000;
            if (more) after = mem_strdup(((struct store_item *)vec_at(&items, items.length - 1))->key);
            store_items_free(&items);
            if (!good) return false;
        }
    }
    return true;
}

static void take_in(void *ctx, const struct store_item *item)
{
    struct mirror *mirror = ctx;
    enum record_kind kind;
    const char *name = NULL;
    struct error err;

    if (!kind_of_key(item->key, &kind, &name)) return;
    /* What cannot be read was not written by this controller, which checks before it writes: going on with a
     * view that lacks it would act on half the truth. */
    struct entry *old = NULL;
    if (!item->value)
        old = drop(mirror, kind, name);
    else
        ASSERT(put(mirror, kind, item, &old, &err));
    if (mirror->changed) mirror->changed(mirror->ctx, kind, name, mirror_get(mirror, kind, name));
    entry_free(old);
}

/* ret_old: what was there before, the caller's to free; or NULL. */
static bool put(struct mirror *mirror, enum record_kind kind, const struct store_item *item,
                struct entry **ret_old, struct error *err)
{
    struct arena *arena = arena_new();
    struct entry *entry = arena_alloc(arena, sizeof(*entry));
    void *object = arena_alloc(arena, kind_rows[kind].schema->size);

    if (!model_read_json(kind_rows[kind].schema, arena, item->value, strlen(item->value), object, err)) {
        arena_free(arena);
        return error_wrap(err, "stored document %s", item->key);
    }
    entry->arena = arena;
    entry->record.kind = kind;
    entry->record.key = arena_strdup(arena, item->key);
    entry->record.name = entry->record.key + strlen(kind_rows[kind].prefix);
    entry->record.json = arena_strdup(arena, item->value);
    entry->record.revision = item->revision;
    entry->record.object = object;
    *ret_old = map_put(mirror->entries[kind], entry->record.name, entry);
    mirror->stale[kind] = true;
    mirror->snapshot_stale = true;
    return true;
}

static struct entry *drop(struct mirror *mirror, enum record_kind kind, const char *name)
{
    mirror->stale[kind] = true;
    mirror->snapshot_stale = true;
    return map_remove(mirror->entries[kind], name);
}

static bool kind_of_key(const char *key, enum record_kind *ret_kind, const char **ret_name)
{
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        if (!text_starts(key, kind_rows[kind].prefix)) continue;
        *ret_kind = (enum record_kind)kind;
        *ret_name = key + strlen(kind_rows[kind].prefix);
        return true;
    }
    return false;
}

static void sort_kind(struct mirror *mirror, enum record_kind kind)
{
    struct vec *sorted = &mirror->sorted[kind], *objects = &mirror->objects[kind];
    size_t cursor = 0;
    void *value = NULL;

    if (!mirror->stale[kind]) return;
    vec_clear(sorted);
    vec_clear(objects);
    while (map_next(mirror->entries[kind], &cursor, NULL, &value))
        *(const struct record **)vec_push(sorted) = &((struct entry *)value)->record;
    vec_sort(sorted, compare_records);
    for (size_t i = 0; i < sorted->length; i++) {
        const struct record *record = *(const struct record **)vec_at(sorted, i);
        memcpy(vec_push(objects), record->object, kind_rows[kind].schema->size);
    }
    mirror->stale[kind] = false;
    mirror->snapshot_stale = true;
}

static int compare_records(const void *a, const void *b)
{
    const struct record *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}

static void entry_free(struct entry *entry)
{
    if (entry) arena_free(entry->arena);
}
