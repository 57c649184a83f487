/* disk_port over one directory of the file system. No path leaves it: ".." is refused, and symbolic links
 * inside it are not followed. Names that begin with ".~" are its own (unfinished writes): refused in paths
 * and not listed. One process at a time writes below a root. */
#ifndef CROFT_OS_DISK_H
#define CROFT_OS_DISK_H

#include "port/disk.h"

struct os_disk;

/* Makes the directory (mode 0700) when it is missing; its parent must exist. */
MUST_CHECK bool os_disk_new(const char *root, struct os_disk **ret_disk, struct error *err);
void os_disk_free(struct os_disk *disk); /* NULL is fine */
const struct disk_port *os_disk_port(const struct os_disk *disk);

#endif
