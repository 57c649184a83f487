/* Any bytes at all at the socket of an instance: however they arrive, what is read of them is the same, and
 * more is never asked for than the limit. */
#include "os/local_request.h"

#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a copy of just that size, so that reading past it is seen. */
static int read_first(const uint8_t *data, size_t size, struct local_read *ret_read)
{
    CLEANUP_MEM char *copy = mem_alloc(size > 0 ? size : 1);
    memcpy(copy, data, size);
    return local_request_read(copy, size, ret_read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct local_read whole = {0};
    if (size > LOCAL_REQUEST_SIZE_MAX) size = LOCAL_REQUEST_SIZE_MAX; /* more is never read */
    int status = read_first(data, size, &whole);
    ASSERT(status == 0 || status == 200 || (status >= 400 && status < 600));
    ASSERT(status != 0 || size < LOCAL_REQUEST_SIZE_MAX);
    if (status == 200)
        ASSERT(whole.head.method[0] != '\0' && whole.head.path[0] != '\0' &&
               whole.body.size < LOCAL_REQUEST_SIZE_MAX);
    /* Byte by byte: the first verdict is the last one, unless it is of a limit that the rest went past. */
    size_t step = size > 1024 ? 97 : 1;
    int early = 0;
    for (size_t given = 0; given <= size && early == 0; given += step) {
        struct local_read part = {0};
        early = read_first(data, given, &part);
        if (early == 200 && status == 200)
            ASSERT(part.body.size == whole.body.size &&
                   memcmp(buf_text(&part.body), buf_text(&whole.body), part.body.size) == 0 &&
                   strcmp(part.head.path, whole.head.path) == 0);
        if (early == 200) local_read_free(&part);
    }
    ASSERT(early == 0 || early == status || early == 431 || status == 431);
    if (status == 200) local_read_free(&whole);
    return 0;
}
