/* What all tests of this room share. */
#ifndef CROFT_TESTS_UNIT_SPEC_CHECK_H
#define CROFT_TESTS_UNIT_SPEC_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spec/spec.h"

/* Reads a text that must be valid; says what is wrong when it is not. */
static inline struct documents check_read(struct arena *arena, const char *text)
{
    struct documents documents = {0};
    struct error err;
    if (!spec_read(arena, "f", text, strlen(text), &documents, &err)) {
        CLEANUP_BUF struct buf line = {0};
        spec_format_error(&err, &line);
        fail_msg("%s", buf_text(&line));
    }
    return documents;
}

/* The canonical text of a document. */
static inline const char *check_write(struct arena *arena, const struct document *document)
{
    CLEANUP_BUF struct buf json = {0};
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
    schema_write(document->kind->schema, document->kind->name, object, &json);
    return arena_strdup(arena, buf_text(&json));
}

/* The one-line error that reading the text gives; fails the test when it is read. */
static inline const char *check_refused(struct arena *arena, const char *text, size_t size)
{
    struct documents documents = {0};
    struct error err;
    assert_false(spec_read(arena, "f", text, size, &documents, &err));
    assert_int_equal(documents.length, 0);
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    return arena_strdup(arena, buf_text(&line));
}

#endif
