/* A Ganeti cluster in the text format of its htools ("text backend") as a grid. Pure. */
#ifndef CROFT_SPEC_GANETI_H
#define CROFT_SPEC_GANETI_H

#include "spec/grid_file.h"

/* What becomes what is in spec/README.md. ret_warnings: what the cluster contradicts itself in and can be
 * read all the same; a line of each kind is added, with a newline, for the first node that has it. False: err
 * has file, line, column, the column's name, what was expected; all else is untouched. */
MUST_CHECK bool ganeti_read(struct arena *arena, const char *file, const char *text, size_t size,
                            struct grid_file *ret_grid, struct buf *ret_warnings, struct error *err);

#endif
