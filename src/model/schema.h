/* Every document's form as a table. One table reads it (strictly, with positions), writes its canonical text,
 * and describes it (OpenAPI, documentation), so that the three cannot disagree. */
#ifndef CROFT_MODEL_SCHEMA_H
#define CROFT_MODEL_SCHEMA_H

#include "model/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kind of scalar: a quantity, a name, an address, an enumeration. */
struct scalar {
    const char *name;     /* "cpus" */
    const char *expected; /* for messages: "a number of cores such as 0.5 or 8" */
    size_t size;          /* of the C value */
    /* Text of a node to value; false: not one. */
    bool (*parse)(struct arena *arena, const struct node *node, void *ret_value);
    void (*format)(const void *value, struct buf *ret_json); /* one JSON value */
    bool is_text;          /* the value is a const char *; absent it is "", never NULL */
    const char *json_type; /* for OpenAPI: "string", "number", "integer", "boolean" */
    const char *pattern;   /* for OpenAPI, or NULL */
};

/* Enumerations: names in the order of their values, NULL-terminated. */

enum field_kind {
    FIELD_SCALAR,  /* a value of `scalar` at offset */
    FIELD_ENUM,    /* an enum (int) at offset; names in `names` */
    FIELD_STRUCT,  /* a struct of `schema` embedded at offset */
    FIELD_OBJECTS, /* pointer at offset to an array of `schema`; size_t at length_offset */
    FIELD_SCALARS, /* pointer at offset to an array of `scalar`; size_t at length_offset */
    FIELD_PAIRS,   /* a map of text to text as struct pair array; size_t at length_offset */
};

struct schema;

struct field {
    const char *key;
    const char *written; /* as it stands in JSON behind another: ,"key": */
    size_t written_size;
    enum field_kind kind;
    size_t offset;
    size_t length_offset;
    const struct scalar *scalar;
    const char *const *names;
    const struct schema *schema;
    bool required;
    const char *fallback; /* what a missing scalar or enum stands for, as it would be written; NULL: zero */
    int64_t min, max;     /* for scalars of int64_t, when max > min: inclusive; for lists: of the length */
    bool hidden_default;  /* not written when it has the fallback's value */
    bool one_bare;        /* lists: one item may stand for a list of one, and is written so */
    bool unique;          /* hardly two objects say the same: of no use to look for an equal text */
    const char *limit;    /* what max counts when it is a limit of model.md: "tiers a farm"; else NULL */
    const char *help;     /* one line, for documentation */
};

struct schema {
    const char *name; /* "Farm", "tier" */
    size_t size;      /* of the C struct */
    const struct field *fields;
    size_t fields_length;
    const char *shorthand; /* a scalar (or list) in place of the map sets this field; NULL: none */
    /* Fills what follows from the rest and checks what a table cannot say; on failure error_set() with
     * err->field relative to this object. node gives positions. May be NULL. */
    bool (*finish)(struct arena *arena, const struct node *node, void *object, struct error *err);
    /* True when the object says nothing: it is then left out by the writer. May be NULL: when all of its
     * fields are left out. */
    bool (*is_nothing)(const void *object);
};

/* Limits of model.md, enforced by the readers. */
enum {
    DOCUMENT_SIZE_MAX = 1024 * 1024,
    DOCUMENTS_A_FILE_MAX = 1000,
    DOCUMENT_DEPTH_MAX = 64,
    FARM_TIERS_MAX = 256,
    TIER_INSTANCES_MAX = 10000,
};

/* Puts the position of node (NULL: none) and the path of the field into a filled *err; returns false. */
bool schema_error_at(struct error *err, const struct node *node, const char *field);
/* Puts a key ("size") or an index ("[0]") in front of the path of the field; returns false. */
bool schema_error_under(struct error *err, const char *key);

/* ret_object, schema->size bytes, as it is while a text says nothing. */
void schema_defaults(const struct schema *schema, struct arena *arena, void *ret_object);
/* Strict reading: unknown keys (with the nearest right spelling), wrong types, ranges, missing and doubled
 * fields are refused with err->line, column, field and what was expected. ret_object: schema->size bytes.
 * A key "kind" of the outermost map is accepted when it says the schema's name. */
MUST_CHECK bool schema_read(const struct schema *schema, struct arena *arena, const struct node *node,
                            void *ret_object, struct error *err);
/* As schema_read(), but keys that the schema does not know are skipped: for what a newer croft wrote. */
MUST_CHECK bool schema_read_lenient(const struct schema *schema, struct arena *arena, const struct node *node,
                                    void *ret_object, struct error *err);
/* Canonical JSON on one line, fields in the table's order. kind: value of a leading "kind" or NULL. */
void schema_write(const struct schema *schema, const char *kind, const void *object, struct buf *ret_json);
/* The schema as JSON Schema (the dialect of OpenAPI 3.1). */
void schema_describe(const struct schema *schema, const char *kind, struct buf *ret_json);

#endif
