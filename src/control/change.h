/* A change of the grid's state in the making: puts, deletions and the events that tell of them, committed as
 * one transaction. Later puts of the same thing replace earlier ones. */
#ifndef CROFT_CONTROL_CHANGE_H
#define CROFT_CONTROL_CHANGE_H

#include "control/mirror.h"

struct change;

struct change *change_new(struct store *store);
void change_free(struct change *change); /* NULL is fine; nothing happens to the store */
void change_freep(struct change **change);
#define CLEANUP_CHANGE CLEANUP(change_freep)

/* object: of the kind's schema; it is written out at once. */
void change_put(struct change *change, enum record_kind kind, const char *name, const void *object);
void change_delete(struct change *change, enum record_kind kind, const char *name);
/* Any other key. */
void change_put_text(struct change *change, const char *key, const char *value);
void change_delete_key(struct change *change, const char *key);
/* The change happens only if the key's revision is this (0: it does not exist). */
void change_expect(struct change *change, enum record_kind kind, const char *name, uint64_t revision);
/* `what` happened to the thing, for this reason: "created", "placed on h3", …; who: author or "croft". */
void change_event(struct change *change, int64_t wall_ms, const char *who, const char *kind, const char *name,
                  const char *what, const char *reason);
bool change_is_empty(const struct change *change);

/* All or nothing. More than the store's limit of one transaction is refused. */
MUST_CHECK bool change_commit(struct change *change, uint64_t *ret_revision, struct error *err);

#endif
