/* What a party holds by the leases in the line above it: rights, capacity, and until when. Pure; made anew
 * from a snapshot whenever a party or a lease changes. */
#ifndef CROFT_PLAN_LEASE_LEASE_H
#define CROFT_PLAN_LEASE_LEASE_H

#include "base/error.h"
#include "base/mem.h"
#include "model/state.h"

#include <stdbool.h>

/* What a party holds at the moment. */
struct holding {
    const char *party;
    const struct holding *parent; /* NULL: it is the landlord */
    unsigned rights;              /* in force: what was given, as far as those above it hold it themselves */
    struct quota capacity; /* what it may use at most: least of its quota, its leases and those above */
    int64_t until_ms;      /* the last of its leases ends then; 0: never */
    bool has_leases;       /* documents, active or not; else it holds what its parent holds */
    const char
        *ended; /* why nothing of it runs: no lease of it, or of one above it, is active; NULL: one is */
};

struct lease_tree;

/* The tree keeps its own copy of every text. Parties whose line does not end at the landlord hold nothing. */
struct lease_tree *lease_tree_new(const struct snapshot *snapshot);
void lease_tree_free(struct lease_tree *tree); /* NULL is fine */
/* NULL: there is no such party. */
const struct holding *lease_holding(const struct lease_tree *tree, const char *party);
/* Is it the party itself, or below it? False when one of them is not there. */
bool lease_is_within(const struct lease_tree *tree, const char *party, const char *above);

/* Whether a lease may be given: its giver holds all of it. tree: the grid as it will be. now_ms: wall clock.
 * On failure err->field is the lease's field that is too much. */
MUST_CHECK bool lease_check(const struct lease_tree *tree, const struct lease *lease, int64_t now_ms,
                            struct error *err);

#endif
