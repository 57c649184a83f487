/* Any bytes at all as what controller, agents and store tell each other in JSON. What is read is written, and
 * that is read as the same again. */
#include "model/schemas.h"

#include "base/attr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct schema *const schemas[] = {
    &schema_host_document, &schema_host_report, &schema_personality, &schema_instance,  &schema_host_fact,
    &schema_farm_fact,     &schema_usage,       &schema_host_usage,  &schema_kept_keys, &schema_service_hour,
};

/* The first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf once = {0};
    CLEANUP_BUF struct buf again = {0};
    const struct schema *schema = schemas[data[0] % LENGTH(schemas)];
    void *object = arena_alloc(arena, schema->size), *second = arena_alloc(arena, schema->size);
    struct error err;

    if (!model_read_json(schema, arena, (const char *)data + 1, size - 1, object, &err)) {
        ASSERT(err.message[0] != '\0');
        return 0;
    }
    schema_write(schema, NULL, object, &once);
    ASSERT(model_read_json(schema, arena, buf_text(&once), once.size, second, &err));
    schema_write(schema, NULL, second, &again);
    ASSERT(once.size == again.size && memcmp(once.data, again.data, once.size) == 0);
    return 0;
}
