/* YAML 1.2 by libyaml into the tree of model/node.h. Nothing outside this file sees libyaml. JSON comes the
 * same way: it is a part of YAML 1.2, and so gets the same positions. */
#include "spec/spec.h"

#include "base/text.h"
#include "base/vec.h"
#include "spec/breaks.h"
#include "spec/surrogates.h"

#include <string.h>
#include <yaml.h>

struct loader {
    struct arena *arena;
    yaml_parser_t parser;
    const char *text;
    size_t size;
    /* libyaml counts characters; this place is known in both measures, and only moves forward. */
    size_t characters, bytes;
    size_t document_start; /* in bytes */
    size_t lines, columns; /* before the text that the parser is at: JSON documents may follow each other */
    struct breaks breaks;
    bool is_syntax; /* what went wrong has no path: the text has no structure */
};

static bool load_stream(struct loader *loader, struct node *ret_documents, struct error *err);
static bool load_document(struct loader *loader, const yaml_event_t *start, struct vec *documents,
                          struct error *err);
static bool load_node(struct loader *loader, const yaml_event_t *event, unsigned depth, struct node *ret_node,
                      struct error *err);
static bool load_scalar(struct loader *loader, const yaml_event_t *event, struct node *ret_node,
                        struct error *err);
static bool load_list(struct loader *loader, unsigned depth, struct node *ret_node, struct error *err);
static bool load_map(struct loader *loader, unsigned depth, struct node *ret_node, struct error *err);
static bool load_pair(struct loader *loader, const yaml_event_t *event, unsigned depth, struct map *keys,
                      struct node *ret_value, struct error *err);
static bool check_key(struct loader *loader, const yaml_event_t *event, struct map *keys, struct error *err);
static bool check_plain(const yaml_event_t *event, struct error *err);
static bool next_event(struct loader *loader, yaml_event_t *ret_event, struct error *err);
static bool is_next_json(const struct loader *loader);
static void begin_again(struct loader *loader);
static void begin(struct loader *loader);
static void shift(const struct loader *loader, yaml_mark_t *mark);
static bool check_size(struct loader *loader, const yaml_event_t *event, struct error *err);
static bool refuse_syntax(struct loader *loader, struct error *err);
static bool refuse_bytes(struct loader *loader, struct error *err);
static bool fail(yaml_mark_t mark, struct error *err);
static size_t byte_at(const struct loader *loader, size_t character);
static size_t advance(const struct loader *loader, size_t from, size_t characters);
static void place(const yaml_event_t *event, struct node *node);
static void keep(struct loader *loader, struct vec *items, struct node *ret_node);

bool spec_read_yaml(struct arena *arena, const char *text, size_t size, struct node *ret_documents,
                    struct error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct loader loader = {.arena = arena, .text = text, .size = size};
    if (size >= 3 && memcmp(text, bom, 3) == 0) {
        loader.text += 3;
        loader.size -= 3;
    }
    loader.text = surrogates_join(arena, loader.text, loader.size, &loader.size);
    loader.text = breaks_hide(arena, loader.text, loader.size, &loader.size, &loader.breaks);
    begin(&loader);
    bool done = load_stream(&loader, ret_documents, err);
    yaml_parser_delete(&loader.parser);
    return done;
}

static bool load_stream(struct loader *loader, struct node *ret_documents, struct error *err)
{
    struct vec documents = VEC_OF(struct node);
    bool done = true;
    bool more = true;
    while (done && more) {
        yaml_event_t event;
        done = next_event(loader, &event, err);
        if (!done) break;
        more = event.type != YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT) done = load_document(loader, &event, &documents, err);
        yaml_event_delete(&event);
    }
    if (done) {
        struct node list = {.kind = NODE_LIST, .line = 1, .column = 1};
        keep(loader, &documents, &list);
        *ret_documents = list;
    }
    vec_free(&documents);
    return done;
}

static bool load_document(struct loader *loader, const yaml_event_t *start, struct vec *documents,
                          struct error *err)
{
    if (start->data.document_start.tag_directives.start != start->data.document_start.tag_directives.end) {
        error_set(err, ERROR_INVALID, "tags are not allowed in documents");
        return fail(start->start_mark, err);
    }
    yaml_event_t event;
    if (!next_event(loader, &event, err)) return false;
    bool empty = event.type == YAML_SCALAR_EVENT && event.data.scalar.length == 0 &&
                 event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event.data.scalar.anchor == NULL &&
                 event.data.scalar.tag == NULL;
    bool done = true;
    if (!empty && documents->length == DOCUMENTS_A_FILE_MAX) {
        error_set(err, ERROR_TOO_LARGE, "past the limit of %d documents a file", DOCUMENTS_A_FILE_MAX);
        done = fail(event.start_mark, err);
    } else if (!empty) {
        struct node node;
        done = load_node(loader, &event, 1, &node, err);
        if (done) *(struct node *)vec_push(documents) = node;
    }
    yaml_event_delete(&event);
    return done;
}

static bool load_node(struct loader *loader, const yaml_event_t *event, unsigned depth, struct node *ret_node,
                      struct error *err)
{
    if (!check_plain(event, err)) return false;
    if (depth > DOCUMENT_DEPTH_MAX) {
        error_set(err, ERROR_TOO_LARGE, "past the limit of %d levels of nesting", DOCUMENT_DEPTH_MAX);
        return fail(event->start_mark, err);
    }
    struct node node = {0};
    place(event, &node);
    bool done = event->type == YAML_SCALAR_EVENT           ? load_scalar(loader, event, &node, err)
                : event->type == YAML_SEQUENCE_START_EVENT ? load_list(loader, depth, &node, err)
                                                           : load_map(loader, depth, &node, err);
    if (done) *ret_node = node;
    return done;
}

/* Quoted is text; plain is what the core schema of YAML 1.2 says: `yes` is text, `true` is not. */
static bool load_scalar(struct loader *loader, const yaml_event_t *event, struct node *ret_node,
                        struct error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length) {
        error_set(err, ERROR_INVALID, "text must not contain a zero byte");
        return fail(event->start_mark, err);
    }
    ret_node->text = arena_strdup(loader->arena, text);
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    ret_node->kind = plain ? node_kind_of_plain(text) : NODE_STRING;
    return true;
}

static bool load_list(struct loader *loader, unsigned depth, struct node *ret_node, struct error *err)
{
    struct vec items = VEC_OF(struct node);
    bool done = true;
    bool more = true;
    while (done && more) {
        yaml_event_t event;
        done = next_event(loader, &event, err);
        if (!done) break;
        more = event.type != YAML_SEQUENCE_END_EVENT;
        struct node item;
        if (more) done = load_node(loader, &event, depth + 1, &item, err);
        if (!done && !loader->is_syntax)
            schema_error_under(err, arena_printf(loader->arena, "[%zu]", items.length));
        if (more && done) *(struct node *)vec_push(&items) = item;
        yaml_event_delete(&event);
    }
    ret_node->kind = NODE_LIST;
    if (done) keep(loader, &items, ret_node);
    vec_free(&items);
    return done;
}

static bool load_map(struct loader *loader, unsigned depth, struct node *ret_node, struct error *err)
{
    struct vec items = VEC_OF(struct node);
    CLEANUP(map_freep) struct map *keys = map_new();
    bool done = true;
    bool more = true;
    while (done && more) {
        yaml_event_t event;
        done = next_event(loader, &event, err);
        if (!done) break;
        more = event.type != YAML_MAPPING_END_EVENT;
        struct node value;
        if (more) done = load_pair(loader, &event, depth, keys, &value, err);
        if (more && done) *(struct node *)vec_push(&items) = value;
        yaml_event_delete(&event);
    }
    ret_node->kind = NODE_MAP;
    if (done) keep(loader, &items, ret_node);
    vec_free(&items);
    return done;
}

/* event: the key. */
static bool load_pair(struct loader *loader, const yaml_event_t *event, unsigned depth, struct map *keys,
                      struct node *ret_value, struct error *err)
{
    if (!check_plain(event, err) || !check_key(loader, event, keys, err)) return false;
    yaml_event_t value_event;
    const char *name = (const char *)event->data.scalar.value;
    if (!next_event(loader, &value_event, err))
        return loader->is_syntax ? false : schema_error_under(err, name);
    struct node value;
    bool done = load_node(loader, &value_event, depth + 1, &value, err);
    yaml_event_delete(&value_event);
    if (!done) return loader->is_syntax ? false : schema_error_under(err, name);
    struct node key = {0};
    place(event, &key);
    value.key = arena_strdup(loader->arena, name);
    value.key_line = key.line;
    value.key_column = key.column;
    *ret_value = value;
    return true;
}

static bool check_key(struct loader *loader, const yaml_event_t *event, struct map *keys, struct error *err)
{
    if (event->type != YAML_SCALAR_EVENT) {
        error_set(err, ERROR_INVALID, "expected a name as key, found %s",
                  event->type == YAML_MAPPING_START_EVENT ? "a map" : "a list");
        return fail(event->start_mark, err);
    }
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && text_equal(text, "<<")) {
        error_set(err, ERROR_INVALID, "merge keys (<<) are not allowed in documents");
        return fail(event->start_mark, err);
    }
    if (strlen(text) != event->data.scalar.length || (plain && text[0] == '\0')) {
        error_set(err, ERROR_INVALID, "expected a name as key");
        return fail(event->start_mark, err);
    }
    struct node *here = arena_alloc(loader->arena, sizeof(*here));
    place(event, here);
    const struct node *first = map_put(keys, text, here);
    if (first == NULL) return true;
    struct node shown = {.kind = NODE_STRING, .text = text};
    /* Not its absolute place: the text may be several files, of which only the reader's own counts lines. */
    const char *name = node_describe(loader->arena, &shown);
    unsigned above = here->line - first->line;
    if (above == 0)
        error_set(err, ERROR_INVALID, "the key %s is given twice, first at column %u", name, first->column);
    else
        error_set(err, ERROR_INVALID, "the key %s is given twice, first %u line%s above", name, above,
                  above == 1 ? "" : "s");
    return schema_error_at(err, here, text);
}

/* What YAML has beyond data makes a text mean something else than it says, and small texts huge. */
static bool check_plain(const yaml_event_t *event, struct error *err)
{
    const unsigned char *anchor = NULL;
    const unsigned char *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    const char *what = event->type == YAML_ALIAS_EVENT ? "aliases (*name)"
                       : anchor != NULL                ? "anchors (&name)"
                       : tag != NULL                   ? "tags (!name)"
                                                       : NULL;
    if (what == NULL) return true;
    error_set(err, ERROR_INVALID, "%s are not allowed in documents", what);
    return fail(event->start_mark, err);
}

static bool next_event(struct loader *loader, yaml_event_t *ret_event, struct error *err)
{
    yaml_event_t event;
    if (yaml_parser_parse(&loader->parser, &event) == 0) {
        if (!is_next_json(loader)) return refuse_syntax(loader, err);
        begin_again(loader);
        return next_event(loader, ret_event, err);
    }
    if (event.type == YAML_SCALAR_EVENT)
        event.data.scalar.length =
            breaks_show(&loader->breaks, (char *)event.data.scalar.value, event.data.scalar.length);
    shift(loader, &event.start_mark);
    shift(loader, &event.end_mark);
    if (!check_size(loader, &event, err)) {
        yaml_event_delete(&event);
        return false;
    }
    *ret_event = event;
    return true;
}

/* Many JSON documents may stand in a file one after the other, without the --- of YAML. */
static bool is_next_json(const struct loader *loader)
{
    static const char problem[] = "did not find expected <document start>";
    const yaml_parser_t *parser = &loader->parser;
    if (parser->error != YAML_PARSER_ERROR || !text_equal(parser->problem, problem)) return false;
    size_t at = byte_at(loader, parser->problem_mark.index);
    return at > 0 && at < loader->size && (loader->text[at] == '{' || loader->text[at] == '[');
}

/* Reads on where the parser stopped, as if a text began there. */
static void begin_again(struct loader *loader)
{
    yaml_mark_t mark = loader->parser.problem_mark;
    size_t at = byte_at(loader, mark.index);
    shift(loader, &mark);
    loader->lines = mark.line;
    loader->columns = mark.column;
    loader->text += at;
    loader->size -= at;
    loader->characters = 0;
    loader->bytes = 0;
    loader->document_start = 0;
    yaml_parser_delete(&loader->parser);
    begin(loader);
}

static void begin(struct loader *loader)
{
    int done = yaml_parser_initialize(&loader->parser);
    ASSERT(done != 0); /* it fails for want of memory only */
    yaml_parser_set_encoding(&loader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader->parser, (const unsigned char *)loader->text, loader->size);
}

static void shift(const struct loader *loader, yaml_mark_t *mark)
{
    if (mark->line == 0) mark->column += loader->columns;
    mark->line += loader->lines;
}

static bool check_size(struct loader *loader, const yaml_event_t *event, struct error *err)
{
    /* Before the known place moves behind it: looking back would cost the whole text each time. */
    if (event->type == YAML_DOCUMENT_START_EVENT && event->start_mark.index >= loader->characters)
        loader->document_start = byte_at(loader, event->start_mark.index);
    if (event->end_mark.index > loader->characters) {
        loader->bytes = byte_at(loader, event->end_mark.index);
        loader->characters = event->end_mark.index;
    }
    bool inside = event->type != YAML_STREAM_START_EVENT && event->type != YAML_STREAM_END_EVENT &&
                  event->type != YAML_DOCUMENT_START_EVENT;
    if (!inside || loader->bytes < loader->document_start) return true;
    if (loader->bytes - loader->document_start <= DOCUMENT_SIZE_MAX) return true;
    error_set(err, ERROR_TOO_LARGE, "past the limit of 1 MiB a document");
    return fail(event->start_mark, err);
}

static bool refuse_syntax(struct loader *loader, struct error *err)
{
    const yaml_parser_t *parser = &loader->parser;
    loader->is_syntax = true;
    if (parser->error == YAML_READER_ERROR) return refuse_bytes(loader, err);
    if (parser->error == YAML_MEMORY_ERROR) return error_set(err, ERROR_FAILED, "no memory to parse YAML");
    size_t problem = byte_at(loader, parser->problem_mark.index);
    if (problem < loader->size && loader->text[problem] == '\t')
        error_set(err, ERROR_INVALID, "a tab stands where only spaces may: indent with spaces");
    else
        error_set(err, ERROR_INVALID, "not valid YAML: %s%s%s", parser->problem,
                  parser->context == NULL ? "" : " ", parser->context == NULL ? "" : parser->context);
    yaml_mark_t mark = parser->problem_mark;
    shift(loader, &mark);
    return fail(mark, err);
}

/* What is no character of YAML at all. libyaml tells its place in bytes. */
static bool refuse_bytes(struct loader *loader, struct error *err)
{
    size_t problem = loader->parser.problem_offset;
    if (problem > loader->size) problem = loader->size;
    yaml_mark_t mark = {0};
    for (size_t at = 0; at < problem;) {
        bool line = loader->text[at] == '\n';
        mark.line += line ? 1 : 0;
        mark.column = line ? 0 : mark.column + 1;
        at = advance(loader, at, 1);
    }
    shift(loader, &mark);
    error_set(err, ERROR_INVALID, "not valid YAML: %s", loader->parser.problem);
    return fail(mark, err);
}

static bool fail(yaml_mark_t mark, struct error *err)
{
    struct node node = {.line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1};
    return schema_error_at(err, &node, "");
}

/* The byte at which a character begins; from the known place on when it is behind that. */
static size_t byte_at(const struct loader *loader, size_t character)
{
    bool behind = character >= loader->characters;
    return advance(loader, behind ? loader->bytes : 0, behind ? character - loader->characters : character);
}

static size_t advance(const struct loader *loader, size_t from, size_t characters)
{
    size_t at = from;
    for (size_t i = 0; i < characters && at < loader->size; i++) {
        at++;
        while (at < loader->size && ((unsigned char)loader->text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static void place(const yaml_event_t *event, struct node *node)
{
    node->line = (unsigned)event->start_mark.line + 1;
    node->column = (unsigned)event->start_mark.column + 1;
}

/* Moves what was gathered to the arena. */
static void keep(struct loader *loader, struct vec *items, struct node *ret_node)
{
    struct node *kept = arena_alloc_array(loader->arena, items->length, sizeof(*kept));
    if (items->length > 0) memcpy(kept, items->items, items->length * sizeof(*kept));
    ret_node->items = kept;
    ret_node->length = items->length;
}
