/* The demand of farms as it once was: `time_s,farm,requests_per_s`, a header line first. */
#ifndef CROFT_REPLAY_TRACE_H
#define CROFT_REPLAY_TRACE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

struct trace_farm {
    const char *name;
    unsigned line, column; /* of its first row's name: for messages */
    const double *rates;   /* a second; each holds for step_ms */
    size_t length;
};

/* All farms begin and end together, and have a row every step_ms. */
struct trace {
    int64_t begin_ms; /* of the first row, as it counts time */
    int64_t step_ms;
    const struct trace_farm *farms; /* in the order of their first rows */
    size_t length;
    size_t rows; /* of each */
};

/* `file` is what messages call it. ERROR_INVALID, with file, line and column, where something is no number
 * or negative, where a row is missing, comes twice or too early, where a farm begins or ends by itself. */
MUST_CHECK bool trace_read(struct arena *arena, const char *file, const char *text, size_t size,
                           struct trace *ret_trace, struct error *err);
/* What gzip packed (RFC 1952), more than one member too; what is not packed is added as it is. At most 1 GiB.
 * ERROR_INVALID with the place in the file when it is damaged. */
MUST_CHECK bool trace_unpack(const char *file, const void *data, size_t size, struct buf *ret_text,
                             struct error *err);

#endif
