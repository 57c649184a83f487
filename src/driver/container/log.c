/* An instance's output: a file that only grows, whose old part is a hole. So offsets are absolute, no line is
 * lost between a look and a cut, and nothing needs to be remembered over a restart. */
#include "base/mem.h"
#include "driver/container/files.h"
#include "driver/container/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool trim(struct held *instance);
static bool open_log(struct held *instance);

void container_trim_logs(void *ctx)
{
    struct container *container = ctx;
    const struct clock_port *clock = container->options.clock;
    size_t cursor = 0;
    const char *name;
    void *instance;
    bool cut = false;
    while (map_next(container->instances, &cursor, &name, &instance))
        cut |= trim(instance);
    container->log_timer =
        cut ? container_after(container, LOG_AGAIN_US, container_trim_logs, container)
            : clock->after_together(clock->self, LOG_EVERY_US, LOG_EVERY_US, container_trim_logs, container);
}

bool container_log(void *self, const char *name, int64_t *offset, size_t size_max, struct buf *ret_data,
                   struct error *err)
{
    const struct held *instance = instance_find(self, name);
    if (instance == NULL) return error_set(err, ERROR_NOT_FOUND, "no instance %s here", name);
    CLEANUP_MEM char *path = mem_printf("%s/io/log", instance->directory);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) { /* not started yet */
        if (*offset < 0) *offset = 0;
        return true;
    }
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) return error_errno(err, errno, "read the log of %s", name);
    off_t from = *offset < 0 ? status.st_size + (off_t)*offset : (off_t)*offset;
    if (from < 0 || from > status.st_size) from = 0; /* longer than it is: that was another run's */
    if (*offset < 0 || from < *offset) *offset = from;
    if (from >= status.st_size) return true;
    from = lseek(fd, from, SEEK_DATA);
    if (from < 0 && errno == ENXIO) { /* nothing but a hole from there on */
        *offset = status.st_size;
        return true;
    }
    if (from < 0) return error_errno(err, errno, "read the log of %s", name);
    size_t size = (size_t)(status.st_size - from) < size_max ? (size_t)(status.st_size - from) : size_max;
    CLEANUP_MEM char *data = mem_alloc(size + 1);
    ssize_t got = pread(fd, data, size, from);
    if (got < 0) return error_errno(err, errno, "read the log of %s", name);
    buf_add(ret_data, data, (size_t)got);
    *offset = from + got;
    return true;
}

/* Was it too long? Failing to cut does no harm: its file system is small. */
static bool trim(struct held *instance)
{
    struct stat status;
    if (instance->pid == 0 || (instance->log < 0 && !open_log(instance))) return false;
    if (fstat(instance->log, &status) < 0 || status.st_blocks * 512 <= LOG_SIZE_MAX) return false;
    off_t end = (status.st_size - LOG_SIZE_KEPT) & ~(off_t)4095;
    return end > 0 && fallocate(instance->log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, end) == 0;
}

/* Kept open as long as the process lives: the look is what an idle host does most often. */
static bool open_log(struct held *instance)
{
    CLEANUP_MEM char *path = mem_printf("%s/io/log", instance->directory);
    instance->log = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return instance->log >= 0;
}
