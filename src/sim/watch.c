#include "sim/watch.h"

#include "base/attr.h"

#include <stddef.h>

static struct fd_watch *start(void *self, int fd, void (*ready)(void *ctx), void *ctx);
static void stop(void *self, struct fd_watch *watch);

const struct watch_port *sim_watch_port(void)
{
    static const struct watch_port port = {NULL, start, start, stop};
    return &port;
}

static struct fd_watch *start(void *self, int fd, void (*ready)(void *ctx), void *ctx)
{
    UNREACHABLE();
}

static void stop(void *self, struct fd_watch *watch)
{
    ASSERT(!watch);
}
