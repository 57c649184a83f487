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
/* By which right the author did what is told from here on: "software"; NULL: by none in particular. */
void change_right(struct change *change, const char *right);
bool change_is_empty(const struct change *change);
size_t change_length(const struct change *change); /* operations, without events */
/* What the store will hold of a key once this is committed, as far as the change says; NULL: it says nothing,
 * or deletes it. */
const char *change_staged(const struct change *change, const char *key);

/* What changes of the grid's things (but images, pools and rules), for who has more to write because of it.
 * object is NULL when it goes, and valid until the change is freed; of a farm, a party and the like json has
 * all. */
struct change_record {
    enum record_kind kind;
    const char *name;
    const char *json;
    const void *object; /* of hosts, instances and host facts: the fields that are not lists; else NULL */
};
/* Start with *cursor = 0; false at the end. What is staged meanwhile by text is not in it. */
bool change_next_record(const struct change *change, size_t *cursor, struct change_record *ret_record);
/* Called once by change_commit(), before anything is written: adds what follows. Every change of records has
 * one: what a bill is made from is written nowhere else. */
void change_follow(struct change *change, bool (*follow)(void *ctx, struct change *change, struct error *err),
                   void *ctx);

/* All or nothing. More than the store's limit of one transaction is refused. */
MUST_CHECK bool change_commit(struct change *change, uint64_t *ret_revision, struct error *err);

#endif
