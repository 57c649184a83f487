/* Any bytes at all: a cluster whose grid reads back from its lines, or a positioned error. */
#include "spec/ganeti.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    CLEANUP_BUF struct buf warnings = {0};
    struct grid_file grid;
    struct grid_file again;
    struct error err;
    if (!ganeti_read(arena, "file", (const char *)data, size, &grid, &warnings, &err)) {
        ASSERT(err.line > 0 && err.column > 0 && err.message[0] != '\0' && strcmp(err.file, "file") == 0);
        return 0;
    }
    grid_file_write(&grid.snapshot, &first);
    if (first.size == 0) return 0; /* a cluster of nothing */
    bool read = grid_file_read(arena, "again", buf_text(&first), first.size, &again, &err);
    ASSERT(read);
    grid_file_write(&again.snapshot, &second);
    ASSERT(strcmp(buf_text(&first), buf_text(&second)) == 0);
    return 0;
}
