#include "cli/file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((size_t)64 * 1024 * 1024)

bool user_file_read(const char *path, struct buf *ret_text, struct error *err)
{
    char piece[65536];
    struct buf text = {0};
    ssize_t size = 0;
    int fd = text_equal(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int why = errno;

    if (fd < 0)
        return why == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no file %s", path)
                             : error_errno(err, why, "cannot open %s", path);
    while (text.size <= FILE_SIZE_MAX && (size = read(fd, piece, sizeof(piece))) > 0)
        buf_add(&text, piece, (size_t)size);
    why = errno;
    if (fd != STDIN_FILENO) close(fd);
    bool good = size == 0;
    if (size < 0)
        error_errno(err, why, "cannot read %s", path);
    else if (size > 0)
        error_set(err, ERROR_TOO_LARGE, "%s is larger than 64 MiB", path);
    if (good) buf_add(ret_text, buf_text(&text), text.size);
    buf_free(&text);
    return good;
}
