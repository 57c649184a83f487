#include "sim/bad_blobs.h"

#include "base/mem.h"
#include "base/vec.h"

#include <string.h>

struct sim_bad_blobs {
    struct blob_port port;
    const struct blob_port *under;
    void (*spend)(void *ctx, int64_t us);
    void *ctx;
    int64_t slow_us;
    bool full, lies, flips;
    uint64_t bit;
    struct vec unsynced; /* char *, digests */
};

static bool blob_size(void *self, const char *digest, int64_t *ret_bytes, struct error *err);
static bool blob_read(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                      struct error *err);
static int64_t blob_partial(void *self, const char *owner, const char *digest);
static bool blob_append(void *self, const char *owner, const char *digest, int64_t offset, const void *data,
                        size_t size, struct error *err);
static bool blob_finish(void *self, const char *owner, const char *digest, bool *ret_done, struct error *err);
static const char *blob_path(void *self, const char *digest);
static bool blob_remove(void *self, const char *digest, struct error *err);
static bool blob_drop(void *self, const char *owner, const char *digest, struct error *err);
static bool blob_each(void *self, const char *owner, void (*one)(void *ctx, const struct blob_item *item),
                      void *ctx, struct error *err);
static void forget_unsynced(struct sim_bad_blobs *blobs);

struct sim_bad_blobs *sim_bad_blobs_new(const struct blob_port *under, void (*spend)(void *ctx, int64_t us),
                                        void *ctx)
{
    struct sim_bad_blobs *blobs = mem_alloc(sizeof(*blobs));

    blobs->port = (struct blob_port){blobs,       blob_size, blob_read,   blob_partial, blob_append,
                                     blob_finish, blob_path, blob_remove, blob_drop,    blob_each};
    blobs->under = under;
    blobs->spend = spend;
    blobs->ctx = ctx;
    blobs->unsynced = VEC_OF(char *);
    return blobs;
}

void sim_bad_blobs_free(struct sim_bad_blobs *blobs)
{
    if (!blobs) return;
    forget_unsynced(blobs);
    vec_free(&blobs->unsynced);
    mem_free(blobs);
}

const struct blob_port *sim_bad_blobs_port(struct sim_bad_blobs *blobs)
{
    return &blobs->port;
}

void sim_bad_blobs_slow(struct sim_bad_blobs *blobs, int64_t us)
{
    blobs->slow_us = us;
}

void sim_bad_blobs_full(struct sim_bad_blobs *blobs, bool full)
{
    blobs->full = full;
}

void sim_bad_blobs_lie(struct sim_bad_blobs *blobs, bool lies)
{
    blobs->lies = lies;
    if (!lies) forget_unsynced(blobs);
}

size_t sim_bad_blobs_power_lost(struct sim_bad_blobs *blobs)
{
    size_t lost = blobs->unsynced.length;
    struct error err;

    for (size_t i = 0; i < lost; i++)
        ASSERT(blobs->under->remove(blobs->under->self, *(char **)vec_at(&blobs->unsynced, i), &err));
    forget_unsynced(blobs);
    return lost;
}

void sim_bad_blobs_flip(struct sim_bad_blobs *blobs, uint64_t bit)
{
    blobs->flips = true;
    blobs->bit = bit;
}

static bool blob_size(void *self, const char *digest, int64_t *ret_bytes, struct error *err)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->size(under->self, digest, ret_bytes, err);
}

static bool blob_read(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                      struct error *err)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->read(under->self, digest, offset, size_max, ret_data, err);
}

static int64_t blob_partial(void *self, const char *owner, const char *digest)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->partial(under->self, owner, digest);
}

static bool blob_append(void *self, const char *owner, const char *digest, int64_t offset, const void *data,
                        size_t size, struct error *err)
{
    struct sim_bad_blobs *blobs = self;
    const struct blob_port *under = blobs->under;
    CLEANUP_BUF struct buf damaged = {0};

    if (blobs->slow_us > 0) blobs->spend(blobs->ctx, blobs->slow_us);
    if (blobs->full) return error_set(err, ERROR_FAILED, "blob %s: no space left on device", digest);
    if (!blobs->flips || size == 0) return under->append(under->self, owner, digest, offset, data, size, err);
    blobs->flips = false;
    buf_add(&damaged, data, size);
    damaged.data[blobs->bit / 8 % size] ^= (char)(1 << blobs->bit % 8);
    return under->append(under->self, owner, digest, offset, damaged.data, size, err);
}

static bool blob_finish(void *self, const char *owner, const char *digest, bool *ret_done, struct error *err)
{
    struct sim_bad_blobs *blobs = self;
    const struct blob_port *under = blobs->under;

    if (blobs->slow_us > 0) blobs->spend(blobs->ctx, blobs->slow_us);
    if (!under->finish(under->self, owner, digest, ret_done, err)) return false;
    if (*ret_done && blobs->lies) *(char **)vec_push(&blobs->unsynced) = mem_strdup(digest);
    return true;
}

static const char *blob_path(void *self, const char *digest)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->path(under->self, digest);
}

static bool blob_remove(void *self, const char *digest, struct error *err)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->remove(under->self, digest, err);
}

static bool blob_drop(void *self, const char *owner, const char *digest, struct error *err)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->drop(under->self, owner, digest, err);
}

static bool blob_each(void *self, const char *owner, void (*one)(void *ctx, const struct blob_item *item),
                      void *ctx, struct error *err)
{
    const struct blob_port *under = ((struct sim_bad_blobs *)self)->under;
    return under->each(under->self, owner, one, ctx, err);
}

static void forget_unsynced(struct sim_bad_blobs *blobs)
{
    for (size_t i = 0; i < blobs->unsynced.length; i++)
        mem_free(*(char **)vec_at(&blobs->unsynced, i));
    vec_clear(&blobs->unsynced);
}
