/* A disk in memory: the twin of os/disk.h. It outlives the process that wrote to it: a restart is a new agent
 * over the same disk. */
#ifndef CROFT_SIM_DISK_H
#define CROFT_SIM_DISK_H

#include "port/disk.h"

struct sim_disk;

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *disk); /* NULL is fine */
const struct disk_port *sim_disk_port(struct sim_disk *disk);
/* The next `count` writes and removals fail, and leave what was there. */
void sim_disk_fail(struct sim_disk *disk, size_t count);
size_t sim_disk_writes(const struct sim_disk *disk);

#endif
