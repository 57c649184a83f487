/* Small durable files below one directory. Paths are relative to it, with '/' and without "..".
 * For state that must survive: host documents, keys, identities. Bulk data does not come through here. */
#ifndef CROFT_PORT_DISK_H
#define CROFT_PORT_DISK_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"

struct disk_port {
    void *self;
    /* Whole file into *ret_data (added behind what is there). ERROR_NOT_FOUND when it does not exist. */
    bool (*read)(void *self, const char *path, struct buf *ret_data, struct error *err);
    /* Replaces or creates the file so that after any crash either the old or the new content is there,
     * and after `true` the new one: temporary file, fsync, rename, fsync of the directory. Makes missing
     * directories. mode is the file's permission bits. */
    bool (*write)(void *self, const char *path, const void *data, size_t size, unsigned mode,
                  struct error *err);
    /* Durable. No error when it is not there. */
    bool (*remove)(void *self, const char *path, struct error *err);
    /* Names (char *, the caller's to mem_free) of the files in a directory, sorted; none when there is no
     * such directory. */
    bool (*list)(void *self, const char *path, struct vec *ret_names, struct error *err);
};

#endif
