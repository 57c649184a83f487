#include "driver/container/root.h"

#include "base/buf.h"
#include "base/mem.h"
#include "driver/container/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DISK_MIN_BYTES = 1024 * 1024, INODES_MIN = 1024, BYTES_AN_INODE = 4096, LAYERS_MAX = 128 };

static bool make_owned(int parent, const char *name, uint32_t uid, unsigned mode, struct error *err);
static bool mount_scratch(const char *path, int64_t bytes, struct error *err);
static void scratch_options(int64_t bytes, struct buf *ret_text);
static bool make_user_namespace(uint32_t uid_first, uint32_t length, int *ret_fd, struct error *err);
static bool write_maps(long child, uint32_t uid_first, uint32_t length, struct error *err);
static bool mount_layer(const char *layer, int layers, unsigned number, int user_ns, struct error *err);
static bool mount_overlay(const char *root, int layers, size_t length, int scratch, struct error *err);
static bool unmount(const char *path, struct error *err);
static int open_directory(const char *parent, const char *name, struct error *err);

bool root_mount(const struct root_options *options, struct error *err)
{
    static const char *const names[] = {"scratch", "layers", "root", "io"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        CLEANUP_MEM char *path = mem_printf("%s/%s", options->directory, names[i]);
        if (mkdir(path, 0711) < 0 && errno != EEXIST) return error_errno(err, errno, "make %s", path);
    }
    if (options->layers_length == 0 || options->layers_length > LAYERS_MAX) {
        return error_set(err, ERROR_INVALID, "an image of %zu layers: 1 to %d are possible",
                         options->layers_length, LAYERS_MAX);
    }
    CLEANUP_MEM char *scratch_path = mem_printf("%s/scratch", options->directory);
    CLEANUP_MEM char *io_path = mem_printf("%s/io", options->directory);
    CLEANUP_MEM char *root_path = mem_printf("%s/root", options->directory);
    if (!mount_scratch(scratch_path, options->disk_bytes, err)) return false;
    if (!mount_scratch(io_path, ROOT_IO_SIZE, err)) return false;
    CLEANUP_FD int scratch = open_directory(options->directory, "scratch", err);
    CLEANUP_FD int layers = scratch < 0 ? -1 : open_directory(options->directory, "layers", err);
    CLEANUP_FD int io = layers < 0 ? -1 : open_directory(options->directory, "io", err);
    if (io < 0 || !make_owned(scratch, "upper", options->uid_first, 0755, err) ||
        !make_owned(scratch, "work", options->uid_first, 0755, err) ||
        !make_owned(io, "control", options->control_owned ? options->uid_first : 0,
                    options->control_owned ? 0700 : 0755, err)) {
        return false;
    }
    CLEANUP_FD int user_ns = -1;
    if (!make_user_namespace(options->uid_first, options->uid_length, &user_ns, err)) return false;
    size_t mounted = 0;
    bool good = true;
    for (; good && mounted < options->layers_length; mounted++) {
        good = mount_layer(options->layers[mounted], layers, (unsigned)mounted, user_ns, err);
    }
    good = good && mount_overlay(root_path, layers, options->layers_length, scratch, err);
    /* The overlay holds copies of its own. */
    for (size_t i = 0; i < mounted; i++) {
        CLEANUP_MEM char *path = mem_printf("%s/layers/%zu", options->directory, i);
        struct error ignored;
        if (!unmount(path, good ? err : &ignored)) good = false;
    }
    return good;
}

bool root_unmount(const char *directory, struct error *err)
{
    CLEANUP_MEM char *root = mem_printf("%s/root", directory);
    if (!unmount(root, err)) return false;
    for (unsigned i = 0; i < LAYERS_MAX; i++) {
        CLEANUP_MEM char *layer = mem_printf("%s/layers/%u", directory, i);
        if (access(layer, F_OK) < 0) break;
        if (!unmount(layer, err)) return false;
    }
    CLEANUP_MEM char *scratch = mem_printf("%s/scratch", directory);
    CLEANUP_MEM char *io = mem_printf("%s/io", directory);
    return unmount(scratch, err) && unmount(io, err);
}

bool root_resize(const char *directory, int64_t disk_bytes, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/scratch", directory);
    CLEANUP_BUF struct buf options = {0};
    scratch_options(disk_bytes, &options);
    if (mount(NULL, path, NULL, MS_REMOUNT | MS_NODEV | MS_NOSUID, buf_text(&options)) < 0) {
        return error_errno(err, errno, "change the scratch space to %lld bytes (more is in use?)",
                           (long long)disk_bytes);
    }
    return true;
}

static bool make_owned(int parent, const char *name, uint32_t uid, unsigned mode, struct error *err)
{
    if (mkdirat(parent, name, mode) < 0 || fchownat(parent, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0) {
        return error_errno(err, errno, "make %s", name);
    }
    return true;
}

static bool mount_scratch(const char *path, int64_t bytes, struct error *err)
{
    CLEANUP_BUF struct buf options = {0};
    scratch_options(bytes, &options);
    if (mount("croft", path, "tmpfs", MS_NODEV | MS_NOSUID, buf_text(&options)) < 0) {
        return error_errno(err, errno, "mount scratch space at %s", path);
    }
    return true;
}

static void scratch_options(int64_t bytes, struct buf *ret_text)
{
    if (bytes < DISK_MIN_BYTES) bytes = DISK_MIN_BYTES;
    int64_t inodes = bytes / BYTES_AN_INODE < INODES_MIN ? INODES_MIN : bytes / BYTES_AN_INODE;
    buf_printf(ret_text, "size=%lld,nr_inodes=%lld,mode=711", (long long)bytes, (long long)inodes);
}

/* A namespace outlives its process while a descriptor is open; so a child that only waits is enough. Its exit
 * signal is 0: whoever waits for the children of this process does not see it. */
static bool make_user_namespace(uint32_t uid_first, uint32_t length, int *ret_fd, struct error *err)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) < 0) return error_errno(err, errno, "make a pipe");
    long child = syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, NULL);
    if (child == 0) {
        char byte;
        close(gate[1]);
        while (read(gate[0], &byte, 1) < 0 && errno == EINTR) {
        }
        _exit(0);
    }
    int reason = errno;
    close(gate[0]);
    if (child < 0) {
        close(gate[1]);
        return error_errno(err, reason, "make a user namespace");
    }
    bool good = write_maps(child, uid_first, length, err);
    CLEANUP_MEM char *path = mem_printf("/proc/%ld/ns/user", child);
    int fd = good ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (good && fd < 0) good = error_errno(err, errno, "open %s", path);
    close(gate[1]);
    while (waitpid((pid_t)child, NULL, __WALL) < 0 && errno == EINTR) {
    }
    if (good) *ret_fd = fd;
    return good;
}

static bool write_maps(long child, uint32_t uid_first, uint32_t length, struct error *err)
{
    CLEANUP_MEM char *map = mem_printf("0 %u %u\n", uid_first, length);
    CLEANUP_MEM char *uids = mem_printf("/proc/%ld/uid_map", child);
    CLEANUP_MEM char *gids = mem_printf("/proc/%ld/gid_map", child);
    return file_put(uids, map, err) && file_put(gids, map, err);
}

/* The layer with its owners shifted into the instance's range: nothing on disk changes (mount_setattr(2)). */
static bool mount_layer(const char *layer, int layers, unsigned number, int user_ns, struct error *err)
{
    CLEANUP_FD int tree = (int)syscall(SYS_open_tree, AT_FDCWD, layer, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return error_errno(err, errno, "open the layer %s", layer);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
                                    .userns_fd = (unsigned)user_ns};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0) {
        return error_errno(err, errno, "shift the owners of %s (its file system must know idmapped mounts)",
                           layer);
    }
    char name[16];
    CLEANUP_BUF struct buf text = {0};
    buf_printf(&text, "%u", number);
    ASSERT(text.size < sizeof(name));
    memcpy(name, buf_text(&text), text.size + 1);
    if (mkdirat(layers, name, 0711) < 0 ||
        syscall(SYS_move_mount, tree, "", layers, name, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return error_errno(err, errno, "mount the layer %s", layer);
    }
    return true;
}

/* Paths by descriptor: short (the options are one page), and free of characters that mean something there. */
static bool mount_overlay(const char *root, int layers, size_t length, int scratch, struct error *err)
{
    CLEANUP_BUF struct buf options = {0};
    buf_add_text(&options, "lowerdir=");
    for (size_t i = length; i-- > 0;) {
        buf_printf(&options, "/proc/self/fd/%d/%zu%s", layers, i, i > 0 ? ":" : "");
    }
    buf_printf(&options, ",upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/work", scratch, scratch);
    if (mount("croft", root, "overlay", MS_NODEV | MS_NOSUID, buf_text(&options)) < 0) {
        return error_errno(err, errno, "mount the overlay %s", root);
    }
    return true;
}

static bool unmount(const char *path, struct error *err)
{
    while (umount2(path, UMOUNT_NOFOLLOW) == 0) {
    }
    if (errno == EINVAL || errno == ENOENT) return true; /* no mount (any more) */
    if (errno != EBUSY) return error_errno(err, errno, "unmount %s", path);
    /* Somebody looks at it (a shell of the landlord's): it goes when they leave. */
    if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0) return error_errno(err, errno, "unmount %s", path);
    return true;
}

static int open_directory(const char *parent, const char *name, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", parent, name);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) error_errno(err, errno, "open %s", path);
    return fd;
}
