#include "driver/balance/balance_log.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READS_MAX = 16,   /* lines a turn … */
    PAUSE_US = 40000, /* … and then a rest: at most 400 lines a second are looked at */
    TIME_US_MAX = 1 << 30,
};

struct balance_log {
    const struct clock_port *clock;
    const struct watch_port *watch;
    struct fd_watch *fd_watch; /* NULL: it rests */
    struct timer *rest;
    int fd;
    void (*line)(void *ctx, const struct balance_sample *sample);
    void *ctx;
};

static bool open_socket(const char *directory, int *ret_fd, struct error *err);
static void on_readable(void *ctx);
static void on_rested(void *ctx);
static void rest(struct balance_log *log);
static bool read_lines(struct balance_log *log);
static bool read_number(const char *text, int64_t max, int64_t *ret_number);

/* In microseconds: since the head of the request came (tcp: since the connection) until now, and until the
 * head of the answer came, which http-response notes in t1. HAProxy's own timers are whole milliseconds. */
#define ALL_US "%[date(0,us),sub(txn.t0)]"
#define HEAD_US "%[var(txn.t1),sub(txn.t0)]"

void balance_line_format(enum balance_mode mode, struct buf *ret_text)
{
    bool http = mode == BALANCE_HTTP;
    buf_add_text(ret_text, http ? "%b %s %ST" : "%b %s 0");
    buf_add_text(ret_text, " %[var(txn.w)] %Tw %Tc ");
    buf_add_text(ret_text, http ? HEAD_US : ALL_US);
    buf_add_text(ret_text, " " ALL_US " %B %U");
}

bool balance_line_read(char *line, struct balance_sample *ret_sample)
{
    enum { BACKEND, SERVER, STATUS, WEIGHT, QUEUE, CONNECT, HEAD, ALL, SENT, RECEIVED, COLUMNS };
    struct balance_sample sample = {0};
    char *columns[COLUMNS];
    int64_t queue_ms, connect_ms, status, sent, received;
    size_t length = 0;

    for (char *at = line; at; length++) {
        if (length == COLUMNS) return false;
        columns[length] = at;
        at = strchr(at, ' ');
        if (at) *at++ = '\0';
    }
    if (length != COLUMNS || !text_is_name(columns[BACKEND])) return false;
    bool none = text_equal(columns[SERVER], "<NOSRV>");
    if (!none && !text_is_name(columns[SERVER])) return false;
    if (!read_number(columns[STATUS], 999, &status) ||
        !read_number(columns[WEIGHT], BALANCE_WEIGHT_MAX, &sample.weight) || sample.weight < 1)
        return false;
    /* -1: it did not come so far. The two last numbers are of bytes. */
    if (!read_number(columns[QUEUE], TIME_US_MAX / 1000, &queue_ms) ||
        !read_number(columns[CONNECT], TIME_US_MAX / 1000, &connect_ms) ||
        !read_number(columns[HEAD], TIME_US_MAX, &sample.head_us) ||
        !read_number(columns[ALL], TIME_US_MAX, &sample.all_us) || sample.all_us < 0)
        return false;
    if (!read_number(columns[SENT], INT64_MAX, &sent) ||
        !read_number(columns[RECEIVED], INT64_MAX, &received))
        return false;
    if (sent < 0 || received < 0 || __builtin_add_overflow(sent, received, &sample.bytes)) return false;
    sample.frontend = columns[BACKEND];
    sample.server = none ? "" : columns[SERVER];
    sample.status = (int)status;
    sample.queue_us = queue_ms < 0 ? -1 : queue_ms * 1000;
    sample.connect_us = connect_ms < 0 ? -1 : connect_ms * 1000;
    *ret_sample = sample;
    return true;
}

bool balance_log_new(const struct clock_port *clock, const struct watch_port *watch, const char *directory,
                     void (*line)(void *ctx, const struct balance_sample *sample), void *ctx,
                     struct balance_log **ret_log, struct error *err)
{
    int fd = -1;
    if (!open_socket(directory, &fd, err)) return false;
    struct balance_log *log = mem_alloc(sizeof(*log));
    *log = (struct balance_log){.clock = clock, .watch = watch, .fd = fd, .line = line, .ctx = ctx};
    log->fd_watch = watch->start(watch->self, fd, on_readable, log);
    *ret_log = log;
    return true;
}

void balance_log_free(struct balance_log *log)
{
    if (!log) return;
    log->watch->stop(log->watch->self, log->fd_watch);
    log->clock->cancel(log->clock->self, log->rest);
    close(log->fd);
    mem_free(log);
}

/* In the instance's own directory, where it may do what it likes: nothing is followed or changed there but
 * the name itself. Whoever gets into the directory may write; the mask is the process's, which has one
 * thread. */
static bool open_socket(const char *directory, int *ret_fd, struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) return error_errno(err, errno, "cannot open %s", directory);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = false;
    if (fd >= 0) {
        /* By the descriptor's name: short enough for sun_path. */
        snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/" BALANCE_LOG_NAME, directory_fd);
        unlinkat(directory_fd, BALANCE_LOG_NAME, 0); /* of an agent before this one; if not, bind() tells */
        mode_t mask = umask(0111);
        bound = bind(fd, (const struct sockaddr *)&name, sizeof(name)) == 0;
        umask(mask);
    }
    int failure = errno;
    close(directory_fd);
    if (bound) {
        *ret_fd = fd;
        return true;
    }
    if (fd >= 0) close(fd);
    return error_errno(err, failure, "cannot open %s/" BALANCE_LOG_NAME, directory);
}

/* The first line wakes the process; after that all logs are looked into together, a few times a second, for
 * as long as there are lines in them. What comes faster than it is read waits in the kernel, and what is more
 * than fits there (net.unix.max_dgram_qlen, 10 or more) is lost: HAProxy does not wait. */
static void on_readable(void *ctx)
{
    struct balance_log *log = ctx;

    log->watch->stop(log->watch->self, log->fd_watch);
    log->fd_watch = NULL;
    read_lines(log);
    rest(log);
}

static void rest(struct balance_log *log)
{
    log->rest = log->clock->after_together(log->clock->self, PAUSE_US, PAUSE_US, on_rested, log);
}

static void on_rested(void *ctx)
{
    struct balance_log *log = ctx;

    log->rest = NULL;
    if (read_lines(log))
        rest(log);
    else
        log->fd_watch = log->watch->start(log->watch->self, log->fd, on_readable, log);
}

/* False: there were none. */
static bool read_lines(struct balance_log *log)
{
    char line[BALANCE_LINE_SIZE + 1];
    int length = 0;

    for (; length < READS_MAX; length++) {
        struct balance_sample sample;
        ssize_t size = recv(log->fd, line, sizeof(line), MSG_TRUNC);
        if (size < 0) break;
        if (size == 0 || size >= (ssize_t)sizeof(line)) continue; /* it was longer, or nothing */
        if (line[size - 1] == '\n') size--;
        line[size] = '\0';
        if (strlen(line) == (size_t)size && balance_line_read(line, &sample)) log->line(log->ctx, &sample);
    }
    return length > 0;
}

/* -1 to max, in decimal digits; "-" is what HAProxy writes of what is not there: -1. */
static bool read_number(const char *text, int64_t max, int64_t *ret_number)
{
    uint64_t number;
    if (text_equal(text, "-") || text_equal(text, "-1")) {
        *ret_number = -1;
        return true;
    }
    if (!text_parse_u64(text, &number) || number > (uint64_t)max) return false;
    *ret_number = (int64_t)number;
    return true;
}
