#include "cli/span.h"

#include "base/buf.h"
#include "model/node.h"

#include <string.h>

static size_t skip_space(struct span span, size_t at);
static size_t skip_value(struct span span, size_t at);
static size_t skip_string(struct span span, size_t at);

struct span span_of(const char *text, size_t size)
{
    struct span span = {text, size};
    size_t start = skip_space(span, 0);
    while (size > start && strchr(" \t\r\n", text[size - 1]))
        size--;
    return (struct span){text + start, size - start};
}

bool span_next(struct span list, size_t *cursor, struct span *ret_item)
{
    size_t at = *cursor, end = 0;

    if (list.size == 0 || list.at[0] != '[') return false;
    at = skip_space(list, at + 1); /* over '[' the first time, else over ',' */
    end = skip_value(list, at);
    if (at >= list.size || list.at[at] == ']' || end == at) return false;
    *ret_item = (struct span){list.at + at, end - at};
    *cursor = skip_space(list, end);
    return true;
}

struct span span_get(struct span object, const char *key)
{
    size_t size = strlen(key), at = 0;

    if (object.size == 0 || object.at[0] != '{') return (struct span){0};
    for (;;) {
        at = skip_space(object, at + 1);
        if (at >= object.size || object.at[at] != '"') return (struct span){0};
        size_t key_end = skip_string(object, at);
        bool found = key_end - at == size + 2 && memcmp(object.at + at + 1, key, size) == 0;
        at = skip_space(object, key_end);
        if (at >= object.size || object.at[at] != ':') return (struct span){0};
        at = skip_space(object, at + 1);
        size_t end = skip_value(object, at);
        if (end == at) return (struct span){0};
        if (found) return (struct span){object.at + at, end - at};
        at = skip_space(object, end);
        if (at >= object.size || object.at[at] != ',') return (struct span){0};
    }
}

const char *span_text(struct arena *arena, struct span value)
{
    struct node node;
    struct error err;

    if (value.size == 0 || (value.size == 4 && memcmp(value.at, "null", 4) == 0)) return "";
    if (value.at[0] != '"' || value.size < 2) return arena_strndup(arena, value.at, value.size);
    if (!memchr(value.at, '\\', value.size)) return arena_strndup(arena, value.at + 1, value.size - 2);
    /* Escapes are rare: the real reader knows them all. It wants a document. */
    const char *list = arena_printf(arena, "[%.*s]", (int)value.size, value.at);
    if (!node_from_json(arena, list, value.size + 2, &node, &err) || node.length != 1) return "";
    return node.items[0].text;
}

const char *span_get_text(struct arena *arena, struct span object, const char *key)
{
    return span_text(arena, span_get(object, key));
}

static size_t skip_space(struct span span, size_t at)
{
    while (at < span.size &&
           (span.at[at] == ' ' || span.at[at] == '\n' || span.at[at] == '\t' || span.at[at] == '\r'))
        at++;
    return at;
}

/* Listings of ten thousand things spend their time here. */
static size_t skip_value(struct span span, size_t at)
{
    size_t depth = 0;

    while (at < span.size) {
        switch (span.at[at]) {
        case '"':
            at = skip_string(span, at);
            if (depth == 0) return at;
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
            break;
        case ',':
        case ':':
        case ' ':
        case '\n':
        case '\t':
        case '\r':
            if (depth == 0) return at;
            break;
        default:
            break;
        }
        at++;
    }
    return at;
}

/* A quote ends it that has an even number of backslashes in front. */
static size_t skip_string(struct span span, size_t at)
{
    size_t start = at + 1;

    for (at = start; at < span.size; at++) {
        const char *quote = memchr(span.at + at, '"', span.size - at);
        if (!quote) return span.size;
        at = (size_t)(quote - span.at);
        size_t slashes = 0;
        while (at - slashes > start && span.at[at - slashes - 1] == '\\')
            slashes++;
        if (slashes % 2 == 0) return at + 1;
    }
    return span.size;
}
