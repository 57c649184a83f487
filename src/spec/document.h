/* What the readers of documents share. Internal to spec/. */
#ifndef CROFT_SPEC_DOCUMENT_H
#define CROFT_SPEC_DOCUMENT_H

#include "model/schemas.h"

/* What one document says about itself beyond its form. node: what the object was read from, or NULL: then a
 * failure has no place. */
MUST_CHECK bool document_check(struct arena *arena, enum document_kind kind, const struct node *node,
                               void *object, struct error *err);
/* Says in which file it is wrong; returns false. */
bool document_error_in(struct error *err, const char *file);
/* True when the name is that of a kind that this version knows by name only. */
bool document_is_later(const char *kind);

/* A user's text for a message: at most 100 bytes of it, and nothing that breaks the line or steers a
 * terminal. */
enum { SHOWN_SIZE = 101 };
const char *document_shown(char out[SHOWN_SIZE], const char *text);

#endif
