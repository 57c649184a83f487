/* A growing byte string, always followed by a zero byte that does not count. Zero-initialise to start. */
#ifndef CROFT_BASE_BUF_H
#define CROFT_BASE_BUF_H

#include "base/attr.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while nothing was ever added; use buf_text() to read */
    size_t size;
    size_t capacity;
};

#define CLEANUP_BUF CLEANUP(buf_free)

void buf_free(struct buf *buf);  /* back to zero-initialised */
void buf_clear(struct buf *buf); /* keeps the memory */
void buf_add(struct buf *buf, const void *data, size_t size);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
/* "a, b or c" */
void buf_add_choice(struct buf *buf, const char *const *names, size_t length);
void buf_add_int(struct buf *buf, int64_t number); /* as "%lld" */
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
/* Adds text as a JSON string with its quotes, escaped as RFC 8259 section 7 asks. NULL adds null. */
void buf_add_json_string(struct buf *buf, const char *text);
/* Adds text for an XML document, in or between tags; what XML 1.0 (section 2.2) has no place for becomes "?".
 */
void buf_add_xml(struct buf *buf, const char *text);
/* Keeps the first `size` bytes (size <= buf->size). */
void buf_truncate(struct buf *buf, size_t size);
/* Removes `size` bytes from the front (size <= buf->size). */
void buf_consume(struct buf *buf, size_t size);
const char *buf_text(const struct buf *buf); /* "" when empty; valid until the next change */
char *buf_take(struct buf *buf);             /* the text, the caller's to mem_free(); buf is empty after */

#endif
