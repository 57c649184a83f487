#include "driver/container/unpack.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "driver/container/files.h"
#include "driver/image/entry.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK_SIZE = 65536 };

/* The file on its way to libarchive, counted into a digest. */
struct source {
    int fd;
    EVP_MD_CTX *digest;
    unsigned char chunk[CHUNK_SIZE];
};

static la_ssize_t source_read(struct archive *archive, void *ctx, const void **ret_data);
static bool source_check(struct source *source, const char *digest, struct error *err);
static bool unpack_all(struct archive *in, struct archive *out, struct entry_judge *judge, struct error *err);
static bool unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
                         const char *path, struct error *err);
static bool make_whiteout(enum whiteout kind, const char *path, struct error *err);
static bool copy_data(struct archive *in, struct archive *out, struct error *err);

bool unpack_layer(const char *path, const char *digest, const char *directory, struct error *err)
{
    struct source *source = mem_alloc(sizeof(*source));
    source->fd = open(path, O_RDONLY | O_CLOEXEC);
    source->digest = EVP_MD_CTX_new();
    struct archive *in = archive_read_new();
    struct archive *out = archive_write_disk_new();
    struct entry_judge *judge = entry_judge_new();
    ASSERT(in != NULL && out != NULL && source->digest != NULL);
    archive_read_support_filter_all(in);
    archive_read_support_format_tar(in);
    archive_read_support_format_empty(in);
    archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                                            ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                                            ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                            ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_UNLINK);
    bool good = true;
    if (source->fd < 0) {
        good = error_errno(err, errno, "open %s", path);
    } else if (chdir(directory) < 0) {
        good = error_errno(err, errno, "enter %s", directory);
    } else if (EVP_DigestInit_ex(source->digest, EVP_sha256(), NULL) != 1) {
        good = error_set(err, ERROR_FAILED, "start a SHA-256 sum");
    } else if (archive_read_open(in, source, NULL, source_read, NULL) != ARCHIVE_OK) {
        good = error_set(err, ERROR_INVALID, "%s is no tar archive: %s", path, archive_error_string(in));
    }
    good = good && unpack_all(in, out, judge, err) && source_check(source, digest, err);
    if (archive_write_free(out) != ARCHIVE_OK && good)
        good = error_set(err, ERROR_FAILED, "finish a layer's files");
    archive_read_free(in);
    entry_judge_free(judge);
    EVP_MD_CTX_free(source->digest);
    file_close(&source->fd);
    mem_free(source);
    return good || error_wrap(err, "unpack layer %s", digest);
}

enum whiteout unpack_whiteout(const char *path, char **ret_path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (!text_starts(name, ".wh.")) return WHITEOUT_NONE;
    size_t above = slash == NULL ? 0 : (size_t)(slash - path);
    if (text_equal(name, ".wh..wh..opq")) {
        *ret_path = mem_strndup(path, above);
        return WHITEOUT_OPAQUE;
    }
    const char *hidden = name + strlen(".wh.");
    CLEANUP_MEM char *parent = mem_strndup(path, above);
    *ret_path = mem_printf("%s%s%s", parent, slash == NULL ? "" : "/", hidden);
    return WHITEOUT_ONE;
}

static la_ssize_t source_read(struct archive *archive, void *ctx, const void **ret_data)
{
    struct source *source = ctx;
    ssize_t got;
    do {
        got = read(source->fd, source->chunk, sizeof(source->chunk));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        archive_set_error(archive, errno, "%s", strerror(errno));
        return -1;
    }
    if (got > 0) EVP_DigestUpdate(source->digest, source->chunk, (size_t)got);
    *ret_data = source->chunk;
    return got;
}

/* Reads what libarchive had no need of, too: the digest is of the whole file. */
static bool source_check(struct source *source, const char *digest, struct error *err)
{
    for (;;) {
        ssize_t got = read(source->fd, source->chunk, sizeof(source->chunk));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(err, errno, "read the layer");
        if (got == 0) break;
        EVP_DigestUpdate(source->digest, source->chunk, (size_t)got);
    }
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(source->digest, sum, &size);
    CLEANUP_BUF struct buf text = {0};
    buf_add_text(&text, "sha256:");
    for (unsigned i = 0; i < size; i++)
        buf_printf(&text, "%02x", sum[i]);
    if (!text_equal(buf_text(&text), digest)) {
        return error_set(err, ERROR_INVALID, "the layer's content is another than its digest says: %s",
                         buf_text(&text));
    }
    return true;
}

static bool unpack_all(struct archive *in, struct archive *out, struct entry_judge *judge, struct error *err)
{
    for (;;) {
        struct archive_entry *entry;
        int result = archive_read_next_header(in, &entry);
        if (result == ARCHIVE_EOF) return true;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
            return error_set(err, ERROR_INVALID, "the archive is damaged: %s", archive_error_string(in));
        }
        const char *path;
        bool skip;
        if (!entry_judge(judge, entry, &path, &skip, err)) return false;
        if (!skip && !unpack_entry(in, out, entry, path, err)) return false;
    }
}

static bool unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
                         const char *path, struct error *err)
{
    CLEANUP_MEM char *hidden = NULL;
    enum whiteout kind = unpack_whiteout(path, &hidden);
    if (kind != WHITEOUT_NONE) return make_whiteout(kind, hidden, err);
    CLEANUP_MEM char *name = mem_strdup(*path == '\0' ? "." : path);
    archive_entry_copy_pathname(entry, name);
    if (archive_write_header(out, entry) < ARCHIVE_WARN) {
        return error_set(err, ERROR_FAILED, "write '%s': %s", name, archive_error_string(out));
    }
    if (archive_entry_size(entry) > 0 && !copy_data(in, out, err)) return error_wrap(err, "write '%s'", name);
    if (archive_write_finish_entry(out) < ARCHIVE_WARN) {
        return error_set(err, ERROR_FAILED, "write '%s': %s", name, archive_error_string(out));
    }
    return true;
}

/* Overlay's signs: a character device 0/0 hides a name; an attribute on a directory hides all below it. The
 * judge has refused paths through links; a directory that is missing is made. */
static bool make_whiteout(enum whiteout kind, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_MEM char *parent = slash == NULL ? NULL : mem_strndup(path, (size_t)(slash - path));
    if (parent != NULL && !file_make_directories(parent, 0755, err)) return false;
    if (kind == WHITEOUT_ONE) {
        if (mknod(path, S_IFCHR, makedev(0, 0)) < 0) return error_errno(err, errno, "hide '%s'", path);
        return true;
    }
    const char *directory = *path == '\0' ? "." : path;
    if (mkdir(directory, 0755) < 0 && errno != EEXIST) return error_errno(err, errno, "make '%s'", directory);
    if (lsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) < 0) {
        return error_errno(err, errno, "hide what is below '%s'", directory);
    }
    return true;
}

static bool copy_data(struct archive *in, struct archive *out, struct error *err)
{
    for (;;) {
        const void *data;
        size_t size;
        la_int64_t offset;
        int result = archive_read_data_block(in, &data, &size, &offset);
        if (result == ARCHIVE_EOF) return true;
        if (result < ARCHIVE_WARN) {
            return error_set(err, ERROR_INVALID, "the archive is damaged: %s", archive_error_string(in));
        }
        if (archive_write_data_block(out, data, size, offset) < ARCHIVE_WARN) {
            return error_set(err, ERROR_FAILED, "%s", archive_error_string(out));
        }
    }
}
