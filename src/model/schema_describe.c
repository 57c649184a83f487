#include "model/schema.h"

#include "base/text.h"

static void add_schema(const struct schema *schema, const char *kind, struct buf *json);
static void add_object(const struct schema *schema, const char *kind, struct buf *json);
static void add_field(const struct field *field, struct buf *json);
static void add_type(const struct field *field, struct buf *json);
static void add_lengths(const struct field *field, struct buf *json);
static void add_scalar(const struct scalar *scalar, struct buf *json);
static void add_fallback(const struct field *field, struct buf *json);
static const struct field *field_of(const struct schema *schema, const char *key);

void schema_describe(const struct schema *schema, const char *kind, struct buf *ret_json)
{
    add_schema(schema, kind, ret_json);
}

static void add_schema(const struct schema *schema, const char *kind, struct buf *json)
{
    const struct field *shorthand = schema->shorthand == NULL ? NULL : field_of(schema, schema->shorthand);
    if (shorthand == NULL) {
        add_object(schema, kind, json);
        return;
    }
    buf_add_text(json, "{\"oneOf\":[{");
    add_type(shorthand, json);
    buf_add_text(json, "},");
    add_object(schema, kind, json);
    buf_add_text(json, "]}");
}

static void add_object(const struct schema *schema, const char *kind, struct buf *json)
{
    buf_add_text(json, "{\"title\":");
    buf_add_json_string(json, schema->name);
    buf_add_text(json, ",\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    if (kind != NULL) {
        buf_add_text(json, "\"kind\":{\"const\":");
        buf_add_json_string(json, kind);
        buf_add_text(json, "}");
    }
    for (size_t i = 0; i < schema->fields_length; i++) {
        if (i > 0 || kind != NULL) buf_add_char(json, ',');
        add_field(&schema->fields[i], json);
    }
    buf_add_text(json, "},\"required\":[");
    bool some = kind != NULL;
    if (some) buf_add_json_string(json, "kind");
    for (size_t i = 0; i < schema->fields_length; i++) {
        if (!schema->fields[i].required) continue;
        if (some) buf_add_char(json, ',');
        some = true;
        buf_add_json_string(json, schema->fields[i].key);
    }
    buf_add_text(json, "]}");
}

static void add_field(const struct field *field, struct buf *json)
{
    buf_add_json_string(json, field->key);
    buf_add_char(json, ':');
    if (field->kind == FIELD_STRUCT) {
        /* JSON Schema 2020-12 lets a description stand beside what it describes only in the same object. */
        buf_add_text(json, "{\"description\":");
        buf_add_json_string(json, field->help);
        buf_add_text(json, ",\"allOf\":[");
        add_schema(field->schema, NULL, json);
        buf_add_text(json, "]}");
        return;
    }
    buf_add_text(json, "{\"description\":");
    buf_add_json_string(json, field->help);
    buf_add_char(json, ',');
    add_type(field, json);
    add_fallback(field, json);
    buf_add_char(json, '}');
}

/* The members of the type, without braces. */
static void add_type(const struct field *field, struct buf *json)
{
    bool ranged = field->max > field->min;
    switch (field->kind) {
    case FIELD_SCALAR:
        add_scalar(field->scalar, json);
        if (ranged && text_equal(field->scalar->json_type, "integer"))
            buf_printf(json, ",\"minimum\":%lld,\"maximum\":%lld", (long long)field->min,
                       (long long)field->max);
        return;
    case FIELD_ENUM:
        buf_add_text(json, "\"enum\":[");
        for (size_t i = 0; field->names[i] != NULL; i++) {
            if (i > 0) buf_add_char(json, ',');
            buf_add_json_string(json, field->names[i]);
        }
        buf_add_char(json, ']');
        return;
    case FIELD_OBJECTS:
        buf_add_text(json, "\"type\":\"array\",\"items\":");
        add_schema(field->schema, NULL, json);
        break;
    case FIELD_SCALARS:
        if (field->one_bare) {
            buf_add_text(json, "\"oneOf\":[{");
            add_scalar(field->scalar, json);
            buf_add_text(json, "},{");
        }
        buf_add_text(json, "\"type\":\"array\",\"items\":{");
        add_scalar(field->scalar, json);
        buf_add_char(json, '}');
        if (!field->one_bare) break;
        if (ranged) add_lengths(field, json);
        buf_add_text(json, "}]");
        return;
    case FIELD_PAIRS:
        buf_add_text(json, "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}");
        return;
    case FIELD_STRUCT:
        UNREACHABLE();
    }
    if (ranged) add_lengths(field, json);
}

static void add_lengths(const struct field *field, struct buf *json)
{
    buf_printf(json, ",\"minItems\":%lld,\"maxItems\":%lld", (long long)field->min, (long long)field->max);
}

/* Quantities may be numbers or texts with a unit, whichever is handier. */
static void add_scalar(const struct scalar *scalar, struct buf *json)
{
    buf_add_text(json, "\"type\":");
    if (text_equal(scalar->json_type, "number"))
        buf_add_text(json, "[\"number\",\"string\"]");
    else
        buf_add_json_string(json, scalar->json_type);
    if (scalar->pattern != NULL) {
        buf_add_text(json, ",\"pattern\":");
        buf_add_json_string(json, scalar->pattern);
    }
}

static void add_fallback(const struct field *field, struct buf *json)
{
    if (field->fallback == NULL) return;
    bool is_scalar = field->kind == FIELD_SCALAR;
    bool bare = is_scalar && (text_equal(field->scalar->json_type, "integer") ||
                              text_equal(field->scalar->json_type, "boolean") ||
                              (text_equal(field->scalar->json_type, "number") &&
                               node_kind_of_plain(field->fallback) == NODE_NUMBER));
    buf_add_text(json, ",\"default\":");
    if (bare)
        buf_add_text(json, field->fallback);
    else
        buf_add_json_string(json, field->fallback);
}

static const struct field *field_of(const struct schema *schema, const char *key)
{
    for (size_t i = 0; i < schema->fields_length; i++)
        if (text_equal(schema->fields[i].key, key)) return &schema->fields[i];
    UNREACHABLE();
}
