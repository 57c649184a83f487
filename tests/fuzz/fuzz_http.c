/* Any bytes at all as what a peer sends over HTTP: a head and the body behind it. The body comes out the
 * same, whether its bytes come at once or one by one. */
#include "os/wire.h"

#include "base/attr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER = 1, TO_HEAD = 2 };

static enum wire_step take(const struct wire_head *head, const char *data, size_t size, size_t most,
                           struct buf *ret_body, size_t *ret_used)
{
    struct wire_body body = wire_body_of(head);
    enum wire_step step = WIRE_MORE;
    size_t at = 0;

    do {
        size_t piece_size = 0, used = 0, left = size - at, given = left < most ? left : most;
        const char *piece = NULL;
        step = wire_body_step(&body, data + at, given, &used, &piece, &piece_size);
        ASSERT(used <= given);
        if (step == WIRE_PIECE) {
            ASSERT(piece >= data + at && piece + piece_size <= data + at + given && used > 0);
            buf_add(ret_body, piece, piece_size);
        }
        if (step == WIRE_MORE) ASSERT(used == given);
        at += used;
    } while ((step == WIRE_MORE || step == WIRE_PIECE) && at < size);
    *ret_used = at;
    return step;
}

static void compare(const struct wire_head *head, const char *data, size_t size)
{
    CLEANUP_BUF struct buf whole = {0};
    CLEANUP_BUF struct buf single = {0};
    size_t used[2];
    enum wire_step steps[] = {take(head, data, size, size, &whole, &used[0]),
                              take(head, data, size, 1, &single, &used[1])};
    bool ended[] = {steps[0] == WIRE_DONE, steps[1] == WIRE_DONE};

    ASSERT(whole.size == single.size &&
           (whole.size == 0 || memcmp(whole.data, single.data, whole.size) == 0));
    ASSERT((steps[0] == WIRE_BAD) == (steps[1] == WIRE_BAD));
    if (ended[0] && ended[1]) ASSERT(used[0] == used[1]);
}

/* The first byte says what it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const char *bytes = (const char *)data + 1;
    unsigned flags = data[0];
    size_t left = size - 1;
    const char *end = memmem(bytes, left, "\r\n\r\n", 4);
    struct wire_head head;
    int status = 0;

    if (end == NULL) return 0;
    size_t head_size = (size_t)(end - bytes) + 4;
    bool good = flags & ANSWER ? wire_parse_answer(bytes, head_size, flags & TO_HEAD, &head)
                               : wire_parse_request(bytes, head_size, &head, &status);
    if (!good) {
        ASSERT(flags & ANSWER || status == 400 || status == 501 || status == 505);
        return 0;
    }
    ASSERT(head.headers_length <= WIRE_HEADERS_MAX);
    for (size_t i = 0; i < head.headers_length; i++)
        ASSERT(strpbrk(head.headers[i].name, "\r\n:") == NULL &&
               strpbrk(head.headers[i].value, "\r\n") == NULL);
    if (head.length == WIRE_SIZED || head.length == WIRE_CHUNKED)
        compare(&head, bytes + head_size, left - head_size);
    wire_head_free(&head);
    return 0;
}
