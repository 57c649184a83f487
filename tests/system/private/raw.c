#include "raw.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECE = 1024 * 1024 };

bool raw_has(const char *path, const char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t kept = 0, length = strlen(text);
    bool found = false;
    CLEANUP_MEM char *piece = mem_alloc(PIECE + length);
    assert_true(fd >= 0);
    for (off_t at = 0; !found && (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
        off_t end = lseek(fd, at, SEEK_HOLE);
        for (kept = 0; !found && at < end;) {
            size_t want = end - at < PIECE ? (size_t)(end - at) : PIECE;
            ssize_t got = pread(fd, piece + kept, want, at);
            assert_true(got > 0);
            found = memmem(piece, kept + (size_t)got, text, length) != NULL;
            at += got;
            /* It may lie across two pieces. */
            size_t have = kept + (size_t)got;
            kept = have < length - 1 ? have : length - 1;
            memmove(piece, piece + have - kept, kept);
        }
    }
    close(fd);
    return found;
}

unsigned raw_devices(const char *path)
{
    struct stat file;
    unsigned count = 0;
    DIR *devices = opendir("/sys/block");
    assert_non_null(devices);
    if (stat(path, &file) != 0) memset(&file, 0, sizeof(file));
    for (const struct dirent *entry; (entry = readdir(devices)) != NULL;) {
        struct loop_info64 info;
        char name[64];
        if (!text_starts(entry->d_name, "loop")) continue;
        snprintf(name, sizeof(name), "/dev/%.32s", entry->d_name);
        int device = open(name, O_RDONLY | O_CLOEXEC);
        if (device < 0) continue;
        count += ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file.st_dev &&
                 info.lo_inode == file.st_ino;
        close(device);
    }
    closedir(devices);
    return count;
}
