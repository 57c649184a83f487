#include "os/local_request.h"

#include <string.h>

static int read_body(struct wire_body body, const char *data, size_t size, struct buf *ret_body);

int local_request_read(const char *data, size_t size, struct local_read *ret_read)
{
    struct local_read read = {0};
    const char *end = size < 4 ? NULL : memmem(data, size, "\r\n\r\n", 4);
    size_t head_size = end == NULL ? size : (size_t)(end - data) + 4;
    int status = 0;

    if (head_size > LOCAL_HEAD_SIZE_MAX) return 431;
    if (end == NULL) return 0;
    if (!wire_parse_request(data, head_size, &read.head, &status)) return status;
    if (read.head.length == WIRE_SIZED && read.head.content_size > LOCAL_REQUEST_SIZE_MAX - head_size)
        status = 413;
    else
        status = read_body(wire_body_of(&read.head), data + head_size, size - head_size, &read.body);
    if (status == 0 && size >= LOCAL_REQUEST_SIZE_MAX) status = 413;
    if (status == 200)
        *ret_read = read;
    else
        local_read_free(&read);
    return status;
}

void local_read_free(struct local_read *read)
{
    wire_head_free(&read->head);
    buf_free(&read->body);
}

/* From its beginning each time: it is short, and comes in few pieces. */
static int read_body(struct wire_body body, const char *data, size_t size, struct buf *ret_body)
{
    if (body.length == WIRE_NO_BODY) return 200;
    for (size_t at = 0;;) {
        const char *piece = NULL;
        size_t used = 0, piece_size = 0;
        enum wire_step step = wire_body_step(&body, data + at, size - at, &used, &piece, &piece_size);
        at += used;
        if (step == WIRE_PIECE) buf_add(ret_body, piece, piece_size);
        if (step == WIRE_BAD) return 400;
        if (step == WIRE_DONE || (body.length == WIRE_SIZED && body.left == 0)) return 200;
        if (step == WIRE_MORE && at >= size) return 0;
    }
}
