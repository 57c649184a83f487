/* The books, read for a bill. */
#include "base/text.h"
#include "control/internal.h"
#include "control/usage.h"
#include "model/schema_scan.h"

#include <inttypes.h>
#include <string.h>

enum { PAGE = 1000 };

struct reading {
    struct store *store;
    struct arena *arena;
    struct texts *texts;
    struct scan *scan;
};

static bool read_book(struct reading *reading, const char *name, const struct schema *schema, int64_t from_ms,
                      const void **ret_rows, size_t *ret_length, struct error *err);
static bool read_rows(struct reading *reading, const char *prefix, const char *after,
                      const struct schema *schema, struct vec *rows, struct error *err);
static bool read_row(struct reading *reading, const struct schema *schema, const struct store_item *item,
                     void *row, struct error *err);

bool usage_books(struct controller *controller, struct arena *arena, int64_t from_ms, struct books *ret_books,
                 struct error *err)
{
    struct books b = {0};
    struct reading r = {controller->options.store, arena, texts_new(arena), NULL};

    if (from_ms < 0) from_ms = 0; /* keys are of times from 1970 on */
    r.scan = scan_new(arena, r.texts);
    bool good =
        read_book(&r, "usage", &schema_usage, from_ms, (const void **)&b.usages, &b.usages_length, err) &&
        read_book(&r, "host-usage", &schema_host_usage, from_ms, (const void **)&b.hosts, &b.hosts_length,
                  err) &&
        read_book(&r, "farm-terms", &schema_farm_terms, from_ms, (const void **)&b.farms, &b.farms_length,
                  err) &&
        read_book(&r, "sla-terms", &schema_sla_terms, from_ms, (const void **)&b.slas, &b.slas_length, err) &&
        read_book(&r, "party-terms", &schema_party_terms, from_ms, (const void **)&b.parties,
                  &b.parties_length, err);
    struct vec hours = {.item_size = schema_service_hour.size};
    if (good) {
        const char *after = arena_printf(arena, "service/%016" PRIx64, (uint64_t)from_ms);
        good = read_rows(&r, "service/", after, &schema_service_hour, &hours, err);
        b.services_length = hours.length;
        struct service_hour *rows = arena_alloc_array(arena, hours.length, sizeof(*rows));
        if (hours.length > 0) memcpy(rows, hours.items, hours.length * sizeof(*rows));
        b.services = rows;
    }
    vec_free(&hours);
    scan_free(r.scan);
    texts_free(r.texts);
    if (good) *ret_books = b;
    return good;
}

/* What was over after from_ms, and what is open. */
static bool read_book(struct reading *reading, const char *name, const struct schema *schema, int64_t from_ms,
                      const void **ret_rows, size_t *ret_length, struct error *err)
{
    struct vec rows = {.item_size = schema->size};
    const char *closed = arena_printf(reading->arena, "%s/", name);
    const char *after = arena_printf(reading->arena, "%s/%016" PRIx64, name, (uint64_t)from_ms);
    const char *open = arena_printf(reading->arena, "%s-open/", name);

    bool good = read_rows(reading, closed, after, schema, &rows, err) &&
                read_rows(reading, open, NULL, schema, &rows, err);
    if (good) {
        void *copy = arena_alloc_array(reading->arena, rows.length, schema->size);
        if (rows.length > 0) memcpy(copy, rows.items, rows.length * schema->size);
        *ret_rows = copy;
        *ret_length = rows.length;
    }
    vec_free(&rows);
    return good;
}

static bool read_rows(struct reading *reading, const char *prefix, const char *after,
                      const struct schema *schema, struct vec *rows, struct error *err)
{
    char *last = mem_strdup(after);
    bool good = true, more = true;

    while (good && more) {
        struct vec items = VEC_OF(struct store_item);
        good = store_list(reading->store, prefix, last, PAGE, &items, err);
        for (size_t i = 0; good && i < items.length; i++)
            good = read_row(reading, schema, vec_at(&items, i), vec_push(rows), err);
        more = good && items.length == PAGE;
        mem_free(last);
        last = more ? mem_strdup(((struct store_item *)vec_at(&items, items.length - 1))->key) : NULL;
        if (good) store_items_free(&items);
    }
    mem_free(last);
    return good;
}

static bool read_row(struct reading *reading, const struct schema *schema, const struct store_item *item,
                     void *row, struct error *err)
{
    size_t size = strlen(item->value);
    uint64_t seen = 0;

    if (schema_scan(reading->scan, schema, item->value, size, row, &seen)) return true;
    return model_read_json(schema, reading->arena, item->value, size, row, err) ||
           error_wrap(err, "%s in the store is damaged", item->key);
}
