#include "os/blob.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEX_SIZE = 64, PIECE = 1024 * 1024 };

struct os_blobs {
    struct blob_port port;
    char *directory;
    char path[4096]; /* what path() gave last */
};

static bool blob_size(void *self, const char *digest, int64_t *ret_bytes, struct error *err);
static bool blob_read(void *self, const char *digest, int64_t offset, size_t size_max, struct buf *ret_data,
                      struct error *err);
static int64_t blob_partial(void *self, const char *digest);
static bool blob_append(void *self, const char *digest, int64_t offset, const void *data, size_t size,
                        struct error *err);
static bool blob_finish(void *self, const char *digest, struct error *err);
static const char *blob_path(void *self, const char *digest);
static bool blob_remove(void *self, const char *digest, struct error *err);
static bool place(const struct os_blobs *blobs, const char *folder, const char *digest, char *ret_path,
                  size_t size, struct error *err);
static bool write_at(int fd, const char *path, int64_t offset, const void *data, size_t size,
                     struct error *err);
static bool digest_of(int fd, const char *path, char *ret_hex, struct error *err);
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
    blobs->port = (struct blob_port){.self = blobs,
                                     .size = blob_size,
                                     .read = blob_read,
                                     .partial = blob_partial,
                                     .append = blob_append,
                                     .finish = blob_finish,
                                     .path = blob_path,
                                     .remove = blob_remove};
    *ret_blobs = blobs;
    return true;
}

void os_blobs_free(struct os_blobs *blobs)
{
    if (!blobs) return;
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

static int64_t blob_partial(void *self, const char *digest)
{
    char path[4096];
    struct stat st;
    struct error err;

    if (!place(self, "partial", digest, path, sizeof(path), &err)) return 0;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static bool blob_append(void *self, const char *digest, int64_t offset, const void *data, size_t size,
                        struct error *err)
{
    char path[4096];
    int64_t here = blob_partial(self, digest);
    bool good = false;
    int fd = -1;

    if (!place(self, "partial", digest, path, sizeof(path), err)) return false;
    if (here != offset)
        return error_set(err, ERROR_CONFLICT, "%s goes on at %lld, not at %lld", digest, (long long)here,
                         (long long)offset);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return error_errno(err, errno, "%s", path);
    good = write_at(fd, path, offset, data, size, err);
    /* A piece is there whole or not at all, so that what partial() says is always right. */
    if (!good && ftruncate(fd, offset) != 0) unlink(path);
    close(fd);
    return good;
}

static bool blob_finish(void *self, const char *digest, struct error *err)
{
    const struct os_blobs *blobs = self;
    char from[4096], to[4096], hex[HEX_SIZE + 1];
    int64_t size = 0;
    bool good = false;
    struct error ignored;

    if (!place(blobs, "partial", digest, from, sizeof(from), err) ||
        !place(blobs, "sha256", digest, to, sizeof(to), err))
        return false;
    if (blob_size(self, digest, &size, &ignored)) return true;
    int fd = open(from, O_RDONLY | O_CREAT | O_CLOEXEC, 0600); /* an empty blob was never appended to */
    if (fd < 0) return error_errno(err, errno, "%s", from);
    good = digest_of(fd, from, hex, err);
    if (good && strcmp(hex, digest + strlen("sha256:")) != 0) {
        good = error_set(err, ERROR_INVALID, "what was sent as %s is sha256:%s", digest, hex);
        unlink(from);
    }
    if (good && fsync(fd) != 0) good = error_errno(err, errno, "syncing %s", from);
    close(fd);
    if (good && rename(from, to) != 0) good = error_errno(err, errno, "renaming %s", from);
    return good && sync_folder(blobs, "sha256", err);
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
    static const char *const folders[] = {"sha256", "partial"};
    char path[4096];

    for (size_t i = 0; i < LENGTH(folders); i++) {
        if (!place(self, folders[i], digest, path, sizeof(path), err)) return false;
        if (unlink(path) != 0 && errno != ENOENT) return error_errno(err, errno, "removing %s", path);
    }
    return true;
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

static bool digest_of(int fd, const char *path, char *ret_hex, struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char sum[EVP_MAX_MD_SIZE], *piece = mem_alloc(PIECE);
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    ssize_t got = 0;

    while (good && (got = read(fd, piece, PIECE)) > 0)
        good = EVP_DigestUpdate(context, piece, (size_t)got) == 1;
    good = good && got == 0 && EVP_DigestFinal_ex(context, sum, NULL) == 1;
    EVP_MD_CTX_free(context);
    mem_free(piece);
    if (!good) return error_set(err, ERROR_FAILED, "cannot read all of %s", path);
    for (size_t i = 0; i < HEX_SIZE / 2; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
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
