#include "cli/table.h"

#include "base/text.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP ((size_t)2)
#define PROSE_WIDTH_MIN ((size_t)16)

static const char bold[] = "\033[1m", plain[] = "\033[0m";

struct table {
    struct column *columns;
    size_t length;
    struct arena *arena;
    struct vec cells; /* const char *, row by row */
};

struct layout {
    size_t *widths;
    bool *hidden;
    size_t total;
};

static bool has_controls(const char *text);
static void measure(const struct table *table, struct layout *layout);
static void fit(const struct table *table, size_t width, struct layout *layout);
static void print_row(const struct table *table, const struct style *style, const struct layout *layout,
                      const char *const *cells, struct buf *ret_text);
static void print_cell(const struct style *style, const struct column *column, const char *cell, size_t width,
                       bool last, struct buf *ret_text);
static void add_blanks(size_t length, struct buf *ret_text);
static size_t cut(const char *text, size_t columns);
static const char *colour_of(const char *state);
static bool is_start(char c);

struct style style_of(FILE *stream)
{
    struct style style = {0};
    struct winsize size = {0};
    int fd = fileno(stream);
    const char *none = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    if (fd < 0 || !isatty(fd)) return style;
    style.colour = !(none && none[0]) && !text_equal(terminal, "dumb");
    style.width = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    return style;
}

struct table *table_new(const struct column *columns, size_t length)
{
    struct table *table = mem_alloc(sizeof(*table));
    table->columns = mem_alloc_array(length, sizeof(*columns));
    memcpy(table->columns, columns, length * sizeof(*columns));
    table->length = length;
    table->arena = arena_new();
    table->cells = VEC_OF(const char *);
    return table;
}

void table_free(struct table *table)
{
    if (!table) return;
    vec_free(&table->cells);
    arena_free(table->arena);
    mem_free(table->columns);
    mem_free(table);
}

void table_row(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->length; i++) {
        *(const char **)vec_push(&table->cells) =
            text_shown(table->arena, cells[i] && cells[i][0] ? cells[i] : "-");
    }
}

void table_print(const struct table *table, const struct style *style, struct buf *ret_text)
{
    struct layout layout = {.widths = mem_alloc_array(table->length, sizeof(size_t)),
                            .hidden = mem_alloc_array(table->length, sizeof(bool))};
    const char **titles = mem_alloc_array(table->length, sizeof(*titles));

    measure(table, &layout);
    if (style->width) fit(table, style->width, &layout);
    for (size_t i = 0; i < table->length; i++)
        titles[i] = table->columns[i].title;
    if (style->colour) buf_add_text(ret_text, bold);
    print_row(table, &(struct style){0}, &layout, titles, ret_text);
    if (style->colour) {
        ret_text->size--; /* the newline goes behind the end of the colour */
        buf_add_text(ret_text, plain);
        buf_add_char(ret_text, '\n');
    }
    for (size_t i = 0; i < table->cells.length; i += table->length)
        print_row(table, style, &layout, vec_at(&table->cells, i), ret_text);
    mem_free(titles);
    mem_free(layout.widths);
    mem_free(layout.hidden);
}

void style_state(const struct style *style, const char *state, struct buf *ret_text)
{
    const char *colour = style->colour ? colour_of(state) : NULL;
    if (colour)
        buf_printf(ret_text, "%s%s%s", colour, state, plain);
    else
        buf_add_text(ret_text, state);
}

void style_title(const struct style *style, const char *title, struct buf *ret_text)
{
    if (style->colour)
        buf_printf(ret_text, "%s%s%s", bold, title, plain);
    else
        buf_add_text(ret_text, title);
}

void text_add_shown(struct buf *ret_text, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
        if (c == '\n') {
            buf_add_text(ret_text, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            buf_printf(ret_text, "\\x%02x", c);
        } else if (c == 0xc2 && next >= 0x80 && next < 0xa0) { /* U+0080 to U+009F are controls, too */
            buf_printf(ret_text, "\\x%02x", next);
            text++;
        } else {
            buf_add_char(ret_text, *text);
        }
    }
}

const char *text_shown(struct arena *arena, const char *text)
{
    /* Most have nothing of that, and lists are long. */
    if (!text || !has_controls(text)) return arena_strdup(arena, text ? text : "");
    CLEANUP_BUF struct buf shown = {0};
    text_add_shown(&shown, text);
    return arena_strndup(arena, buf_text(&shown), shown.size);
}

static bool has_controls(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f || c == 0xc2) return true;
    }
    return false;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text; text++)
        columns += is_start(*text);
    return columns;
}

static void measure(const struct table *table, struct layout *layout)
{
    for (size_t i = 0; i < table->length; i++)
        layout->widths[i] = text_columns(table->columns[i].title);
    for (size_t i = 0; i < table->cells.length; i++) {
        size_t width = text_columns(*(const char **)vec_at(&table->cells, i));
        size_t *widest = &layout->widths[i % table->length];
        if (width > *widest) *widest = width;
    }
    for (size_t i = 0; i < table->length; i++)
        layout->total += layout->widths[i] + (i ? GAP : 0);
}

/* Prose is cut down to what can still be read; then whole columns go, the least important first. */
static void fit(const struct table *table, size_t width, struct layout *layout)
{
    while (layout->total > width) {
        size_t least = table->length;
        for (size_t i = 0; i < table->length; i++) {
            const struct column *column = &table->columns[i];
            if (column->kind == COLUMN_PROSE && !layout->hidden[i] && layout->widths[i] > PROSE_WIDTH_MIN) {
                size_t over = layout->total - width, spare = layout->widths[i] - PROSE_WIDTH_MIN;
                size_t less = over < spare ? over : spare;
                layout->widths[i] -= less;
                layout->total -= less;
                if (layout->total <= width) return;
            }
            if (layout->hidden[i] || column->keep == 0) continue;
            if (least == table->length || column->keep < table->columns[least].keep) least = i;
        }
        if (least == table->length) return;
        layout->hidden[least] = true;
        layout->total -= layout->widths[least] + GAP;
    }
}

static void print_row(const struct table *table, const struct style *style, const struct layout *layout,
                      const char *const *cells, struct buf *ret_text)
{
    size_t last = table->length;
    bool first = true;

    while (last > 0 && layout->hidden[last - 1])
        last--;
    for (size_t i = 0; i < last; i++) {
        if (layout->hidden[i]) continue;
        if (!first) buf_add(ret_text, "  ", GAP);
        first = false;
        print_cell(style, &table->columns[i], cells[i], layout->widths[i], i + 1 == last, ret_text);
    }
    buf_add_char(ret_text, '\n');
}

static void print_cell(const struct style *style, const struct column *column, const char *cell, size_t width,
                       bool last, struct buf *ret_text)
{
    size_t columns = text_columns(cell), size = strlen(cell);
    const char *colour = column->kind == COLUMN_STATE && style->colour ? colour_of(cell) : NULL;
    bool is_cut = columns > width;

    if (is_cut) {
        size = cut(cell, width - 1);
        columns = width;
    }
    if (column->kind == COLUMN_NUMBER) add_blanks(width - columns, ret_text);
    if (colour) buf_add_text(ret_text, colour);
    buf_add(ret_text, cell, size);
    if (is_cut) buf_add_text(ret_text, "…");
    if (colour) buf_add_text(ret_text, plain);
    if (column->kind != COLUMN_NUMBER && !last) add_blanks(width - columns, ret_text);
}

/* Most of what a list of thousands prints: not by printf. */
static void add_blanks(size_t length, struct buf *ret_text)
{
    static const char blanks[] = "                                ";
    for (size_t piece; length > 0; length -= piece) {
        piece = length < sizeof(blanks) - 1 ? length : sizeof(blanks) - 1;
        buf_add(ret_text, blanks, piece);
    }
}

/* Bytes of the first columns of text. */
static size_t cut(const char *text, size_t columns)
{
    size_t at = 0;
    for (; text[at]; at++)
        if (is_start(text[at]) && columns-- == 0) break;
    return at;
}

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"up", "\033[32m"},       {"running", "\033[32m"},  {"ready", "\033[32m"},   {"good", "\033[32m"},
        {"ok", "\033[32m"},       {"created", "\033[32m"},  {"suspect", "\033[33m"}, {"draining", "\033[33m"},
        {"changing", "\033[33m"}, {"degraded", "\033[33m"}, {"pending", "\033[33m"}, {"booting", "\033[33m"},
        {"wiping", "\033[33m"},   {"updated", "\033[33m"},  {"down", "\033[31m"},    {"failed", "\033[31m"},
        {"bad", "\033[31m"},      {"missing", "\033[31m"},  {"off", "\033[2m"},      {"stopped", "\033[2m"},
        {"unchanged", "\033[2m"}, {"unknown", "\033[2m"},
    };
    for (size_t i = 0; i < LENGTH(colours); i++)
        if (text_equal(colours[i].state, state)) return colours[i].colour;
    return NULL;
}

/* Not a following byte of a UTF-8 sequence. */
static bool is_start(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}
