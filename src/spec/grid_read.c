/* The lines of a grid file. What is written as croft writes it goes straight into structs; any other line,
 * and every wrong one, is read as a tree, which knows its places: so there is one source of messages. */
#include "base/text.h"
#include "base/vec.h"
#include "spec/document.h"
#include "spec/grid.h"
#include "spec/spec.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";

struct lines {
    struct grid grid;
    struct scan *scan;
    uint32_t number; /* of the line that is read */
    uint64_t bits[5];
    struct arena *scratch; /* of the line's checks; NULL while none was needed */
};

/* Bits of the table of instances by SAID_…, in that order. */
static const char *const said_keys[] = {"state", "health", "size", "priority", "incarnation"};

static bool read_lines(struct lines *lines, struct error *err);
static void make_tables(struct lines *lines);
static bool read_line(struct lines *lines, const char *line, size_t size, bool ended, struct error *err);
static bool find_kind(const char *line, size_t size, enum record_kind *ret_kind);
static const char *skip(const char *at, const char *end, char wanted);
static bool read_fast(struct lines *lines, enum record_kind kind, const char *line, size_t size);
static bool read_tree(struct lines *lines, const char *line, size_t size, bool ended, struct error *err);
static unsigned say_not_json(const char *line, size_t size, bool ended, struct error *err);
static bool read_document(struct lines *lines, const struct node *node, struct error *err);
static bool kind_of_tree(struct arena *arena, const struct node *node, enum record_kind *ret_kind,
                         struct error *err);
static void keep_texts(struct texts *texts, const struct schema *schema, unsigned char *object);
static bool check(struct lines *lines, enum record_kind kind, const struct node *node, void *object,
                  struct error *err);
static bool check_instance(struct lines *lines, struct instance *instance, struct error *err);
static bool check_range(int64_t value, int64_t max, const char *field, struct error *err);
static void add(struct lines *lines, enum record_kind kind, const void *object, uint64_t seen);

bool grid_file_read(struct arena *arena, const char *file, const char *text, size_t size,
                    struct grid_file *ret_grid, struct error *err)
{
    struct lines lines = {.grid = {.arena = arena, .file = file, .text = text, .size = size}};
    lines.grid.texts = texts_new(arena);
    lines.scan = scan_new(arena, lines.grid.texts);
    for (size_t s = 0; s < LENGTH(said_keys); s++)
        for (size_t f = 0; f < schema_instance.fields_length; f++)
            if (text_equal(schema_instance.fields[f].key, said_keys[s])) lines.bits[s] = (uint64_t)1 << f;
    make_tables(&lines);
    bool done = read_lines(&lines, err) && grid_finish(&lines.grid, ret_grid, err);
    scan_free(lines.scan);
    texts_free(lines.grid.texts);
    for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++)
        mem_free(lines.grid.tables[kind].rows);
    return done || document_error_in(err, file);
}

static bool read_lines(struct lines *lines, struct error *err)
{
    const char *at = lines->grid.text, *end = at + lines->grid.size;
    if (lines->grid.size >= 3 && memcmp(at, bom, 3) == 0) at += 3;
    bool some = false;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        bool ended = stop != NULL;
        if (stop == NULL) stop = end;
        if (lines->number == UINT32_MAX) return error_set(err, ERROR_TOO_LARGE, "too many lines");
        lines->number++;
        if (!read_line(lines, at, (size_t)(stop - at), ended, err)) {
            if (err->line == 0) err->column = 1;
            err->line = lines->number;
            return false;
        }
        at = stop + 1;
    }
    for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++)
        some = some || lines->grid.tables[kind].length > 0;
    if (some) return true;
    error_set(err, ERROR_INVALID, "expected a document a line, found none");
    return schema_error_at(err, &(struct node){.line = 1, .column = 1}, "");
}

/* Room for all that may come, so that nothing is copied while it grows. Pages that are not used are not
 * there: a line that does not begin with its kind may count for all kinds. */
static void make_tables(struct lines *lines)
{
    struct grid *grid = &lines->grid;
    size_t unknown = 0;
    const char *at = grid->text, *end = at + grid->size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        enum record_kind kind = RECORD_KINDS;
        if (find_kind(at, (size_t)(stop - at), &kind))
            grid->tables[kind].capacity++;
        else if (stop - at > 1)
            unknown++;
        at = stop + 1;
    }
    for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++) {
        struct grid_table *table = &grid->tables[kind];
        table->capacity += unknown;
        if (kind == RECORD_HOST_FACT) table->capacity += grid->tables[RECORD_HOST].capacity;
        table->items = arena_alloc_array(grid->arena, table->capacity, grid_schema(kind)->size);
        table->rows = mem_alloc_array(table->capacity, sizeof(*table->rows));
    }
}

static bool read_line(struct lines *lines, const char *line, size_t size, bool ended, struct error *err)
{
    enum record_kind kind = RECORD_KINDS;
    if (size > 0 && line[size - 1] == '\r') size--;
    size_t blank = 0;
    while (blank < size && (line[blank] == ' ' || line[blank] == '\t'))
        blank++;
    if (blank == size) return true;
    if (size > DOCUMENT_SIZE_MAX) {
        error_set(err, ERROR_TOO_LARGE, "past the limit of %d bytes a document", DOCUMENT_SIZE_MAX);
        return schema_error_at(err, NULL, "");
    }
    if (find_kind(line, size, &kind) && read_fast(lines, kind, line, size)) return true;
    if (read_tree(lines, line + blank, size - blank, ended, err)) return true;
    err->column += (unsigned)blank;
    return false;
}

/* Of a line that begins with its kind. */
static bool find_kind(const char *line, size_t size, enum record_kind *ret_kind)
{
    static const char key[] = "\"kind\"";
    const char *end = line + size;
    const char *at = skip(line, end, '{');
    at = at == NULL ? NULL : skip(at, end, '\0');
    if (at == NULL || (size_t)(end - at) < sizeof(key) || memcmp(at, key, sizeof(key) - 1) != 0) return false;
    at = skip(at + sizeof(key) - 1, end, ':');
    at = at == NULL ? NULL : skip(at, end, '"');
    for (enum record_kind kind = 0; at != NULL && kind < RECORD_KINDS; kind++) {
        const char *name = grid_schema(kind)->name;
        size_t length = strlen(name);
        if ((size_t)(end - at) <= length || memcmp(at, name, length) != 0 || at[length] != '"') continue;
        *ret_kind = kind;
        return true;
    }
    return false;
}

/* Behind white space and the wanted character ('\0': none), or NULL. */
static const char *skip(const char *at, const char *end, char wanted)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (wanted == '\0') return at;
    return at < end && *at == wanted ? at + 1 : NULL;
}

static bool read_fast(struct lines *lines, enum record_kind kind, const char *line, size_t size)
{
    uint64_t object[512 / sizeof(uint64_t)]; /* of any kind, aligned */
    uint64_t seen;
    struct error ignored;
    ASSERT(grid_schema(kind)->size <= sizeof(object));
    if (!schema_scan(lines->scan, grid_schema(kind), line, size, object, &seen)) return false;
    if (!check(lines, kind, NULL, object, &ignored)) return false;
    add(lines, kind, object, seen);
    return true;
}

static bool read_tree(struct lines *lines, const char *line, size_t size, bool ended, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    struct node node;
    struct node stream;
    /* YAML knows more than JSON does; what is not JSON stops here. */
    if (!node_from_json(scratch, line, size, &node, err)) {
        unsigned column = say_not_json(line, size, ended, err);
        return schema_error_at(err, &(struct node){.line = 1, .column = column}, "");
    }
    if (!spec_read_yaml(lines->grid.arena, line, size, &stream, err)) return false;
    if (stream.length == 1) return read_document(lines, &stream.items[0], err);
    error_set(err, ERROR_INVALID, "expected one document in a line, found %zu", stream.length);
    return schema_error_at(err, &stream, "");
}

/* In words that tell how to mend it, where the parser has none. The column. */
static unsigned say_not_json(const char *line, size_t size, bool ended, struct error *err)
{
    const char *zero = memchr(line, 0, size);
    unsigned column = err->column ? err->column : 1;

    if (zero) {
        error_set(err, ERROR_INVALID, "expected text, found a zero byte");
        return (unsigned)(zero - line) + 1;
    }
    if (strstr(err->message, "end of file expected"))
        error_set(err, ERROR_INVALID, "expected the end of the line behind its document: write one a line");
    else if (!ended && strstr(err->message, "near end of file"))
        error_wrap(err, "the last line may be cut off, it has no end");
    return column;
}

static bool read_document(struct lines *lines, const struct node *node, struct error *err)
{
    enum record_kind kind = RECORD_KINDS;
    if (!kind_of_tree(lines->grid.arena, node, &kind, err)) return false;
    const struct schema *schema = grid_schema(kind);
    void *object = arena_alloc(lines->grid.arena, schema->size);
    if (!schema_read(schema, lines->grid.arena, node, object, err)) return false;
    keep_texts(lines->grid.texts, schema, object);
    struct error wrong;
    if (!check(lines, kind, node, object, &wrong)) {
        const struct node *at = node_get(node, wrong.field);
        *err = wrong;
        if (wrong.line == 0) schema_error_at(err, at == NULL ? node : at, wrong.field);
        return false;
    }
    uint64_t seen = 0;
    for (size_t i = 0; i < schema->fields_length; i++)
        if (node_get(node, schema->fields[i].key) != NULL) seen |= (uint64_t)1 << i;
    add(lines, kind, object, seen);
    return true;
}

static bool kind_of_tree(struct arena *arena, const struct node *node, enum record_kind *ret_kind,
                         struct error *err)
{
    const char *names[RECORD_KINDS];
    if (node->kind != NODE_MAP) {
        error_set(err, ERROR_INVALID, "expected a document (a map that begins with its kind), found %s",
                  node_describe(arena, node));
        return schema_error_at(err, node, "");
    }
    const struct node *kind = node_get(node, "kind");
    for (enum record_kind i = 0; i < RECORD_KINDS; i++) {
        names[i] = grid_schema(i)->name;
        if (kind == NULL || kind->kind != NODE_STRING || !text_equal(kind->text, names[i])) continue;
        *ret_kind = i;
        return true;
    }
    CLEANUP_BUF struct buf all = {0};
    buf_add_choice(&all, names, RECORD_KINDS);
    if (kind == NULL) {
        error_set(err, ERROR_INVALID, "missing: what the document is, %s", buf_text(&all));
        return schema_error_at(err, node, "kind");
    }
    bool is_text = kind->kind == NODE_STRING;
    const char *nearest = is_text ? text_nearest(kind->text, names, RECORD_KINDS) : NULL;
    if (is_text && document_is_later(kind->text))
        error_set(err, ERROR_INVALID, "kind %s is not supported yet by this version", kind->text);
    else
        error_set(err, ERROR_INVALID, "expected %s, found %s%s%s%s", buf_text(&all),
                  node_describe(arena, kind), nearest == NULL ? "" : ", did you mean \"",
                  nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return schema_error_at(err, kind, "kind");
}

/* As the scan does: names are then equal when their pointers are. */
static void keep_texts(struct texts *texts, const struct schema *schema, unsigned char *object)
{
    for (size_t i = 0; i < schema->fields_length; i++) {
        const struct field *field = &schema->fields[i];
        const char *text;
        if (field->kind != FIELD_SCALAR || !field->scalar->is_text || field->unique) continue;
        memcpy(&text, object + field->offset, sizeof(text));
        text = texts_keep(texts, text, strlen(text));
        memcpy(object + field->offset, &text, sizeof(text));
    }
}

/* What a document says about itself. err is overwritten in any case; on failure its field may have no place.
 */
static bool check(struct lines *lines, enum record_kind kind, const struct node *node, void *object,
                  struct error *err)
{
    struct texts *texts = lines->grid.texts;
    struct farm *farm = object;
    schema_error_at(err, NULL, "");
    switch (kind) {
    case RECORD_FARM:
        farm->full_name = texts_keep(texts, farm->full_name, strlen(farm->full_name));
        /* fall through */
    case RECORD_PARTY: {
        CLEANUP_ARENA struct arena *scratch = arena_new();
        enum document_kind document = kind == RECORD_FARM ? KIND_FARM : KIND_PARTY;
        return document_check(scratch, document, node, object, err);
    }
    case RECORD_INSTANCE:
        return check_instance(lines, object, err);
    case RECORD_HOST_FACT:
        return check_range(((struct host_fact *)object)->since_ms, MS_MAX, "since_ms", err);
    case RECORD_FARM_FACT:
        return check_range(((struct farm_fact *)object)->vni, VNI_MAX, "vni", err);
    case RECORD_HOST:
    case RECORD_IMAGE:
    case RECORD_POOL:
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_FILTER:
    case RECORD_LEASE:
    case RECORD_CONTACT:
    case RECORD_KEY:
        return true;
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

static bool check_instance(struct lines *lines, struct instance *instance, struct error *err)
{
    return grid_name_instance(lines->grid.texts, instance, err) &&
           check_range(instance->priority, 100, "priority", err) &&
           check_range(instance->since_ms, MS_MAX, "since_ms", err) &&
           check_range(instance->incarnation, MS_MAX, "incarnation", err) &&
           check_range(instance->restarts, MS_MAX, "restarts", err) &&
           check_range(instance->wanders, MS_MAX, "wanders", err);
}

static bool check_range(int64_t value, int64_t max, const char *field, struct error *err)
{
    if (value >= 0 && value <= max) return true;
    error_set(err, ERROR_INVALID, "%lld is out of range, expected 0 to %lld", (long long)value,
              (long long)max);
    return schema_error_at(err, NULL, field);
}

static void add(struct lines *lines, enum record_kind kind, const void *object, uint64_t seen)
{
    struct grid_row row = {.line = lines->number};
    for (size_t s = 0; kind == RECORD_INSTANCE && s < LENGTH(said_keys); s++)
        if ((seen & lines->bits[s]) != 0) row.said |= 1U << s;
    memcpy(grid_add(&lines->grid, kind, row), object, grid_schema(kind)->size);
}
