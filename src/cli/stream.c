#include "cli/stream.h"

#include "base/text.h"

#include <string.h>

static bool tell(struct stream *stream, char *text);

void stream_free(struct stream *stream)
{
    buf_free(&stream->pending);
}

bool stream_data(void *ctx, const char *data, size_t size)
{
    struct stream *stream = ctx;
    char *end = NULL;
    size_t done = 0;
    bool more = true;

    buf_add(&stream->pending, data, size);
    while (more && stream->pending.size > done && (end = strstr(stream->pending.data + done, "\n\n"))) {
        *end = 0;
        more = tell(stream, stream->pending.data + done);
        done = (size_t)(end - stream->pending.data) + 2;
    }
    buf_consume(&stream->pending, done);
    return more;
}

static bool tell(struct stream *stream, char *text)
{
    const char *name = "message", *data = NULL;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (text_starts(line, "event: "))
            name = line + strlen("event: ");
        else if (text_starts(line, "data: "))
            data = line + strlen("data: ");
    }
    return !data || stream->event(stream->ctx, name, data, strlen(data)); /* without data: a sign of life */
}
