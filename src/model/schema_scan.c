#include "model/schema_scan.h"

#include "base/text.h"
#include "base/vec.h"
#include "model/intent.h"

#include <string.h>

#define FIELDS_MAX 64u  /* of one table: as many as fit the set of those seen */
#define SCALAR_SIZE 64u /* of a scalar that is no text, with the zero behind it */
#define PAIRS_MAX 64u   /* so many names are compared each with each; more are a tree's work */

/* An object with its defaults; those of one table are the same each time. */
struct prototype {
    const struct schema *schema;
    unsigned char *object;
};

struct scan {
    struct arena *arena;
    struct texts *texts;
    struct vec prototypes;
    struct buf text;  /* of a string with escapes */
    struct error err; /* what `finish` says; nobody reads it */
};

struct cursor {
    struct scan *scan;
    const char *at, *end;
};

struct piece {
    const char *text;
    size_t size;
};

/* One object while it is read. */
struct scanned {
    const struct schema *schema;
    unsigned char *object;
    bool outermost;
    bool has_kind;
    uint64_t seen;
    size_t next;                   /* the field that is likely next: tables are written in their order */
    struct node items[FIELDS_MAX]; /* what `finish` asks: which fields are there, and of what kind */
    size_t length;
};

static const unsigned char *prototype_of(struct scan *scan, const struct schema *schema);
static bool scan_object(struct cursor *c, const struct schema *schema, bool outermost, unsigned char *object,
                        uint64_t *ret_seen);
static bool scan_member(struct cursor *c, struct scanned *scanned);
static bool finish(struct cursor *c, struct scanned *scanned);
static bool scan_written(struct cursor *c, const struct scanned *scanned, size_t *ret_at);
static bool find_field(const struct scanned *scanned, const struct piece *key, size_t *ret_at);
static bool scan_value(struct cursor *c, const struct field *field, unsigned char *object,
                       enum node_kind *ret_kind);
static bool scan_scalar(struct cursor *c, const struct field *field, unsigned char *value,
                        enum node_kind *ret_kind);
static bool scan_enum(struct cursor *c, const struct field *field, unsigned char *value);
static bool scan_list(struct cursor *c, const struct field *field, unsigned char *object);
static bool scan_item(struct cursor *c, const struct field *field, unsigned char *item);
static bool scan_pairs(struct cursor *c, const struct field *field, unsigned char *object);
static bool scan_pair(struct cursor *c, struct vec *pairs);
static bool keep_items(struct cursor *c, const struct field *field, struct vec *items, unsigned char *object);
static bool scan_string(struct cursor *c, struct piece *ret_piece);
static bool scan_escapes(struct cursor *c, struct piece *ret_piece);
static bool scan_plain(struct cursor *c, struct piece *ret_piece, enum node_kind *ret_kind);
static bool is_number(const struct piece *piece);
static bool skip_digits(const struct piece *piece, size_t *at);
static const char *keep_text(struct scan *scan, const struct piece *piece, bool unique);
static bool take(struct cursor *c, char wanted);
static bool piece_is(const struct piece *piece, const char *text);

struct scan *scan_new(struct arena *arena, struct texts *texts)
{
    struct scan *scan = mem_alloc(sizeof(*scan));
    scan->arena = arena;
    scan->texts = texts;
    scan->prototypes = VEC_OF(struct prototype);
    return scan;
}

void scan_free(struct scan *scan)
{
    if (scan == NULL) return;
    vec_free(&scan->prototypes);
    buf_free(&scan->text);
    mem_free(scan);
}

bool schema_scan(struct scan *scan, const struct schema *schema, const char *json, size_t size,
                 void *ret_object, uint64_t *ret_seen)
{
    struct cursor c = {.scan = scan, .at = json, .end = json + size};
    uint64_t bytes[512 / sizeof(uint64_t)]; /* aligned; no document's struct is larger */
    uint64_t seen = 0;
    ASSERT(schema->size <= sizeof(bytes));
    memcpy(bytes, prototype_of(scan, schema), schema->size);
    if (!scan_object(&c, schema, true, (unsigned char *)bytes, &seen)) return false;
    if (take(&c, '\0') || c.at != c.end) return false; /* only white space is left */
    memcpy(ret_object, bytes, schema->size);
    *ret_seen = seen;
    return true;
}

static const unsigned char *prototype_of(struct scan *scan, const struct schema *schema)
{
    for (size_t i = 0; i < scan->prototypes.length; i++) {
        const struct prototype *prototype = vec_at(&scan->prototypes, i);
        if (prototype->schema == schema) return prototype->object;
    }
    struct prototype *made = vec_push(&scan->prototypes);
    made->schema = schema;
    made->object = arena_alloc(scan->arena, schema->size);
    schema_defaults(schema, scan->arena, made->object);
    return made->object;
}

/* The object has its defaults already. */
static bool scan_object(struct cursor *c, const struct schema *schema, bool outermost, unsigned char *object,
                        uint64_t *ret_seen)
{
    struct scanned scanned; /* its items are not cleared: that would cost more than the rest */
    scanned.schema = schema;
    scanned.object = object;
    scanned.outermost = outermost;
    scanned.has_kind = false;
    scanned.seen = 0;
    scanned.next = scanned.length = 0;
    ASSERT(schema->fields_length <= FIELDS_MAX);
    if (!take(c, '{')) return false;
    if (!take(c, '}')) {
        do {
            if (!scan_member(c, &scanned)) return false;
        } while (take(c, ','));
        if (!take(c, '}')) return false;
    }
    if (!finish(c, &scanned)) return false;
    *ret_seen = scanned.seen;
    return true;
}

static bool scan_member(struct cursor *c, struct scanned *scanned)
{
    struct piece key;
    size_t at = 0;
    if (!scan_written(c, scanned, &at)) {
        if (!scan_string(c, &key)) return false;
        if (!find_field(scanned, &key, &at)) {
            struct piece kind;
            if (!scanned->outermost || scanned->has_kind || !piece_is(&key, "kind")) return false;
            scanned->has_kind = true;
            return take(c, ':') && scan_string(c, &kind) && piece_is(&kind, scanned->schema->name);
        }
        if (!take(c, ':')) return false;
    }
    const struct field *field = &scanned->schema->fields[at];
    enum node_kind kind = NODE_NULL;
    if ((scanned->seen >> at & 1) != 0) return false;
    if (!scan_value(c, field, scanned->object, &kind)) return false;
    scanned->seen |= (uint64_t)1 << at;
    scanned->next = at + 1;
    if (scanned->schema->finish != NULL)
        scanned->items[scanned->length++] = (struct node){.kind = kind, .key = field->key};
    return true;
}

/* A key as croft writes it, and in the table's order: mostly the next one. */
static bool scan_written(struct cursor *c, const struct scanned *scanned, size_t *ret_at)
{
    for (size_t at = scanned->next; at < scanned->schema->fields_length; at++) {
        const struct field *field = &scanned->schema->fields[at];
        size_t size = field->written_size - 1; /* without the comma */
        if ((size_t)(c->end - c->at) < size || memcmp(c->at, field->written + 1, size) != 0) continue;
        c->at += size;
        *ret_at = at;
        return true;
    }
    return false;
}

static bool finish(struct cursor *c, struct scanned *scanned)
{
    const struct schema *schema = scanned->schema;
    for (size_t i = 0; i < schema->fields_length; i++)
        if (schema->fields[i].required && (scanned->seen >> i & 1) == 0) return false;
    if (schema->finish == NULL) return true;
    struct node map = {.kind = NODE_MAP, .items = scanned->items, .length = scanned->length};
    return schema->finish(c->scan->arena, &map, scanned->object, &c->scan->err);
}

static bool find_field(const struct scanned *scanned, const struct piece *key, size_t *ret_at)
{
    size_t length = scanned->schema->fields_length;
    for (size_t i = 0; i < length; i++) {
        size_t at = (scanned->next + i) % length;
        if (!piece_is(key, scanned->schema->fields[at].key)) continue;
        *ret_at = at;
        return true;
    }
    return false;
}

static bool scan_value(struct cursor *c, const struct field *field, unsigned char *object,
                       enum node_kind *ret_kind)
{
    unsigned char *at = object + field->offset;
    uint64_t seen;
    switch (field->kind) {
    case FIELD_SCALAR:
        return scan_scalar(c, field, at, ret_kind);
    case FIELD_ENUM:
        *ret_kind = NODE_STRING;
        return scan_enum(c, field, at);
    case FIELD_STRUCT:
        *ret_kind = NODE_MAP;
        return scan_object(c, field->schema, false, at, &seen);
    case FIELD_OBJECTS:
    case FIELD_SCALARS:
        *ret_kind = NODE_LIST;
        return scan_list(c, field, object);
    case FIELD_PAIRS:
        *ret_kind = NODE_MAP;
        return scan_pairs(c, field, object);
    }
    UNREACHABLE();
}

static bool scan_scalar(struct cursor *c, const struct field *field, unsigned char *value,
                        enum node_kind *ret_kind)
{
    const struct scalar *scalar = field->scalar;
    char text[SCALAR_SIZE];
    struct piece piece;
    struct node node = {.kind = NODE_STRING};
    bool quoted = take(c, '"');
    if (quoted) c->at--;
    if (!(quoted ? scan_string(c, &piece) : scan_plain(c, &piece, &node.kind))) return false;
    if (scalar->is_text) {
        node.text = keep_text(c->scan, &piece, field->unique);
    } else {
        if (piece.size >= SCALAR_SIZE) return false;
        memcpy(text, piece.text, piece.size);
        text[piece.size] = '\0';
        node.text = text; /* these make a value of it, or a copy */
    }
    if (!scalar->parse(c->scan->arena, &node, value)) return false;
    *ret_kind = node.kind;
    if (field->kind != FIELD_SCALAR || field->max <= field->min) return true;
    int64_t number;
    ASSERT(scalar->size == sizeof(number));
    memcpy(&number, value, sizeof(number));
    return number >= field->min && number <= field->max;
}

static bool scan_enum(struct cursor *c, const struct field *field, unsigned char *value)
{
    struct piece piece;
    if (!scan_string(c, &piece)) return false;
    for (int i = 0; field->names[i] != NULL; i++) {
        if (!piece_is(&piece, field->names[i])) continue;
        memcpy(value, &i, sizeof(i));
        return true;
    }
    return false;
}

static bool scan_list(struct cursor *c, const struct field *field, unsigned char *object)
{
    struct vec items = {.item_size =
                            field->kind == FIELD_OBJECTS ? field->schema->size : field->scalar->size};
    bool good = take(c, '[');
    if (good && !take(c, ']')) {
        do {
            good = scan_item(c, field, vec_push(&items));
        } while (good && take(c, ','));
        good = good && take(c, ']');
    }
    good = good && keep_items(c, field, &items, object);
    vec_free(&items);
    return good;
}

static bool scan_item(struct cursor *c, const struct field *field, unsigned char *item)
{
    enum node_kind kind;
    uint64_t seen;
    if (field->kind == FIELD_SCALARS) return scan_scalar(c, field, item, &kind);
    memcpy(item, prototype_of(c->scan, field->schema), field->schema->size);
    return scan_object(c, field->schema, false, item, &seen);
}

static bool scan_pairs(struct cursor *c, const struct field *field, unsigned char *object)
{
    struct vec pairs = VEC_OF(struct pair);
    bool good = take(c, '{');
    if (good && !take(c, '}')) {
        do {
            good = scan_pair(c, &pairs);
        } while (good && take(c, ','));
        good = good && take(c, '}');
    }
    good = good && keep_items(c, field, &pairs, object);
    vec_free(&pairs);
    return good;
}

static bool scan_pair(struct cursor *c, struct vec *pairs)
{
    struct piece piece;
    if (pairs->length == PAIRS_MAX || !scan_string(c, &piece)) return false;
    const char *name = keep_text(c->scan, &piece, false);
    for (size_t i = 0; i < pairs->length; i++)
        if (((struct pair *)vec_at(pairs, i))->name == name) return false;
    if (!take(c, ':') || !scan_string(c, &piece)) return false;
    *(struct pair *)vec_push(pairs) = (struct pair){.name = name, .value = keep_text(c->scan, &piece, false)};
    return true;
}

static bool keep_items(struct cursor *c, const struct field *field, struct vec *items, unsigned char *object)
{
    bool limited = field->max > field->min;
    if (limited && ((int64_t)items->length > field->max || (int64_t)items->length < field->min)) return false;
    void *kept = arena_alloc_array(c->scan->arena, items->length, items->item_size);
    if (items->length > 0) memcpy(kept, items->items, items->length * items->item_size);
    memcpy(object + field->offset, &kept, sizeof(kept));
    memcpy(object + field->length_offset, &items->length, sizeof(items->length));
    return true;
}

/* A piece of the input, or, when there are escapes in it, of the scan's buffer until the next one. */
static bool scan_string(struct cursor *c, struct piece *ret_piece)
{
    if (!take(c, '"')) return false;
    static const bool is_plain[256] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};
    const char *start = c->at, *at = start;
    while (at < c->end && is_plain[(unsigned char)*at])
        at++;
    c->at = at;
    if (c->at == c->end) return false;
    *ret_piece = (struct piece){start, (size_t)(c->at - start)};
    if (*c->at == '\\') return scan_escapes(c, ret_piece);
    if (*c->at != '"') return false;
    c->at++;
    return true;
}

/* RFC 8259, section 7, but for escapes by number. *ret_piece is what stands before the first one. */
static bool scan_escapes(struct cursor *c, struct piece *ret_piece)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    struct buf *text = &c->scan->text;
    buf_clear(text);
    buf_add(text, ret_piece->text, ret_piece->size);
    for (; c->at < c->end && *c->at >= 0x20 && *c->at < 0x7f; c->at++) {
        if (*c->at == '"') {
            c->at++;
            *ret_piece = (struct piece){buf_text(text), text->size};
            return true;
        }
        if (*c->at != '\\') {
            buf_add_char(text, *c->at);
            continue;
        }
        const char *letter = ++c->at < c->end && *c->at != '\0' ? strchr(letters, *c->at) : NULL;
        if (letter == NULL) return false;
        buf_add_char(text, meanings[letter - letters]);
    }
    return false;
}

/* A number, true or false. */
static bool scan_plain(struct cursor *c, struct piece *ret_piece, enum node_kind *ret_kind)
{
    const char *start = c->at;
    while (c->at<c->end && * c->at> ' ' && *c->at != ',' && *c->at != ':' && *c->at != ']' && *c->at != '}')
        c->at++;
    struct piece piece = {start, (size_t)(c->at - start)};
    bool is_bool = piece_is(&piece, "true") || piece_is(&piece, "false");
    if (!is_bool && !is_number(&piece)) return false;
    *ret_piece = piece;
    *ret_kind = is_bool ? NODE_BOOL : NODE_NUMBER;
    return true;
}

/* RFC 8259, section 6, without exponents. */
static bool is_number(const struct piece *piece)
{
    size_t at = piece->size > 0 && piece->text[0] == '-' ? 1 : 0;
    size_t first = at;
    if (!skip_digits(piece, &at)) return false;
    if (piece->text[first] == '0' && at > first + 1) return false;
    if (at < piece->size && piece->text[at] == '.') {
        at++;
        if (!skip_digits(piece, &at)) return false;
    }
    return at == piece->size;
}

static bool skip_digits(const struct piece *piece, size_t *at)
{
    size_t start = *at;
    while (*at < piece->size && piece->text[*at] >= '0' && piece->text[*at] <= '9')
        (*at)++;
    return *at > start;
}

/* Skips white space, and the wanted character if it comes next. */
static const char *keep_text(struct scan *scan, const struct piece *piece, bool unique)
{
    if (scan->texts == NULL) return arena_strndup(scan->arena, piece->text, piece->size);
    return unique ? texts_copy(scan->texts, piece->text, piece->size)
                  : texts_keep(scan->texts, piece->text, piece->size);
}

static bool take(struct cursor *c, char wanted)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool piece_is(const struct piece *piece, const char *text)
{
    return strncmp(piece->text, text, piece->size) == 0 && text[piece->size] == '\0';
}
