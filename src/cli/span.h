/* JSON text taken apart in place: no tree, no copies, so that ten thousand items cost milliseconds. For
 * answers of the controller, which are well formed; what is not ends early and never reads beyond its end. */
#ifndef CROFT_CLI_SPAN_H
#define CROFT_CLI_SPAN_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *at;
    size_t size; /* 0: there is none */
};

struct span span_of(const char *text, size_t size); /* without the spaces around */
/* Items of an array: start with *cursor = 0; false at the end. */
bool span_next(struct span list, size_t *cursor, struct span *ret_item);
/* The value under the key of an object; keys are compared as they are written. */
struct span span_get(struct span object, const char *key);
/* A scalar's text: unescaped, "" for null or nothing. In the arena. */
const char *span_text(struct arena *arena, struct span value);
/* span_text() of span_get() */
const char *span_get_text(struct arena *arena, struct span object, const char *key);

#endif
