#include "sim/machine_clock.h"

#include "base/attr.h"
#include "base/mem.h"

enum { SECOND_US = 1000 * 1000 };

struct timer {
    struct sim_machine_clock *clock;
    struct timer *below;
    int64_t due_us; /* by this clock */
    void (*fire)(void *ctx);
    void *ctx;
    struct timer *next_free;
};

struct sim_machine_clock {
    struct clock_port port;
    const struct clock_port *under;
    int64_t rate_us;                     /* that a true second is */
    int64_t true_us, steady_us, wall_us; /* when the rate was set, and what the clocks showed then */
    int64_t held_until_us;               /* true time */
    struct timer *free;                  /* kept for the next ones */
};

static int64_t wall_ms(void *self);
static int64_t steady_us(void *self);
static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx);
static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx);
static void cancel(void *self, struct timer *timer);
static void set(struct timer *timer);
static void fires(void *ctx);
static int64_t true_us(const struct sim_machine_clock *clock);
static int64_t passed_us(const struct sim_machine_clock *clock);

struct sim_machine_clock *sim_machine_clock_new(const struct clock_port *under)
{
    struct sim_machine_clock *clock = mem_alloc(sizeof(*clock));

    clock->port = (struct clock_port){clock, wall_ms, steady_us, after, after_together, cancel};
    clock->under = under;
    clock->rate_us = SECOND_US;
    clock->true_us = clock->steady_us = under->steady_us(under->self);
    clock->wall_us = under->wall_ms(under->self) * 1000 + clock->true_us % 1000;
    return clock;
}

void sim_machine_clock_free(struct sim_machine_clock *clock)
{
    if (!clock) return;
    while (clock->free) {
        struct timer *next = clock->free->next_free;
        mem_free(clock->free);
        clock->free = next;
    }
    mem_free(clock);
}

const struct clock_port *sim_machine_clock_port(struct sim_machine_clock *clock)
{
    return &clock->port;
}

void sim_machine_clock_drift(struct sim_machine_clock *clock, int64_t us_per_second)
{
    int64_t us = passed_us(clock);

    ASSERT(us_per_second > -SECOND_US);
    clock->true_us = true_us(clock);
    clock->steady_us += us;
    clock->wall_us += us;
    clock->rate_us = SECOND_US + us_per_second;
}

void sim_machine_clock_jump(struct sim_machine_clock *clock, int64_t ms)
{
    clock->wall_us += ms * 1000;
}

void sim_machine_clock_spend(struct sim_machine_clock *clock, int64_t us)
{
    clock->held_until_us = true_us(clock) + us;
}

int64_t sim_machine_clock_held_until_us(const struct sim_machine_clock *clock)
{
    return clock->held_until_us;
}

static int64_t wall_ms(void *self)
{
    const struct sim_machine_clock *clock = self;
    return (clock->wall_us + passed_us(clock)) / 1000;
}

static int64_t steady_us(void *self)
{
    const struct sim_machine_clock *clock = self;
    return clock->steady_us + passed_us(clock);
}

static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx)
{
    struct sim_machine_clock *clock = self;
    struct timer *timer = clock->free;

    if (timer)
        clock->free = timer->next_free;
    else
        timer = mem_alloc(sizeof(*timer));
    *timer = (struct timer){.clock = clock, .due_us = steady_us(self) + delay_us, .fire = fire, .ctx = ctx};
    set(timer);
    return timer;
}

static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx)
{
    ASSERT(step_us > 0 && delay_us >= step_us);
    return after(self, delay_us, fire, ctx);
}

static void cancel(void *self, struct timer *timer)
{
    struct sim_machine_clock *clock = self;

    if (!timer) return;
    clock->under->cancel(clock->under->self, timer->below);
    timer->next_free = clock->free;
    clock->free = timer;
}

/* To fire not before its time by this clock, at the pace that it has now, nor while the process is held up.
 */
static void set(struct timer *timer)
{
    struct sim_machine_clock *clock = timer->clock;
    const struct clock_port *under = clock->under;
    int64_t now_us = under->steady_us(under->self), left_us = timer->due_us - steady_us(clock);
    int64_t wait_us = left_us > 0 ? left_us : 0;

    if (clock->rate_us != SECOND_US) /* rounded up */
        wait_us = wait_us / clock->rate_us * SECOND_US +
                  (wait_us % clock->rate_us * SECOND_US + clock->rate_us - 1) / clock->rate_us;
    if (clock->held_until_us > now_us) wait_us += clock->held_until_us - now_us;
    timer->below = under->after(under->self, wait_us, fires, timer);
}

/* The clock may have become slower meanwhile, or the process be held up: then it waits on, behind those that
 * would have fired before it. */
static void fires(void *ctx)
{
    struct timer *timer = ctx;
    struct sim_machine_clock *clock = timer->clock;
    const struct clock_port *under = clock->under;

    if (clock->held_until_us > under->steady_us(under->self) || steady_us(clock) < timer->due_us) {
        set(timer);
        return;
    }
    void (*fire)(void *ctx) = timer->fire;
    void *fire_ctx = timer->ctx;
    timer->next_free = clock->free;
    clock->free = timer;
    fire(fire_ctx);
}

static int64_t true_us(const struct sim_machine_clock *clock)
{
    int64_t now_us = clock->under->steady_us(clock->under->self);
    return clock->held_until_us > now_us ? clock->held_until_us : now_us;
}

/* Since the rate was set, as this clock has it; without an overflow for some thousand years. */
static int64_t passed_us(const struct sim_machine_clock *clock)
{
    int64_t us = true_us(clock) - clock->true_us;
    return us / SECOND_US * clock->rate_us + us % SECOND_US * clock->rate_us / SECOND_US;
}
