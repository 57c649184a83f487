/* Any bytes at all: the reader gives documents whose canonical text is stable, or a positioned error. Linked
 * to libFuzzer (-Dfuzz=true, clang), or to drive.c, which runs the corpus as an ordinary test. */
#include "spec/spec.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_document(const struct document *document, struct buf *json)
{
    const void *object = document->kind->kind == KIND_HOST            ? (const void *)document->host
                         : document->kind->kind == KIND_PARTY         ? (const void *)document->party
                         : document->kind->kind == KIND_FARM          ? (const void *)document->farm
                         : document->kind->kind == KIND_POOL          ? (const void *)document->pool
                         : document->kind->kind == KIND_SLA           ? (const void *)document->sla
                         : document->kind->kind == KIND_FILTER        ? (const void *)document->filter
                         : document->kind->kind == KIND_LEASE         ? (const void *)document->lease
                         : document->kind->kind == KIND_CONTACT       ? (const void *)document->contact
                         : document->kind->kind == KIND_KEY           ? (const void *)document->key
                         : document->kind->kind == KIND_SCALING_RULES ? (const void *)document->scaling_rules
                                                                      : (const void *)document->image;
    schema_write(document->kind->schema, document->kind->name, object, json);
}

/* Writing and reading again changes nothing. */
static void check_stable(struct arena *arena, const struct document *document)
{
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    write_document(document, &first);
    struct node node;
    struct error err;
    bool parsed = node_from_json(arena, buf_text(&first), first.size, &node, &err);
    ASSERT(parsed);
    CLEANUP_BUF struct buf yaml = {0};
    node_to_yaml(&node, &yaml);
    struct documents again;
    bool read = spec_read(arena, "again", buf_text(&yaml), yaml.size, &again, &err);
    ASSERT(read && again.length == 1);
    write_document(&again.items[0], &second);
    ASSERT(strcmp(buf_text(&first), buf_text(&second)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents documents;
    struct error err;
    struct snapshot nothing = {0};
    if (!spec_read(arena, "file", (const char *)data, size, &documents, &err)) {
        ASSERT(err.line > 0 && err.column > 0 && err.message[0] != '\0' && strcmp(err.file, "file") == 0);
        return 0;
    }
    for (size_t i = 0; i < documents.length; i++)
        check_stable(arena, &documents.items[i]);
    if (!spec_check(&nothing, &documents, "file", &err)) ASSERT(err.line > 0 && err.message[0] != '\0');
    return 0;
}
