#include "model/node.h"

#include "base/text.h"

#include <string.h>

#define DESCRIBED_SIZE_MAX 60u /* of a user's text, when it is quoted in a message */

static bool is_number(const char *text);
static bool is_one_of(const char *text, const char *const *words, size_t length);
static bool is_json_number(const char *text);
static const char *skip_digits(const char *text);
static void add_json(const struct node *node, struct buf *json, int indent);
static void add_break(struct buf *json, int indent);

enum node_kind node_kind_of_plain(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    if (is_one_of(text, nulls, LENGTH(nulls))) return NODE_NULL;
    if (is_one_of(text, bools, LENGTH(bools))) return NODE_BOOL;
    return is_number(text) ? NODE_NUMBER : NODE_STRING;
}

const char *node_describe(struct arena *arena, const struct node *node)
{
    const char *text = node->text == NULL ? "" : node->text;
    size_t size = strnlen(text, DESCRIBED_SIZE_MAX + 1);
    bool cut = size > DESCRIBED_SIZE_MAX;
    if (cut) size = DESCRIBED_SIZE_MAX;
    while (cut && size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    const char *shown = arena_strndup(arena, text, size);
    const char *more = cut ? "…" : "";
    switch (node->kind) {
    case NODE_NULL:
        return "nothing";
    case NODE_BOOL:
        return arena_printf(arena, "%s", shown);
    case NODE_NUMBER:
        return arena_printf(arena, "the number %s%s", shown, more);
    case NODE_STRING:
        return arena_printf(arena, "\"%s%s\"", shown, more);
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    UNREACHABLE();
}

const struct node *node_get(const struct node *node, const char *key)
{
    if (node == NULL || node->kind != NODE_MAP) return NULL;
    for (size_t i = 0; i < node->length; i++)
        if (text_equal(node->items[i].key, key)) return &node->items[i];
    return NULL;
}

const char *node_text(const struct node *node, const char *key, const char *fallback)
{
    const struct node *value = node_get(node, key);
    bool is_scalar = value != NULL && value->kind != NODE_NULL && value->text != NULL;
    return is_scalar ? value->text : fallback;
}

int64_t node_int(const struct node *node, const char *key, int64_t fallback)
{
    const struct node *value = node_get(node, key);
    if (value == NULL || value->kind != NODE_NUMBER) return fallback;
    bool negative = value->text[0] == '-';
    uint64_t magnitude;
    if (!text_parse_u64(value->text + (negative ? 1 : 0), &magnitude)) return fallback;
    if (magnitude > INT64_MAX) return fallback;
    return negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

bool node_bool(const struct node *node, const char *key, bool fallback)
{
    const struct node *value = node_get(node, key);
    if (value == NULL || value->kind != NODE_BOOL) return fallback;
    return value->text[0] == 't' || value->text[0] == 'T';
}

void node_to_json(const struct node *node, struct buf *ret_json)
{
    add_json(node, ret_json, -1);
}

void node_to_pretty_json(const struct node *node, struct buf *ret_json)
{
    add_json(node, ret_json, 0);
    buf_add_char(ret_json, '\n');
}

/* indent -1: all on one line. */
static void add_json(const struct node *node, struct buf *json, int indent)
{
    switch (node->kind) {
    case NODE_NULL:
        buf_add_text(json, "null");
        return;
    case NODE_BOOL:
        buf_add_text(json, node->text[0] == 't' || node->text[0] == 'T' ? "true" : "false");
        return;
    case NODE_NUMBER:
        /* YAML knows numbers that JSON does not (0x10, .5, .inf): they stay what was written. */
        if (is_json_number(node->text))
            buf_add_text(json, node->text);
        else
            buf_add_json_string(json, node->text);
        return;
    case NODE_STRING:
        buf_add_json_string(json, node->text);
        return;
    case NODE_LIST:
    case NODE_MAP:
        break;
    }
    bool is_map = node->kind == NODE_MAP;
    int inner = indent < 0 ? -1 : indent + 2;
    buf_add_char(json, is_map ? '{' : '[');
    for (size_t i = 0; i < node->length; i++) {
        if (i > 0) buf_add_char(json, ',');
        add_break(json, inner);
        if (is_map) {
            buf_add_json_string(json, node->items[i].key);
            buf_add_text(json, indent < 0 ? ":" : ": ");
        }
        add_json(&node->items[i], json, inner);
    }
    if (node->length > 0) add_break(json, indent);
    buf_add_char(json, is_map ? '}' : ']');
}

static void add_break(struct buf *json, int indent)
{
    if (indent >= 0) buf_printf(json, "\n%*s", indent, "");
}

/* The tags int and float of YAML 1.2, section 10.3.2. */
static bool is_number(const char *text)
{
    static const char *const words[] = {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF"};
    if (text_starts(text, "0o") && text[2] != '\0') return text[2 + strspn(text + 2, "01234567")] == '\0';
    if (text_starts(text, "0x") && text[2] != '\0')
        return text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
    const char *at = text;
    if (*at == '-' || *at == '+') at++;
    if (is_one_of(at, words, LENGTH(words))) return at == text || strchr("iI", at[1]) != NULL;
    const char *whole = at;
    at = skip_digits(at);
    bool has_digits = at != whole;
    if (*at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction);
        has_digits = has_digits || at != fraction;
    }
    if (!has_digits) return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '-' || *at == '+') at++;
        const char *exponent = at;
        at = skip_digits(at);
        if (at == exponent) return false;
    }
    return *at == '\0';
}

/* RFC 8259, section 6. */
static bool is_json_number(const char *text)
{
    if (!is_number(text)) return false;
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9') return false;
    if (digits[0] == '0' && digits[1] != '\0' && strchr(".eE", digits[1]) == NULL) return false;
    const char *point = strchr(digits, '.');
    return point == NULL || (point[1] >= '0' && point[1] <= '9');
}

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

static bool is_one_of(const char *text, const char *const *words, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text_equal(text, words[i])) return true;
    return false;
}
