#include "model/schema.h"

#include "base/text.h"
#include "model/intent.h"

#include <string.h>

static void write_fields(const struct schema *schema, const unsigned char *object, bool some,
                         struct buf *json);
static bool is_hidden(const struct field *field, const unsigned char *object, struct buf *json);
static bool is_hidden_scalar(const struct field *field, const unsigned char *value, struct buf *json);
static bool is_nothing(const struct schema *schema, const unsigned char *object, struct buf *json);
static void write_value(const struct field *field, const unsigned char *object, struct buf *json);
static void write_list(const struct field *field, const unsigned char *object, struct buf *json);
static void write_pairs(const struct field *field, const unsigned char *object, struct buf *json);
static const char *enum_name(const struct field *field, const unsigned char *value);
static size_t length_of(const struct field *field, const unsigned char *object);
static const void *items_of(const struct field *field, const unsigned char *object);

void schema_write(const struct schema *schema, const char *kind, const void *object, struct buf *ret_json)
{
    buf_add_char(ret_json, '{');
    if (kind != NULL) {
        buf_add_text(ret_json, "\"kind\":");
        buf_add_json_string(ret_json, kind);
    }
    write_fields(schema, object, kind != NULL, ret_json);
    buf_add_char(ret_json, '}');
}

/* some: something stands before the first field already. */
static void write_fields(const struct schema *schema, const unsigned char *object, bool some,
                         struct buf *json)
{
    for (size_t i = 0; i < schema->fields_length; i++) {
        const struct field *field = &schema->fields[i];
        if (is_hidden(field, object, json)) continue;
        buf_add(json, field->written + !some, field->written_size - !some);
        some = true;
        write_value(field, object, json);
    }
}

static bool is_hidden(const struct field *field, const unsigned char *object, struct buf *json)
{
    if (!field->hidden_default) return false;
    const unsigned char *at = object + field->offset;
    switch (field->kind) {
    case FIELD_SCALAR:
        return is_hidden_scalar(field, at, json);
    case FIELD_ENUM:
        return text_equal(enum_name(field, at), field->fallback == NULL ? field->names[0] : field->fallback);
    case FIELD_STRUCT:
        return is_nothing(field->schema, at, json);
    case FIELD_OBJECTS:
    case FIELD_SCALARS:
    case FIELD_PAIRS:
        return length_of(field, object) == 0;
    }
    UNREACHABLE();
}

/* Fallbacks are in canonical form (a test sees to it), so comparing texts is comparing values. The text is
 * made at the end of json, and taken away again. */
static bool is_hidden_scalar(const struct field *field, const unsigned char *value, struct buf *json)
{
    if (field->fallback == NULL && field->scalar->is_text) {
        const char *text;
        memcpy(&text, value, sizeof(text));
        return text == NULL || text[0] == '\0';
    }
    if (field->fallback == NULL) {
        for (size_t i = 0; i < field->scalar->size; i++)
            if (value[i] != 0) return false;
        return true;
    }
    size_t before = json->size;
    field->scalar->format(value, json);
    const char *text = json->data + before;
    size_t size = json->size - before;
    if (text[0] == '"') {
        text++;
        size -= 2;
    }
    bool is_fallback = strlen(field->fallback) == size && memcmp(text, field->fallback, size) == 0;
    buf_truncate(json, before);
    return is_fallback;
}

static bool is_nothing(const struct schema *schema, const unsigned char *object, struct buf *json)
{
    if (schema->is_nothing != NULL) return schema->is_nothing(object);
    for (size_t i = 0; i < schema->fields_length; i++)
        if (!is_hidden(&schema->fields[i], object, json)) return false;
    return true;
}

static void write_value(const struct field *field, const unsigned char *object, struct buf *json)
{
    const unsigned char *at = object + field->offset;
    switch (field->kind) {
    case FIELD_SCALAR:
        field->scalar->format(at, json);
        return;
    case FIELD_ENUM:
        buf_add_json_string(json, enum_name(field, at));
        return;
    case FIELD_STRUCT:
        schema_write(field->schema, NULL, at, json);
        return;
    case FIELD_OBJECTS:
    case FIELD_SCALARS:
        write_list(field, object, json);
        return;
    case FIELD_PAIRS:
        write_pairs(field, object, json);
        return;
    }
    UNREACHABLE();
}

static void write_list(const struct field *field, const unsigned char *object, struct buf *json)
{
    bool objects = field->kind == FIELD_OBJECTS;
    size_t size = objects ? field->schema->size : field->scalar->size;
    size_t length = length_of(field, object);
    const unsigned char *items = items_of(field, object);
    bool bare = field->one_bare && length == 1;
    if (!bare) buf_add_char(json, '[');
    for (size_t i = 0; i < length; i++) {
        if (i > 0) buf_add_char(json, ',');
        if (objects)
            schema_write(field->schema, NULL, items + i * size, json);
        else
            field->scalar->format(items + i * size, json);
    }
    if (!bare) buf_add_char(json, ']');
}

static void write_pairs(const struct field *field, const unsigned char *object, struct buf *json)
{
    size_t length = length_of(field, object);
    const struct pair *pairs = items_of(field, object);
    buf_add_char(json, '{');
    for (size_t i = 0; i < length; i++) {
        if (i > 0) buf_add_char(json, ',');
        buf_add_json_string(json, pairs[i].name);
        buf_add_char(json, ':');
        buf_add_json_string(json, pairs[i].value);
    }
    buf_add_char(json, '}');
}

static const char *enum_name(const struct field *field, const unsigned char *value)
{
    int at;
    memcpy(&at, value, sizeof(at));
    ASSERT(at >= 0);
    for (int i = 0; i <= at; i++)
        ASSERT(field->names[i] != NULL);
    return field->names[at];
}

static size_t length_of(const struct field *field, const unsigned char *object)
{
    size_t length;
    memcpy(&length, object + field->length_offset, sizeof(length));
    return length;
}

static const void *items_of(const struct field *field, const unsigned char *object)
{
    const void *items;
    memcpy(&items, object + field->offset, sizeof(items));
    return items;
}
