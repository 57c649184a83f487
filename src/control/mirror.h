/* The store as typed objects in memory: what the controller thinks with. Kept up to date by a watch, so
 * that every writer's changes arrive by the same way. */
#ifndef CROFT_CONTROL_MIRROR_H
#define CROFT_CONTROL_MIRROR_H

#include "model/schemas.h"
#include "store/store.h"

struct record {
    enum record_kind kind;
    const char *key;
    const char *name; /* key without its prefix */
    const char *json; /* as stored */
    uint64_t revision;
    const void *object; /* struct host, struct party, … by kind */
};

struct mirror;

/* changed is called once for every change after the mirror has taken it in; record is NULL for a deletion.
 * The object that was there before is freed when it has returned. */
MUST_CHECK bool mirror_new(struct store *store,
                           void (*changed)(void *ctx, enum record_kind kind, const char *name,
                                           const struct record *record),
                           void *ctx, struct mirror **ret_mirror, struct error *err);
void mirror_free(struct mirror *mirror);

/* NULL when there is none. Valid until the next store_dispatch(). */
const struct record *mirror_get(const struct mirror *mirror, enum record_kind kind, const char *name);
/* Records of a kind in the order of their names; valid until the next store_dispatch(). */
const struct record *const *mirror_list(struct mirror *mirror, enum record_kind kind, size_t *ret_length);
/* Valid until the next store_dispatch(). */
const struct snapshot *mirror_snapshot(struct mirror *mirror);
/* Only host facts and images are filled in: what every host's document depends on. Valid as above. */
struct snapshot mirror_surroundings(struct mirror *mirror);

/* "instance/acme/shop/web-1" for a kind and a name; in the arena. */
const char *record_key(struct arena *arena, enum record_kind kind, const char *name);
const struct schema *record_schema(enum record_kind kind);
const char *record_kind_name(enum record_kind kind); /* "Instance" */

#endif
