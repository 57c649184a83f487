/* Any bytes at all as what another host asks for, and as what an agent kept of a party's disk key: what is
 * read is written as a text that reads as the same. */
#include "model/schemas.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_again(const struct schema *schema, const char *text, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf first = {0}, second = {0};
    void *object = arena_alloc(arena, schema->size), *again = arena_alloc(arena, schema->size);
    struct error err;

    if (!model_read_json(schema, arena, text, size, object, &err)) {
        ASSERT(err.message[0] != '\0');
        return;
    }
    schema_write(schema, NULL, object, &first);
    ASSERT(model_read_json(schema, arena, buf_text(&first), first.size, again, &err));
    schema_write(schema, NULL, again, &second);
    ASSERT(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_again(&schema_item_asked, (const char *)data, size);
    read_again(&schema_kept_disk_keys, (const char *)data, size);
    return 0;
}
