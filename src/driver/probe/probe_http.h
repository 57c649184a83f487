/* The head of an HTTP answer, judged. Pure. */
#ifndef CROFT_DRIVER_PROBE_HTTP_H
#define CROFT_DRIVER_PROBE_HTTP_H

#include <stddef.h>

enum { PROBE_HEAD_SIZE_MAX = 16384 };

enum probe_head {
    PROBE_HEAD_MORE,    /* not complete */
    PROBE_HEAD_DONE,    /* *ret_status is set */
    PROBE_HEAD_GARBAGE, /* not HTTP/1 */
    PROBE_HEAD_TOO_LONG,
};

/* data: all that came so far. The head is complete with its empty line. */
enum probe_head probe_head_read(const char *data, size_t size, int *ret_status);

#endif
