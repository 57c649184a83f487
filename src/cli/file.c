#include "cli/file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((size_t)64 * 1024 * 1024)

static bool read_all(int fd, const char *path, size_t size_max, struct buf *text, struct error *err);

bool user_file_read(const char *path, struct buf *ret_text, struct error *err)
{
    struct buf text = {0};
    int fd = text_equal(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int why = errno;

    if (fd < 0)
        return why == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no file %s", path)
                             : error_errno(err, why, "cannot open %s", path);
    bool good = read_all(fd, path, FILE_SIZE_MAX, &text, err);
    if (fd != STDIN_FILENO) close(fd);
    if (good) buf_add(ret_text, buf_text(&text), text.size);
    buf_free(&text);
    return good;
}

bool user_file_write(const char *path, const struct buf *text, struct error *err)
{
    bool standard = text_equal(path, "-");
    int fd = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t done = 0;

    if (fd < 0) return error_errno(err, errno, "cannot write %s", path);
    while (done < text->size) {
        ssize_t size = write(fd, text->data + done, text->size - done);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) break;
        done += (size_t)size;
    }
    int why = errno;
    if (!standard && close(fd) != 0 && done == text->size) {
        why = errno;
        done = 0;
    }
    return done == text->size || error_errno(err, why, "cannot write %s", path);
}

bool user_text_open(const char *path, struct user_text *ret_text, struct error *err)
{
    struct user_text text = {0};
    struct stat status;
    int fd = text_equal(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int why = errno;

    if (fd < 0)
        return why == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no file %s", path)
                             : error_errno(err, why, "cannot open %s", path);
    bool is_file = fd != STDIN_FILENO && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    void *map = is_file && status.st_size > 0
                    ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                    : MAP_FAILED;
    bool good = true;
    if (map != MAP_FAILED) {
        text.data = map;
        text.size = text.mapped_size = (size_t)status.st_size;
    } else {
        good = read_all(fd, path, SIZE_MAX - 1, &text.read, err);
        text.data = buf_text(&text.read);
        text.size = text.read.size;
    }
    if (fd != STDIN_FILENO) close(fd);
    if (good)
        *ret_text = text;
    else
        buf_free(&text.read);
    return good;
}

void user_text_close(struct user_text *text)
{
    if (text->mapped_size > 0) {
        void *map;
        memcpy(&map, &text->data, sizeof(map)); /* the system's, not to be written to */
        munmap(map, text->mapped_size);
    }
    buf_free(&text->read);
    *text = (struct user_text){0};
}

static bool read_all(int fd, const char *path, size_t size_max, struct buf *text, struct error *err)
{
    char piece[65536];
    ssize_t size = 0;

    while (text->size <= size_max && (size = read(fd, piece, sizeof(piece))) > 0)
        buf_add(text, piece, (size_t)size);
    if (size < 0) return error_errno(err, errno, "cannot read %s", path);
    return size == 0 || error_set(err, ERROR_TOO_LARGE, "%s is larger than 64 MiB", path);
}
