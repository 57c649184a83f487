/* Runs the fuzz target once for each file named, as TAP: the corpus is an ordinary test. */
#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>

#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool load(const char *path, struct buf *ret_data);

int main(int argument_count, char **arguments)
{
    bool all = true;
    printf("1..%d\n", argument_count - 1);
    for (int i = 1; i < argument_count; i++) {
        CLEANUP_BUF struct buf data = {0};
        bool done = load(arguments[i], &data);
        if (done) LLVMFuzzerTestOneInput((const uint8_t *)buf_text(&data), data.size);
        printf("%s %d - %s\n", done ? "ok" : "not ok", i, arguments[i]);
        all = all && done;
    }
    return all && argument_count > 1 ? 0 : 1;
}

static bool load(const char *path, struct buf *ret_data)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return false;
    char chunk[4096];
    size_t size;
    while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(ret_data, chunk, size);
    bool done = ferror(file) == 0;
    if (fclose(file) != 0) done = false;
    return done;
}
