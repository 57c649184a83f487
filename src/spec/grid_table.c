/* The objects of a grid by kind, their order, and where they stand in the text. */
#include "base/text.h"
#include "base/vec.h"
#include "spec/document.h"
#include "spec/grid.h"
#include "spec/spec.h"

#include <string.h>

struct key {
    const char *name;
    const char *party; /* of an image, else "" */
    uint32_t index;
};

static struct key key_of(enum record_kind kind, const void *item);
static int compare_keys(const void *a, const void *b);
static bool is_sorted(const struct grid *grid, enum record_kind kind);
static void permute(struct grid *grid, enum record_kind kind, const struct key *keys);
static bool refuse_twice(const struct grid *grid, enum record_kind kind, size_t index, struct error *err);
static bool find_line(const struct grid *grid, uint32_t line, const char **ret_line, size_t *ret_size);

const struct schema *grid_schema(enum record_kind kind)
{
    static const struct schema *const schemas[RECORD_KINDS] = {
        [RECORD_HOST] = &schema_host,
        [RECORD_PARTY] = &schema_party,
        [RECORD_FARM] = &schema_farm,
        [RECORD_IMAGE] = &schema_image,
        [RECORD_INSTANCE] = &schema_instance,
        [RECORD_HOST_FACT] = &schema_host_fact,
        [RECORD_FARM_FACT] = &schema_farm_fact,
        [RECORD_POOL] = &schema_pool,
        [RECORD_SLA] = &schema_sla,
        [RECORD_SCALING_RULES] = &schema_scaling_rules,
        [RECORD_FILTER] = &schema_filter,
        [RECORD_LEASE] = &schema_lease,
        [RECORD_CONTACT] = &schema_contact,
        [RECORD_KEY] = &schema_party_key,
    };
    return schemas[kind];
}

void *grid_add(struct grid *grid, enum record_kind kind, struct grid_row row)
{
    struct grid_table *table = &grid->tables[kind];
    size_t size = grid_schema(kind)->size;
    if (table->length == table->capacity) {
        size_t capacity = table->capacity == 0 ? 8 : 2 * table->capacity;
        void *items = arena_alloc_array(grid->arena, capacity, size);
        struct grid_row *rows = mem_alloc_array(capacity, sizeof(*rows));
        if (table->length > 0) {
            memcpy(items, table->items, table->length * size);
            memcpy(rows, table->rows, table->length * sizeof(*rows));
        }
        mem_free(table->rows);
        table->items = items;
        table->rows = rows;
        table->capacity = capacity;
    }
    table->rows[table->length] = row;
    return grid_at(grid, kind, table->length++);
}

void *grid_at(const struct grid *grid, enum record_kind kind, size_t index)
{
    return (char *)grid->tables[kind].items + index * grid_schema(kind)->size;
}

bool grid_refuse(const struct grid *grid, enum record_kind kind, size_t index, const char *field,
                 struct error *err)
{
    uint32_t line = grid->tables[kind].rows[index].line;
    struct node place = {.line = line, .column = 1};
    const char *text;
    size_t size;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node stream;
    struct error ignored;
    const struct node *found = NULL;
    bool read = find_line(grid, line, &text, &size) && spec_read_yaml(arena, text, size, &stream, &ignored) &&
                stream.length == 1;
    if (read) found = node_get(&stream.items[0], arena_strndup(arena, field, strcspn(field, ".")));
    if (found != NULL && strchr(field, '.') != NULL && node_get(found, strchr(field, '.') + 1) != NULL)
        found = node_get(found, strchr(field, '.') + 1);
    if (found != NULL) place.column = found->column;
    return schema_error_at(err, line == 0 ? NULL : &place, field);
}

bool grid_sort(struct grid *grid, enum record_kind kind, struct error *err)
{
    struct grid_table *table = &grid->tables[kind];
    if (is_sorted(grid, kind)) return true;
    CLEANUP_MEM struct key *keys = mem_alloc_array(table->length, sizeof(*keys));
    for (size_t i = 0; i < table->length; i++) {
        keys[i] = key_of(kind, grid_at(grid, kind, i));
        keys[i].index = (uint32_t)i;
    }
    array_sort(keys, table->length, sizeof(*keys), compare_keys);
    permute(grid, kind, keys);
    for (size_t i = 1; i < table->length; i++) {
        struct key a = key_of(kind, grid_at(grid, kind, i - 1));
        struct key b = key_of(kind, grid_at(grid, kind, i));
        if (text_equal(a.name, b.name) && text_equal(a.party, b.party))
            return refuse_twice(grid, kind, i, err);
    }
    return true;
}

static struct key key_of(enum record_kind kind, const void *item)
{
    switch (kind) {
    case RECORD_HOST:
        return (struct key){.name = ((const struct host *)item)->name, .party = ""};
    case RECORD_PARTY:
        return (struct key){.name = ((const struct party *)item)->name, .party = ""};
    case RECORD_FARM:
        return (struct key){.name = ((const struct farm *)item)->full_name, .party = ""};
    case RECORD_IMAGE:
        return (struct key){.name = ((const struct image *)item)->name,
                            .party = ((const struct image *)item)->party};
    case RECORD_POOL:
        return (struct key){.name = ((const struct pool *)item)->name, .party = ""};
    case RECORD_SLA:
        return (struct key){.name = ((const struct sla *)item)->name, .party = ""};
    case RECORD_SCALING_RULES:
        return (struct key){.name = ((const struct scaling_rules *)item)->name, .party = ""};
    case RECORD_FILTER:
        return (struct key){.name = ((const struct filter *)item)->full_name, .party = ""};
    case RECORD_LEASE:
        return (struct key){.name = ((const struct lease *)item)->name, .party = ""};
    case RECORD_CONTACT:
        return (struct key){.name = ((const struct contact *)item)->full_name, .party = ""};
    case RECORD_KEY:
        return (struct key){.name = ((const struct party_key *)item)->name, .party = ""};
    case RECORD_INSTANCE:
        return (struct key){.name = ((const struct instance *)item)->name, .party = ""};
    case RECORD_HOST_FACT:
        return (struct key){.name = ((const struct host_fact *)item)->name, .party = ""};
    case RECORD_FARM_FACT:
        return (struct key){.name = ((const struct farm_fact *)item)->name, .party = ""};
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int order = text_compare_natural(x->name, y->name);
    return order != 0 ? order : text_compare_natural(x->party, y->party);
}

/* And nothing is there twice. */
static bool is_sorted(const struct grid *grid, enum record_kind kind)
{
    size_t length = grid->tables[kind].length;
    struct key before = {0};
    for (size_t i = 0; i < length; i++) {
        struct key key = key_of(kind, grid_at(grid, kind, i));
        if (i > 0 && compare_keys(&before, &key) >= 0) return false;
        before = key;
    }
    return true;
}

/* In place, circle by circle: a second array of all objects would double what a large grid takes. The place
 * of item i was keys[i].index; UINT32_MAX marks what is in its place. */
static void permute(struct grid *grid, enum record_kind kind, const struct key *keys)
{
    struct grid_table *table = &grid->tables[kind];
    size_t size = grid_schema(kind)->size;
    CLEANUP_MEM uint32_t *from = mem_alloc_array(table->length, sizeof(*from));
    CLEANUP_MEM char *held = mem_alloc(size);
    for (size_t i = 0; i < table->length; i++)
        from[i] = keys[i].index;
    for (size_t start = 0; start < table->length; start++) {
        if (from[start] == UINT32_MAX) continue;
        struct grid_row row = table->rows[start];
        memcpy(held, grid_at(grid, kind, start), size);
        size_t at = start;
        while (from[at] != start) {
            size_t next = from[at];
            memcpy(grid_at(grid, kind, at), grid_at(grid, kind, next), size);
            table->rows[at] = table->rows[next];
            from[at] = UINT32_MAX;
            at = next;
        }
        memcpy(grid_at(grid, kind, at), held, size);
        table->rows[at] = row;
        from[at] = UINT32_MAX;
    }
}

/* The later one in the text is the one too many. */
static bool refuse_twice(const struct grid *grid, enum record_kind kind, size_t index, struct error *err)
{
    const struct grid_row *rows = grid->tables[kind].rows;
    size_t later = rows[index].line > rows[index - 1].line ? index : index - 1;
    size_t first = later == index ? index - 1 : index;
    char shown[SHOWN_SIZE];
    error_set(err, ERROR_INVALID, "line %u is for %s \"%s\" already", rows[first].line,
              grid_schema(kind)->name, document_shown(shown, key_of(kind, grid_at(grid, kind, index)).name));
    return grid_refuse(grid, kind, later, "name", err);
}

static bool find_line(const struct grid *grid, uint32_t line, const char **ret_line, size_t *ret_size)
{
    const char *at = grid->text;
    const char *end = at == NULL ? NULL : at + grid->size;
    if (at == NULL || line == 0) return false;
    for (uint32_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        if (number == line) {
            *ret_line = at;
            *ret_size = (size_t)(stop - at);
            return true;
        }
        at = stop + 1;
    }
    return false;
}
