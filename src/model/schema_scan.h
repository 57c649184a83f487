/* JSON straight into structs: for files of a million lines, where a tree a line would cost too much. */
#ifndef CROFT_MODEL_SCHEMA_SCAN_H
#define CROFT_MODEL_SCHEMA_SCAN_H

#include "base/texts.h"
#include "model/schema.h"

/* Objects are the arena's; their texts are kept once, but for those of fields that are `unique`. Both outlive
 * the scan. texts NULL: each is the arena's own. */
struct scan;
struct scan *scan_new(struct arena *arena, struct texts *texts);
void scan_free(struct scan *scan); /* NULL is fine */

/* True: the text is one JSON object, and *ret_object (schema->size bytes) and *ret_seen are what
 * schema_read() gives of it: bit n of *ret_seen says whether the text has field n of the table. False, with
 * both untouched: it is wrong, or of a form that is rare (escapes by number, a shorthand, a character outside
 * ASCII): read it as a tree, which tells which. */
MUST_CHECK bool schema_scan(struct scan *scan, const struct schema *schema, const char *json, size_t size,
                            void *ret_object, uint64_t *ret_seen);

#endif
