/* One listening socket an instance, one request a connection, one answer. README.md has the limits. */
#include "os/local.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/local_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECOND_US = 1000 * 1000, NO_ROOM_US = 100 * 1000, BACKLOG = 8 };

struct os_local {
    struct local_port port;
    const struct clock_port *clock;
    const struct watch_port *watch;
    size_t opened;
};

struct asker {
    struct local *local;
    struct asker *next, **place;
    int fd;
    struct fd_watch *watch;
    struct timer *timer;
    struct buf input, output;
    size_t sent_size;
    unsigned pieces;
};

struct local {
    struct os_local *all;
    local_handler handler;
    void *ctx;
    int fd;
    struct fd_watch *watch; /* NULL: nobody is let in at the moment */
    struct timer *again;    /* when the next one is */
    struct asker *askers;
    size_t askers_length;
    int64_t credit_us, credited_us; /* SECOND_US / LOCAL_RATE lets one in; counted up to then */
};

static bool open_local(void *self, const char *directory, const char *name, local_handler handler, void *ctx,
                       struct local **ret_local, struct error *err);
static void close_local(void *self, struct local *local);
static bool bind_at(int fd, int directory, const char *name);
static void let_in(void *ctx);
static void take_in(struct local *local, int fd);
static void pause_for(struct local *local, int64_t delay_us);
static void resume(void *ctx);
static void hear(void *ctx);
static void answer(struct asker *asker, int status, const struct local_read *read);
static void say(void *ctx);
static void too_late(void *ctx);
static void dismiss(struct asker *asker);

struct os_local *os_local_new(const struct clock_port *clock, const struct watch_port *watch)
{
    struct os_local *local = mem_alloc(sizeof(*local));
    local->port = (struct local_port){.self = local, .open = open_local, .close = close_local};
    local->clock = clock;
    local->watch = watch;
    return local;
}

void os_local_free(struct os_local *local)
{
    ASSERT(local == NULL || local->opened == 0);
    mem_free(local);
}

const struct local_port *os_local_port(const struct os_local *local)
{
    return &local->port;
}

static bool open_local(void *self, const char *directory, const char *name, local_handler handler, void *ctx,
                       struct local **ret_local, struct error *err)
{
    struct os_local *all = self;
    int place = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0) return error_errno(err, errno, "open %s", directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = fd >= 0 && bind_at(fd, place, name) && listen(fd, BACKLOG) == 0;
    int failure = errno;
    close(place);
    if (!good) {
        if (fd >= 0) close(fd);
        return error_errno(err, failure, "listen at %s/%s", directory, name);
    }
    struct local *local = mem_alloc(sizeof(*local));
    *local = (struct local){.all = all, .handler = handler, .ctx = ctx, .fd = fd};
    local->credit_us = LOCAL_BURST * (SECOND_US / LOCAL_RATE);
    local->credited_us = all->clock->steady_us(all->clock->self);
    local->watch = all->watch->start(all->watch->self, fd, let_in, local);
    all->opened++;
    *ret_local = local;
    return true;
}

static void close_local(void *self, struct local *local)
{
    struct os_local *all = self;
    if (local == NULL) return;
    all->watch->stop(all->watch->self, local->watch);
    local->watch = NULL;
    close(local->fd);
    while (local->askers != NULL)
        dismiss(local->askers);
    all->clock->cancel(all->clock->self, local->again); /* the last one's leaving may have set it */
    all->opened--;
    mem_free(local);
}

/* By the directory's descriptor: paths to instances are longer than a socket's name may be. The mode is given
 * before there is a name, because a name may be another thing a moment later. */
static bool bind_at(int fd, int directory, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory, name);
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT) return false;
    if (fchmod(fd, 0666) < 0) return false;
    mode_t mask = umask(0);
    int result = bind(fd, (const struct sockaddr *)&address, sizeof(address));
    int failure = errno;
    umask(mask);
    errno = failure;
    return result == 0;
}

/* One a turn of the loop. */
static void let_in(void *ctx)
{
    struct local *local = ctx;
    const struct clock_port *clock = local->all->clock;
    int64_t now_us = clock->steady_us(clock->self);
    local->credit_us += now_us - local->credited_us;
    local->credited_us = now_us;
    if (local->credit_us > LOCAL_BURST * (SECOND_US / LOCAL_RATE))
        local->credit_us = LOCAL_BURST * (SECOND_US / LOCAL_RATE);
    if (local->credit_us < SECOND_US / LOCAL_RATE) {
        pause_for(local, SECOND_US / LOCAL_RATE - local->credit_us);
        return;
    }
    int fd = accept4(local->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* Out of descriptors or memory it would be ready again at once. */
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause_for(local, NO_ROOM_US);
        return;
    }
    local->credit_us -= SECOND_US / LOCAL_RATE;
    take_in(local, fd);
    if (local->askers_length >= LOCAL_ASKERS_MAX) pause_for(local, -1);
}

static void take_in(struct local *local, int fd)
{
    const struct clock_port *clock = local->all->clock;
    const struct watch_port *watch = local->all->watch;
    struct asker *asker = mem_alloc(sizeof(*asker));
    *asker = (struct asker){.local = local, .next = local->askers, .place = &local->askers, .fd = fd};
    if (asker->next != NULL) asker->next->place = &asker->next;
    local->askers = asker;
    local->askers_length++;
    asker->watch = watch->start(watch->self, fd, hear, asker);
    asker->timer = clock->after(clock->self, LOCAL_TIME_US, too_late, asker);
}

/* Below zero: until somebody leaves. */
static void pause_for(struct local *local, int64_t delay_us)
{
    const struct clock_port *clock = local->all->clock;
    const struct watch_port *watch = local->all->watch;
    watch->stop(watch->self, local->watch);
    local->watch = NULL;
    if (delay_us >= 0) local->again = clock->after(clock->self, delay_us, resume, local);
}

static void resume(void *ctx)
{
    struct local *local = ctx;
    const struct watch_port *watch = local->all->watch;
    local->again = NULL;
    local->watch = watch->start(watch->self, local->fd, let_in, local);
}

static void hear(void *ctx)
{
    struct asker *asker = ctx;
    char data[LOCAL_REQUEST_SIZE_MAX];
    ssize_t size = recv(asker->fd, data, sizeof(data) - asker->input.size, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        dismiss(asker);
        return;
    }
    buf_add(&asker->input, data, (size_t)size);
    struct local_read read = {0};
    int status = local_request_read(asker->input.data, asker->input.size, &read);
    if (status == 0 && ++asker->pieces >= LOCAL_PIECES_MAX) status = 400;
    if (status == 0) return;
    answer(asker, status, &read);
    local_read_free(&read);
}

/* Whatever comes in after this is not read: unlike TCP's, a Unix socket's answer survives that. */
static void answer(struct asker *asker, int status, const struct local_read *read)
{
    struct local *local = asker->local;
    const struct watch_port *watch = local->all->watch;
    struct local_answer to_say = {.status = status, .type = "application/json"};
    if (status == 200) {
        const struct local_request request = {.method = read->head.method,
                                              .path = read->head.path,
                                              .body = buf_text(&read->body),
                                              .body_size = read->body.size};
        local->handler(local->ctx, &request, &to_say);
    } else {
        buf_printf(&to_say.body, "{\"error\":\"%s: one short HTTP/1.1 request, %d bytes at most\"}\n",
                   wire_reason(status), LOCAL_REQUEST_SIZE_MAX);
    }
    const struct header type = {"Content-Type", to_say.type};
    wire_add_answer(&asker->output, to_say.status, &type, 1, (int64_t)to_say.body.size, false, false);
    buf_add(&asker->output, buf_text(&to_say.body), to_say.body.size);
    buf_free(&to_say.body);
    watch->stop(watch->self, asker->watch);
    asker->watch = NULL;
    say(asker);
}

static void say(void *ctx)
{
    struct asker *asker = ctx;
    const struct watch_port *watch = asker->local->all->watch;
    ssize_t size = send(asker->fd, asker->output.data + asker->sent_size,
                        asker->output.size - asker->sent_size, MSG_NOSIGNAL);
    bool later = size < 0 && (errno == EAGAIN || errno == EINTR);
    if (size > 0) asker->sent_size += (size_t)size;
    if ((size < 0 && !later) || asker->sent_size == asker->output.size)
        dismiss(asker);
    else if (asker->watch == NULL)
        asker->watch = watch->start_writable(watch->self, asker->fd, say, asker);
}

static void too_late(void *ctx)
{
    struct asker *asker = ctx;
    asker->timer = NULL;
    dismiss(asker);
}

static void dismiss(struct asker *asker)
{
    struct local *local = asker->local;
    const struct clock_port *clock = local->all->clock;
    const struct watch_port *watch = local->all->watch;
    watch->stop(watch->self, asker->watch);
    clock->cancel(clock->self, asker->timer);
    close(asker->fd);
    buf_free(&asker->input);
    buf_free(&asker->output);
    *asker->place = asker->next;
    if (asker->next != NULL) asker->next->place = asker->place;
    mem_free(asker);
    if (local->askers_length-- == LOCAL_ASKERS_MAX && local->again == NULL)
        local->again = clock->after(clock->self, 0, resume, local);
}
