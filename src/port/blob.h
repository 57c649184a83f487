/* Large immutable files named by their content: layers of images. Digests are "sha256:" and 64 hex digits. */
#ifndef CROFT_PORT_BLOB_H
#define CROFT_PORT_BLOB_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

struct blob_item {
    const char *owner; /* of one in the making; NULL: it is whole */
    const char *digest;
    int64_t bytes;
};

struct blob_port {
    void *self;
    /* Size of a whole, verified blob; ERROR_NOT_FOUND when it is not here. */
    bool (*size)(void *self, const char *digest, int64_t *ret_bytes, struct error *err);
    /* At most size_max bytes from offset on, added to *ret_data; fewer only at the end. */
    bool (*read)(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                 struct error *err);
    /* A blob in the making. It is its owner's (a name: a party, or who fetches) alone; another's with the
     * same digest is another. Bytes of it so far (0 when there are none). */
    int64_t (*partial)(void *self, const char *owner, const char *digest);
    /* Adds bytes at offset, which must be what partial() says: ERROR_CONFLICT else. */
    bool (*append)(void *self, const char *owner, const char *digest, int64_t offset, const void *data,
                   size_t size, struct error *err);
    /* Makes it whole: durable and verified. Works no longer than a piece takes: *ret_done false asks for
     * another call, from a later turn of the loop. ERROR_INVALID, and the partial file is gone, when the
     * content is not the digest's. When the whole blob is here already, the partial one has to be right all
     * the same. */
    bool (*finish)(void *self, const char *owner, const char *digest, bool *ret_done, struct error *err);
    /* Path of a whole blob for programs that read files; valid until the next call. */
    const char *(*path)(void *self, const char *digest);
    /* The whole blob is here no more; no error when it is not here. Not synced: after a crash it may be back.
     */
    bool (*remove)(void *self, const char *digest, struct error *err);
    /* The same of one in the making. */
    bool (*drop)(void *self, const char *owner, const char *digest, struct error *err);
    /* Tells of each that is here, in no order; with an owner only of his in the making. one() must not change
     * them. */
    bool (*each)(void *self, const char *owner, void (*one)(void *ctx, const struct blob_item *item),
                 void *ctx, struct error *err);
};

#endif
