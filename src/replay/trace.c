#include "replay/trace.h"

#include "base/text.h"
#include "base/vec.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 3, FARMS_MAX = 10000, FIELD_SIZE_MAX = 200, NAME_SHOWN = 60 };
static const char header[] = "time_s,farm,requests_per_s";
static const char *const columns[COLUMNS] = {"time_s", "farm", "requests_per_s"};
/* So that times are whole milliseconds, and sums of rates stay exact enough. */
static const double time_max_s = 1e10, rate_max = 1e9;
/* A rate that holds longer tells nothing of demand; and a time in milliseconds, say, would run for years. */
enum { STEP_MS_MAX = 86400000 };
static const char byte_order_mark[] = "\xef\xbb\xbf"; /* spreadsheets begin a file with it */

struct series {
    struct trace_farm farm;
    struct vec rates; /* double */
    int64_t begin_ms, last_ms;
    unsigned last_line;
};

struct cells {
    const char *at[COLUMNS];
    size_t size[COLUMNS];
};

struct reading {
    struct arena *arena;
    const char *file;
    unsigned line;
    struct map *by_name; /* struct series */
    struct vec series;   /* struct series * */
    int64_t step_ms;     /* 0: no farm has had a second row yet */
};

static bool read_rows(struct reading *reading, const char *text, size_t size, struct error *err);
static bool read_row(struct reading *reading, const char *line, size_t size, struct error *err);
static bool split(struct reading *reading, const char *line, size_t size, struct cells *ret_cells,
                  struct error *err);
static bool is_name(const struct cells *cells);
static bool read_decimal(const struct reading *reading, const struct cells *cells, size_t column, double max,
                         double *ret_value, struct error *err);
static bool add_row(struct reading *reading, const struct cells *cells, int64_t time_ms, double rate,
                    struct error *err);
static bool wrong_step(const struct reading *reading, const struct series *series, int64_t time_ms,
                       struct error *err);
static bool check_ends(struct reading *reading, struct error *err);
static unsigned column_of(const struct cells *cells, size_t nth);
static bool wrong(const struct reading *reading, unsigned line, unsigned column, const char *field,
                  struct error *err);
static void free_series(struct reading *reading);

bool trace_read(struct arena *arena, const char *file, const char *text, size_t size, struct trace *ret_trace,
                struct error *err)
{
    struct reading reading = {arena, file, 1, map_new(), VEC_OF(struct series *), 0};
    bool good = read_rows(&reading, text, size, err) && check_ends(&reading, err);

    if (good) {
        size_t length = reading.series.length;
        struct trace_farm *farms = arena_alloc_array(arena, length, sizeof(*farms));
        for (size_t i = 0; i < length; i++) {
            struct series *series = *(struct series **)vec_at(&reading.series, i);
            double *rates = arena_alloc_array(arena, series->rates.length, sizeof(*rates));
            memcpy(rates, series->rates.items, series->rates.length * sizeof(*rates));
            farms[i] = series->farm;
            farms[i].rates = rates;
            farms[i].length = series->rates.length;
            ret_trace->begin_ms = series->begin_ms;
        }
        ret_trace->step_ms = reading.step_ms;
        ret_trace->farms = farms;
        ret_trace->length = length;
        ret_trace->rows = farms[0].length;
    }
    free_series(&reading);
    return good;
}

static bool read_rows(struct reading *reading, const char *text, size_t size, struct error *err)
{
    const char *end = text + size;

    if (size >= strlen(byte_order_mark) && memcmp(text, byte_order_mark, strlen(byte_order_mark)) == 0)
        text += strlen(byte_order_mark);
    for (const char *at = text; at < end; reading->line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        const char *line = at;
        at += length + (newline ? 1 : 0);
        if (length > 0 && line[length - 1] == '\r') length--;
        if (reading->line > 1) {
            if (length == 0 && at >= end) break; /* an empty last line */
            if (!read_row(reading, line, length, err)) return false;
        } else if (length != strlen(header) || memcmp(line, header, length) != 0) {
            error_set(err, ERROR_INVALID, "expected the header line %s", header);
            return wrong(reading, 1, 1, "", err);
        }
    }
    if (reading->series.length > 0) return true;
    error_set(err, ERROR_INVALID, "no rows: expected %s and what it names", header);
    return wrong(reading, reading->line, 1, "", err);
}

static bool read_row(struct reading *reading, const char *line, size_t size, struct error *err)
{
    struct cells cells;
    double time_s, rate;

    if (!split(reading, line, size, &cells, err)) return false;
    if (!read_decimal(reading, &cells, 0, time_max_s, &time_s, err)) return false;
    if (!read_decimal(reading, &cells, 2, rate_max, &rate, err)) return false;
    if (!is_name(&cells)) {
        error_set(err, ERROR_INVALID, "expected PARTY/FARM, without quotes or blanks, found %s",
                  cells.size[1] == 0 ? "nothing" : "something else");
        return wrong(reading, reading->line, column_of(&cells, 1), columns[1], err);
    }
    return add_row(reading, &cells, (int64_t)(time_s * 1000 + 0.5), rate, err);
}

static bool split(struct reading *reading, const char *line, size_t size, struct cells *ret_cells,
                  struct error *err)
{
    const char *at = line, *end = line + size;
    struct cells cells;

    for (size_t i = 0;; i++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (i == COLUMNS || (comma == NULL && i + 1 < COLUMNS)) {
            error_set(err, ERROR_INVALID, "expected %d columns, %s, found %s", COLUMNS, header,
                      i == COLUMNS ? "more" : "fewer");
            return wrong(reading, reading->line, (unsigned)(at - line) + 1, "", err);
        }
        cells.at[i] = at;
        cells.size[i] = (size_t)((comma ? comma : end) - at);
        if (comma == NULL) break;
        at = comma + 1;
    }
    *ret_cells = cells;
    return true;
}

static bool is_name(const struct cells *cells)
{
    bool good = cells->size[1] > 0 && cells->size[1] < FIELD_SIZE_MAX;

    for (size_t i = 0; i < cells->size[1]; i++)
        good = good && cells->at[1][i] > ' ' && cells->at[1][i] <= '~' && cells->at[1][i] != '"';
    return good;
}

/* Digits and at most one point, as every spreadsheet writes them: no sign, exponent, NaN or infinity. */
static bool read_decimal(const struct reading *reading, const struct cells *cells, size_t column, double max,
                         double *ret_value, struct error *err)
{
    const char *at = cells->at[column];
    size_t size = cells->size[column], digits = 0, points = 0;
    double value = 0, unit = 1;

    for (size_t i = 0; i < size; i++) {
        if (at[i] == '.') {
            points++;
        } else if (at[i] >= '0' && at[i] <= '9') {
            digits++;
            value = value * 10 + (at[i] - '0');
            if (points) unit *= 10;
        } else {
            points = 2;
        }
        if (points > 1) break;
    }
    if (points <= 1 && digits > 0 && digits <= 30 && value / unit <= max) {
        *ret_value = value / unit;
        return true;
    }
    char shown[NAME_SHOWN];
    snprintf(shown, sizeof(shown), "%.*s", (int)(size < sizeof(shown) ? size : sizeof(shown) - 1), at);
    for (char *c = shown; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    error_set(err, ERROR_INVALID, "expected a number of %s such as 12.5, 0 to %.0e, found \"%s\"",
              column == 0 ? "seconds" : "requests a second", max, shown);
    return wrong(reading, reading->line, column_of(cells, column), columns[column], err);
}

static bool add_row(struct reading *reading, const struct cells *cells, int64_t time_ms, double rate,
                    struct error *err)
{
    const char *name = arena_strndup(reading->arena, cells->at[1], cells->size[1]);
    struct series *series = map_get(reading->by_name, name);

    if (series == NULL) {
        if (reading->series.length == FARMS_MAX) {
            error_set(err, ERROR_INVALID, "more than %d farms", FARMS_MAX);
            return wrong(reading, reading->line, column_of(cells, 1), columns[1], err);
        }
        series = mem_alloc(sizeof(*series));
        series->rates = VEC_OF(double);
        series->farm =
            (struct trace_farm){.name = name, .line = reading->line, .column = column_of(cells, 1)};
        series->begin_ms = time_ms;
        map_put(reading->by_name, name, series);
        *(struct series **)vec_push(&reading->series) = series;
    } else {
        int64_t step_ms = time_ms - series->last_ms;
        if (reading->step_ms == 0 && step_ms > 0 && step_ms <= STEP_MS_MAX) reading->step_ms = step_ms;
        if (step_ms <= 0 || step_ms != reading->step_ms) return wrong_step(reading, series, time_ms, err);
    }
    *(double *)vec_push(&series->rates) = rate;
    series->last_ms = time_ms;
    series->last_line = reading->line;
    return true;
}

static bool wrong_step(const struct reading *reading, const struct series *series, int64_t time_ms,
                       struct error *err)
{
    int64_t step_ms = time_ms - series->last_ms, most_ms = reading->step_ms ? reading->step_ms : STEP_MS_MAX;
    const char *what = step_ms < 0         ? "disorder"
                       : step_ms == 0      ? "twice the same time"
                       : step_ms > most_ms ? "a gap"
                                           : "too early";

    error_set(err, ERROR_INVALID, "%s: %g s comes after %g s (line %u) of %s, expected a row every %s%g s",
              what, (double)time_ms / 1000, (double)series->last_ms / 1000, series->last_line,
              series->farm.name, reading->step_ms ? "" : "so many seconds, at most ", (double)most_ms / 1000);
    return wrong(reading, reading->line, 1, columns[0], err);
}

static bool check_ends(struct reading *reading, struct error *err)
{
    const struct series *first = *(struct series **)vec_at(&reading->series, 0);

    for (size_t i = 0; i < reading->series.length; i++) {
        const struct series *series = *(struct series **)vec_at(&reading->series, i);
        bool ends = series->begin_ms == first->begin_ms;
        if (ends && series->last_ms == first->last_ms) continue;
        error_set(err, ERROR_INVALID, "a gap: %s %s at %g s, %s at %g s", series->farm.name,
                  ends ? "ends" : "begins", (double)(ends ? series->last_ms : series->begin_ms) / 1000,
                  first->farm.name, (double)(ends ? first->last_ms : first->begin_ms) / 1000);
        return wrong(reading, ends ? series->last_line : series->farm.line, 1, columns[0], err);
    }
    if (reading->step_ms > 0) return true;
    error_set(err, ERROR_INVALID, "one row a farm: how long does it hold? a second one would tell");
    return wrong(reading, first->last_line, 1, columns[0], err);
}

static unsigned column_of(const struct cells *cells, size_t nth)
{
    return (unsigned)(cells->at[nth] - cells->at[0]) + 1;
}

static bool wrong(const struct reading *reading, unsigned line, unsigned column, const char *field,
                  struct error *err)
{
    snprintf(err->file, sizeof(err->file), "%s", reading->file);
    snprintf(err->field, sizeof(err->field), "%s", field);
    err->line = line;
    err->column = column;
    return false;
}

static void free_series(struct reading *reading)
{
    for (size_t i = 0; i < reading->series.length; i++) {
        struct series *series = *(struct series **)vec_at(&reading->series, i);
        vec_free(&series->rates);
        mem_free(series);
    }
    vec_free(&reading->series);
    map_free(reading->by_name);
}
