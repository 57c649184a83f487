#include "driver/probe/probe_http.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(char c);
static bool has_end(const char *data, size_t size);

enum probe_head probe_head_read(const char *data, size_t size, int *ret_status)
{
    /* RFC 9112 section 4: "HTTP/1.x NNN"; d stands for a digit. */
    static const char FORM[] = "HTTP/1.d ddd";
    for (size_t i = 0; i < size && i < sizeof(FORM) - 1; i++)
        if (FORM[i] == 'd' ? !is_digit(data[i]) : data[i] != FORM[i]) return PROBE_HEAD_GARBAGE;
    if (size >= sizeof(FORM) && !strchr(" \r\n", data[sizeof(FORM) - 1])) return PROBE_HEAD_GARBAGE;
    size_t head_size = size < PROBE_HEAD_SIZE_MAX ? size : PROBE_HEAD_SIZE_MAX;
    if (memchr(data, 0, head_size)) return PROBE_HEAD_GARBAGE;
    if (!has_end(data, head_size)) return size >= PROBE_HEAD_SIZE_MAX ? PROBE_HEAD_TOO_LONG : PROBE_HEAD_MORE;
    *ret_status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0');
    return PROBE_HEAD_DONE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An empty line, with or without the carriage return (RFC 9112 section 2.2). */
static bool has_end(const char *data, size_t size)
{
    return memmem(data, size, "\n\r\n", 3) || memmem(data, size, "\n\n", 2);
}
