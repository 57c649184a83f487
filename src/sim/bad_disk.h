/* A disk that misbehaves, laid over any other: slow, full, one that says "durable" of what it only remembers,
 * one that turns bits. As long as nothing of that was asked for it is the one below. */
#ifndef CROFT_SIM_BAD_DISK_H
#define CROFT_SIM_BAD_DISK_H

#include "port/disk.h"

#include <stdint.h>

struct sim_bad_disk;

/* under outlives it. spend: told how long a change took; a call cannot take time otherwise. */
struct sim_bad_disk *sim_bad_disk_new(const struct disk_port *under, void (*spend)(void *ctx, int64_t us),
                                      void *ctx);
void sim_bad_disk_free(struct sim_bad_disk *disk); /* NULL is fine */
const struct disk_port *sim_bad_disk_port(struct sim_bad_disk *disk);

void sim_bad_disk_slow(struct sim_bad_disk *disk, int64_t us); /* that each change takes; 0: none */
/* Files can be removed, and none be written. */
void sim_bad_disk_full(struct sim_bad_disk *disk, bool full);
/* Changes are remembered and acknowledged, and reach the disk below only when it is told the truth again. */
void sim_bad_disk_lie(struct sim_bad_disk *disk, bool lies);
/* Told of every write that is asked for, whatever comes of it, from inside it; NULL: nobody. */
void sim_bad_disk_watch(struct sim_bad_disk *disk,
                        void (*written)(void *ctx, const char *path, const char *data, size_t size),
                        void *ctx);
/* What was only remembered is lost: a file that was removed is back, one that was written is there and empty
 * (its name had reached the disk, its content had not). How many files that are. */
size_t sim_bad_disk_power_lost(struct sim_bad_disk *disk);
/* Turns one bit of the file in the disk below; false: there is none, or nothing in it. */
bool sim_bad_disk_flip(struct sim_bad_disk *disk, const char *path, uint64_t bit);

#endif
