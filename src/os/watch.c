#include "os/watch.h"

#include "base/mem.h"

struct os_watch {
    struct watch_port port;
    struct loop *loop;
};

struct fd_watch {
    struct loop_watch *watch;
    void (*ready)(void *ctx);
    void *ctx;
};

static struct fd_watch *watch_start(void *self, int fd, void (*readable)(void *ctx), void *ctx);
static struct fd_watch *watch_start_writable(void *self, int fd, void (*writable)(void *ctx), void *ctx);
static struct fd_watch *start(void *self, int fd, unsigned wanted, void (*ready)(void *ctx), void *ctx);
static void watch_stop(void *self, struct fd_watch *watch);
static void fd_ready(void *ctx, unsigned ready);

struct os_watch *os_watch_new(struct loop *loop)
{
    struct os_watch *watch = mem_alloc(sizeof(*watch));
    watch->loop = loop;
    watch->port = (struct watch_port){
        .self = watch, .start = watch_start, .start_writable = watch_start_writable, .stop = watch_stop};
    return watch;
}

void os_watch_free(struct os_watch *watch)
{
    mem_free(watch);
}

const struct watch_port *os_watch_port(const struct os_watch *watch)
{
    return &watch->port;
}

static struct fd_watch *watch_start(void *self, int fd, void (*readable)(void *ctx), void *ctx)
{
    return start(self, fd, LOOP_READ, readable, ctx);
}

static struct fd_watch *watch_start_writable(void *self, int fd, void (*writable)(void *ctx), void *ctx)
{
    return start(self, fd, LOOP_WRITE, writable, ctx);
}

static struct fd_watch *start(void *self, int fd, unsigned wanted, void (*ready)(void *ctx), void *ctx)
{
    const struct os_watch *port = self;
    struct fd_watch *watch = mem_alloc(sizeof(*watch));
    watch->ready = ready;
    watch->ctx = ctx;
    watch->watch = loop_watch_fd(port->loop, fd, wanted, fd_ready, watch);
    return watch;
}

static void watch_stop(void *self, struct fd_watch *watch)
{
    (void)self;
    if (watch == NULL) return;
    loop_watch_end(watch->watch);
    mem_free(watch);
}

static void fd_ready(void *ctx, unsigned ready)
{
    const struct fd_watch *watch = ctx;
    (void)ready;
    watch->ready(watch->ctx);
}
