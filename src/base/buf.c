#include "base/buf.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LIKELY_SIZE = 64 }; /* of what one printf adds */

static inline void reserve(struct buf *buf, size_t more);
static void grow(struct buf *buf, size_t more);
static const unsigned char *plain_end(const unsigned char *text);
static size_t utf8_size(const unsigned char *text);

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    if (buf->data != NULL) buf->data[0] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
    if (size == 0) return;
    reserve(buf, size);
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    reserve(buf, 1);
    buf->data[buf->size++] = c;
    buf->data[buf->size] = '\0';
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    ASSERT(format != NULL);
    va_list again;
    va_copy(again, arguments);
    /* Mostly there is room enough, and to format twice costs twice. */
    reserve(buf, LIKELY_SIZE);
    size_t room = buf->capacity - buf->size;
    int length = vsnprintf(buf->data + buf->size, room, format, arguments);
    ASSERT(length >= 0);
    if ((size_t)length >= room) {
        reserve(buf, (size_t)length);
        int written = vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        ASSERT(written == length);
    }
    buf->size += (size_t)length;
    va_end(again);
}

void buf_add_json_string(struct buf *buf, const char *text)
{
    if (text == NULL) {
        buf_add_text(buf, "null");
        return;
    }
    const unsigned char *at = plain_end((const unsigned char *)text);
    size_t plain_size = (size_t)(at - (const unsigned char *)text);
    reserve(buf, plain_size + 2); /* mostly that is all */
    buf->data[buf->size++] = '"';
    memcpy(buf->data + buf->size, text, plain_size);
    buf->size += plain_size;
    while (*at != '\0') {
        size_t size = utf8_size(at);
        if (size == 0) {
            buf_add_text(buf, "\xef\xbf\xbd"); /* JSON is UTF-8: a byte that is not becomes U+FFFD */
            size = 1;
        } else if (*at == '"' || *at == '\\') {
            buf_add_char(buf, '\\');
            buf_add_char(buf, (char)*at);
        } else if (*at == '\n') {
            buf_add_text(buf, "\\n");
        } else if (*at == '\t') {
            buf_add_text(buf, "\\t");
        } else if (*at == '\r') {
            buf_add_text(buf, "\\r");
        } else if (*at < 0x20) {
            buf_printf(buf, "\\u%04x", *at);
        } else {
            buf_add(buf, at, size);
        }
        at += size;
        const unsigned char *end = plain_end(at);
        buf_add(buf, at, (size_t)(end - at));
        at = end;
    }
    buf_add_char(buf, '"');
}

void buf_add_choice(struct buf *buf, const char *const *names, size_t length)
{
    for (size_t i = 0; i < length; i++)
        buf_printf(buf, "%s%s", i == 0 ? "" : i + 1 == length ? " or " : ", ", names[i]);
}

void buf_add_int(struct buf *buf, int64_t number)
{
    char digits[20]; /* of 2^63 there are 19 */
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) digits[--at] = '-';
    buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_add_xml(struct buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            buf_add_text(buf, "&amp;");
            break;
        case '<':
            buf_add_text(buf, "&lt;");
            break;
        case '>':
            buf_add_text(buf, "&gt;");
            break;
        case '"':
            buf_add_text(buf, "&quot;");
            break;
        default:
            buf_add_char(buf, (unsigned char)*text < ' ' && *text != '\t' && *text != '\n' ? '?' : *text);
        }
    }
}

void buf_truncate(struct buf *buf, size_t size)
{
    ASSERT(size <= buf->size);
    buf->size = size;
    if (buf->data != NULL) buf->data[size] = '\0';
}

void buf_consume(struct buf *buf, size_t size)
{
    ASSERT(size <= buf->size);
    if (size == 0) return;
    memmove(buf->data, buf->data + size, buf->size - size + 1);
    buf->size -= size;
}

const char *buf_text(const struct buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

char *buf_take(struct buf *buf)
{
    char *text = buf->data == NULL ? mem_strdup("") : buf->data;
    *buf = (struct buf){0};
    return text;
}

/* The first byte that does not stand for itself in a JSON string. */
static const unsigned char *plain_end(const unsigned char *text)
{
    static const bool is_plain[256] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};
    while (is_plain[*text])
        text++;
    return text;
}

/* Room for `more` bytes and the zero behind them. */
static inline void reserve(struct buf *buf, size_t more)
{
    if (buf->capacity - buf->size <= more) grow(buf, more);
}

/* Doubles, so that adding is linear over all. */
static void grow(struct buf *buf, size_t more)
{
    size_t needed;
    bool overflow = __builtin_add_overflow(buf->size, more, &needed);
    overflow = __builtin_add_overflow(needed, 1, &needed) || overflow;
    ASSERT(!overflow);
    if (needed <= buf->capacity) return;
    size_t capacity = buf->capacity < 32 ? 64 : buf->capacity;
    while (capacity < needed)
        if (__builtin_mul_overflow(capacity, 2, &capacity)) capacity = needed;
    buf->data = mem_realloc_array(buf->data, capacity, 1);
    buf->capacity = capacity;
}

/* Size of the well-formed UTF-8 character at text (RFC 3629, table in section 4), 0 when it is none. */
static size_t utf8_size(const unsigned char *text)
{
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    return size;
}
