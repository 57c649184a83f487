#include "cli/indent.h"

#include <stdbool.h>

static size_t string_end(const char *json, size_t size, size_t at);
static void add_break(struct buf *json, size_t depth);

void json_indent(const char *json, size_t size, struct buf *ret_json)
{
    size_t depth = 0;

    for (size_t at = 0; at < size; at++) {
        char c = json[at];
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        if (c == ' ' || c == '\n') continue;
        if (c == '"') {
            size_t end = string_end(json, size, at);
            buf_add(ret_json, json + at, end - at);
            at = end - 1;
            continue;
        }
        if (closes) add_break(ret_json, --depth);
        buf_add_char(ret_json, c);
        if (c == ':') buf_add_char(ret_json, ' ');
        if (c == ',') add_break(ret_json, depth);
        if (!opens) continue;
        size_t next = at + 1;
        while (next < size && (json[next] == ' ' || json[next] == '\n'))
            next++;
        if (next < size && (json[next] == '}' || json[next] == ']')) {
            buf_add_char(ret_json, json[next]);
            at = next;
        } else {
            add_break(ret_json, ++depth);
        }
    }
    buf_add_char(ret_json, '\n');
}

/* Behind its closing quote. */
static size_t string_end(const char *json, size_t size, size_t at)
{
    for (at++; at < size && json[at] != '"'; at++)
        if (json[at] == '\\') at++;
    return at < size ? at + 1 : size;
}

static void add_break(struct buf *json, size_t depth)
{
    static const char spaces[] = "                                ";
    buf_add_char(json, '\n');
    for (size_t left = 2 * depth, part = 0; left > 0; left -= part) {
        part = left < sizeof(spaces) - 1 ? left : sizeof(spaces) - 1;
        buf_add(json, spaces, part);
    }
}
