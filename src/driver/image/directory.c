/* A directory as one tar, the same for the same content: sorted by name, owners and times kept. */
#include "driver/image/inside.h"

#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
    struct archive *out;
    struct map *inodes; /* "dev:inode" of files with several links -> the path they were first seen under */
    struct arena *arena;
};

static bool add_directory(struct walk *walk, int parent, const char *name, const char *path,
                          struct error *err);
static bool add_entry(struct walk *walk, int directory, const char *name, const char *path,
                      struct error *err);
static bool add_header(struct walk *walk, int directory, const char *name, const char *path,
                       const struct stat *status, bool *ret_linked, struct error *err);
static bool add_content(struct walk *walk, int directory, const char *name, const char *path,
                        struct error *err);
static int compare_names(const void *a, const void *b);

bool import_directory(struct import *import, const char *path, struct error *err)
{
    int fd;
    if (!import_temporary(import, &fd, err)) return false;
    struct walk walk = {.out = archive_write_new(), .inodes = map_new(), .arena = import->arena};
    archive_write_set_format_pax_restricted(walk.out);
    bool good = archive_write_open_fd(walk.out, fd) == ARCHIVE_OK ||
                error_set(err, ERROR_FAILED, "write a tar: %s", archive_error_string(walk.out));
    good = good && add_directory(&walk, AT_FDCWD, path, "", err);
    if (good && archive_write_close(walk.out) != ARCHIVE_OK) {
        good = error_set(err, ERROR_FAILED, "write a tar: %s", archive_error_string(walk.out));
    }
    archive_write_free(walk.out);
    map_free(walk.inodes);
    good = good && import_layer_fd(import, fd, NULL, err);
    close(fd);
    return good;
}

static bool add_directory(struct walk *walk, int parent, const char *name, const char *path,
                          struct error *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (*path == '\0' ? 0 : O_NOFOLLOW));
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) return error_errno(err, errno, "open directory %s", *path == '\0' ? name : path);
    struct vec names = VEC_OF(char *);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, "..")) continue;
        *(char **)vec_push(&names) = mem_strdup(entry->d_name);
    }
    vec_sort(&names, compare_names);
    bool good = true;
    for (size_t i = 0; i < names.length; i++) {
        char *item = *(char **)vec_at(&names, i);
        CLEANUP_MEM char *below = mem_printf("%s%s%s", path, *path == '\0' ? "" : "/", item);
        good = good && add_entry(walk, dirfd(directory), item, below, err);
        mem_free(item);
    }
    vec_free(&names);
    closedir(directory);
    return good;
}

static bool add_entry(struct walk *walk, int directory, const char *name, const char *path, struct error *err)
{
    struct stat status;
    bool linked = false;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, errno, "look at %s", path);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) return true;
    if (!add_header(walk, directory, name, path, &status, &linked, err)) return false;
    if (S_ISDIR(status.st_mode)) return add_directory(walk, directory, name, path, err);
    return !S_ISREG(status.st_mode) || linked || add_content(walk, directory, name, path, err);
}

static bool add_header(struct walk *walk, int directory, const char *name, const char *path,
                       const struct stat *status, bool *ret_linked, struct error *err)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, status->st_mode);
    archive_entry_set_uid(entry, status->st_uid);
    archive_entry_set_gid(entry, status->st_gid);
    archive_entry_set_mtime(entry, status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
    char target[PATH_MAX];
    bool good = true;
    if (S_ISLNK(status->st_mode)) {
        ssize_t size = readlinkat(directory, name, target, sizeof(target) - 1);
        good = size >= 0 || error_errno(err, errno, "read the link %s", path);
        target[size < 0 ? 0 : size] = '\0';
        archive_entry_set_symlink(entry, target);
    } else if (S_ISREG(status->st_mode)) {
        CLEANUP_MEM char *key =
            mem_printf("%llu:%llu", (unsigned long long)status->st_dev, (unsigned long long)status->st_ino);
        const char *first = status->st_nlink > 1 ? map_get(walk->inodes, key) : NULL;
        if (first != NULL) archive_entry_set_hardlink(entry, first);
        if (first == NULL) archive_entry_set_size(entry, status->st_size);
        if (first == NULL && status->st_nlink > 1)
            map_put(walk->inodes, key, arena_strdup(walk->arena, path));
        *ret_linked = first != NULL;
    }
    if (good && archive_write_header(walk->out, entry) < ARCHIVE_WARN) {
        good = error_set(err, ERROR_FAILED, "add %s: %s", path, archive_error_string(walk->out));
    }
    archive_entry_free(entry);
    return good;
}

static bool add_content(struct walk *walk, int directory, const char *name, const char *path,
                        struct error *err)
{
    char chunk[16384];
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool good = fd >= 0 || error_errno(err, errno, "open %s", path);
    for (ssize_t got = 1; good && got > 0;) {
        got = read(fd, chunk, sizeof(chunk));
        if (got < 0) good = error_errno(err, errno, "read %s", path);
        if (good && got > 0 && archive_write_data(walk->out, chunk, (size_t)got) != got) {
            good = error_set(err, ERROR_FAILED, "add %s (did it grow?)", path);
        }
    }
    if (fd >= 0) close(fd);
    return good;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}
