/* Time. Twins: os/clock.c (the machine's clocks on the event loop), later sim's virtual clock. */
#ifndef CROFT_PORT_CLOCK_H
#define CROFT_PORT_CLOCK_H

#include <stdint.h>

struct timer;

struct clock_port {
    void *self;
    /* Milliseconds since 1970, UTC; may jump. For documents and people. */
    int64_t (*wall_ms)(void *self);
    /* Microseconds from an arbitrary start; never goes back. For time-outs and measurements. */
    int64_t (*steady_us)(void *self);
    /* Calls fire(ctx) once, from the loop, delay_us (>= 0) from now. The timer is gone when fire is
     * called; cancel it before that, or never. Never NULL. */
    struct timer *(*after)(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx);
    /* The same, but up to step_us (1 to delay_us) earlier: what recurs and may come a little early, so that
     * all such timers wake the process together. One that asks again with a delay of whole steps whenever it
     * fires keeps its pace. */
    struct timer *(*after_together)(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx);
    /* timer may be NULL. Its fire will not be called after this. */
    void (*cancel)(void *self, struct timer *timer);
};

#endif
