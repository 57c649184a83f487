/* A store in memory whose transactions fail now and then, conflict, or take their time: a provider that is
 * laid over another one. As long as nothing of that was asked for it is store_open_memory(). */
#ifndef CROFT_SIMULATE_BAD_STORE_H
#define CROFT_SIMULATE_BAD_STORE_H

#include "store/store.h"

struct bad_store;

/* The layer goes with the store. spend: told how long a transaction took. */
struct store *bad_store_open(void (*spend)(void *ctx, int64_t us), void *ctx, struct bad_store **ret_layer);
/* Every n-th transaction fails and leaves the store as it was; 0: none does. */
void bad_store_fail(struct bad_store *layer, unsigned n);
/* Every n-th of those that compare finds that somebody else was faster; 0: none does. */
void bad_store_conflict(struct bad_store *layer, unsigned n);
void bad_store_slow(struct bad_store *layer, int64_t us); /* that each transaction takes; 0: none */

#endif
