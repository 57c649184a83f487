#include "driver/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool pin_here(const char *path, struct error *err);
static bool write_setting(const struct ns_setting *setting, struct error *err);

#define OWN_NS "/proc/thread-self/ns/net"

void ns_close(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

bool ns_current(int *ret_fd, struct error *err)
{
    int fd = open(OWN_NS, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", OWN_NS);
    *ret_fd = fd;
    return true;
}

bool ns_create(const char *path, int *ret_fd, struct error *err)
{
    CLEANUP_FD int back = -1;
    if (!ns_current(&back, err)) return false;
    if (unshare(CLONE_NEWNET) < 0) return error_errno(err, errno, "cannot make a network namespace");
    int fd = -1;
    bool good = pin_here(path, err) && ns_current(&fd, err);
    ASSERT(setns(back, CLONE_NEWNET) == 0);
    if (!good) {
        struct error ignored; /* the first failure is the one to tell */
        (void)!ns_unpin(path, &ignored);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool ns_open(const char *path, int *ret_fd, struct error *err)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return error_set(err, ERROR_NOT_FOUND, "no network namespace %s", path);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", path);
    struct statfs about;
    if (fstatfs(fd, &about) < 0) return error_errno(err, errno, "cannot look at %s", path);
    /* The file outlives a reboot, or a crash between making and mounting; the namespace does not. */
    if (about.f_type != NSFS_MAGIC) return error_set(err, ERROR_NOT_FOUND, "nothing is pinned to %s", path);
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool ns_unpin(const char *path, struct error *err)
{
    if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        return error_errno(err, errno, "cannot unmount %s", path);
    if (unlink(path) < 0 && errno != ENOENT) return error_errno(err, errno, "cannot remove %s", path);
    return true;
}

bool ns_enter(int fd, int *ret_back, struct error *err)
{
    int back = -1;
    if (!ns_current(&back, err)) return false;
    if (setns(fd, CLONE_NEWNET) < 0) {
        error_errno(err, errno, "cannot enter a network namespace");
        ns_close(&back);
        return false;
    }
    *ret_back = back;
    return true;
}

void ns_leave(int back)
{
    /* To go on in a tenant's network would be worse than to end here. */
    ASSERT(setns(back, CLONE_NEWNET) == 0);
    close(back);
}

bool ns_sysctl(int fd, const char *name, const char *value, struct error *err)
{
    const struct ns_setting setting = {name, value};
    return ns_sysctls(fd, &setting, 1, err);
}

bool ns_sysctls(int fd, const struct ns_setting *settings, size_t length, struct error *err)
{
    int back;
    if (!ns_enter(fd, &back, err)) return false;
    bool good = true;
    for (size_t i = 0; i < length && good; i++)
        good = write_setting(&settings[i], err);
    ns_leave(back);
    return good;
}

static bool pin_here(const char *path, struct error *err)
{
    CLEANUP_FD int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0) return error_errno(err, errno, "cannot make %s", path);
    if (mount(OWN_NS, path, "none", MS_BIND, NULL) < 0)
        return error_errno(err, errno, "cannot pin a network namespace to %s", path);
    return true;
}

static bool write_setting(const struct ns_setting *setting, struct error *err)
{
    char path[160];
    snprintf(path, sizeof(path), "/proc/sys/%s", setting->name);
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s (is its kernel module loaded?)", path);
    ssize_t size = (ssize_t)strlen(setting->value);
    if (write(fd, setting->value, (size_t)size) != size)
        return error_errno(err, errno, "cannot write %s to %s", setting->value, path);
    return true;
}
