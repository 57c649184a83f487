/* Small helpers over files: whole reads and writes, trees, and paths that cannot leave a root. */
#ifndef CROFT_DRIVER_CONTAINER_FILES_H
#define CROFT_DRIVER_CONTAINER_FILES_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

void file_close(int *fd); /* for CLEANUP(): closes what is >= 0 */
#define CLEANUP_FD CLEANUP(file_close)

/* Makes the directory and its missing parents. */
MUST_CHECK bool file_make_directories(const char *path, unsigned mode, struct error *err);
/* Added behind what is there. ERROR_NOT_FOUND when there is no such file. At most 16 MiB. */
MUST_CHECK bool bundle_file_read(const char *path, struct buf *ret_data, struct error *err);
/* Replaces the file as a whole. durable: also after a crash of the machine. */
MUST_CHECK bool file_replace(const char *path, const void *data, size_t size, bool durable,
                             struct error *err);
/* One write() to a file that exists, as the kernel's control files want it. */
MUST_CHECK bool file_put(const char *path, const char *text, struct error *err);
/* Removes a file or a tree; does not cross into other mounts and follows no link. Not there: no error. */
MUST_CHECK bool file_remove_tree(const char *path, struct error *err);

/* Writes a file inside `root` for the owner `uid` (group the same); missing directories are made. Links are
 * followed, but `root` is the root for all of them. Refuses what is no regular file. */
MUST_CHECK bool file_write_in_root(int root, const char *path, const void *data, size_t size, unsigned mode,
                                   uint32_t uid, struct error *err);
MUST_CHECK bool file_make_directory_in_root(int root, const char *path, uint32_t uid, struct error *err);

#endif
