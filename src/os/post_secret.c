#include "os/post_secret.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_name(const char *name);
static bool is_private(int fd, struct error *err);
static bool read_line(int fd, char ret_password[POST_SECRET_SIZE_MAX + 1], struct error *err);

bool post_secret_read(const char *directory, const char *name, char ret_password[POST_SECRET_SIZE_MAX + 1],
                      struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", directory, name);
    int fd = -1;

    if (!is_name(name)) return error_set(err, ERROR_INVALID, "%s names no secret", name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "there is no secret %s: put the password into %s, mode 0600",
                         name, path);
    if (fd < 0) return error_errno(err, errno, "secret %s", name);
    bool good = is_private(fd, err) && read_line(fd, ret_password, err);
    close(fd);
    return good || error_wrap(err, "secret %s", name);
}

/* "acme/mail": one directory down, and nowhere else. */
static bool is_name(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash && slash != name && slash[1] != '\0' && strchr(slash + 1, '/') == NULL && name[0] != '.' &&
           slash[1] != '.';
}

static bool is_private(int fd, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0) return error_errno(err, errno, "looking at it");
    if (!S_ISREG(st.st_mode)) return error_set(err, ERROR_INVALID, "it is no file");
    if ((st.st_mode & 077) != 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
        return error_set(err, ERROR_DENIED, "others may read or change it: chmod 600, and its owner croft's");
    return true;
}

static bool read_line(int fd, char ret_password[POST_SECRET_SIZE_MAX + 1], struct error *err)
{
    char text[POST_SECRET_SIZE_MAX + 1];
    size_t size = 0;
    ssize_t got = 1;

    while (size < sizeof(text) && (got = read(fd, text + size, sizeof(text) - size)) > 0)
        size += (size_t)got;
    bool good = got >= 0;
    if (!good) error_errno(err, errno, "reading it");
    if (size > 0 && size < sizeof(text) && text[size - 1] == '\n') size--;
    if (good &&
        (size == 0 || size > POST_SECRET_SIZE_MAX || memchr(text, '\n', size) || memchr(text, '\0', size)))
        good = error_set(err, ERROR_INVALID, "it is to be one line of 1 to %d bytes", POST_SECRET_SIZE_MAX);
    if (good) {
        memcpy(ret_password, text, size);
        ret_password[size] = '\0';
    }
    explicit_bzero(text, sizeof(text));
    return good;
}
