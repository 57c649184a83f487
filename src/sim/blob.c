#include "sim/blob.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "sim/digest.h"

#include <stdio.h>
#include <string.h>

struct blob {
    struct buf data;
    size_t hashed; /* of one that is being finished */
    char *owner;   /* of one in the making; NULL: it is whole */
    char digest[72];
};

struct sim_blobs {
    struct blob_port port;
    struct map *blobs; /* digest, or owner and digest -> struct blob */
    size_t damaged_reads, piece_size_max;
    const char *pretended_owner;
    int64_t pretended_bytes;
    char path[128]; /* what path() gave last */
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
static struct blob *get_partial(const struct sim_blobs *blobs, const char *owner, const char *digest);
static void put(struct sim_blobs *blobs, struct blob *blob);
static void partial_key(const char *owner, const char *digest, char ret_key[160]);
static bool check_digest(const char *digest, struct error *err);
static void digest_of(const struct buf *data, char *ret_digest);
static void blob_free(struct blob *blob);

struct sim_blobs *sim_blobs_new(void)
{
    struct sim_blobs *blobs = mem_alloc(sizeof(*blobs));
    blobs->port = (struct blob_port){blobs,       blob_size, blob_read,   blob_partial, blob_append,
                                     blob_finish, blob_path, blob_remove, blob_drop,    blob_each};
    blobs->blobs = map_new();
    return blobs;
}

void sim_blobs_free(struct sim_blobs *blobs)
{
    size_t cursor = 0;
    void *blob = NULL;

    if (!blobs) return;
    while (map_next(blobs->blobs, &cursor, NULL, &blob))
        blob_free(blob);
    map_free(blobs->blobs);
    mem_free(blobs);
}

const struct blob_port *sim_blobs_port(struct sim_blobs *blobs)
{
    return &blobs->port;
}

void sim_blobs_put(struct sim_blobs *blobs, const void *data, size_t size, char *ret_digest)
{
    struct blob *blob = mem_alloc(sizeof(*blob));
    buf_add(&blob->data, data, size);
    digest_of(&blob->data, ret_digest);
    snprintf(blob->digest, sizeof(blob->digest), "%s", ret_digest);
    put(blobs, blob);
}

void sim_blobs_damage(struct sim_blobs *blobs, size_t reads)
{
    blobs->damaged_reads = reads;
}

void sim_blobs_piece(struct sim_blobs *blobs, size_t size_max)
{
    blobs->piece_size_max = size_max;
}

void sim_blobs_pretend(struct sim_blobs *blobs, const char *owner, int64_t bytes)
{
    blobs->pretended_owner = owner;
    blobs->pretended_bytes = bytes;
}

static bool blob_size(void *self, const char *digest, int64_t *ret_bytes, struct error *err)
{
    const struct sim_blobs *blobs = self;
    const struct blob *blob = map_get(blobs->blobs, digest);

    if (!check_digest(digest, err)) return false;
    if (!blob) return error_set(err, ERROR_NOT_FOUND, "no blob %s", digest);
    *ret_bytes = (int64_t)blob->data.size;
    return true;
}

static bool blob_read(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                      struct error *err)
{
    struct sim_blobs *blobs = self;
    const struct blob *blob = map_get(blobs->blobs, digest);
    size_t at = (size_t)offset;

    if (!check_digest(digest, err)) return false;
    if (!blob) return error_set(err, ERROR_NOT_FOUND, "no blob %s", digest);
    if (at >= blob->data.size) return true;
    if (blobs->piece_size_max > 0 && size_max > blobs->piece_size_max) size_max = blobs->piece_size_max;
    if (size_max > blob->data.size - at) size_max = blob->data.size - at;
    buf_add(ret_data, blob->data.data + at, size_max);
    if (blobs->damaged_reads > 0 && size_max > 0) {
        blobs->damaged_reads--;
        ret_data->data[ret_data->size - 1] ^= 1;
    }
    return true;
}

static int64_t blob_partial(void *self, const char *owner, const char *digest)
{
    const struct blob *blob = get_partial(self, owner, digest);
    return blob ? (int64_t)blob->data.size : 0;
}

static bool blob_append(void *self, const char *owner, const char *digest, int64_t offset, const void *data,
                        size_t size, struct error *err)
{
    struct blob *blob = get_partial(self, owner, digest);

    if (!check_digest(digest, err)) return false;
    if (offset != blob_partial(self, owner, digest))
        return error_set(err, ERROR_CONFLICT, "%lld bytes of blob %s are here",
                         (long long)blob_partial(self, owner, digest), digest);
    if (!blob) {
        blob = mem_alloc(sizeof(*blob));
        blob->owner = mem_strdup(owner);
        snprintf(blob->digest, sizeof(blob->digest), "%s", digest);
        put(self, blob);
    }
    buf_add(&blob->data, data, size);
    return true;
}

static bool blob_finish(void *self, const char *owner, const char *digest, bool *ret_done, struct error *err)
{
    struct sim_blobs *blobs = self;
    struct blob *blob = get_partial(self, owner, digest);
    char is[72], key[160];

    if (!check_digest(digest, err)) return false;
    if (!blob) return error_set(err, ERROR_INVALID, "nothing of %s was sent", digest);
    if (blobs->piece_size_max > 0 && blob->hashed + blobs->piece_size_max < blob->data.size) {
        blob->hashed += blobs->piece_size_max;
        *ret_done = false;
        return true;
    }
    partial_key(owner, digest, key);
    map_remove(blobs->blobs, key);
    digest_of(&blob->data, is);
    if (!text_equal(is, digest)) {
        blob_free(blob);
        return error_set(err, ERROR_INVALID, "the content of %s is another's", digest);
    }
    mem_free(blob->owner);
    blob->owner = NULL;
    put(blobs, blob);
    *ret_done = true;
    return true;
}

static const char *blob_path(void *self, const char *digest)
{
    struct sim_blobs *blobs = self;
    snprintf(blobs->path, sizeof(blobs->path), "/blobs/%s", digest);
    return blobs->path;
}

static bool blob_remove(void *self, const char *digest, struct error *err)
{
    struct sim_blobs *blobs = self;
    if (!check_digest(digest, err)) return false;
    blob_free(map_remove(blobs->blobs, digest));
    return true;
}

static bool blob_drop(void *self, const char *owner, const char *digest, struct error *err)
{
    struct sim_blobs *blobs = self;
    char key[160];
    if (!check_digest(digest, err)) return false;
    partial_key(owner, digest, key);
    blob_free(map_remove(blobs->blobs, key));
    return true;
}

static bool blob_each(void *self, const char *owner, void (*one)(void *ctx, const struct blob_item *item),
                      void *ctx, struct error *err)
{
    const struct sim_blobs *blobs = self;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(blobs->blobs, &cursor, NULL, &value)) {
        const struct blob *blob = value;
        if (owner && !text_equal(blob->owner, owner)) continue;
        one(ctx, &(struct blob_item){blob->owner, blob->digest, (int64_t)blob->data.size});
    }
    if (blobs->pretended_owner && (!owner || text_equal(owner, blobs->pretended_owner)))
        one(ctx, &(struct blob_item){blobs->pretended_owner, "sha256:pretended", blobs->pretended_bytes});
    return true;
}

static struct blob *get_partial(const struct sim_blobs *blobs, const char *owner, const char *digest)
{
    char key[160];
    partial_key(owner, digest, key);
    return map_get(blobs->blobs, key);
}

static void put(struct sim_blobs *blobs, struct blob *blob)
{
    char key[160];
    partial_key(blob->owner, blob->digest, key);
    blob_free(map_put(blobs->blobs, blob->owner ? key : blob->digest, blob));
}

static void partial_key(const char *owner, const char *digest, char ret_key[160])
{
    snprintf(ret_key, 160, "%s %.80s", owner ? owner : "", digest);
}

static bool check_digest(const char *digest, struct error *err)
{
    if (text_starts(digest, "sha256:") && strlen(digest) == strlen("sha256:") + 64) return true;
    return error_set(err, ERROR_INVALID, "%s is no digest", digest);
}

static void digest_of(const struct buf *data, char *ret_digest)
{
    char hex[65];
    sim_digest(buf_text(data), data->size, hex);
    snprintf(ret_digest, 72, "sha256:%s", hex);
}

static void blob_free(struct blob *blob)
{
    if (!blob) return;
    buf_free(&blob->data);
    mem_free(blob->owner);
    mem_free(blob);
}
