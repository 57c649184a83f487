#include "driver/balance/balance_answer.h"

#include "base/text.h"

#include <stdio.h>
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

/* Columns of `show stat` that are used (management.txt, 9.1). */
enum stat_column {
    STAT_QUEUED,
    STAT_OPEN,
    STAT_SESSIONS,
    STAT_IN,
    STAT_OUT,
    STAT_REFUSED,
    STAT_TYPE,
    STAT_FAILED,
    STAT_REQUESTS,
    STAT_MODE,
    STAT_COLUMNS
};
static const char *const stat_names[STAT_COLUMNS] = {"qcur", "scur", "stot",     "bin",     "bout",
                                                     "econ", "type", "hrsp_5xx", "req_tot", "mode"};

static size_t split(char *line, char separator, char **ret_columns, size_t columns_max);
static size_t split_csv(char *line, char **ret_columns, size_t columns_max);
static char *next_line(char **cursor);
static bool read_server(struct arena *arena, char **columns, struct balance_present *ret_present);
static bool read_number(const char *text, int64_t *ret_number);
static bool stat_row(char **values, const size_t *places, struct vec *ret_counters);
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

bool balance_answer_stat(const char *text, struct vec *ret_counters, struct error *err)
{
    CLEANUP_MEM char *copy = mem_strdup(text);
    char *cursor = copy, *columns[COLUMNS_MAX], *line = next_line(&cursor);
    size_t places[STAT_COLUMNS], length_before = ret_counters->length, length = 0;

    if (!line || !text_starts(line, "# pxname,svname,")) goto damaged;
    length = split_csv(line + 2, columns, COLUMNS_MAX);
    for (size_t i = 0; i < STAT_COLUMNS; i++) {
        places[i] = column_of(columns, length, stat_names[i]);
        if (places[i] == length) goto damaged;
    }
    while ((line = next_line(&cursor))) {
        if (line[0] == 0) continue;
        if (split_csv(line, columns, COLUMNS_MAX) != length || !stat_row(columns, places, ret_counters))
            goto damaged;
    }
    return true;
damaged:
    while (ret_counters->length > length_before)
        vec_remove(ret_counters, ret_counters->length - 1);
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

/* What is empty does not exist for this row, and counts nothing. Rows of other types are passed over. */
static bool stat_row(char **values, const size_t *places, struct vec *ret_counters)
{
    int64_t numbers[STAT_COLUMNS] = {0};
    const char *frontend = values[0], *server = values[1];
    bool backend = text_equal(values[places[STAT_TYPE]], "1");

    if (!backend && !text_equal(values[places[STAT_TYPE]], "2")) return true;
    if (!text_is_name(frontend) || (!backend && !text_is_name(server))) return false;
    for (size_t i = 0; i < STAT_COLUMNS; i++)
        if (i != STAT_MODE && values[places[i]][0] && !read_number(values[places[i]], &numbers[i]))
            return false;
    bool http = text_equal(values[places[STAT_MODE]], "http");
    struct balance_counters *counters = vec_push(ret_counters);
    snprintf(counters->frontend, sizeof(counters->frontend), "%s", frontend);
    snprintf(counters->server, sizeof(counters->server), "%s", backend ? "" : server);
    counters->units = numbers[http ? STAT_REQUESTS : STAT_SESSIONS];
    counters->open = numbers[STAT_OPEN];
    counters->queued = numbers[STAT_QUEUED];
    /* Of the backend: all that could not be connected, whether a server was there to be tried or not. */
    counters->refused = numbers[STAT_REFUSED];
    counters->failed = numbers[STAT_FAILED];
    if (__builtin_add_overflow(numbers[STAT_IN], numbers[STAT_OUT], &counters->bytes))
        counters->bytes = INT64_MAX;
    return true;
}

static size_t column_of(char **names, size_t length, const char *name)
{
    for (size_t i = 0; i < length; i++)
        if (text_equal(names[i], name)) return i;
    return length;
}
