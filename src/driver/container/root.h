/* What an instance sees as its disk: image layers below, scratch in memory above; and a small directory for
 * its log and control sockets. */
#ifndef CROFT_DRIVER_CONTAINER_ROOT_H
#define CROFT_DRIVER_CONTAINER_ROOT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { ROOT_IO_SIZE = 4 * 1024 * 1024 }; /* of the log's and control sockets' file system */

struct root_options {
    const char *directory;     /* of the instance; root/ and io/ are made in it */
    const char *const *layers; /* unpacked, lowest first */
    size_t layers_length;
    uint32_t uid_first; /* ids of the instance */
    uint32_t uid_length;
    int64_t disk_bytes;
    bool control_owned; /* the instance may make control sockets itself */
};

/* On failure part of it may be there: root_unmount(). */
MUST_CHECK bool root_mount(const struct root_options *options, struct error *err);
/* All of it, also half of it; what was written is gone. */
MUST_CHECK bool root_unmount(const char *directory, struct error *err);
MUST_CHECK bool root_resize(const char *directory, int64_t disk_bytes, struct error *err);

#endif
