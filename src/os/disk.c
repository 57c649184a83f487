#include "os/disk.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_PREFIX ".~"

struct os_disk {
    struct disk_port port;
    int root_fd;
    char *root; /* for messages */
};

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err);
static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err);
static bool disk_remove(void *self, const char *path, struct error *err);
static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err);
static bool open_parent(struct os_disk *disk, const char *path, bool make, int *ret_fd, char *ret_name,
                        struct error *err);
static bool next_part(const char **path, char *ret_part);
static bool enter(int *fd, const char *part, bool make);
static bool write_temporary(int parent, const char *temporary, const void *data, size_t size, unsigned mode);
static bool add_name(int fd, const struct dirent *entry, struct vec *names);
static int compare_names(const void *a, const void *b);
static void close_fd(int *fd);

bool os_disk_new(const char *root, struct os_disk **ret_disk, struct error *err)
{
    if (mkdir(root, 0700) < 0 && errno != EEXIST) return error_errno(err, errno, "cannot make %s", root);
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open the directory %s", root);
    struct os_disk *disk = mem_alloc(sizeof(*disk));
    disk->root_fd = fd;
    disk->root = mem_strdup(root);
    disk->port = (struct disk_port){
        .self = disk, .read = disk_read, .write = disk_write, .remove = disk_remove, .list = disk_list};
    *ret_disk = disk;
    return true;
}

void os_disk_free(struct os_disk *disk)
{
    if (disk == NULL) return;
    close(disk->root_fd);
    mem_free(disk->root);
    mem_free(disk);
}

const struct disk_port *os_disk_port(const struct os_disk *disk)
{
    return &disk->port;
}

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err)
{
    struct os_disk *disk = self;
    CLEANUP(close_fd) int parent = -1;
    CLEANUP(close_fd) int fd = -1;
    char name[NAME_MAX + 1];
    if (!open_parent(disk, path, false, &parent, name, err)) return false;
    fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "there is no file %s/%s", disk->root, path);
    if (fd < 0 || fstat(fd, &info) < 0) return error_errno(err, errno, "cannot open %s/%s", disk->root, path);
    if (!S_ISREG(info.st_mode)) return error_set(err, ERROR_FAILED, "%s/%s is not a file", disk->root, path);
    CLEANUP_BUF struct buf data = {0};
    for (;;) {
        char piece[16384];
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(err, errno, "cannot read %s/%s", disk->root, path);
        if (got == 0) break;
        buf_add(&data, piece, (size_t)got);
    }
    buf_add(ret_data, data.data, data.size);
    return true;
}

static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err)
{
    struct os_disk *disk = self;
    CLEANUP(close_fd) int parent = -1;
    char name[NAME_MAX + 1];
    char temporary[NAME_MAX + sizeof(TEMPORARY_PREFIX)];
    if (!open_parent(disk, path, true, &parent, name, err)) return false;
    /* A name of its own per file: what a crash leaves behind is used up by the next write of that file. */
    snprintf(temporary, sizeof(temporary), TEMPORARY_PREFIX "%s", name);
    if (!write_temporary(parent, temporary, data, size, mode) ||
        renameat(parent, temporary, parent, name) < 0) {
        int failure = errno;
        unlinkat(parent, temporary, 0);
        return error_errno(err, failure, "cannot write %s/%s", disk->root, path);
    }
    if (fsync(parent) < 0) return error_errno(err, errno, "cannot make %s/%s durable", disk->root, path);
    return true;
}

static bool disk_remove(void *self, const char *path, struct error *err)
{
    struct os_disk *disk = self;
    CLEANUP(close_fd) int parent = -1;
    char name[NAME_MAX + 1];
    struct error failure;
    if (!open_parent(disk, path, false, &parent, name, &failure)) {
        if (failure.code == ERROR_NOT_FOUND) return true;
        *err = failure;
        return false;
    }
    if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot remove %s/%s", disk->root, path);
    if (fsync(parent) < 0)
        return error_errno(err, errno, "cannot make the removal of %s/%s durable", disk->root, path);
    return true;
}

static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err)
{
    struct os_disk *disk = self;
    CLEANUP(close_fd) int fd = openat(disk->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", disk->root);
    char part[NAME_MAX + 1];
    const char *rest = path;
    while (*rest != '\0' && !text_equal(rest, ".")) {
        if (!next_part(&rest, part))
            return error_set(err, ERROR_INVALID, "not a path below %s: %s", disk->root, path);
        if (enter(&fd, part, false)) continue;
        if (errno == ENOENT) return true;
        return error_errno(err, errno, "cannot list %s/%s", disk->root, path);
    }
    DIR *directory = fdopendir(fd);
    if (directory == NULL) return error_errno(err, errno, "cannot list %s/%s", disk->root, path);
    int list_fd = fd;
    fd = -1; /* the directory's now */
    struct vec names = VEC_OF(char *);
    bool done = true;
    struct dirent *entry;
    for (errno = 0; done && (entry = readdir(directory)) != NULL; errno = 0)
        done = add_name(list_fd, entry, &names);
    if (errno != 0) {
        error_errno(err, errno, "cannot list %s/%s", disk->root, path);
        done = false;
    }
    closedir(directory);
    vec_sort(&names, compare_names);
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        if (done) {
            *(char **)vec_push(ret_names) = name;
        } else {
            mem_free(name);
        }
    }
    vec_free(&names);
    return done;
}

/* The open directory that holds the path's last part, and that part. Directories made on the way are durable
 * in their parents. ret_name holds NAME_MAX + 1 bytes. */
static bool open_parent(struct os_disk *disk, const char *path, bool make, int *ret_fd, char *ret_name,
                        struct error *err)
{
    CLEANUP(close_fd) int fd = openat(disk->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", disk->root);
    const char *rest = path;
    for (;;) {
        char part[NAME_MAX + 1];
        if (!next_part(&rest, part))
            return error_set(err, ERROR_INVALID, "not a path below %s: %s", disk->root, path);
        if (*rest == '\0') {
            memcpy(ret_name, part, sizeof(part));
            break;
        }
        if (enter(&fd, part, make)) continue;
        if (errno == ENOENT && !make)
            return error_set(err, ERROR_NOT_FOUND, "there is no file %s/%s", disk->root, path);
        return error_errno(err, errno, "cannot open the directory of %s/%s", disk->root, path);
    }
    *ret_fd = fd;
    fd = -1;
    return true;
}

/* Takes the first part off *path. False for parts that are empty, too long, "." or "..", or reserved. */
static bool next_part(const char **path, char *ret_part)
{
    size_t size = strcspn(*path, "/");
    if (size == 0 || size > NAME_MAX) return false;
    memset(ret_part, 0, NAME_MAX + 1);
    memcpy(ret_part, *path, size);
    if (text_equal(ret_part, ".") || text_equal(ret_part, "..") || text_starts(ret_part, TEMPORARY_PREFIX))
        return false;
    if ((*path)[size] == '/') {
        if ((*path)[size + 1] == '\0') return false;
        size++;
    }
    *path += size;
    return true;
}

/* Replaces *fd by the directory `part` in it; with errno set on failure. */
static bool enter(int *fd, const char *part, bool make)
{
    if (make) {
        if (mkdirat(*fd, part, 0700) == 0) {
            if (fsync(*fd) < 0) return false;
        } else if (errno != EEXIST) {
            return false;
        }
    }
    int inner = openat(*fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return false;
    close(*fd);
    *fd = inner;
    return true;
}

static bool write_temporary(int parent, const char *temporary, const void *data, size_t size, unsigned mode)
{
    if (unlinkat(parent, temporary, 0) < 0 && errno != ENOENT) return false;
    CLEANUP(close_fd)
    int fd = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    /* Not left to open(): the umask must not change what was asked for. */
    if (fchmod(fd, (mode_t)mode) < 0) return false;
    const char *bytes = data;
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        bytes += put;
        size -= (size_t)put;
    }
    return fsync(fd) == 0;
}

/* Adds the entry's name when it is a file of ours. False with errno set when it cannot be told. */
static bool add_name(int fd, const struct dirent *entry, struct vec *names)
{
    if (text_starts(entry->d_name, TEMPORARY_PREFIX)) return true;
    bool is_file = entry->d_type == DT_REG;
    if (entry->d_type == DT_UNKNOWN) {
        struct stat info;
        if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT;
        is_file = S_ISREG(info.st_mode);
    }
    if (is_file) *(char **)vec_push(names) = mem_strdup(entry->d_name);
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_fd(int *fd)
{
    int failure = errno;
    if (*fd >= 0) close(*fd);
    errno = failure;
}
