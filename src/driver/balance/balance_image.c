#include "driver/balance/balance_image.h"

#include "base/buf.h"
#include "base/mem.h"
#include "driver/balance/balance_config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool make_skeleton(const char *directory, struct error *err);
static bool write_text(const char *directory, const char *path, const char *text, struct error *err);
static bool list_libraries(struct buf *ret_list, struct error *err);
static bool read_child(int fd, pid_t pid, struct buf *ret_text, struct error *err);
static bool copy_libraries(const char *directory, char *list, struct error *err);
static bool copy_file(const char *directory, const char *path, struct error *err);
static bool copy_content(int from, int to, const char *path, struct error *err);
static bool make_parents(char *path, struct error *err);
static int forget_time(const char *path, const struct stat *status, int kind, struct FTW *place);

bool balance_image_root(const char *directory, struct error *err)
{
    CLEANUP_BUF struct buf list = {0};
    if (access(BALANCE_PROGRAM, X_OK) != 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "there is no " BALANCE_PROGRAM "; install the package haproxy");
    if (!list_libraries(&list, err) || !make_skeleton(directory, err)) return false;
    CLEANUP_MEM char *text = mem_strdup(buf_text(&list));
    if (!copy_file(directory, BALANCE_PROGRAM, err) || !copy_libraries(directory, text, err)) return false;
    /* An image's digest covers times: the same files have to give the same one, whenever they were copied. */
    return nftw(directory, forget_time, 16, FTW_DEPTH | FTW_PHYS) == 0 ||
           error_errno(err, errno, "cannot set the times of files in %s", directory);
}

static bool make_skeleton(const char *directory, struct error *err)
{
    static const char *const DIRECTORIES[] = {"dev", "etc/haproxy", "proc", "run/croft", "tmp", "sys"};
    for (size_t i = 0; i < LENGTH(DIRECTORIES); i++) {
        CLEANUP_MEM char *path = mem_printf("%s/%s/", directory, DIRECTORIES[i]);
        if (!make_parents(path, err)) return false;
    }
    return write_text(directory, "etc/passwd", "root:x:0:0:root:/:/nonexistent\n", err) &&
           write_text(directory, "etc/group", "root:x:0:\n", err);
}

static bool write_text(const char *directory, const char *path, const char *text, struct error *err)
{
    CLEANUP_MEM char *full = mem_printf("%s/%s", directory, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return error_errno(err, errno, "cannot create %s", full);
    size_t size = strlen(text);
    ssize_t written = write(fd, text, size);
    int failure = written < 0 ? errno : ENOSPC;
    close(fd);
    if (written == (ssize_t)size) return true;
    return error_errno(err, failure, "cannot write %s", full);
}

static bool list_libraries(struct buf *ret_list, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return error_errno(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) {
        int failure = errno;
        close(ends[0]);
        close(ends[1]);
        return error_errno(err, failure, "cannot start ldd");
    }
    if (pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) >= 0) execlp("ldd", "ldd", BALANCE_PROGRAM, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    bool done = read_child(ends[0], pid, ret_list, err);
    close(ends[0]);
    return done;
}

static bool read_child(int fd, pid_t pid, struct buf *ret_text, struct error *err)
{
    char data[4096];
    ssize_t size;
    int status = 0;
    while ((size = read(fd, data, sizeof(data))) > 0 || (size < 0 && errno == EINTR))
        if (size > 0) buf_add(ret_text, data, (size_t)size);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return error_set(err, ERROR_FAILED, "ldd " BALANCE_PROGRAM " failed; is the package libc-bin there?");
}

/* Lines are "NAME => /path (0x…)", "/path (0x…)", or "linux-vdso.so.1 (0x…)", which is no file. */
static bool copy_libraries(const char *directory, char *list, struct error *err)
{
    char *rest = NULL;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *path = strchr(line, '/'), *end = path ? strstr(path, " (") : NULL;
        if (strstr(line, "not found"))
            return error_set(err, ERROR_NOT_FOUND, "a library of haproxy is missing:%s", line);
        if (!end) continue;
        *end = 0;
        if (!copy_file(directory, path, err)) return false;
    }
    return true;
}

/* The content that is at `path` here, links followed, to the same path under `directory`. */
static bool copy_file(const char *directory, const char *path, struct error *err)
{
    CLEANUP_MEM char *target = mem_printf("%s%s", directory, path);
    if (!make_parents(target, err)) return false;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) return error_errno(err, errno, "cannot read %s", path);
    int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0755);
    if (to < 0) {
        int failure = errno;
        close(from);
        return error_errno(err, failure, "cannot create %s", target);
    }
    bool done = copy_content(from, to, target, err);
    close(from);
    close(to);
    return done;
}

static bool copy_content(int from, int to, const char *path, struct error *err)
{
    for (;;) {
        ssize_t size = sendfile(to, from, NULL, 1 << 20);
        if (size == 0) return true;
        if (size < 0 && errno != EINTR) return error_errno(err, errno, "cannot copy to %s", path);
    }
}

/* Makes every directory in front of a '/' of the path. */
static bool make_parents(char *path, struct error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failure = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : errno;
        if (failure) error_errno(err, failure, "cannot make the directory %s", path);
        *slash = '/';
        if (failure) return false;
    }
    return true;
}

static int forget_time(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    const struct timespec times[2] = {{.tv_sec = 0}, {.tv_sec = 0}};
    return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}
