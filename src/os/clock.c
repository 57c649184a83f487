#include "os/clock.h"

#include "base/mem.h"
#include "os/loop_base.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <time.h>

/* How long in one turn of the loop what was asked for at once is done before descriptors, and timers that are
 * due, are looked at again. */
enum { SOON_MAX_US = 10 * 1000 };

struct timer {
    struct os_clock *clock;
    struct timer *next;
    struct timer **place; /* what points to this one */
    struct event event;
    uint64_t number; /* of one without a delay */
    void (*fire)(void *ctx);
    void *ctx;
};

struct os_clock {
    struct clock_port port;
    struct loop *loop;
    struct timer *timers;
    struct timer *soon; /* those without a delay, in the order of asking */
    struct timer **soon_end;
    uint64_t soon_count; /* that were ever asked for */
    struct event soon_event;
    int64_t start_us; /* steps are counted from here, so that not all processes of a machine wake at once */
};

static int64_t clock_wall_ms(void *self);
static int64_t clock_steady_us(void *self);
static struct timer *clock_after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx);
static struct timer *clock_after_together(void *self, int64_t delay_us, int64_t step_us,
                                          void (*fire)(void *ctx), void *ctx);
static void clock_cancel(void *self, struct timer *timer);
static void add_soon(struct os_clock *clock, struct timer *timer);
static void wake_soon(struct os_clock *clock);
static void run_soon(evutil_socket_t fd, short what, void *ctx);
static void fire_timer(evutil_socket_t fd, short what, void *ctx);
static void timer_free(struct timer *timer);

struct os_clock *os_clock_new(struct loop *loop)
{
    struct os_clock *clock = mem_alloc(sizeof(*clock));
    clock->loop = loop;
    clock->port = (struct clock_port){.self = clock,
                                      .wall_ms = clock_wall_ms,
                                      .steady_us = clock_steady_us,
                                      .after = clock_after,
                                      .after_together = clock_after_together,
                                      .cancel = clock_cancel};
    clock->start_us = clock_steady_us(clock);
    clock->soon_end = &clock->soon;
    int result = event_assign(&clock->soon_event, loop_base(loop), -1, 0, run_soon, clock);
    ASSERT(result == 0);
    return clock;
}

void os_clock_free(struct os_clock *clock)
{
    if (clock == NULL) return;
    while (clock->timers != NULL)
        timer_free(clock->timers);
    while (clock->soon != NULL)
        timer_free(clock->soon);
    event_del(&clock->soon_event);
    mem_free(clock);
}

const struct clock_port *os_clock_port(const struct os_clock *clock)
{
    return &clock->port;
}

static int64_t clock_wall_ms(void *self)
{
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    ASSERT(result == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t clock_steady_us(void *self)
{
    struct timespec now;
    int result = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(result == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct timer *clock_after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx)
{
    struct os_clock *clock = self;
    ASSERT(delay_us >= 0);
    struct timer *timer = mem_alloc(sizeof(*timer));
    timer->clock = clock;
    timer->fire = fire;
    timer->ctx = ctx;
    int result = event_assign(&timer->event, loop_base(clock->loop), -1, 0, fire_timer, timer);
    ASSERT(result == 0);
    if (delay_us == 0) {
        add_soon(clock, timer);
        wake_soon(clock);
        return timer;
    }
    struct timeval delay = {.tv_sec = delay_us / 1000000, .tv_usec = delay_us % 1000000};
    result = event_add(&timer->event, &delay);
    ASSERT(result == 0);
    timer->next = clock->timers;
    timer->place = &clock->timers;
    if (timer->next != NULL) timer->next->place = &timer->next;
    clock->timers = timer;
    return timer;
}

static struct timer *clock_after_together(void *self, int64_t delay_us, int64_t step_us,
                                          void (*fire)(void *ctx), void *ctx)
{
    const struct os_clock *clock = self;
    ASSERT(step_us > 0 && delay_us >= step_us);
    int64_t end_us = clock_steady_us(self) - clock->start_us + delay_us;
    return clock_after(self, delay_us - end_us % step_us, fire, ctx);
}

static void clock_cancel(void *self, struct timer *timer)
{
    if (timer != NULL) timer_free(timer);
}

static void add_soon(struct os_clock *clock, struct timer *timer)
{
    timer->number = clock->soon_count++;
    timer->next = NULL;
    timer->place = clock->soon_end;
    *clock->soon_end = timer;
    clock->soon_end = &timer->next;
}

static void wake_soon(struct os_clock *clock)
{
    const struct timeval now = {0};
    if (event_pending(&clock->soon_event, EV_TIMEOUT, NULL)) return;
    int result = event_add(&clock->soon_event, &now);
    ASSERT(result == 0);
}

/* Many pieces of work that are asked for at once (forty instances to wipe) would otherwise be one long turn,
 * and no beat, no answer would pass. What is asked for from inside waits for the next turn in any case. */
static void run_soon(evutil_socket_t fd, short what, void *ctx)
{
    struct os_clock *clock = ctx;
    uint64_t end = clock->soon_count;
    int64_t end_us = clock_steady_us(clock) + SOON_MAX_US;
    while (clock->soon != NULL && clock->soon->number < end) {
        fire_timer(-1, 0, clock->soon);
        if (event_base_got_break(loop_base(clock->loop)) || clock_steady_us(clock) >= end_us) break;
    }
    if (clock->soon != NULL) wake_soon(clock);
}

static void fire_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct timer *timer = ctx;
    void (*fire)(void *ctx) = timer->fire;
    void *fire_ctx = timer->ctx;
    timer_free(timer);
    fire(fire_ctx);
}

static void timer_free(struct timer *timer)
{
    struct os_clock *clock = timer->clock;
    *timer->place = timer->next;
    if (timer->next != NULL) timer->next->place = timer->place;
    if (clock->soon_end == &timer->next) clock->soon_end = timer->place;
    event_del(&timer->event);
    mem_free(timer);
}
