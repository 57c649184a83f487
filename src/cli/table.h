/* Tables for people: columns fit the terminal, states have colours on one. */
#ifndef CROFT_CLI_TABLE_H
#define CROFT_CLI_TABLE_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct style {
    bool colour;
    size_t width; /* columns of the terminal; 0: no limit */
};

enum column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER, /* to the right */
    COLUMN_STATE,  /* coloured by what it says */
    COLUMN_PROSE,  /* cut first when the terminal is narrow */
};

struct column {
    const char *title;
    enum column_kind kind;
    int keep; /* where there is no room, columns of the least `keep` go first; 0: never goes */
};

struct table;

/* What a stream deserves: nothing but plain text when it is no terminal; no colour with NO_COLOR
 * (no-color.org). */
struct style style_of(FILE *stream);

struct table *table_new(const struct column *columns, size_t length);
void table_free(struct table *table); /* NULL is fine */
/* Cells are copied, as text_shown() has them; as many as columns; NULL is an empty one, shown as "-". */
void table_row(struct table *table, const char *const *cells);
void table_print(const struct table *table, const struct style *style, struct buf *ret_text);
/* The text in the colour of the state it names. */
void style_state(const struct style *style, const char *state, struct buf *ret_text);
void style_title(const struct style *style, const char *title, struct buf *ret_text); /* bold */
/* The text on one line, without anything that a terminal would obey: control characters as \\n, \\x1b. What
 * is shown to one party may have been written by another. */
void text_add_shown(struct buf *ret_text, const char *text);
const char *text_shown(struct arena *arena, const char *text); /* NULL: "" */
size_t text_columns(const char *text);                         /* how wide a terminal shows UTF-8 */

#endif
