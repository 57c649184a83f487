/* JSON's halves of characters, for a parser of YAML. Internal to spec/. */
#ifndef CROFT_SPEC_SURROGATES_H
#define CROFT_SPEC_SURROGATES_H

#include "base/mem.h"

#include <stddef.h>

/* JSON escapes a character outside the first plane of Unicode as two halves (RFC 8259, section 7), which
 * libyaml refuses. In a text that begins as JSON does, pairs of halves become YAML's one escape. Returns the
 * text itself when there are none; else a copy in the arena. Columns behind a pair in its line are told two
 * too low. */
const char *surrogates_join(struct arena *arena, const char *text, size_t size, size_t *ret_size);

#endif
