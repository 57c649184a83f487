#include "driver/container/files.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_SIZE_MAX = 16 * 1024 * 1024, TREE_FDS_MAX = 64 };

static bool write_all(int fd, const void *data, size_t size);
static bool sync_parent(const char *path, struct error *err);
static int remove_visit(const char *path, const struct stat *status, int kind, struct FTW *where);
static int open_in_root(int root, const char *path, int flags, unsigned mode);
static bool make_parents_in_root(int root, const char *path, uint32_t uid, struct error *err);

void file_close(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

bool file_make_directories(const char *path, unsigned mode, struct error *err)
{
    CLEANUP_MEM char *part = mem_strdup(path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) *slash = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return error_errno(err, errno, "make directory %s", part);
        if (slash == NULL) return true;
        *slash = '/';
    }
}

bool bundle_file_read(const char *path, struct buf *ret_data, struct error *err)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return error_set(err, ERROR_NOT_FOUND, "no file %s", path);
    if (fd < 0) return error_errno(err, errno, "open %s", path);
    CLEANUP_BUF struct buf data = {0};
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(err, errno, "read %s", path);
        if (got == 0) break;
        buf_add(&data, chunk, (size_t)got);
        if (data.size > READ_SIZE_MAX)
            return error_set(err, ERROR_TOO_LARGE, "%s is larger than 16 MiB", path);
    }
    buf_add(ret_data, buf_text(&data), data.size);
    return true;
}

bool file_replace(const char *path, const void *data, size_t size, bool durable, struct error *err)
{
    CLEANUP_MEM char *temporary = mem_printf("%s.tmp", path);
    CLEANUP_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_errno(err, errno, "create %s", temporary);
    bool good = write_all(fd, data, size) && (!durable || fsync(fd) == 0) && rename(temporary, path) == 0;
    if (!good) {
        int reason = errno;
        unlink(temporary);
        return error_errno(err, reason, "write %s", path);
    }
    return !durable || sync_parent(path, err);
}

bool file_put(const char *path, const char *text, struct error *err)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "open %s", path);
    size_t size = strlen(text);
    ssize_t put = write(fd, text, size);
    if (put != (ssize_t)size) return error_errno(err, put < 0 ? errno : EIO, "write '%s' to %s", text, path);
    return true;
}

bool file_remove_tree(const char *path, struct error *err)
{
    if (nftw(path, remove_visit, TREE_FDS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT) {
        return error_errno(err, errno, "remove %s", path);
    }
    return true;
}

bool file_write_in_root(int root, const char *path, const void *data, size_t size, unsigned mode,
                        uint32_t uid, struct error *err)
{
    if (!make_parents_in_root(root, path, uid, err)) return false;
    CLEANUP_FD int fd = open_in_root(root, path, O_WRONLY | O_CREAT | O_NONBLOCK, mode & 07777);
    if (fd < 0) return error_errno(err, errno, "write %s in the instance", path);
    struct stat status;
    if (fstat(fd, &status) < 0) return error_errno(err, errno, "look at %s in the instance", path);
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, ERROR_REFUSED, "%s in the image is no regular file: give another path", path);
    }
    if (ftruncate(fd, 0) < 0 || !write_all(fd, data, size) || fchown(fd, uid, uid) < 0 ||
        fchmod(fd, mode & 07777) < 0) {
        return error_errno(err, errno, "write %s in the instance (its disk size is the limit)", path);
    }
    return true;
}

bool file_make_directory_in_root(int root, const char *path, uint32_t uid, struct error *err)
{
    CLEANUP_MEM char *inside = mem_printf("%s/.", path);
    return make_parents_in_root(root, inside, uid, err);
}

static bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool sync_parent(const char *path, struct error *err)
{
    CLEANUP_MEM char *parent = mem_strdup(path);
    char *slash = strrchr(parent, '/');
    ASSERT(slash != NULL);
    *slash = '\0';
    CLEANUP_FD int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) return error_errno(err, errno, "make %s durable", path);
    return true;
}

static int remove_visit(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int open_in_root(int root, const char *path, int flags, unsigned mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Goes down component by component, each opened from the root anew so that links are resolved inside it. */
static bool make_parents_in_root(int root, const char *path, uint32_t uid, struct error *err)
{
    if (path[0] != '/') return error_set(err, ERROR_INVALID, "%s: not an absolute path", path);
    CLEANUP_MEM char *part = mem_strdup(path);
    CLEANUP_FD int parent = open_in_root(root, "/", O_PATH | O_DIRECTORY, 0);
    if (parent < 0) return error_errno(err, errno, "open the root of the instance");
    for (char *start = part + 1, *slash; (slash = strchr(start, '/')) != NULL; start = slash + 1) {
        *slash = '\0';
        if (text_equal(start, "..")) return error_set(err, ERROR_INVALID, "%s: '..' in a path", path);
        if (*start != '\0' && !text_equal(start, ".")) {
            if (mkdirat(parent, start, 0755) == 0) {
                if (fchownat(parent, start, uid, uid, AT_SYMLINK_NOFOLLOW) < 0) {
                    return error_errno(err, errno, "own %s in the instance", part);
                }
            } else if (errno != EEXIST) {
                return error_errno(err, errno, "make %s in the instance", part);
            }
            int next = open_in_root(root, part, O_PATH | O_DIRECTORY, 0);
            if (next < 0) return error_errno(err, errno, "open %s in the instance", part);
            close(parent);
            parent = next;
        }
        *slash = '/';
    }
    return true;
}
