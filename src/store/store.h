/* The versioned store: all state of the control plane, as documents under keys.
 *
 * Keys are paths: "farm/acme/shop", "instance/acme/shop/web-1". Values are text (canonical JSON). Every
 * transaction that changes anything has one revision, counted for the whole store from 1. A transaction is
 * all or nothing, and acknowledged (true) only when it is durable. Providers: memory, SQLite, later etcd;
 * tests/unit/store runs one suite over each.
 *
 * Watches are called from store_dispatch(), never from inside store_txn(). */
#ifndef CROFT_STORE_STORE_H
#define CROFT_STORE_STORE_H

#include "base/error.h"
#include "base/vec.h"

#include <stdint.h>

/* Limits; past one the transaction is refused with ERROR_TOO_LARGE. */
#define STORE_KEY_SIZE_MAX 512                 /* bytes of a key; it has at least one */
#define STORE_VALUE_SIZE_MAX (2 * 1024 * 1024) /* bytes of a value */
#define STORE_OPS_LENGTH_MAX 10000             /* ops of a transaction */

struct store;

struct store_item {
    char *key;
    char *value;              /* NULL in a watch when the key was deleted */
    uint64_t revision;        /* of the last change */
    uint64_t create_revision; /* of the change that made it */
};

enum store_op_kind {
    STORE_COMPARE, /* holds when the key's revision equals `revision`; 0: the key does not exist */
    STORE_PUT,     /* needs value */
    STORE_DELETE,  /* no error when absent */
};

struct store_op {
    enum store_op_kind kind;
    const char *key;
    const char *value;
    uint64_t revision;
    uint64_t
        lease; /* STORE_PUT: the key goes when this lease ends; 0: stays, also if it had a lease before */
};

struct store_watch;

void store_close(struct store *store); /* NULL is fine; frees its watches */
void store_closep(struct store **store);

/* Memory: gone with the process. */
struct store *store_open_memory(void);
/* One file at path (made, with its directory, when missing; mode 0600), SQLite in WAL mode with
 * synchronous=FULL; refuses a file that is not a croft store, or of a newer format. One process at a time:
 * ERROR_REFUSED when another one holds it. */
MUST_CHECK bool store_open_sqlite(const char *path, struct store **ret_store, struct error *err);

uint64_t store_revision(const struct store *store);

/* ERROR_NOT_FOUND when absent. The item is the caller's: store_item_free(). */
MUST_CHECK bool store_get(struct store *store, const char *key, struct store_item *ret_item,
                          struct error *err);
/* Items (struct store_item, the caller's: store_items_free()) whose key begins with prefix and is greater
 * than after (NULL: from the first), in byte order, at most limit (0: all). */
MUST_CHECK bool store_list(struct store *store, const char *prefix, const char *after, size_t limit,
                           struct vec *ret_items, struct error *err);
/* All compares hold: all puts and deletes happen under one new revision. One fails: nothing happens,
 * ERROR_CONFLICT, and the message names the key. Compares see the state before the transaction, wherever
 * they stand in it. A key may be written once per transaction (else ERROR_INVALID); the lease of a put must
 * exist (else ERROR_NOT_FOUND). A put is a change even if the value is the same; deleting what is absent is
 * none. *ret_revision (may be NULL) is the store's revision afterwards. */
MUST_CHECK bool store_txn(struct store *store, const struct store_op *ops, size_t length,
                          uint64_t *ret_revision, struct error *err);

/* Calls changed for every change of a key with the prefix, in order of revision, beginning with the first
 * after from_revision. ERROR_NOT_FOUND when that is older than the history kept (list, then watch).
 * A watch sees the changes of a transaction in the order of its ops.
 * The item is the store's, valid during the call. changed may use the store, also to end this watch. */
MUST_CHECK bool store_watch_start(struct store *store, const char *prefix, uint64_t from_revision,
                                  void (*changed)(void *ctx, const struct store_item *item), void *ctx,
                                  struct store_watch **ret_watch, struct error *err);
void store_watch_stop(struct store *store, struct store_watch *watch); /* NULL is fine */
/* Delivers what is due to watches; calls until none is left. When the history cannot be read, what was not
 * delivered stays due. From inside `changed` it does nothing: the outer call goes on. */
MUST_CHECK bool store_dispatch(struct store *store, struct error *err);

/* The last value that the key had at or before the revision. ERROR_NOT_FOUND: none then, or compacted. */
MUST_CHECK bool store_get_at(struct store *store, const char *key, uint64_t revision,
                             struct store_item *ret_item, struct error *err);
/* Forgets history older than the revision: what stays is enough for store_get_at() from this revision on, and
 * for a watch that wants the changes of this revision and later. Current values stay. ERROR_REFUSED while a
 * watch is still due changes that would go (dispatch first); ERROR_INVALID past the store's revision. */
MUST_CHECK bool store_compact(struct store *store, uint64_t revision, struct error *err);

/* Leases: keys put with one are deleted (one transaction) when it is not kept alive for ttl_ms. Time is
 * given by the caller: now_ms from a steady clock. Leases outlive the process where the store does; as the
 * clock may not, their whole ttl counts anew from the first store_tick() or store_lease_keep() after opening.
 * keep and end give ERROR_NOT_FOUND for a lease that does not exist; keep also for one that is over at now_ms
 * and waits for the next tick: a lease that was over never comes back. */
MUST_CHECK bool store_lease_grant(struct store *store, int64_t ttl_ms, int64_t now_ms, uint64_t *ret_lease,
                                  struct error *err);
MUST_CHECK bool store_lease_keep(struct store *store, uint64_t lease, int64_t now_ms, struct error *err);
MUST_CHECK bool store_lease_end(struct store *store, uint64_t lease, struct error *err);
/* Ends the leases that are over at now_ms; call it now and then. */
MUST_CHECK bool store_tick(struct store *store, int64_t now_ms, struct error *err);

void store_item_free(struct store_item *item);
void store_items_free(struct vec *items);

#endif
