/* The event loop: one per process (or per test), one thread. Everything in this room hangs on one.
 * Making the first one ignores SIGPIPE for the whole process: a peer that leaves is an error to read, not a
 * reason to die. */
#ifndef CROFT_OS_LOOP_H
#define CROFT_OS_LOOP_H

#include "base/error.h"

struct loop;
struct loop_watch;
struct loop_later;

MUST_CHECK bool loop_new(struct loop **ret_loop, struct error *err);
/* NULL is fine. Free what hangs on the loop (clock, process, http, watches) before; pending loop_later()
 * calls are dropped. */
void loop_free(struct loop *loop);

void loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(
    struct loop *loop); /* also from a callback, and before loop_run(): that then returns at once */

/* Calls signalled(ctx, SIGTERM or SIGINT) from the loop in place of the signal's usual effect. Once per loop,
 * and only one loop of a process at a time may do so. */
MUST_CHECK bool loop_on_signal(struct loop *loop, void (*signalled)(void *ctx, int signal_number), void *ctx,
                               struct error *err);

/* Which way a descriptor is ready; also what to wait for. May be both. */
enum loop_ready {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
};

/* Calls ready(ctx, LOOP_… bits) as long as the descriptor is ready (level-triggered). A hang-up or an error
 * is told as being ready. The descriptor stays the caller's: end the watch before closing it. */
struct loop_watch *loop_watch_fd(struct loop *loop, int fd, unsigned wanted,
                                 void (*ready)(void *ctx, unsigned ready), void *ctx);
void loop_watch_change(struct loop_watch *watch, unsigned wanted); /* 0: pause */
void loop_watch_end(struct loop_watch *watch);                     /* NULL is fine; also from inside ready */

/* Calls later(ctx) once from the loop, soon, in the order of asking. The handle is gone when later is called;
 * cancel it before that, or never. */
struct loop_later *loop_later(struct loop *loop, void (*later)(void *ctx), void *ctx);
void loop_later_cancel(struct loop *loop, struct loop_later *later); /* NULL is fine */

#endif
