/* A file system in a sparse file, over a loop device that goes with its last mount. */
#include "os/private_inside.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ATTACH_TRIES = 64 };

static const int64_t size_min = INT64_C(64) << 20, size_max = INT64_C(8) << 40; /* what ext4 makes of it */

static int find_device(const struct stat *file, char *ret_path, size_t size);
static bool attach(int file, const char *image, int *ret_device, char *ret_path, size_t size,
                   struct error *err);
static bool mount_device(const char *device, const char *image, const char *point, struct error *err);

bool image_make(const char *path, struct error *err)
{
    struct statvfs room;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_errno(err, errno, "make %s", path);
    bool good = fstatvfs(fd, &room) == 0 || error_errno(err, errno, "see how much room %s has", path);
    int64_t size = good ? (int64_t)room.f_blocks * (int64_t)room.f_frsize : 0;
    if (size < size_min) size = size_min;
    if (size > size_max) size = size_max;
    if (good && ftruncate(fd, size) != 0) good = error_errno(err, errno, "make %s", path);
    close(fd);
    return good;
}

/* Two devices over one file would be two file systems that know nothing of each other: if there is a device
 * of it already, by a process that ended or by what instances still hold, it is the one to mount. */
bool image_mount(const char *image, const char *point, struct error *err)
{
    char path[64];
    struct stat file, device_status, mounted;
    int device = -1;
    int fd = open(image, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return error_errno(err, errno, "open %s", image);
    bool good = fstat(fd, &file) == 0 || error_errno(err, errno, "%s", image);
    if (good) device = find_device(&file, path, sizeof(path));
    good = good && (device >= 0 || attach(fd, image, &device, path, sizeof(path), err));
    if (good && mkdir(point, 0700) != 0 && errno != EEXIST) good = error_errno(err, errno, "make %s", point);
    if (good && image_mounted(point)) {
        bool same = fstat(device, &device_status) == 0 && stat(point, &mounted) == 0 &&
                    mounted.st_dev == device_status.st_rdev;
        if (!same) good = image_unmount(point, err) && mount_device(path, image, point, err);
    } else if (good) {
        good = mount_device(path, image, point, err);
    }
    if (device >= 0) close(device); /* only now: an unmounted one goes with its last descriptor */
    close(fd);
    return good;
}

bool image_unmount(const char *point, struct error *err)
{
    while (image_mounted(point)) {
        /* A shell of the landlord's may stand in it: it goes when they leave. */
        if (umount2(point, UMOUNT_NOFOLLOW) == 0) continue;
        if (errno != EBUSY || umount2(point, UMOUNT_NOFOLLOW | MNT_DETACH) != 0)
            return error_errno(err, errno, "unmount %s", point);
    }
    return true;
}

bool image_mounted(const char *point)
{
    struct statx status;
    return statx(AT_FDCWD, point, AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* The open device of this file, or -1. The kernel tells its file by device and inode, whatever it is called.
 */
static int find_device(const struct stat *file, char *ret_path, size_t size)
{
    DIR *devices = opendir("/sys/block");
    int found = -1;
    for (const struct dirent *entry; found < 0 && devices != NULL && (entry = readdir(devices)) != NULL;) {
        struct loop_info64 info;
        if (!text_starts(entry->d_name, "loop")) continue;
        CLEANUP_MEM char *attached = mem_printf("/sys/block/%s/loop/backing_file", entry->d_name);
        if (access(attached, F_OK) != 0) continue;
        snprintf(ret_path, size, "/dev/%.32s", entry->d_name);
        int device = open(ret_path, O_RDWR | O_CLOEXEC);
        if (device < 0) continue; /* it went just now */
        if (ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
            info.lo_inode == file->st_ino)
            found = device;
        else
            close(device);
    }
    if (devices != NULL) closedir(devices);
    return found;
}

/* Others take devices at the same time: then the next one is tried. */
static bool attach(int file, const char *image, int *ret_device, char *ret_path, size_t size,
                   struct error *err)
{
    const struct loop_config config = {.fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return error_errno(err, errno, "%s needs a loop device (modprobe loop): /dev/loop-control", image);
    bool good = error_set(err, ERROR_FAILED, "no loop device is free for %s", image);
    for (int i = 0; i < ATTACH_TRIES && !good; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            error_errno(err, errno, "find a loop device for %s", image);
            break;
        }
        snprintf(ret_path, size, "/dev/loop%d", number);
        int device = open(ret_path, O_RDWR | O_CLOEXEC);
        if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0) {
            *ret_device = device;
            good = true;
        } else {
            int reason = errno;
            error_errno(err, reason, "use %s for %s", ret_path, image);
            if (device >= 0) close(device);
            if (reason != EBUSY && reason != ENOENT && reason != ENXIO) break;
        }
    }
    close(control);
    return good;
}

/* Tables of inodes are not filled ahead, and what is freed goes from the file: it stays as small as its
 * contents. */
static bool mount_device(const char *device, const char *image, const char *point, struct error *err)
{
    if (mount(device, point, "ext4", MS_NODEV | MS_NOSUID | MS_NOATIME,
              "noinit_itable,discard,errors=remount-ro") == 0)
        return true;
    int reason = errno;
    error_errno(err, reason, "mount %s at %s", image, point);
    if (reason == EINVAL || reason == EUCLEAN || reason == EBADMSG || reason == EIO)
        err->code = ERROR_INVALID;
    return false;
}
