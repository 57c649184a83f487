#include "driver/balance/balance_admin.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "driver/balance/balance_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* 10,000 servers take about a megabyte in one answer. */
enum { ANSWER_SIZE_MAX = 16 * 1024 * 1024, READ_SIZE = 65536 };

/* So many commands are under way at once: they and their short answers fit into the kernel's buffers, so
 * neither side can wait for the other to read first. */
enum { UNDER_WAY_MAX = 32 };

struct question {
    balance_answered answered;
    void *ctx;
};

struct balance_admin {
    const struct watch_port *watch;
    struct fd_watch *fd_watch;
    bool watching_writable;
    bool gone; /* lost() was or is to be called: nothing goes in or out any more */
    int fd;
    struct buf out, in;
    size_t in_seen; /* bytes of `in` that were searched for a prompt already */
    struct vec questions;
    size_t under_way; /* of the questions: sent */
    void (*lost)(void *ctx, const char *reason);
    void *ctx;
};

static bool open_socket(const char *directory, int *ret_fd, struct error *err);
static bool connect_through(int path_fd, int fd, struct error *err);
static void on_readable(void *ctx);
static void on_writable(void *ctx);
static void flush(struct balance_admin *admin);
static size_t lines(const char *data, size_t size, size_t lines_max, size_t *ret_size);
static void watch_for(struct balance_admin *admin, bool writable);
static bool take_answers(struct balance_admin *admin);
static void lose(struct balance_admin *admin, const char *reason);

bool balance_admin_new(const struct watch_port *watch, const char *directory,
                       void (*lost)(void *ctx, const char *reason), void *ctx,
                       struct balance_admin **ret_admin, struct error *err)
{
    int fd = -1;
    if (!open_socket(directory, &fd, err)) return false;
    struct balance_admin *admin = mem_alloc(sizeof(*admin));
    admin->watch = watch;
    admin->fd = fd;
    admin->lost = lost;
    admin->ctx = ctx;
    admin->questions = VEC_OF(struct question);
    admin->fd_watch = watch->start(watch->self, fd, on_readable, admin);
    /* With the prompt the conversation goes on after an answer, and the prompt marks the answer's end. */
    balance_admin_ask(admin, "prompt", NULL, NULL);
    *ret_admin = admin;
    return true;
}

void balance_admin_free(struct balance_admin *admin)
{
    if (!admin) return;
    admin->watch->stop(admin->watch->self, admin->fd_watch);
    close(admin->fd);
    buf_free(&admin->out);
    buf_free(&admin->in);
    vec_free(&admin->questions);
    mem_free(admin);
}

void balance_admin_ask(struct balance_admin *admin, const char *command, balance_answered answered, void *ctx)
{
    ASSERT(!strchr(command, '\n'));
    *(struct question *)vec_push(&admin->questions) = (struct question){answered, ctx};
    buf_add_text(&admin->out, command);
    buf_add_char(&admin->out, '\n');
    watch_for(admin, true);
}

static bool open_socket(const char *directory, int *ret_fd, struct error *err)
{
    int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) return error_errno(err, errno, "cannot open %s", directory);
    int path_fd = openat(directory_fd, BALANCE_SOCKET_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int failure = errno;
    struct stat status;
    close(directory_fd);
    if (path_fd < 0)
        return error_errno(err, failure, "haproxy has not opened %s/" BALANCE_SOCKET_NAME, directory);
    if (fstat(path_fd, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        close(path_fd);
        return error_set(err, ERROR_REFUSED, "%s/" BALANCE_SOCKET_NAME " is not a socket", directory);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        failure = errno;
        close(path_fd);
        return error_errno(err, failure, "cannot make a socket");
    }
    bool done = connect_through(path_fd, fd, err);
    close(path_fd);
    if (done)
        *ret_fd = fd;
    else
        close(fd);
    return done;
}

/* By the descriptor's name: it is the very socket that was looked at, and short enough for sun_path. */
static bool connect_through(int path_fd, int fd, struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d", path_fd);
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0) return true;
    return error_errno(err, errno, "haproxy does not answer on its admin socket");
}

static void on_readable(void *ctx)
{
    struct balance_admin *admin = ctx;
    char data[READ_SIZE];
    ssize_t size = read(admin->fd, data, sizeof(data));
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        lose(admin, size == 0 ? "haproxy closed its admin socket" : strerror(errno));
        return;
    }
    buf_add(&admin->in, data, (size_t)size);
    if (memchr(data, 0, (size_t)size) || admin->in.size > ANSWER_SIZE_MAX || !take_answers(admin))
        lose(admin, "haproxy's admin socket talks nonsense");
    else if (admin->out.size)
        watch_for(admin, true);
}

static void on_writable(void *ctx)
{
    flush(ctx);
}

static void flush(struct balance_admin *admin)
{
    bool blocked = false;
    while (admin->out.size && admin->under_way < UNDER_WAY_MAX && !blocked) {
        size_t ready, sent;
        lines(admin->out.data, admin->out.size, UNDER_WAY_MAX - admin->under_way, &ready);
        ssize_t size = send(admin->fd, admin->out.data, ready, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        blocked = size < 0 && errno == EAGAIN;
        if (blocked) break;
        /* A broken pipe is told by the next read. */
        if (size < 0) size = (ssize_t)ready;
        admin->under_way += lines(admin->out.data, (size_t)size, SIZE_MAX, &sent);
        buf_consume(&admin->out, (size_t)size);
    }
    watch_for(admin, blocked);
}

/* How many lines end within size bytes, at most lines_max; ret_size: how many bytes those are, and those of
 * an unfinished line when there were fewer. */
static size_t lines(const char *data, size_t size, size_t lines_max, size_t *ret_size)
{
    size_t count = 0, i = 0;
    for (; i < size && count < lines_max; i++)
        if (data[i] == '\n') count++;
    *ret_size = i;
    return count;
}

static void watch_for(struct balance_admin *admin, bool writable)
{
    if (admin->gone || writable == admin->watching_writable) return;
    admin->watch->stop(admin->watch->self, admin->fd_watch);
    admin->fd_watch = writable
                          ? admin->watch->start_writable(admin->watch->self, admin->fd, on_writable, admin)
                          : admin->watch->start(admin->watch->self, admin->fd, on_readable, admin);
    admin->watching_writable = writable;
}

/* An answer ends with "\n> " at the beginning of what would be its next line; an empty one is "\n> ". */
static bool take_answers(struct balance_admin *admin)
{
    static const char PROMPT[] = "\n> ";
    for (;;) {
        size_t from = admin->in_seen > sizeof(PROMPT) ? admin->in_seen - sizeof(PROMPT) : 0;
        char *end = admin->in.size ? strstr(admin->in.data + from, PROMPT) : NULL;
        if (!end) {
            admin->in_seen = admin->in.size;
            return true;
        }
        if (!admin->under_way) return false;
        admin->under_way--;
        struct question question = *(struct question *)vec_at(&admin->questions, 0);
        vec_remove(&admin->questions, 0);
        size_t size = (size_t)(end - admin->in.data);
        while (size && admin->in.data[size - 1] == '\n')
            size--;
        CLEANUP_MEM char *text = mem_strndup(admin->in.data ? admin->in.data : "", size);
        buf_consume(&admin->in, (size_t)(end - admin->in.data) + sizeof(PROMPT) - 1);
        admin->in_seen = 0;
        if (question.answered) question.answered(question.ctx, text);
    }
}

static void lose(struct balance_admin *admin, const char *reason)
{
    admin->gone = true;
    admin->watch->stop(admin->watch->self, admin->fd_watch);
    admin->fd_watch = NULL;
    admin->lost(admin->ctx, reason);
}
