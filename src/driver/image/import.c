#include "driver/image/entry.h"
#include "driver/image/inside.h"

#include "base/text.h"
#include "model/image_text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE_MAX (16LL * 1024 * 1024 * 1024)
enum { CHUNK_SIZE = 65536, PASSWD_SIZE_MAX = 1024 * 1024 };

static bool dispatch(struct import *import, const char *source, struct error *err);
static bool import_tar(struct import *import, const char *path, struct error *err);
static bool finish(struct import *import, struct error *err);
static bool resolve_user(struct import *import, struct error *err);
static bool copy_and_sum(int from, int to, struct buf *ret_digest, int64_t *ret_size, struct error *err);
static bool write_all(int fd, const unsigned char *data, size_t size);
static void sum_text(EVP_MD_CTX *context, struct buf *ret_digest);
static bool check_layer(struct import *import, int fd, struct error *err);
static bool read_entry(struct import *import, struct archive *archive, const char *path, struct error *err);
static bool put_blob(struct import *import, int fd, const char *digest, struct error *err);

bool image_import(const char *blob_directory, const char *source, struct arena *arena,
                  struct image *ret_image, struct error *err)
{
    struct import import = {.blobs = arena_printf(arena, "%s/sha256", blob_directory),
                            .arena = arena,
                            .layers = VEC_OF(const char *),
                            .made = VEC_OF(const char *),
                            .image = {.name = "", .party = "", .directory = "/", .user = "0"}};
    bool good = (mkdir(blob_directory, 0755) == 0 || errno == EEXIST) &&
                (mkdir(import.blobs, 0755) == 0 || errno == EEXIST);
    if (!good) error_errno(err, errno, "make %s", import.blobs);
    good = good && dispatch(&import, source, err) && finish(&import, err);
    for (size_t i = 0; !good && i < import.made.length; i++)
        unlink(*(const char **)vec_at(&import.made, i));
    vec_free(&import.layers);
    vec_free(&import.made);
    mem_free(import.passwd);
    if (!good) return error_wrap(err, "import %s", source);
    *ret_image = import.image;
    return true;
}

const char *image_digest(const struct image *image, struct arena *arena)
{
    CLEANUP_BUF struct buf text = {0};
    image_canonical(image, &text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    EVP_DigestUpdate(context, text.data, text.size);
    CLEANUP_BUF struct buf digest = {0};
    sum_text(context, &digest);
    EVP_MD_CTX_free(context);
    return arena_strdup(arena, buf_text(&digest));
}

bool import_layer_fd(struct import *import, int fd, const char *expected, struct error *err)
{
    int copy = -1;
    CLEANUP_BUF struct buf digest = {0};
    int64_t size = 0;
    if (!import_temporary(import, &copy, err)) return false;
    bool good = copy_and_sum(fd, copy, &digest, &size, err);
    if (good && expected != NULL && !text_equal(buf_text(&digest), expected)) {
        good = error_set(err, ERROR_INVALID, "layer %s has another content: %s", expected, buf_text(&digest));
    }
    good = good && check_layer(import, copy, err) && put_blob(import, copy, buf_text(&digest), err);
    close(copy);
    if (!good) return false;
    import->size_bytes += size;
    *(const char **)vec_push(&import->layers) = arena_strdup(import->arena, buf_text(&digest));
    return true;
}

bool import_temporary(const struct import *import, int *ret_fd, struct error *err)
{
    int fd = open(import->blobs, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0) return error_errno(err, errno, "make a file in %s", import->blobs);
    *ret_fd = fd;
    return true;
}

static bool dispatch(struct import *import, const char *source, struct error *err)
{
    static const char oci[] = "oci:", docker[] = "docker-archive:";
    struct stat status;
    if (text_starts(source, oci)) return import_oci(import, source + strlen(oci), err);
    if (text_starts(source, docker)) return import_docker(import, source + strlen(docker), err);
    if (stat(source, &status) < 0 && errno == ENOENT) {
        return error_set(err, ERROR_NOT_FOUND,
                         "no such file: give a directory, a tar, oci:PATH or docker-archive:PATH");
    }
    CLEANUP_MEM char *layout = mem_printf("%s/oci-layout", source);
    if (access(layout, F_OK) == 0)
        return import_oci(import, source, err); /* a layout, with and without its name */
    return S_ISDIR(status.st_mode) ? import_directory(import, source, err) : import_tar(import, source, err);
}

static bool import_tar(struct import *import, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "open");
    bool good = import_layer_fd(import, fd, NULL, err);
    close(fd);
    return good;
}

static bool finish(struct import *import, struct error *err)
{
    struct image *image = &import->image;
    if (import->layers.length == 0) return error_set(err, ERROR_INVALID, "there are no layers in it");
    const char **layers = arena_alloc_array(import->arena, import->layers.length, sizeof(*layers));
    for (size_t i = 0; i < import->layers.length; i++)
        layers[i] = *(const char **)vec_at(&import->layers, i);
    image->layers = layers;
    image->layers_length = import->layers.length;
    image->size_bytes = import->size_bytes;
    if (!resolve_user(import, err)) return false;
    image->digest = image_digest(image, import->arena);
    return true;
}

/* "name", "name:gid", "uid", "uid:gid" to numbers, by the image's own /etc/passwd. */
static bool resolve_user(struct import *import, struct error *err)
{
    CLEANUP_MEM char *user = mem_strdup(import->image.user);
    char *group = strchr(user, ':');
    if (group != NULL) *group++ = '\0';
    uint64_t uid, gid = 0;
    bool known = text_parse_u64(user, &uid);
    char *rest = NULL;
    char *line = import->passwd == NULL ? NULL : strtok_r(import->passwd, "\n", &rest);
    for (; !known && line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *fields = NULL;
        const char *name = strtok_r(line, ":", &fields);
        if (name == NULL || !text_equal(name, user)) continue;
        const char *secret = strtok_r(NULL, ":", &fields);
        const char *number = secret == NULL ? NULL : strtok_r(NULL, ":", &fields);
        const char *own_group = number == NULL ? NULL : strtok_r(NULL, ":", &fields);
        known = own_group != NULL && text_parse_u64(number, &uid) && text_parse_u64(own_group, &gid);
    }
    if (!known || (group != NULL && !text_parse_u64(group, &gid)) || uid > 65535 || gid > 65535) {
        return error_set(err, ERROR_INVALID, "its user '%s' is neither a number nor in its /etc/passwd",
                         import->image.user);
    }
    import->image.user =
        gid == 0 ? arena_printf(import->arena, "%llu", (unsigned long long)uid)
                 : arena_printf(import->arena, "%llu:%llu", (unsigned long long)uid, (unsigned long long)gid);
    return true;
}

static bool copy_and_sum(int from, int to, struct buf *ret_digest, int64_t *ret_size, struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    unsigned char *chunk = mem_alloc(CHUNK_SIZE);
    int64_t total = 0;
    bool good = true;
    for (ssize_t got = 1; good && got > 0;) {
        got = pread(from, chunk, CHUNK_SIZE, total);
        if (got < 0) good = error_errno(err, errno, "read");
        if (good && got > 0 && !write_all(to, chunk, (size_t)got))
            good = error_errno(err, errno, "write a blob");
        if (good && got > 0) EVP_DigestUpdate(context, chunk, (size_t)got);
        if (good) total += got;
        if (good && total > COPY_SIZE_MAX)
            good = error_set(err, ERROR_TOO_LARGE, "a layer is larger than 16 GiB");
    }
    if (good) sum_text(context, ret_digest);
    if (good) *ret_size = total;
    mem_free(chunk);
    EVP_MD_CTX_free(context);
    return good;
}

/* False with errno. Where space runs out the kernel writes a part first, and says why only to the next try.
 */
static bool write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

static void sum_text(EVP_MD_CTX *context, struct buf *ret_digest)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context, sum, &size);
    buf_add_text(ret_digest, "sha256:");
    for (unsigned i = 0; i < size; i++)
        buf_printf(ret_digest, "%02x", sum[i]);
}

/* Reads the whole archive, so that what is cut or hostile is refused here and not on a host. */
static bool check_layer(struct import *import, int fd, struct error *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0) return error_errno(err, errno, "read a blob");
    struct archive *archive = archive_read_new();
    struct entry_judge *judge = entry_judge_new();
    archive_read_support_filter_all(archive);
    archive_read_support_format_tar(archive);
    bool good = archive_read_open_fd(archive, fd, CHUNK_SIZE) == ARCHIVE_OK;
    if (!good) error_set(err, ERROR_INVALID, "no tar archive: %s", archive_error_string(archive));
    while (good) {
        struct archive_entry *entry;
        const char *path;
        bool skip;
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF) break;
        if (result < ARCHIVE_WARN) {
            good =
                error_set(err, ERROR_INVALID, "damaged or no tar archive: %s", archive_error_string(archive));
        }
        good = good && entry_judge(judge, entry, &path, &skip, err) && read_entry(import, archive, path, err);
    }
    archive_read_free(archive);
    entry_judge_free(judge);
    return good;
}

static bool read_entry(struct import *import, struct archive *archive, const char *path, struct error *err)
{
    CLEANUP_BUF struct buf passwd = {0};
    bool wanted = text_equal(path, "etc/passwd");
    for (;;) {
        const void *data;
        size_t size;
        la_int64_t offset;
        int result = archive_read_data_block(archive, &data, &size, &offset);
        if (result == ARCHIVE_EOF) break;
        if (result < ARCHIVE_WARN) {
            return error_set(err, ERROR_INVALID, "damaged at '%s': %s", path, archive_error_string(archive));
        }
        if (wanted && passwd.size + size < PASSWD_SIZE_MAX) buf_add(&passwd, data, size);
    }
    if (wanted) {
        mem_free(import->passwd);
        import->passwd = buf_take(&passwd);
    }
    return true;
}

static bool put_blob(struct import *import, int fd, const char *digest, struct error *err)
{
    const char *path = arena_printf(import->arena, "%s/%s", import->blobs, digest + strlen("sha256:"));
    CLEANUP_MEM char *self = mem_printf("/proc/self/fd/%d", fd);
    if (fsync(fd) < 0) return error_errno(err, errno, "write %s", path);
    if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0) {
        return errno == EEXIST || error_errno(err, errno, "write %s", path);
    }
    *(const char **)vec_push(&import->made) = path;
    int directory = open(import->blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = directory >= 0 && fsync(directory) == 0;
    if (!good) error_errno(err, errno, "make %s durable", path);
    if (directory >= 0) close(directory);
    return good;
}
