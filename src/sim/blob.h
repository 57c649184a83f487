/* Blobs in memory: the twin of os/blob.h. Digests are "sha256:" and sim_digest()'s 64 digits. */
#ifndef CROFT_SIM_BLOB_H
#define CROFT_SIM_BLOB_H

#include "port/blob.h"

struct sim_blobs;

struct sim_blobs *sim_blobs_new(void);
void sim_blobs_free(struct sim_blobs *blobs); /* NULL is fine */
const struct blob_port *sim_blobs_port(struct sim_blobs *blobs);
/* A whole blob with this content; its digest into ret_digest (72 bytes). */
void sim_blobs_put(struct sim_blobs *blobs, const void *data, size_t size, char *ret_digest);
/* read() gives damaged bytes, so many times. */
void sim_blobs_damage(struct sim_blobs *blobs, size_t reads);
/* read() gives at most so many bytes at a time: blobs then travel in pieces. 0: as many as asked for. */
void sim_blobs_piece(struct sim_blobs *blobs, size_t size_max);
/* One more is told of, in the making, of this owner (not copied) and size; NULL: no more. */
void sim_blobs_pretend(struct sim_blobs *blobs, const char *owner, int64_t bytes);

#endif
