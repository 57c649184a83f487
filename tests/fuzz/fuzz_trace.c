/* Any bytes at all as demand as it once was, packed or not. */
#include "replay/trace.h"

#include "base/attr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct trace trace;
    struct error err;

    if (!trace_unpack("fuzz", data, size, &text, &err) ||
        !trace_read(arena, "fuzz", buf_text(&text), text.size, &trace, &err)) {
        ASSERT(err.message[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < trace.length; i++) {
        ASSERT(trace.farms[i].length == trace.rows);
        for (size_t k = 0; k < trace.rows; k++)
            ASSERT(trace.farms[i].rates[k] >= 0);
    }
    return 0;
}
