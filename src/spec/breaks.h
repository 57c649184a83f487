/* Line breaks of YAML 1.1 that are none in YAML 1.2, for a parser of 1.1. Internal to spec/. */
#ifndef CROFT_SPEC_BREAKS_H
#define CROFT_SPEC_BREAKS_H

#include "base/mem.h"

#include <stddef.h>

enum { BREAKS = 3 };

/* What stands for U+0085, U+2028 and U+2029: characters that the text does not have. */
struct breaks {
    char stand_ins[BREAKS][5]; /* "": the text has none of them */
};

/* libyaml ends a line at each of them; in YAML 1.2 they are characters as others are (section 5.4). Returns
 * the text itself when it has none; else a copy in the arena with as many characters, in which others stand
 * for them. */
const char *breaks_hide(struct arena *arena, const char *text, size_t size, size_t *ret_size,
                        struct breaks *ret_breaks);
/* Puts them back, in place; returns the new size. The text ends in a zero byte, before and after. */
size_t breaks_show(const struct breaks *breaks, char *text, size_t size);

#endif
