/* The books, read for a bill: a page in a turn of the loop, so that a bill of years makes nobody wait. */
#include "base/text.h"
#include "control/internal.h"
#include "control/usage.h"
#include "model/schema_scan.h"

#include <inttypes.h>
#include <string.h>

enum { PAGE = 1000 };

/* Rows that are over are found by the time of their end, from after `last` on: those that end while others
 * are read come behind all that was read. */
struct shelf {
    const char *name;
    const struct schema *schema;
    struct vec rows;
    char *last;
    bool read; /* there was no more when it was asked last */
};

enum shelf_kind { SHELF_USAGE, SHELF_HOSTS, SHELF_FARMS, SHELF_SLAS, SHELF_PARTIES, SHELF_HOURS, SHELVES };

struct usage_reading {
    struct store *store;
    struct arena *arena; /* of the texts */
    struct texts *texts;
    struct scan *scan;
    struct shelf shelves[SHELVES];
};

static bool read_page(struct usage_reading *reading, struct shelf *shelf, struct error *err);
static bool read_last(struct usage_reading *reading, struct error *err);
static bool read_open(struct usage_reading *reading, struct shelf *shelf, struct error *err);
static bool read_row(struct usage_reading *reading, const struct schema *schema,
                     const struct store_item *item, void *row, struct error *err);

struct usage_reading *usage_reading_new(struct controller *controller, int64_t from_ms)
{
    static const struct {
        const char *name;
        const struct schema *schema;
    } shelves[SHELVES] = {
        [SHELF_USAGE] = {"usage", &schema_usage},
        [SHELF_HOSTS] = {"host-usage", &schema_host_usage},
        [SHELF_FARMS] = {"farm-terms", &schema_farm_terms},
        [SHELF_SLAS] = {"sla-terms", &schema_sla_terms},
        [SHELF_PARTIES] = {"party-terms", &schema_party_terms},
        [SHELF_HOURS] = {"service", &schema_service_hour},
    };
    struct usage_reading *reading = mem_alloc(sizeof(*reading));

    if (from_ms < 0) from_ms = 0; /* keys are of times from 1970 on */
    reading->store = controller->options.store;
    reading->arena = arena_new();
    reading->texts = texts_new(reading->arena);
    reading->scan = scan_new(reading->arena, reading->texts);
    for (size_t i = 0; i < SHELVES; i++) {
        struct shelf *shelf = &reading->shelves[i];
        *shelf = (struct shelf){.name = shelves[i].name, .schema = shelves[i].schema};
        shelf->rows = (struct vec){.item_size = shelf->schema->size};
        shelf->last = mem_printf("%s/%016" PRIx64, shelf->name, (uint64_t)from_ms);
    }
    return reading;
}

void usage_reading_free(struct usage_reading *reading)
{
    if (!reading) return;
    for (size_t i = 0; i < SHELVES; i++) {
        vec_free(&reading->shelves[i].rows);
        mem_free(reading->shelves[i].last);
    }
    scan_free(reading->scan);
    texts_free(reading->texts);
    arena_free(reading->arena);
    mem_free(reading);
}

bool usage_read_on(struct usage_reading *reading, bool *ret_done, struct error *err)
{
    for (size_t i = 0; i < SHELVES; i++)
        if (!reading->shelves[i].read) return read_page(reading, &reading->shelves[i], err);
    if (!read_last(reading, err)) return false;
    *ret_done = true;
    return true;
}

struct books usage_books(const struct usage_reading *reading)
{
    const struct shelf *shelves = reading->shelves;
    return (struct books){.usages = shelves[SHELF_USAGE].rows.items,
                          .usages_length = shelves[SHELF_USAGE].rows.length,
                          .hosts = shelves[SHELF_HOSTS].rows.items,
                          .hosts_length = shelves[SHELF_HOSTS].rows.length,
                          .farms = shelves[SHELF_FARMS].rows.items,
                          .farms_length = shelves[SHELF_FARMS].rows.length,
                          .slas = shelves[SHELF_SLAS].rows.items,
                          .slas_length = shelves[SHELF_SLAS].rows.length,
                          .parties = shelves[SHELF_PARTIES].rows.items,
                          .parties_length = shelves[SHELF_PARTIES].rows.length,
                          .services = shelves[SHELF_HOURS].rows.items,
                          .services_length = shelves[SHELF_HOURS].rows.length};
}

static bool read_page(struct usage_reading *reading, struct shelf *shelf, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    const char *prefix = arena_printf(reading->arena, "%s/", shelf->name);
    bool good = true;

    if (!store_list(reading->store, prefix, shelf->last, PAGE, &items, err)) return false;
    for (size_t i = 0; good && i < items.length; i++)
        good = read_row(reading, shelf->schema, vec_at(&items, i), vec_push(&shelf->rows), err);
    shelf->read = items.length < PAGE;
    if (items.length > 0) {
        mem_free(shelf->last);
        shelf->last = mem_strdup(((struct store_item *)vec_at(&items, items.length - 1))->key);
    }
    store_items_free(&items);
    return good;
}

/* In one turn, so that what was open at this moment and what had ended fit together. */
static bool read_last(struct usage_reading *reading, struct error *err)
{
    for (size_t i = 0; i < SHELVES; i++) {
        struct shelf *shelf = &reading->shelves[i];
        do {
            if (!read_page(reading, shelf, err)) return false;
        } while (!shelf->read);
        if (i != SHELF_HOURS && !read_open(reading, shelf, err)) return false;
    }
    return true;
}

static bool read_open(struct usage_reading *reading, struct shelf *shelf, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    const char *prefix = arena_printf(reading->arena, "%s-open/", shelf->name);
    bool good = true;

    if (!store_list(reading->store, prefix, NULL, 0, &items, err)) return false;
    for (size_t i = 0; good && i < items.length; i++)
        good = read_row(reading, shelf->schema, vec_at(&items, i), vec_push(&shelf->rows), err);
    store_items_free(&items);
    return good;
}

static bool read_row(struct usage_reading *reading, const struct schema *schema,
                     const struct store_item *item, void *row, struct error *err)
{
    size_t size = strlen(item->value);
    uint64_t seen = 0;

    if (schema_scan(reading->scan, schema, item->value, size, row, &seen)) return true;
    return model_read_json(schema, reading->arena, item->value, size, row, err) ||
           error_wrap(err, "%s in the store is damaged", item->key);
}
