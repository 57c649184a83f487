/* For those who write a provider: the table that store.c drives, and what it offers them in return.
 *
 * store.c checks the limits of a transaction, keeps the time of leases and runs the watches. A provider keeps
 * items and their history, and makes each transaction whole and durable. */
#ifndef CROFT_STORE_PROVIDER_H
#define CROFT_STORE_PROVIDER_H

#include "store/store.h"

/* Where a change stands in the history: the n-th change (from 0) of a revision. */
struct store_place {
    uint64_t revision;
    uint64_t n;
};

struct store_change {
    struct store_place place;
    struct store_item item; /* value NULL: the key was deleted */
};

struct store_lease {
    uint64_t id;
    int64_t ttl_ms;
};

/* What a store begins with when it is opened. */
struct store_state {
    uint64_t revision;
    uint64_t compacted; /* the history begins with this revision; 0: it was never compacted */
    struct vec leases;  /* struct store_lease, by id */
};

struct store_provider {
    /* Frees self with all it holds. Cannot fail: what was acknowledged is durable already. */
    void (*close)(void *self);

    /* Called once, first. The caller frees ret_state->leases. */
    bool (*load)(void *self, struct store_state *ret_state, struct error *err);

    /* The last change of the key at or before the revision. False with ERROR_NOT_FOUND when there is none or
     * it is a deletion. The item is the caller's. */
    bool (*get)(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                struct error *err);

    /* As store_list(), but after is never NULL ("" for from the first). Works in the number of items that it
     * gives, not in the number that the store has. */
    bool (*list)(void *self, const char *prefix, const char *after, size_t limit, struct vec *ret_items,
                 struct error *err);

    /* One transaction, all or nothing; on true it is durable. Compares are judged first, on the state before;
     * one that fails ends it through store_conflict(). Keys are written at most once and within the limits,
     * leases exist. lease_over (0: none) is removed in the same transaction. With a put, or a delete of a key
     * that exists, it takes the next revision; else none. *ret_revision is the store's revision afterwards.
     * On failure the provider is as before and stays usable. */
    bool (*commit)(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                   uint64_t *ret_revision, struct error *err);

    /* The first change behind the place, or *ret_found = false. The item is the caller's. Never asked for
     * what was compacted. */
    bool (*next_change)(void *self, struct store_place place, bool *ret_found,
                        struct store_change *ret_change, struct error *err);

    /* Forgets each change before the revision that a later one, at or before the revision, replaces, and each
     * deletion before the revision; durably, all or nothing. compacted < revision <= the store's revision. */
    bool (*compact)(void *self, uint64_t revision, struct error *err);

    /* A new lease, durable, with an id that was never given before. */
    bool (*lease_add)(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err);

    /* The keys (char *, the caller's to mem_free) whose last put named the lease, in byte order. */
    bool (*lease_keys)(void *self, uint64_t lease, struct vec *ret_keys, struct error *err);
};

/* A store over the provider. Takes self over: on failure it is closed. */
MUST_CHECK bool store_new(const struct store_provider *provider, void *self, struct store **ret_store,
                          struct error *err);

/* The provider of store_open_memory(), for who lays another one over it. *ret_self is its close()'s to free.
 */
const struct store_provider *store_memory(void **ret_self);

/* Fills *err for a key that is not there: ERROR_NOT_FOUND. Returns false. */
bool store_absent(struct error *err, const char *key);

/* Fills *err for a compare that does not hold, as the key is at the revision (0: it does not exist). Returns
 * false. */
bool store_conflict(struct error *err, const struct store_op *op, uint64_t revision);

#endif
