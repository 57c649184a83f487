#include "cli/secret_file.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 4096 };

static bool check(int fd, const char *path, struct error *err);
static bool make_directories(const char *path, struct error *err);
static bool put(const char *path, const char *kind, const struct buf *text, struct error *err);
static bool sync_directory(const char *path, struct error *err);

bool secret_file_read(const char *path, const char *kind, struct buf *ret_text, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char text[SIZE_MAX_BYTES + 1];
    size_t size = strlen(kind);
    ssize_t got = 0;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set(err, ERROR_NOT_FOUND, "there is no %s", path);
    if (fd < 0) return error_errno(err, errno, "%s", path);
    bool good = check(fd, path, err);
    if (good && (got = read(fd, text, sizeof(text))) < 0) good = error_errno(err, errno, "reading %s", path);
    close(fd);
    if (!good) return false;
    if (got > SIZE_MAX_BYTES || (size_t)got <= size || memcmp(text, kind, size) != 0 || text[size] != '\n' ||
        memchr(text, 0, (size_t)got))
        good =
            error_set(err, ERROR_INVALID,
                      "%s is not what croft wrote there: its first line should be \"%s\"; put the right file "
                      "back, or remove it",
                      path, kind);
    else
        buf_add(ret_text, text + size + 1, (size_t)got - size - 1);
    explicit_bzero(text, sizeof(text));
    return good;
}

bool secret_file_write(const char *path, const char *kind, const struct buf *text, struct error *err)
{
    CLEANUP_MEM char *temporary = mem_printf("%s.new", path);

    if (!make_directories(path, err)) return false;
    if (unlink(temporary) != 0 && errno != ENOENT) return error_errno(err, errno, "removing %s", temporary);
    if (!put(temporary, kind, text, err)) return false;
    if (rename(temporary, path) != 0) return error_errno(err, errno, "writing %s", path);
    return sync_directory(path, err);
}

static bool check(int fd, const char *path, struct error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0) return error_errno(err, errno, "%s", path);
    if (!S_ISREG(status.st_mode)) return error_set(err, ERROR_INVALID, "%s is no file", path);
    if (status.st_uid != geteuid())
        return error_set(err, ERROR_DENIED, "%s is not yours: keys are read by their owner only", path);
    if ((status.st_mode & 077) != 0)
        return error_set(err, ERROR_DENIED, "others may read %s: chmod 600 %s", path, path);
    return true;
}

static bool make_directories(const char *path, struct error *err)
{
    CLEANUP_MEM char *part = mem_strdup(path);

    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_errno(err, errno, "making the directory %s", part);
        *slash = '/';
    }
    return true;
}

static bool put(const char *path, const char *kind, const struct buf *text, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    CLEANUP_BUF struct buf all = {0};

    if (fd < 0) return error_errno(err, errno, "making %s", path);
    buf_printf(&all, "%s\n", kind);
    buf_add(&all, text->data, text->size);
    bool good = write(fd, all.data, all.size) == (ssize_t)all.size && fsync(fd) == 0;
    if (!good) error_errno(err, errno, "writing %s", path);
    explicit_bzero(all.data, all.size);
    close(fd);
    return good;
}

static bool sync_directory(const char *path, struct error *err)
{
    CLEANUP_MEM char *directory = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (!good) error_errno(err, errno, "writing into %s", directory);
    if (fd >= 0) close(fd);
    return good;
}
