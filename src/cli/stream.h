/* Server-sent events taken apart (WHATWG HTML, "Server-sent events"): the three fields that the API sends. */
#ifndef CROFT_CLI_STREAM_H
#define CROFT_CLI_STREAM_H

#include "base/buf.h"

#include <stdbool.h>

struct stream {
    struct buf pending; /* the last, unfinished event */
    bool (*event)(void *ctx, const char *name, const char *data, size_t size); /* false: enough */
    void *ctx;
};

void stream_free(struct stream *stream);
/* For client_stream(): ctx is a struct stream. */
bool stream_data(void *ctx, const char *data, size_t size);

#endif
