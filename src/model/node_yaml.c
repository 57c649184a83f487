/* YAML for people: block style, no more quotes than needed. */
#include "model/node.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void add_value(const struct node *node, struct buf *yaml, int indent);
static void add_items(const struct node *node, struct buf *yaml, int indent);
static void add_scalar(const struct node *node, struct buf *yaml);
static void add_string(const char *text, struct buf *yaml);
static void add_quoted(const char *text, struct buf *yaml);
static size_t unprintable(const char *text, unsigned *ret_code);
static bool is_plain(const char *text);
static bool is_word(const char *text, const char *word);
static bool is_block(const struct node *node);

void node_to_yaml(const struct node *node, struct buf *ret_yaml)
{
    if (is_block(node)) {
        add_items(node, ret_yaml, 0);
    } else {
        add_scalar(node, ret_yaml);
        buf_add_char(ret_yaml, '\n');
    }
}

/* Lines of a list or a map that has any. The first begins where the cursor is, the others at indent. */
static void add_items(const struct node *node, struct buf *yaml, int indent)
{
    for (size_t i = 0; i < node->length; i++) {
        const struct node *item = &node->items[i];
        if (i > 0) buf_printf(yaml, "%*s", indent, "");
        if (node->kind == NODE_MAP) {
            add_string(item->key, yaml);
            buf_add_char(yaml, ':');
            add_value(item, yaml, indent);
        } else if (is_block(item)) {
            buf_add_text(yaml, "- ");
            add_items(item, yaml, indent + 2);
        } else {
            buf_add_text(yaml, "- ");
            add_scalar(item, yaml);
            buf_add_char(yaml, '\n');
        }
    }
}

/* The value behind "key:". */
static void add_value(const struct node *node, struct buf *yaml, int indent)
{
    if (is_block(node)) {
        buf_printf(yaml, "\n%*s", indent + 2, "");
        add_items(node, yaml, indent + 2);
    } else {
        buf_add_char(yaml, ' ');
        add_scalar(node, yaml);
        buf_add_char(yaml, '\n');
    }
}

static void add_scalar(const struct node *node, struct buf *yaml)
{
    switch (node->kind) {
    case NODE_STRING:
        add_string(node->text, yaml);
        return;
    case NODE_BOOL:
    case NODE_NUMBER:
        buf_add_text(yaml, node->text);
        return;
    case NODE_NULL:
        buf_add_text(yaml, "null");
        return;
    case NODE_LIST:
        buf_add_text(yaml, "[]");
        return;
    case NODE_MAP:
        buf_add_text(yaml, "{}");
        return;
    }
    UNREACHABLE();
}

static void add_string(const char *text, struct buf *yaml)
{
    if (is_plain(text))
        buf_add_text(yaml, text);
    else
        add_quoted(text, yaml);
}

/* A JSON string is a double-quoted one of YAML, but for the characters that YAML does not let stand raw. */
static void add_quoted(const char *text, struct buf *yaml)
{
    CLEANUP_BUF struct buf json = {0};
    buf_add_json_string(&json, text);
    const char *at = buf_text(&json);
    while (*at != '\0') {
        unsigned code;
        size_t size = unprintable(at, &code);
        if (size > 0) {
            buf_printf(yaml, "\\u%04x", code);
            at += size;
        } else {
            buf_add_char(yaml, *at++);
        }
    }
}

/* Size of the character at text, if it must be escaped (YAML 1.2, section 5.1, and its line breaks, 5.4). */
static size_t unprintable(const char *text, unsigned *ret_code)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned code = 0;
    size_t size = 0;
    if (at[0] == 0x7f) {
        code = 0x7f;
        size = 1;
    } else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0xa0) {
        code = at[1];
        size = 2;
    } else if (at[0] >= 0xe2 && at[0] < 0xf0) {
        code = (unsigned)(at[0] & 0x0f) << 12 | (unsigned)(at[1] & 0x3f) << 6 | (at[2] & 0x3fu);
        bool escape = code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe || code == 0xffff;
        size = escape ? 3 : 0;
    }
    if (size > 0) *ret_code = code;
    return size;
}

/* May stand without quotes, here and for readers of YAML 1.1, to whom "no" is false. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off"};
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+@%- :=";
    if (node_kind_of_plain(text) != NODE_STRING) return false;
    for (size_t i = 0; i < LENGTH(words); i++)
        if (is_word(text, words[i])) return false;
    if (text[strspn(text, plain)] != '\0') return false;
    if (strchr("+@%- :=.", text[0]) != NULL || text_ends(text, " ") || text_ends(text, ":")) return false;
    return strstr(text, ": ") == NULL;
}

/* In capitals or not; word is in small letters. */
static bool is_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    if (strlen(text) != size) return false;
    for (size_t i = 0; i < size; i++)
        if ((text[i] | 0x20) != word[i]) return false;
    return true;
}

static bool is_block(const struct node *node)
{
    return (node->kind == NODE_LIST || node->kind == NODE_MAP) && node->length > 0;
}
