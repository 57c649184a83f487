#include "model/schema.h"
#include "model/schema_scan.h"

#include "base/text.h"
#include "model/schemas.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 64u /* of one table: as many as fit the set of those seen */

struct reader {
    struct arena *arena;
    bool strict;
};

static bool read(const struct schema *schema, struct arena *arena, const struct node *node, bool strict,
                 void *ret_object, struct error *err);
static bool read_object(const struct reader *reader, const struct schema *schema, const struct node *node,
                        bool outermost, unsigned char *object, struct error *err);
static bool read_shorthand(const struct reader *reader, const struct schema *schema, const struct node *node,
                           unsigned char *object, struct error *err);
static bool read_kind(const struct reader *reader, const struct schema *schema, const struct node *node,
                      struct error *err);
static bool refuse_unknown(const struct reader *reader, const struct schema *schema, const struct node *node,
                           struct error *err);
static bool find_missing(const struct schema *schema, const struct node *node, uint64_t seen,
                         struct error *err);
static bool read_field(const struct reader *reader, const struct field *field, const struct node *node,
                       unsigned char *object, struct error *err);
static bool read_scalar(const struct reader *reader, const struct field *field, const struct node *node,
                        void *value, struct error *err);
static bool check_range(const struct field *field, const struct node *node, int64_t value, struct error *err);
static bool read_enum(const struct reader *reader, const struct field *field, const struct node *node,
                      void *value, struct error *err);
static bool read_list(const struct reader *reader, const struct field *field, const struct node *node,
                      unsigned char *object, struct error *err);
static bool read_pairs(const struct reader *reader, const struct field *field, const struct node *node,
                       unsigned char *object, struct error *err);
static bool check_length(const struct field *field, const struct node *node, struct error *err);
static void set_default(struct arena *arena, const struct field *field, unsigned char *object);
static enum node_kind fallback_kind(const struct scalar *scalar, const char *fallback);
static int enum_value(const char *const *names, const char *name);
static size_t names_length(const char *const *names);
static bool under_index(struct error *err, size_t index);

bool schema_error_at(struct error *err, const struct node *node, const char *field)
{
    err->line = node == NULL ? 0 : node->line;
    err->column = node == NULL ? 0 : node->column;
    size_t size = strnlen(field, sizeof(err->field) - 1);
    memmove(err->field, field, size);
    err->field[size] = '\0';
    return false;
}

bool schema_error_under(struct error *err, const char *key)
{
    CLEANUP_BUF struct buf path = {0};
    bool dot = err->field[0] != '\0' && err->field[0] != '[';
    buf_printf(&path, "%s%s%s", key, dot ? "." : "", err->field);
    struct node at = {.line = err->line, .column = err->column};
    return schema_error_at(err, &at, buf_text(&path));
}

void schema_defaults(const struct schema *schema, struct arena *arena, void *ret_object)
{
    memset(ret_object, 0, schema->size);
    for (size_t i = 0; i < schema->fields_length; i++)
        set_default(arena, &schema->fields[i], ret_object);
}

bool schema_read(const struct schema *schema, struct arena *arena, const struct node *node, void *ret_object,
                 struct error *err)
{
    return read(schema, arena, node, true, ret_object, err);
}

bool schema_read_lenient(const struct schema *schema, struct arena *arena, const struct node *node,
                         void *ret_object, struct error *err)
{
    return read(schema, arena, node, false, ret_object, err);
}

bool model_read_json(const struct schema *schema, struct arena *arena, const char *json, size_t size,
                     void *ret_object, struct error *err)
{
    struct node node;
    uint64_t seen = 0;
    struct scan *scan = scan_new(arena, NULL);
    bool scanned = schema_scan(scan, schema, json, size, ret_object, &seen);
    scan_free(scan);
    if (scanned) return true;
    if (!node_from_json(arena, json, size, &node, err)) return false;
    return schema_read_lenient(schema, arena, &node, ret_object, err);
}

static bool read(const struct schema *schema, struct arena *arena, const struct node *node, bool strict,
                 void *ret_object, struct error *err)
{
    struct reader reader = {.arena = arena, .strict = strict};
    unsigned char *object = arena_alloc(arena, schema->size);
    if (!read_object(&reader, schema, node, true, object, err)) return false;
    memcpy(ret_object, object, schema->size);
    return true;
}

static bool read_object(const struct reader *reader, const struct schema *schema, const struct node *node,
                        bool outermost, unsigned char *object, struct error *err)
{
    ASSERT(schema->fields_length <= FIELDS_MAX);
    if (node->kind != NODE_MAP) return read_shorthand(reader, schema, node, object, err);
    schema_defaults(schema, reader->arena, object);
    uint64_t seen = 0;
    for (size_t i = 0; i < node->length; i++) {
        const struct node *item = &node->items[i];
        size_t at = 0;
        while (at < schema->fields_length && !text_equal(schema->fields[at].key, item->key))
            at++;
        if (at == schema->fields_length) {
            if (outermost && text_equal(item->key, "kind")) {
                if (!read_kind(reader, schema, item, err)) return false;
            } else if (reader->strict) {
                return refuse_unknown(reader, schema, item, err);
            }
            continue;
        }
        const struct field *field = &schema->fields[at];
        if ((seen >> at & 1) != 0) {
            error_set(err, ERROR_INVALID, "given twice");
            return schema_error_at(err, item, field->key);
        }
        seen |= (uint64_t)1 << at;
        if (!read_field(reader, field, item, object, err)) return schema_error_under(err, field->key);
    }
    if (!find_missing(schema, node, seen, err)) return false;
    if (schema->finish == NULL || schema->finish(reader->arena, node, object, err)) return true;
    if (err->line == 0) {
        err->line = node->line;
        err->column = node->column;
    }
    return false;
}

/* Reads `x` as `{shorthand: x}`; what is wrong with it is told as a fault of the value itself. */
static bool read_shorthand(const struct reader *reader, const struct schema *schema, const struct node *node,
                           unsigned char *object, struct error *err)
{
    if (schema->shorthand == NULL) {
        error_set(err, ERROR_INVALID, "expected a map (%s), found %s", schema->name,
                  node_describe(reader->arena, node));
        return schema_error_at(err, node, "");
    }
    if (node->kind == NODE_NULL) {
        const struct field *field = &schema->fields[0];
        while (!text_equal(field->key, schema->shorthand))
            field++;
        error_set(err, ERROR_INVALID, "has no value: expected a map, or only its \"%s\" (%s)", field->key,
                  field->help);
        return schema_error_at(err, node, "");
    }
    struct node *value = arena_alloc(reader->arena, sizeof(*value));
    *value = *node;
    value->key = schema->shorthand;
    struct node map = {
        .kind = NODE_MAP, .items = value, .length = 1, .line = node->line, .column = node->column};
    if (read_object(reader, schema, &map, false, object, err)) return true;
    if (text_equal(err->field, schema->shorthand)) err->field[0] = '\0';
    return false;
}

static bool read_kind(const struct reader *reader, const struct schema *schema, const struct node *node,
                      struct error *err)
{
    if (node->kind == NODE_STRING && text_equal(node->text, schema->name)) return true;
    error_set(err, ERROR_INVALID, "expected %s, found %s", schema->name, node_describe(reader->arena, node));
    return schema_error_at(err, node, "kind");
}

static bool refuse_unknown(const struct reader *reader, const struct schema *schema, const struct node *node,
                           struct error *err)
{
    const char *keys[FIELDS_MAX];
    for (size_t i = 0; i < schema->fields_length; i++)
        keys[i] = schema->fields[i].key;
    const char *nearest = text_nearest(node->key, keys, schema->fields_length);
    if (nearest != NULL) {
        error_set(err, ERROR_INVALID, "unknown key, did you mean \"%s\"?", nearest);
    } else {
        CLEANUP_BUF struct buf all = {0};
        for (size_t i = 0; i < schema->fields_length; i++)
            buf_printf(&all, "%s%s", i == 0 ? "" : ", ", keys[i]);
        error_set(err, ERROR_INVALID, "unknown key, expected one of: %s", buf_text(&all));
    }
    schema_error_at(err, node, node->key);
    err->line = node->key_line;
    err->column = node->key_column;
    return false;
}

static bool find_missing(const struct schema *schema, const struct node *node, uint64_t seen,
                         struct error *err)
{
    for (size_t i = 0; i < schema->fields_length; i++) {
        if (!schema->fields[i].required || (seen >> i & 1) != 0) continue;
        error_set(err, ERROR_INVALID, "missing: %s", schema->fields[i].help);
        return schema_error_at(err, node, schema->fields[i].key);
    }
    return true;
}

static bool read_field(const struct reader *reader, const struct field *field, const struct node *node,
                       unsigned char *object, struct error *err)
{
    unsigned char *at = object + field->offset;
    switch (field->kind) {
    case FIELD_SCALAR:
        return read_scalar(reader, field, node, at, err);
    case FIELD_ENUM:
        return read_enum(reader, field, node, at, err);
    case FIELD_STRUCT:
        return read_object(reader, field->schema, node, false, at, err);
    case FIELD_OBJECTS:
    case FIELD_SCALARS:
        return read_list(reader, field, node, object, err);
    case FIELD_PAIRS:
        return read_pairs(reader, field, node, object, err);
    }
    UNREACHABLE();
}

static bool read_scalar(const struct reader *reader, const struct field *field, const struct node *node,
                        void *value, struct error *err)
{
    const struct scalar *scalar = field->scalar;
    bool is_scalar = node->kind != NODE_LIST && node->kind != NODE_MAP && node->kind != NODE_NULL;
    if (!is_scalar || !scalar->parse(reader->arena, node, value)) {
        struct node quoted = {.kind = NODE_STRING, .text = node->text};
        bool unquoted = is_scalar && scalar->is_text && node->kind != NODE_STRING &&
                        scalar->parse(reader->arena, &quoted, value);
        error_set(err, ERROR_INVALID, "expected %s, found %s%s", scalar->expected,
                  node_describe(reader->arena, node), unquoted ? " (text of that form needs quotes)" : "");
        return schema_error_at(err, node, "");
    }
    if (field->kind != FIELD_SCALAR || field->max <= field->min) return true;
    ASSERT(scalar->size == sizeof(int64_t));
    int64_t number;
    memcpy(&number, value, sizeof(number));
    return check_range(field, node, number, err);
}

static bool check_range(const struct field *field, const struct node *node, int64_t value, struct error *err)
{
    if (value >= field->min && value <= field->max) return true;
    if (field->limit != NULL && value > field->max) {
        error_set(err, ERROR_TOO_LARGE, "%s is past the limit of %lld %s", node->text, (long long)field->max,
                  field->limit);
    } else {
        CLEANUP_BUF struct buf low = {0};
        CLEANUP_BUF struct buf high = {0};
        field->scalar->format(&field->min, &low);
        field->scalar->format(&field->max, &high);
        error_set(err, ERROR_INVALID, "%s is out of range, expected %s to %s", node->text, buf_text(&low),
                  buf_text(&high));
    }
    return schema_error_at(err, node, "");
}

static bool read_enum(const struct reader *reader, const struct field *field, const struct node *node,
                      void *value, struct error *err)
{
    int found = node->kind == NODE_STRING ? enum_value(field->names, node->text) : -1;
    if (found >= 0) {
        memcpy(value, &found, sizeof(found));
        return true;
    }
    size_t length = names_length(field->names);
    CLEANUP_BUF struct buf all = {0};
    buf_add_choice(&all, field->names, length);
    const char *nearest = node->kind == NODE_STRING ? text_nearest(node->text, field->names, length) : NULL;
    error_set(err, ERROR_INVALID, "expected %s, found %s%s%s%s", buf_text(&all),
              node_describe(reader->arena, node), nearest == NULL ? "" : ", did you mean \"",
              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return schema_error_at(err, node, "");
}

static bool read_list(const struct reader *reader, const struct field *field, const struct node *node,
                      unsigned char *object, struct error *err)
{
    bool objects = field->kind == FIELD_OBJECTS;
    struct node one = {.kind = NODE_LIST, .items = (struct node *)(uintptr_t)node, .length = 1};
    bool bare = field->one_bare && node->kind != NODE_LIST;
    if (bare) node = &one;
    if (node->kind != NODE_LIST) {
        error_set(err, ERROR_INVALID, "expected a list, found %s", node_describe(reader->arena, node));
        return schema_error_at(err, node, "");
    }
    if (!check_length(field, node, err)) return false;
    size_t size = objects ? field->schema->size : field->scalar->size;
    unsigned char *items = arena_alloc_array(reader->arena, node->length, size);
    for (size_t i = 0; i < node->length; i++) {
        const struct node *item = &node->items[i];
        bool done = objects ? read_object(reader, field->schema, item, false, items + i * size, err)
                            : read_scalar(reader, field, item, items + i * size, err);
        if (!done) return bare ? false : under_index(err, i);
    }
    memcpy(object + field->offset, &items, sizeof(items));
    memcpy(object + field->length_offset, &node->length, sizeof(node->length));
    return true;
}

static bool read_pairs(const struct reader *reader, const struct field *field, const struct node *node,
                       unsigned char *object, struct error *err)
{
    if (node->kind != NODE_MAP) {
        error_set(err, ERROR_INVALID, "expected a map of names to texts, found %s",
                  node_describe(reader->arena, node));
        return schema_error_at(err, node, "");
    }
    if (!check_length(field, node, err)) return false;
    struct pair *pairs = arena_alloc_array(reader->arena, node->length, sizeof(*pairs));
    for (size_t i = 0; i < node->length; i++) {
        const struct node *item = &node->items[i];
        if (item->kind != NODE_STRING) {
            bool unquoted = item->kind == NODE_NUMBER || item->kind == NODE_BOOL;
            error_set(err, ERROR_INVALID, "expected text, found %s%s", node_describe(reader->arena, item),
                      unquoted ? " (text of that form needs quotes)" : "");
            return schema_error_at(err, item, item->key);
        }
        pairs[i] = (struct pair){.name = item->key, .value = item->text};
    }
    memcpy(object + field->offset, &pairs, sizeof(pairs));
    memcpy(object + field->length_offset, &node->length, sizeof(node->length));
    return true;
}

static bool check_length(const struct field *field, const struct node *node, struct error *err)
{
    if (field->max <= field->min) return true;
    if ((int64_t)node->length > field->max) {
        error_set(err, ERROR_TOO_LARGE, "%zu items are past the limit of %lld %s", node->length,
                  (long long)field->max, field->limit == NULL ? "items" : field->limit);
        return schema_error_at(err, node, "");
    }
    if ((int64_t)node->length < field->min) {
        error_set(err, ERROR_INVALID, "expected at least %lld, found %zu", (long long)field->min,
                  node->length);
        return schema_error_at(err, node, "");
    }
    return true;
}

static void set_default(struct arena *arena, const struct field *field, unsigned char *object)
{
    unsigned char *at = object + field->offset;
    if (field->kind == FIELD_STRUCT) {
        schema_defaults(field->schema, arena, at);
    } else if (field->kind == FIELD_ENUM && field->fallback != NULL) {
        int value = enum_value(field->names, field->fallback);
        ASSERT(value >= 0);
        memcpy(at, &value, sizeof(value));
    } else if (field->kind == FIELD_SCALAR && field->fallback != NULL) {
        struct node node = {.kind = fallback_kind(field->scalar, field->fallback), .text = field->fallback};
        bool done = field->scalar->parse(arena, &node, at);
        ASSERT(done);
    } else if (field->kind == FIELD_SCALAR && field->scalar->is_text) {
        const char *empty = "";
        memcpy(at, &empty, sizeof(empty));
    }
}

static enum node_kind fallback_kind(const struct scalar *scalar, const char *fallback)
{
    if (text_equal(scalar->json_type, "boolean")) return NODE_BOOL;
    return text_equal(scalar->json_type, "string") ? NODE_STRING : node_kind_of_plain(fallback);
}

static int enum_value(const char *const *names, const char *name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (text_equal(names[i], name)) return i;
    return -1;
}

static size_t names_length(const char *const *names)
{
    size_t length = 0;
    while (names[length] != NULL)
        length++;
    return length;
}

static bool under_index(struct error *err, size_t index)
{
    char key[32];
    int length = snprintf(key, sizeof(key), "[%zu]", index);
    ASSERT(length > 0 && (size_t)length < sizeof(key));
    return schema_error_under(err, key);
}
