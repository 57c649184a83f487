#include "spec/spec.h"

#include "base/text.h"
#include "base/vec.h"
#include "spec/document.h"
#include "spec/farm.h"

#include <string.h>

/* Kinds of model.md that this version knows by name only. */
static const char *const later_kinds[] = {"Volume", "Site"};

struct reading {
    struct arena *arena;
    struct vec documents; /* struct document */
    struct map *seen;     /* "Farm acme/shop" to its node */
};

static bool read_all(struct reading *reading, const struct node *stream, struct error *err);
static bool read_document(struct reading *reading, const struct node *node, struct error *err);
static const struct node *without_status(struct arena *arena, const struct node *node);
static const char *all_kinds(struct arena *arena);
static bool find_kind(struct arena *arena, const struct node *node, const struct kind **ret_kind,
                      struct error *err);
static const char *name_document(struct arena *arena, struct document *document, void *object);
static bool check_first(struct reading *reading, const struct document *document, struct error *err);

bool spec_read(struct arena *arena, const char *file, const char *text, size_t size,
               struct documents *ret_documents, struct error *err)
{
    struct node stream;
    if (!spec_read_yaml(arena, text, size, &stream, err)) {
        return document_error_in(err, file);
    }
    struct reading reading = {.arena = arena, .documents = VEC_OF(struct document), .seen = map_new()};
    bool done = read_all(&reading, &stream, err);
    if (done) {
        size_t length = reading.documents.length;
        struct document *items = arena_alloc_array(arena, length, sizeof(*items));
        memcpy(items, reading.documents.items, length * sizeof(*items));
        *ret_documents = (struct documents){.items = items, .length = length};
    } else {
        document_error_in(err, file);
    }
    vec_free(&reading.documents);
    map_free(reading.seen);
    return done;
}

void spec_format_error(const struct error *err, struct buf *ret_line)
{
    if (err->file[0] != '\0') buf_add_text(ret_line, err->file);
    if (err->line > 0) buf_printf(ret_line, ":%u:%u", err->line, err->column);
    if (err->file[0] != '\0' || err->line > 0) buf_add_text(ret_line, ": ");
    if (err->field[0] != '\0') buf_printf(ret_line, "%s: ", err->field);
    buf_add_text(ret_line, err->message);
}

/* A document that is a list is as many documents: what GET /v1/KIND answers can be applied. */
static bool read_all(struct reading *reading, const struct node *stream, struct error *err)
{
    for (size_t i = 0; i < stream->length; i++) {
        const struct node *node = &stream->items[i];
        if (node->kind != NODE_LIST) {
            if (!read_document(reading, node, err)) return false;
            continue;
        }
        for (size_t k = 0; k < node->length; k++)
            if (!read_document(reading, &node->items[k], err)) return false;
    }
    if (reading->documents.length > 0) return true;
    error_set(err, ERROR_INVALID, "expected a document, found none");
    struct node start = {.line = 1, .column = 1};
    return schema_error_at(err, &start, "");
}

static bool read_document(struct reading *reading, const struct node *node, struct error *err)
{
    struct document document = {.line = node->line, .column = node->column, .node = node};
    if (reading->documents.length == DOCUMENTS_A_FILE_MAX) {
        error_set(err, ERROR_TOO_LARGE, "past the limit of %d documents a file", DOCUMENTS_A_FILE_MAX);
        return schema_error_at(err, node, "");
    }
    if (!find_kind(reading->arena, node, &document.kind, err)) return false;
    ASSERT(document.kind != NULL);
    document.node = node = without_status(reading->arena, node);
    void *object = arena_alloc(reading->arena, document.kind->schema->size);
    if (!schema_read(document.kind->schema, reading->arena, node, object, err)) return false;
    document.name = name_document(reading->arena, &document, object);
    if (!document_check(reading->arena, document.kind->kind, node, object, err)) return false;
    if (!check_first(reading, &document, err)) return false;
    *(struct document *)vec_push(&reading->documents) = document;
    return true;
}

/* What GET shows of a thing is its document and, under this one key, how it is: so that what was read can be
 * changed and written back. */
static const struct node *without_status(struct arena *arena, const struct node *node)
{
    const struct node *status = node_get(node, "status");
    if (!status || status->kind != NODE_MAP) return node;
    struct node *copy = arena_alloc(arena, sizeof(*copy));
    struct node *items = arena_alloc_array(arena, node->length, sizeof(*items));
    *copy = *node;
    copy->items = items;
    copy->length = 0;
    for (size_t i = 0; i < node->length; i++)
        if (&node->items[i] != status) items[copy->length++] = node->items[i];
    return copy;
}

static bool find_kind(struct arena *arena, const struct node *node, const struct kind **ret_kind,
                      struct error *err)
{
    if (node->kind != NODE_MAP) {
        error_set(err, ERROR_INVALID, "expected a document (a map that begins with its kind), found %s",
                  node_describe(arena, node));
        return schema_error_at(err, node, "");
    }
    const struct node *kind_node = node_get(node, "kind");
    if (kind_node == NULL) {
        error_set(err, ERROR_INVALID, "missing: what the document is, %s", all_kinds(arena));
        return schema_error_at(err, node, "kind");
    }
    const struct kind *kind = kind_node->kind == NODE_STRING ? kind_by_name(kind_node->text) : NULL;
    if (kind != NULL) {
        *ret_kind = kind;
        return true;
    }
    const char *names[KIND_COUNT + LENGTH(later_kinds)];
    for (size_t i = 0; i < KIND_COUNT; i++)
        names[i] = kinds[i].name;
    for (size_t i = 0; i < LENGTH(later_kinds); i++) {
        names[KIND_COUNT + i] = later_kinds[i];
        if (!text_equal(kind_node->text, later_kinds[i])) continue;
        error_set(err, ERROR_INVALID, "kind %s is not supported yet by this version", later_kinds[i]);
        return schema_error_at(err, kind_node, "kind");
    }
    const char *nearest =
        kind_node->kind == NODE_STRING ? text_nearest(kind_node->text, names, LENGTH(names)) : NULL;
    error_set(err, ERROR_INVALID, "expected %s, found %s%s%s%s", all_kinds(arena),
              node_describe(arena, kind_node), nearest == NULL ? "" : ", did you mean \"",
              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return schema_error_at(err, kind_node, "kind");
}

/* "Host, Party or Farm". */
static const char *all_kinds(struct arena *arena)
{
    CLEANUP_BUF struct buf text = {0};
    const char *names[KIND_COUNT];

    for (size_t i = 0; i < KIND_COUNT; i++)
        names[i] = kinds[i].name;
    buf_add_choice(&text, names, KIND_COUNT);
    return arena_strdup(arena, buf_text(&text));
}

bool document_check(struct arena *arena, enum document_kind kind, const struct node *node, void *object,
                    struct error *err)
{
    if (kind == KIND_FARM) return farm_check(arena, node, object, err);
    if (kind != KIND_PARTY) return true;
    const struct party *party = object;
    if (text_equal(party->name, PARTY_LANDLORD)) {
        error_set(err, ERROR_INVALID, "the party landlord is built in, choose another name");
        return schema_error_at(err, node_get(node, "name"), "name");
    }
    if (text_equal(party->name, party->parent)) {
        error_set(err, ERROR_INVALID, "a party cannot be its own parent");
        return schema_error_at(err, node_get(node, "parent"), "parent");
    }
    return true;
}

/* Hangs the object into the document; returns its full name. */
static const char *name_document(struct arena *arena, struct document *document, void *object)
{
    switch (document->kind->kind) {
    case KIND_HOST:
        document->host = object;
        return document->host->name;
    case KIND_PARTY:
        document->party = object;
        return document->party->name;
    case KIND_FARM:
        document->farm = object;
        return document->farm->full_name;
    case KIND_IMAGE:
        document->image = object;
        if (text_equal(document->image->party, PARTY_LANDLORD)) return document->image->name;
        return arena_printf(arena, "%s/%s", document->image->party, document->image->name);
    case KIND_POOL:
        document->pool = object;
        return document->pool->name;
    case KIND_SLA:
        document->sla = object;
        return document->sla->name;
    case KIND_SCALING_RULES:
        document->scaling_rules = object;
        return document->scaling_rules->name;
    case KIND_FILTER:
        document->filter = object;
        return document->filter->full_name;
    case KIND_LEASE:
        document->lease = object;
        return document->lease->name;
    case KIND_CONTACT:
        document->contact = object;
        return document->contact->full_name;
    case KIND_KEY:
        document->key = object;
        return document->key->name;
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

static bool check_first(struct reading *reading, const struct document *document, struct error *err)
{
    const char *key = arena_printf(reading->arena, "%s %s", document->kind->name, document->name);
    if (map_put(reading->seen, key, reading) == NULL) return true;
    error_set(err, ERROR_INVALID, "another document is for %s \"%s\" already", document->kind->singular,
              document->name);
    return schema_error_at(err, node_get(document->node, "name"), "name");
}

bool document_error_in(struct error *err, const char *file)
{
    size_t size = strnlen(file, sizeof(err->file) - 1);
    memcpy(err->file, file, size);
    err->file[size] = '\0';
    return false;
}

bool document_is_later(const char *kind)
{
    for (size_t i = 0; i < LENGTH(later_kinds); i++)
        if (text_equal(kind, later_kinds[i])) return true;
    return false;
}

const char *document_shown(char out[SHOWN_SIZE], const char *text)
{
    size_t size = strnlen(text, SHOWN_SIZE - 1);
    for (size_t i = 0; i < size; i++)
        out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[size] = '\0';
    return out;
}
