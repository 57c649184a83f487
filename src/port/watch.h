/* Readiness of descriptors on the event loop. Level-triggered: a callback that leaves data unread is called
 * again. An error or a hang-up counts as ready, and the next read, write or SO_ERROR tells it. */
#ifndef CROFT_PORT_WATCH_H
#define CROFT_PORT_WATCH_H

struct fd_watch;

struct watch_port {
    void *self;
    /* Calls readable(ctx) from the loop while fd can be read, until stop(). The descriptor stays the caller's
     * and outlives the watch. One watch a descriptor at a time. Never NULL. */
    struct fd_watch *(*start)(void *self, int fd, void (*readable)(void *ctx), void *ctx);
    /* The same while fd can be written: the end of a connect(), or room again. */
    struct fd_watch *(*start_writable)(void *self, int fd, void (*writable)(void *ctx), void *ctx);
    /* watch may be NULL. Its callback will not be called after this; allowed from inside it. */
    void (*stop)(void *self, struct fd_watch *watch);
};

#endif
