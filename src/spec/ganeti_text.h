/* The lines of the text format of Ganeti's htools. Internal to spec/. */
#ifndef CROFT_SPEC_GANETI_TEXT_H
#define CROFT_SPEC_GANETI_TEXT_H

#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdint.h>

enum ganeti_section { GANETI_GROUPS, GANETI_NODES, GANETI_INSTANCES, GANETI_TAGS, GANETI_POLICIES };
enum { GANETI_SECTIONS = GANETI_POLICIES + 1, GANETI_CELLS_MAX = 16 };

struct ganeti_cell {
    const char *text; /* in the arena */
    unsigned column;
};

struct ganeti_row {
    unsigned line;
    enum ganeti_section section;
    size_t length;
    struct ganeti_cell cells[GANETI_CELLS_MAX];
};

/* Each section's rows into a vec of struct ganeti_row, which the caller frees in any case. */
MUST_CHECK bool ganeti_split(struct arena *arena, const char *text, size_t size,
                             struct vec sections[GANETI_SECTIONS], struct error *err);

/* The text of a cell, or "" when the row is of an older form and ends before it. */
const char *ganeti_text(const struct ganeti_row *row, size_t cell);
/* A number of 0 or more; a fraction is dropped, as Ganeti writes some with one. fallback: when the row ends
 * before it, or the cell is empty. */
MUST_CHECK bool ganeti_number(const struct ganeti_row *row, size_t cell, int64_t fallback, int64_t max,
                              int64_t *ret_number, struct error *err);
/* A decimal above 0, in thousandths. */
MUST_CHECK bool ganeti_decimal(const struct ganeti_row *row, size_t cell, int64_t max,
                               int64_t *ret_thousandths, struct error *err);
/* One of the words, NULL-terminated; its index. */
MUST_CHECK bool ganeti_word(const struct ganeti_row *row, size_t cell, const char *const *words,
                            int *ret_word, struct error *err);
/* Puts the place of a cell into a filled *err; returns false. */
bool ganeti_fail(const struct ganeti_row *row, size_t cell, struct error *err);

#endif
