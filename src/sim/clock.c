#include "sim/clock.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/vec.h"

struct timer {
    int64_t at_us;
    uint64_t order; /* of asking: breaks ties */
    size_t place;   /* in the heap */
    void (*fire)(void *ctx);
    void *ctx;
};

struct sim_clock {
    struct clock_port port;
    int64_t now_us, wall_at_start_ms;
    uint64_t asked;
    struct vec heap; /* struct timer *, the next one first (Williams, 1964) */
    void (*judge)(void *ctx);
    void *judge_ctx;
};

static int64_t wall_ms(void *self);
static int64_t steady_us(void *self);
static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx);
static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx);
static void cancel(void *self, struct timer *timer);
static struct timer **slot(const struct sim_clock *clock, size_t place);
static bool before(const struct timer *a, const struct timer *b);
static void settle(struct sim_clock *clock, size_t place);
static void swap(struct sim_clock *clock, size_t a, size_t b);

struct sim_clock *sim_clock_new(int64_t wall_at_start_ms)
{
    struct sim_clock *clock = mem_alloc(sizeof(*clock));
    clock->port = (struct clock_port){clock, wall_ms, steady_us, after, after_together, cancel};
    clock->wall_at_start_ms = wall_at_start_ms;
    clock->now_us = 1; /* 0 means "never" to many */
    clock->heap = VEC_OF(struct timer *);
    return clock;
}

void sim_clock_free(struct sim_clock *clock)
{
    if (!clock) return;
    for (size_t i = 0; i < clock->heap.length; i++)
        mem_free(*slot(clock, i));
    vec_free(&clock->heap);
    mem_free(clock);
}

const struct clock_port *sim_clock_port(struct sim_clock *clock)
{
    return &clock->port;
}

bool sim_clock_step(struct sim_clock *clock)
{
    if (clock->heap.length == 0) return false;
    struct timer *timer = *slot(clock, 0);
    void (*fire)(void *ctx) = timer->fire;
    void *ctx = timer->ctx;

    if (timer->at_us > clock->now_us) clock->now_us = timer->at_us; /* else it was spent */
    cancel(clock, timer);
    fire(ctx);
    if (clock->judge) clock->judge(clock->judge_ctx);
    return true;
}

void sim_clock_run(struct sim_clock *clock, int64_t us)
{
    int64_t end_us = clock->now_us + us;
    while (clock->heap.length > 0 && (*slot(clock, 0))->at_us <= end_us)
        sim_clock_step(clock);
    if (end_us > clock->now_us) clock->now_us = end_us;
}

bool sim_clock_run_until(struct sim_clock *clock, int64_t us, bool (*reached)(void *ctx), void *ctx)
{
    int64_t end_us = clock->now_us + us;
    while (!reached(ctx)) {
        if (clock->heap.length == 0 || (*slot(clock, 0))->at_us > end_us) return false;
        sim_clock_step(clock);
    }
    return true;
}

void sim_clock_spend(struct sim_clock *clock, int64_t us)
{
    clock->now_us += us;
}

void sim_clock_run_idle(struct sim_clock *clock)
{
    while (sim_clock_step(clock)) {
    }
}

void sim_clock_after_step(struct sim_clock *clock, void (*judge)(void *ctx), void *ctx)
{
    clock->judge = judge;
    clock->judge_ctx = ctx;
}

void sim_clock_jump(struct sim_clock *clock, int64_t ms)
{
    clock->wall_at_start_ms += ms;
}

size_t sim_clock_waiting(const struct sim_clock *clock)
{
    return clock->heap.length;
}

static int64_t wall_ms(void *self)
{
    const struct sim_clock *clock = self;
    return clock->wall_at_start_ms + clock->now_us / 1000;
}

static int64_t steady_us(void *self)
{
    return ((const struct sim_clock *)self)->now_us;
}

/* Virtual time has no wake-up to save. */
static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx)
{
    ASSERT(step_us > 0 && delay_us >= step_us);
    return after(self, delay_us, fire, ctx);
}

static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx)
{
    struct sim_clock *clock = self;
    struct timer *timer = mem_alloc(sizeof(*timer));

    ASSERT(delay_us >= 0);
    *timer = (struct timer){clock->now_us + delay_us, clock->asked++, clock->heap.length, fire, ctx};
    *(struct timer **)vec_push(&clock->heap) = timer;
    settle(clock, timer->place);
    return timer;
}

static void cancel(void *self, struct timer *timer)
{
    struct sim_clock *clock = self;
    if (!timer) return;
    size_t place = timer->place, last = clock->heap.length - 1;

    ASSERT(place <= last && *slot(clock, place) == timer);
    swap(clock, place, last);
    vec_remove(&clock->heap, last);
    if (place < last) settle(clock, place);
    mem_free(timer);
}

static struct timer **slot(const struct sim_clock *clock, size_t place)
{
    return vec_at(&clock->heap, place);
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

/* Moves the timer at `place` up or down to where it belongs. */
static void settle(struct sim_clock *clock, size_t place)
{
    while (place > 0 && before(*slot(clock, place), *slot(clock, (place - 1) / 2))) {
        swap(clock, place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t first = place;
        for (size_t child = 2 * place + 1; child <= 2 * place + 2 && child < clock->heap.length; child++)
            if (before(*slot(clock, child), *slot(clock, first))) first = child;
        if (first == place) return;
        swap(clock, place, first);
        place = first;
    }
}

static void swap(struct sim_clock *clock, size_t a, size_t b)
{
    struct timer *left = *slot(clock, a), *right = *slot(clock, b);
    *slot(clock, a) = right;
    *slot(clock, b) = left;
    right->place = a;
    left->place = b;
}
