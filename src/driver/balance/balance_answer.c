#include "driver/balance/balance_answer.h"

#include "base/text.h"

#include <string.h>

/* Columns of `show servers state` (management.txt, version 1 of the format) that are used. */
enum state_column {
    STATE_BACKEND = 1,
    STATE_SERVER = 3,
    STATE_ADDRESS = 4,
    STATE_OPERATION = 5,
    STATE_ADMIN = 6,
    STATE_RESULT = 11,
    STATE_CHECK = 13,
    STATE_PORT = 18,
    STATE_COLUMNS = 19, /* at least so many */
};

enum { ADMIN_MAINT = 0x01, ADMIN_DRAIN = 0x08, CHECK_ENABLED = 0x04, RESULT_FAILED = 2 };
enum { CONN_NAME = 0, CONN_USED = 6, CONN_COLUMNS = 7 };
enum { COLUMNS_MAX = 160 };

static size_t split(char *line, char separator, char **ret_columns, size_t columns_max);
static size_t split_csv(char *line, char **ret_columns, size_t columns_max);
static char *next_line(char **cursor);
static bool read_server(struct arena *arena, char **columns, struct balance_present *ret_present);
static bool read_number(const char *text, int64_t *ret_number);
static bool stat_rows(char *text, const char *type, struct buf *ret_json);
static void stat_row(char **names, char **values, size_t length, bool server, struct buf *ret_json);
static size_t column_of(char **names, size_t length, const char *name);

bool balance_answer_state(struct arena *arena, const char *text, struct vec *ret_present, struct error *err)
{
    char *copy = arena_strdup(arena, text);
    char *line = next_line(&copy);
    size_t length_before = ret_present->length;
    if (!line || !text_equal(line, "1"))
        return error_set(err, ERROR_FAILED, "haproxy's list of servers has not format 1 but '%.40s'",
                         line ? line : "");
    while ((line = next_line(&copy))) {
        char *columns[COLUMNS_MAX];
        struct balance_present present;
        if (line[0] == '#' || line[0] == 0) continue;
        size_t length = split(line, ' ', columns, COLUMNS_MAX);
        if (length < STATE_COLUMNS || !read_server(arena, columns, &present)) {
            while (ret_present->length > length_before)
                vec_remove(ret_present, ret_present->length - 1);
            return error_set(err, ERROR_FAILED, "cannot read a line of haproxy's list of servers");
        }
        *(struct balance_present *)vec_push(ret_present) = present;
    }
    return true;
}

bool balance_answer_conn(const char *text, struct vec *present, struct error *err)
{
    CLEANUP_MEM char *copy = mem_strdup(text);
    CLEANUP(map_freep) struct map *by_key = map_new();
    char *cursor = copy, *line;
    for (size_t i = 0; i < present->length; i++) {
        struct balance_present *item = vec_at(present, i);
        map_put(by_key, item->key, item);
    }
    while ((line = next_line(&cursor))) {
        char *columns[COLUMNS_MAX];
        int64_t used;
        if (line[0] == '#' || line[0] == 0) continue;
        if (split(line, ' ', columns, COLUMNS_MAX) < CONN_COLUMNS || !read_number(columns[CONN_USED], &used))
            return error_set(err, ERROR_FAILED, "cannot read a line of haproxy's list of connections");
        struct balance_present *item = map_get(by_key, columns[CONN_NAME]);
        if (item) item->used = used;
    }
    return true;
}

bool balance_answer_stat(const char *text, struct buf *ret_json, struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_MEM char *first = mem_strdup(text), *second = mem_strdup(text);
    buf_add_text(&json, "\"frontends\":{");
    if (!stat_rows(first, "0", &json)) goto damaged;
    buf_add_text(&json, "},\"servers\":{");
    if (!stat_rows(second, "2", &json)) goto damaged;
    buf_add_char(&json, '}');
    buf_add(ret_json, json.data, json.size);
    return true;
damaged:
    return error_set(err, ERROR_FAILED, "cannot read haproxy's statistics");
}

/* Cuts the line at each separator; returns how many parts, at most columns_max. */
static size_t split(char *line, char separator, char **ret_columns, size_t columns_max)
{
    size_t length = 0;
    while (line && length < columns_max) {
        ret_columns[length++] = line;
        line = strchr(line, separator);
        if (line) *line++ = 0;
    }
    return length;
}

/* RFC 4180: a column may stand in quotes (a server's own words in last_chk do), a quote in it is doubled. */
static size_t split_csv(char *line, char **ret_columns, size_t columns_max)
{
    size_t length = 0;
    char *from = line;
    while (length < columns_max) {
        bool quoted = *from == '"';
        char *to = quoted ? from++ : from;
        ret_columns[length++] = to;
        for (; *from && (quoted || *from != ','); from++) {
            if (quoted && *from == '"' && *++from != '"') {
                quoted = false;
                if (*from != ',') break;
            }
            if (!quoted && *from == ',') break;
            *to++ = *from;
        }
        bool last = *from == 0;
        if (!last && *from != ',') return 0;
        *to = 0;
        if (last) break;
        from++;
    }
    return length;
}

static char *next_line(char **cursor)
{
    char *line = *cursor;
    if (!line || !*line) return NULL;
    char *end = strchr(line, '\n');
    if (end) *end = 0;
    *cursor = end ? end + 1 : NULL;
    return line;
}

static bool read_server(struct arena *arena, char **columns, struct balance_present *ret_present)
{
    int64_t port, operation, admin, result, check;
    uint32_t address;
    if (!text_is_name(columns[STATE_BACKEND]) || !text_is_name(columns[STATE_SERVER])) return false;
    if (!text_parse_ipv4(columns[STATE_ADDRESS], &address)) return false;
    if (!read_number(columns[STATE_PORT], &port) || port > 65535) return false;
    if (!read_number(columns[STATE_OPERATION], &operation) || !read_number(columns[STATE_ADMIN], &admin) ||
        !read_number(columns[STATE_RESULT], &result) || !read_number(columns[STATE_CHECK], &check))
        return false;
    *ret_present = (struct balance_present){
        .key = arena_printf(arena, "%s/%s", columns[STATE_BACKEND], columns[STATE_SERVER]),
        .backend = arena_strdup(arena, columns[STATE_BACKEND]),
        .server = arena_strdup(arena, columns[STATE_SERVER]),
        .address = address,
        .port = (uint16_t)port,
        .maint = (admin & ADMIN_MAINT) != 0,
        .drain = (admin & ADMIN_DRAIN) != 0,
        .checked = (check & CHECK_ENABLED) != 0,
        .up = operation != 0,
        .known = operation == 0 || result >= RESULT_FAILED,
        .used = -1,
    };
    return true;
}

static bool read_number(const char *text, int64_t *ret_number)
{
    uint64_t number;
    if (!text_parse_u64(text, &number) || number > INT64_MAX) return false;
    *ret_number = (int64_t)number;
    return true;
}

/* Adds the rows whose column `type` has the given text. */
static bool stat_rows(char *text, const char *type, struct buf *ret_json)
{
    char *names[COLUMNS_MAX], *values[COLUMNS_MAX], *line = next_line(&text);
    bool first = true, server = text_equal(type, "2");
    if (!line || !text_starts(line, "# pxname,svname,")) return false;
    size_t length = split_csv(line + 2, names, COLUMNS_MAX);
    size_t type_column = column_of(names, length, "type");
    if (type_column == length) return false;
    while ((line = next_line(&text))) {
        if (line[0] == 0) continue;
        if (split_csv(line, values, COLUMNS_MAX) != length) return false;
        if (!text_equal(values[type_column], type)) continue;
        if (!first) buf_add_char(ret_json, ',');
        first = false;
        stat_row(names, values, length, server, ret_json);
    }
    return true;
}

static void stat_row(char **names, char **values, size_t length, bool server, struct buf *ret_json)
{
    CLEANUP_MEM char *title = server ? mem_printf("%s/%s", values[0], values[1]) : mem_strdup(values[0]);
    bool first = true;
    buf_add_json_string(ret_json, title);
    buf_add_text(ret_json, ":{");
    for (size_t i = 2; i < length; i++) {
        int64_t number;
        if (!values[i][0] || !names[i][0]) continue;
        if (!first) buf_add_char(ret_json, ',');
        first = false;
        buf_add_json_string(ret_json, names[i]);
        buf_add_char(ret_json, ':');
        if (read_number(values[i], &number))
            buf_printf(ret_json, "%lld", (long long)number);
        else
            buf_add_json_string(ret_json, values[i]);
    }
    buf_add_char(ret_json, '}');
}

static size_t column_of(char **names, size_t length, const char *name)
{
    for (size_t i = 0; i < length; i++)
        if (text_equal(names[i], name)) return i;
    return length;
}
