/* The same for blobs, over any other store of them: slow, full, forgetful when power goes, and turning bits.
 */
#ifndef CROFT_SIM_BAD_BLOBS_H
#define CROFT_SIM_BAD_BLOBS_H

#include "port/blob.h"

struct sim_bad_blobs;

/* under outlives it. spend: told how long a change took. */
struct sim_bad_blobs *sim_bad_blobs_new(const struct blob_port *under, void (*spend)(void *ctx, int64_t us),
                                        void *ctx);
void sim_bad_blobs_free(struct sim_bad_blobs *blobs); /* NULL is fine */
const struct blob_port *sim_bad_blobs_port(struct sim_bad_blobs *blobs);

void sim_bad_blobs_slow(struct sim_bad_blobs *blobs, int64_t us); /* that each change takes; 0: none */
void sim_bad_blobs_full(struct sim_bad_blobs *blobs, bool full);  /* nothing is added */
/* What becomes whole from now on is gone when power goes; false: it is not. */
void sim_bad_blobs_lie(struct sim_bad_blobs *blobs, bool lies);
size_t sim_bad_blobs_power_lost(struct sim_bad_blobs *blobs); /* how many blobs are lost */
/* In the next piece that is added one bit is another. */
void sim_bad_blobs_flip(struct sim_bad_blobs *blobs, uint64_t bit);

#endif
