/* A mount namespace that crun accepts, and a run directory whose mounts are seen by the next process too. */
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "driver/container/cgroup.h"
#include "driver/container/container.h"
#include "driver/container/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

struct controller {
    char *name; /* of its directory below CGROUP_ROOT */
    int tree;   /* a detached copy of its mount */
};

static bool find_controllers(struct vec *ret_controllers, bool *ret_mixed, struct error *err);
static void free_controllers(struct vec *controllers);
static bool share_mount(const char *directory, struct error *err);
static bool is_mount_point(const char *directory);
static bool cover_cgroups(struct vec *controllers, struct error *err);
static bool mount_call(const char *source, const char *target, const char *type, unsigned long flags,
                       const char *data, struct error *err);

/* The old mount(2), whose header and <linux/mount.h> exclude each other in some C libraries. */
enum { FLAG_BIND = 4096, FLAG_REMOUNT = 32, FLAG_READ_ONLY = 1, FLAG_REC = 16384, FLAG_PRIVATE = 1 << 18 };
enum { FLAG_SHARED = 1 << 20, FLAG_NO_DEV = 4, FLAG_NO_SUID = 2, FLAG_NO_EXEC = 8 };

bool container_prepare_cgroups(const char *run_directory, struct error *err)
{
    struct vec controllers = VEC_OF(struct controller);
    bool mixed = false;
    bool good = find_controllers(&controllers, &mixed, err);
    if (good && controllers.length > 0 && mixed) {
        good = file_make_directories(run_directory, 0711, err) && share_mount(run_directory, err);
        if (good && unshare(CLONE_NEWNS) < 0) good = error_errno(err, errno, "make a mount namespace");
        good = good && cover_cgroups(&controllers, err);
    }
    free_controllers(&controllers);
    return good || error_wrap(err, "prepare cgroups for containers");
}

bool container_tidy(const struct container_options *options, struct error *err)
{
    struct cgroups *cgroups;
    if (!cgroups_new(options->cgroup, &cgroups, err)) return false;
    cgroups_remove_parent(cgroups);
    cgroups_free(cgroups);
    while (is_mount_point(options->run_directory)) {
        if (syscall(SYS_umount2, options->run_directory, 2 /* MNT_DETACH */) < 0) {
            return error_errno(err, errno, "unmount %s", options->run_directory);
        }
    }
    return true;
}

/* mixed: there is something beside version 1 controllers (the unified tree, or a named one). */
static bool find_controllers(struct vec *ret_controllers, bool *ret_mixed, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    if (!bundle_file_read("/proc/self/mountinfo", &text, err)) return false;
    char *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *point, *type, *options;
        if (!cgroup_parse_mount(line, &point, &type, &options)) continue;
        if (text_equal(type, "cgroup2")) *ret_mixed = true;
        if (!text_equal(type, "cgroup") || !text_starts(point, CGROUP_ROOT "/")) continue;
        if (strstr(options, "name=") != NULL) {
            *ret_mixed = true;
            continue;
        }
        int tree = (int)syscall(SYS_open_tree, AT_FDCWD, point, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0) return error_errno(err, errno, "copy the mount of %s", point);
        struct controller *controller = vec_push(ret_controllers);
        controller->name = mem_strdup(point + strlen(CGROUP_ROOT "/"));
        controller->tree = tree;
    }
    return true;
}

static void free_controllers(struct vec *controllers)
{
    for (size_t i = 0; i < controllers->length; i++) {
        struct controller *controller = vec_at(controllers, i);
        mem_free(controller->name);
        file_close(&controller->tree);
    }
    vec_free(controllers);
}

static bool share_mount(const char *directory, struct error *err)
{
    return (is_mount_point(directory) || mount_call(directory, directory, NULL, FLAG_BIND, NULL, err)) &&
           mount_call(NULL, directory, NULL, FLAG_SHARED, NULL, err);
}

static bool is_mount_point(const char *directory)
{
    struct statx status;
    return statx(AT_FDCWD, directory, AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Only in this process's namespace: CGROUP_ROOT is private first. Read-only, so that crun cannot leave plain
 * directories where a tree that it looks for is missing. */
static bool cover_cgroups(struct vec *controllers, struct error *err)
{
    if (!mount_call(NULL, "/sys", NULL, FLAG_PRIVATE | FLAG_REC, NULL, err) ||
        !mount_call("cgroups", CGROUP_ROOT, "tmpfs", FLAG_NO_DEV | FLAG_NO_SUID | FLAG_NO_EXEC,
                    "size=64k,mode=755", err)) {
        return false;
    }
    for (size_t i = 0; i < controllers->length; i++) {
        const struct controller *controller = vec_at(controllers, i);
        CLEANUP_MEM char *point = mem_printf(CGROUP_ROOT "/%s", controller->name);
        if (mkdir(point, 0755) < 0) return error_errno(err, errno, "make %s", point);
        if (syscall(SYS_move_mount, controller->tree, "", AT_FDCWD, point, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
            return error_errno(err, errno, "mount %s", point);
        }
    }
    return mount_call(NULL, CGROUP_ROOT, NULL, FLAG_REMOUNT | FLAG_BIND | FLAG_READ_ONLY, NULL, err);
}

static bool mount_call(const char *source, const char *target, const char *type, unsigned long flags,
                       const char *data, struct error *err)
{
    if (syscall(SYS_mount, source, target, type, flags, data) < 0) {
        return error_errno(err, errno, "mount %s", target);
    }
    return true;
}
