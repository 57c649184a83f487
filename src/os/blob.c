#include "os/blob.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEX_SIZE = 64,
    PIECE = 1024 * 1024,
    HASH_A_TURN = 4 * PIECE,
    SYNC_EVERY = 8 * PIECE, /* so that no sync has more to write */
};

/* What is known of a partial file since this process began. */
struct upload {
    EVP_MD_CTX *hash; /* of its first bytes */
    int64_t hashed, unsynced;
};

struct os_blobs {
    struct blob_port port;
    char *directory;
    struct map *uploads; /* path of a partial file -> struct upload */
    char path[4096];     /* what path() gave last */
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
static bool each_in(const struct os_blobs *blobs, const char *folder, const char *owner,
                    void (*one)(void *ctx, const struct blob_item *item), void *ctx, struct error *err);
static bool place_partial(const struct os_blobs *blobs, const char *owner, const char *digest, char *ret_path,
                          size_t size, struct error *err);
static struct upload *upload_get(struct os_blobs *blobs, const char *path);
static void upload_free(struct upload *upload);
static bool hash_rest(struct upload *upload, int fd, const char *path, bool *ret_all, struct error *err);
static bool place(const struct os_blobs *blobs, const char *folder, const char *digest, char *ret_path,
                  size_t size, struct error *err);
static bool write_at(int fd, const char *path, int64_t offset, const void *data, size_t size,
                     struct error *err);
static bool sync_folder(const struct os_blobs *blobs, const char *folder, struct error *err);

bool os_blobs_new(const char *directory, struct os_blobs **ret_blobs, struct error *err)
{
    static const char *const folders[] = {"", "/sha256", "/partial"};
    struct os_blobs *blobs = NULL;

    for (size_t i = 0; i < LENGTH(folders); i++) {
        char *path = mem_printf("%s%s", directory, folders[i]);
        bool good = mkdir(path, 0700) == 0 || errno == EEXIST;
        if (!good) error_errno(err, errno, "making the directory %s", path);
        mem_free(path);
        if (!good) return false;
    }
    blobs = mem_alloc(sizeof(*blobs));
    blobs->directory = mem_strdup(directory);
    blobs->uploads = map_new();
    blobs->port = (struct blob_port){.self = blobs,
                                     .size = blob_size,
                                     .read = blob_read,
                                     .partial = blob_partial,
                                     .append = blob_append,
                                     .finish = blob_finish,
                                     .path = blob_path,
                                     .remove = blob_remove,
                                     .drop = blob_drop,
                                     .each = blob_each};
    *ret_blobs = blobs;
    return true;
}

void os_blobs_free(struct os_blobs *blobs)
{
    size_t cursor = 0;
    void *upload = NULL;

    if (!blobs) return;
    while (map_next(blobs->uploads, &cursor, NULL, &upload))
        upload_free(upload);
    map_free(blobs->uploads);
    mem_free(blobs->directory);
    mem_free(blobs);
}

const struct blob_port *os_blobs_port(const struct os_blobs *blobs)
{
    return &blobs->port;
}

static bool blob_size(void *self, const char *digest, int64_t *ret_bytes, struct error *err)
{
    char path[4096];
    struct stat st;

    if (!place(self, "sha256", digest, path, sizeof(path), err)) return false;
    if (stat(path, &st) == 0) {
        *ret_bytes = st.st_size;
        return true;
    }
    if (errno == ENOENT) return error_set(err, ERROR_NOT_FOUND, "no blob %s here", digest);
    return error_errno(err, errno, "%s", path);
}

static bool blob_read(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                      struct error *err)
{
    char path[4096];
    struct buf data = {0};
    bool good = true;
    int fd = -1;

    if (!place(self, "sha256", digest, path, sizeof(path), err)) return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "%s", path);
    char *piece = mem_alloc(PIECE);
    while (good && data.size < size_max) {
        size_t want = size_max - data.size < PIECE ? size_max - data.size : PIECE;
        ssize_t got = pread(fd, piece, want, offset + (int64_t)data.size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) good = error_errno(err, errno, "reading %s", path);
        if (got <= 0) break;
        buf_add(&data, piece, (size_t)got);
    }
    mem_free(piece);
    close(fd);
    if (good) buf_add(ret_data, data.data, data.size);
    buf_free(&data);
    return good;
}

static int64_t blob_partial(void *self, const char *owner, const char *digest)
{
    char path[4096];
    struct stat st;
    struct error err;

    if (!place_partial(self, owner, digest, path, sizeof(path), &err)) return 0;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static bool blob_append(void *self, const char *owner, const char *digest, int64_t offset, const void *data,
                        size_t size, struct error *err)
{
    struct os_blobs *blobs = self;
    char path[4096];
    int64_t here = blob_partial(self, owner, digest);
    bool good = false;
    int fd = -1;

    if (!place_partial(blobs, owner, digest, path, sizeof(path), err)) return false;
    if (here != offset)
        return error_set(err, ERROR_CONFLICT, "%s goes on at %lld, not at %lld", digest, (long long)here,
                         (long long)offset);
    CLEANUP_MEM char *folder = mem_printf("%s/partial/%s", blobs->directory, owner);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return error_errno(err, errno, "making %s", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return error_errno(err, errno, "%s", path);
    struct upload *upload = upload_get(blobs, path);
    good = write_at(fd, path, offset, data, size, err);
    if (good && upload->unsynced + (int64_t)size >= SYNC_EVERY && fdatasync(fd) != 0)
        good = error_errno(err, errno, "syncing %s", path);
    /* A piece is there whole or not at all, so that what partial() says is always right. */
    if (!good && ftruncate(fd, offset) != 0) {
        unlink(path);
        upload_free(map_remove(blobs->uploads, path));
    }
    close(fd);
    if (!good) return false;
    upload->unsynced = upload->unsynced + (int64_t)size >= SYNC_EVERY ? 0 : upload->unsynced + (int64_t)size;
    if (upload->hashed == offset) {
        ASSERT(EVP_DigestUpdate(upload->hash, data, size) == 1);
        upload->hashed += (int64_t)size;
    }
    return true;
}

static bool blob_finish(void *self, const char *owner, const char *digest, bool *ret_done, struct error *err)
{
    struct os_blobs *blobs = self;
    char from[4096], to[4096], hex[HEX_SIZE + 1];
    unsigned char sum[EVP_MAX_MD_SIZE];
    bool good = false, all = false;

    if (!place_partial(blobs, owner, digest, from, sizeof(from), err) ||
        !place(blobs, "sha256", digest, to, sizeof(to), err))
        return false;
    CLEANUP_MEM char *folder = mem_printf("%s/partial/%s", blobs->directory, owner);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return error_errno(err, errno, "making %s", folder);
    int fd = open(from, O_RDONLY | O_CREAT | O_CLOEXEC, 0600); /* an empty blob was never appended to */
    if (fd < 0) return error_errno(err, errno, "%s", from);
    struct upload *upload = upload_get(blobs, from);
    good = hash_rest(upload, fd, from, &all, err);
    if (!good || !all) {
        close(fd);
        if (good) *ret_done = false;
        return good;
    }
    ASSERT(EVP_DigestFinal_ex(upload->hash, sum, NULL) == 1);
    upload_free(map_remove(blobs->uploads, from)); /* should what follows fail: it is hashed anew */
    for (size_t i = 0; i < HEX_SIZE / 2; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    if (strcmp(hex, digest + strlen("sha256:")) != 0) {
        good = error_set(err, ERROR_INVALID, "what was sent as %s is sha256:%s", digest, hex);
        unlink(from);
    }
    if (good && fsync(fd) != 0) good = error_errno(err, errno, "syncing %s", from);
    close(fd);
    /* One that is here already is replaced by its like. */
    if (good && rename(from, to) != 0) good = error_errno(err, errno, "renaming %s", from);
    good = good && sync_folder(blobs, "sha256", err);
    if (good) *ret_done = true;
    return good;
}

static const char *blob_path(void *self, const char *digest)
{
    struct os_blobs *blobs = self;
    struct error err;
    if (!place(blobs, "sha256", digest, blobs->path, sizeof(blobs->path), &err)) return "";
    return blobs->path;
}

static bool blob_remove(void *self, const char *digest, struct error *err)
{
    char path[4096];

    if (!place(self, "sha256", digest, path, sizeof(path), err)) return false;
    return unlink(path) == 0 || errno == ENOENT || error_errno(err, errno, "removing %s", path);
}

static bool blob_drop(void *self, const char *owner, const char *digest, struct error *err)
{
    struct os_blobs *blobs = self;
    char path[4096];

    if (!place_partial(blobs, owner, digest, path, sizeof(path), err)) return false;
    upload_free(map_remove(blobs->uploads, path));
    return unlink(path) == 0 || errno == ENOENT || error_errno(err, errno, "removing %s", path);
}

static bool blob_each(void *self, const char *owner, void (*one)(void *ctx, const struct blob_item *item),
                      void *ctx, struct error *err)
{
    const struct os_blobs *blobs = self;
    CLEANUP_MEM char *path = mem_printf("%s/partial", blobs->directory);
    const struct dirent *entry = NULL;

    if (owner) {
        CLEANUP_MEM char *folder = mem_printf("partial/%s", owner);
        return each_in(blobs, folder, owner, one, ctx, err);
    }
    bool good = each_in(blobs, "sha256", NULL, one, ctx, err);
    DIR *listing = good ? opendir(path) : NULL;

    if (good && !listing) good = error_errno(err, errno, "reading %s", path);
    while (good && (entry = readdir(listing))) {
        if (!text_is_name(entry->d_name)) continue;
        CLEANUP_MEM char *folder = mem_printf("partial/%s", entry->d_name);
        good = each_in(blobs, folder, entry->d_name, one, ctx, err);
    }
    if (listing) closedir(listing);
    return good;
}

static bool each_in(const struct os_blobs *blobs, const char *folder, const char *owner,
                    void (*one)(void *ctx, const struct blob_item *item), void *ctx, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", blobs->directory, folder);
    DIR *listing = opendir(path);
    const struct dirent *entry = NULL;

    if (!listing && errno == ENOENT) return true; /* an owner who sent nothing yet */
    if (!listing) return error_errno(err, errno, "reading %s", path);
    while ((entry = readdir(listing))) {
        char digest[sizeof("sha256:") + HEX_SIZE];
        struct stat st;
        if (strlen(entry->d_name) != HEX_SIZE) continue;
        if (fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue; /* it went */
        snprintf(digest, sizeof(digest), "sha256:%.64s", entry->d_name);
        one(ctx, &(struct blob_item){owner, digest, st.st_size});
    }
    closedir(listing);
    return true;
}

/* Nor does anything but a name become a folder. */
static bool place_partial(const struct os_blobs *blobs, const char *owner, const char *digest, char *ret_path,
                          size_t size, struct error *err)
{
    char folder[128];

    ASSERT(text_is_name(owner));
    snprintf(folder, sizeof(folder), "partial/%s", owner);
    return place(blobs, folder, digest, ret_path, size, err);
}

static struct upload *upload_get(struct os_blobs *blobs, const char *path)
{
    struct upload *upload = map_get(blobs->uploads, path);

    if (upload) return upload;
    upload = mem_alloc(sizeof(*upload));
    upload->hash = EVP_MD_CTX_new();
    ASSERT(upload->hash && EVP_DigestInit_ex(upload->hash, EVP_sha256(), NULL) == 1);
    map_put(blobs->uploads, path, upload);
    return upload;
}

static void upload_free(struct upload *upload)
{
    if (!upload) return;
    EVP_MD_CTX_free(upload->hash);
    mem_free(upload);
}

/* Nothing but a digest becomes a path: no way out of the directory. */
static bool place(const struct os_blobs *blobs, const char *folder, const char *digest, char *ret_path,
                  size_t size, struct error *err)
{
    static const char prefix[] = "sha256:";
    const char *hex = text_starts(digest, prefix) ? digest + strlen(prefix) : "";

    if (strlen(hex) != HEX_SIZE || strspn(hex, "0123456789abcdef") != HEX_SIZE)
        return error_set(err, ERROR_INVALID, "\"%s\" is no digest: sha256: and 64 hexadecimal digits",
                         digest);
    if (snprintf(ret_path, size, "%s/%s/%s", blobs->directory, folder, hex) >= (int)size)
        return error_set(err, ERROR_FAILED, "the path of %s is too long", blobs->directory);
    return true;
}

static bool write_at(int fd, const char *path, int64_t offset, const void *data, size_t size,
                     struct error *err)
{
    const char *from = data;

    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite(fd, from + done, size - done, offset + (int64_t)done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return error_errno(err, errno, "writing %s", path);
        done += (size_t)wrote;
    }
    return true;
}

/* What an earlier process took in was hashed by that. */
static bool hash_rest(struct upload *upload, int fd, const char *path, bool *ret_all, struct error *err)
{
    CLEANUP_MEM unsigned char *piece = mem_alloc(PIECE);

    for (size_t done = 0; done < HASH_A_TURN;) {
        ssize_t got = pread(fd, piece, PIECE, upload->hashed);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(err, errno, "reading %s", path);
        if (got == 0) {
            *ret_all = true;
            return true;
        }
        ASSERT(EVP_DigestUpdate(upload->hash, piece, (size_t)got) == 1);
        upload->hashed += got;
        done += (size_t)got;
    }
    *ret_all = false;
    return true;
}

static bool sync_folder(const struct os_blobs *blobs, const char *folder, struct error *err)
{
    char *path = mem_printf("%s/%s", blobs->directory, folder);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (!good) error_errno(err, errno, "syncing %s", path);
    if (fd >= 0) close(fd);
    mem_free(path);
    return good;
}
