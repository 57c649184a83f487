/* What the files of os/hardware share. */
#ifndef CROFT_OS_HARDWARE_INSIDE_H
#define CROFT_OS_HARDWARE_INSIDE_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "port/clock.h"
#include "port/process.h"

/* hardware_files.c: which files of a sysfs say anything of hardware, as paths below root (char *, sorted as
 * they are found). False: there are more than HARDWARE_FILES_MAX, and the rest is left out. Names only:
 * nothing is read. */
enum { HARDWARE_FILES_MAX = 2048 };
MUST_CHECK bool hardware_files(const char *root, struct vec *ret_files);
void hardware_files_free(struct vec *files);
/* Disks with a device of their own ("sda"; no partitions, loops, memory), at most HARDWARE_DISKS_MAX. */
enum { HARDWARE_DISKS_MAX = 128 };
void hardware_disks(const char *root, struct vec *ret_names);
/* Lines "PATH:VALUE" of such files to struct hardware_reading, in the arena. What makes no sense is left out.
 */
void hardware_read(struct arena *arena, const char *text, struct vec *readings);
/* Into what findings may be called: other characters become '_'. */
const char *hardware_name(struct arena *arena, const char *text);

/* hardware_smart.c: asks disks of themselves, one at a time. */
struct disk_asker;
struct disk_asker *disk_asker_new(const struct clock_port *clock, const struct process_port *process,
                                  const char *root);
void disk_asker_free(struct disk_asker *asker);
/* Asks the next that is due, if none is being asked. */
void disk_asker_go_on(struct disk_asker *asker);
/* Adds what they said last, and to the note what is not asked. */
void disk_asker_tell(const struct disk_asker *asker, struct arena *arena, struct vec *readings,
                     struct buf *note);

#endif
