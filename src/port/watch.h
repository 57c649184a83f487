/* Descriptors to wait for. Twin: os/watch.c on the event loop; the simulation has no descriptors. */
#ifndef CROFT_PORT_WATCH_H
#define CROFT_PORT_WATCH_H

struct fd_watch;

struct watch_port {
    void *self;
    /* Calls readable(ctx) from the loop as long as the descriptor is readable (level-triggered) or hung up.
     * The descriptor stays the caller's: stop the watch before closing it. Never NULL. */
    struct fd_watch *(*start)(void *self, int fd, void (*readable)(void *ctx), void *ctx);
    /* watch may be NULL; also from inside readable. readable will not be called after this. */
    void (*stop)(void *self, struct fd_watch *watch);
};

#endif
