#include "sim/clock.h"

#include "base/attr.h"
#include "base/mem.h"

/* Of a place in the heap: with four, what is compared lies side by side, and there are half as many steps. */
enum { BRANCHES = 4 };

struct timer {
    size_t place; /* in the heap */
    void (*fire)(void *ctx);
    void *ctx; /* of a free one: the next free one */
};

/* When it fires stands beside it, so that the heap is settled without a look at the timers. */
struct slot {
    int64_t at_us;
    uint64_t order; /* of asking: breaks ties */
    struct timer *timer;
};

struct sim_clock {
    struct clock_port port;
    int64_t now_us, wall_at_start_ms;
    uint64_t asked;
    struct slot *heap; /* the next one first (Williams, 1964) */
    size_t length, capacity;
    struct timer *free; /* kept for the next ones */
    void (*judge)(void *ctx);
    void *judge_ctx;
};

static int64_t wall_ms(void *self);
static int64_t steady_us(void *self);
static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx);
static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx);
static void cancel(void *self, struct timer *timer);
static bool before(const struct slot *a, const struct slot *b);
static void settle(struct sim_clock *clock, size_t place, struct slot moved);

struct sim_clock *sim_clock_new(int64_t wall_at_start_ms)
{
    struct sim_clock *clock = mem_alloc(sizeof(*clock));
    clock->port = (struct clock_port){clock, wall_ms, steady_us, after, after_together, cancel};
    clock->wall_at_start_ms = wall_at_start_ms;
    clock->now_us = 1; /* 0 means "never" to many */
    return clock;
}

void sim_clock_free(struct sim_clock *clock)
{
    if (!clock) return;
    for (size_t i = 0; i < clock->length; i++)
        mem_free(clock->heap[i].timer);
    while (clock->free) {
        struct timer *next = clock->free->ctx;
        mem_free(clock->free);
        clock->free = next;
    }
    mem_free(clock->heap);
    mem_free(clock);
}

const struct clock_port *sim_clock_port(struct sim_clock *clock)
{
    return &clock->port;
}

bool sim_clock_step(struct sim_clock *clock)
{
    if (clock->length == 0) return false;
    struct timer *timer = clock->heap[0].timer;
    void (*fire)(void *ctx) = timer->fire;
    void *ctx = timer->ctx;

    if (clock->heap[0].at_us > clock->now_us) clock->now_us = clock->heap[0].at_us; /* else it was spent */
    cancel(clock, timer);
    fire(ctx);
    if (clock->judge) clock->judge(clock->judge_ctx);
    return true;
}

void sim_clock_run(struct sim_clock *clock, int64_t us)
{
    int64_t end_us = clock->now_us + us;
    while (clock->length > 0 && clock->heap[0].at_us <= end_us)
        sim_clock_step(clock);
    if (end_us > clock->now_us) clock->now_us = end_us;
}

bool sim_clock_run_until(struct sim_clock *clock, int64_t us, bool (*reached)(void *ctx), void *ctx)
{
    int64_t end_us = clock->now_us + us;
    while (!reached(ctx)) {
        if (clock->length == 0 || clock->heap[0].at_us > end_us) return false;
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
    return clock->length;
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
    struct timer *timer = clock->free;

    ASSERT(delay_us >= 0);
    if (timer)
        clock->free = timer->ctx;
    else
        timer = mem_alloc(sizeof(*timer));
    *timer = (struct timer){0, fire, ctx};
    if (clock->length == clock->capacity) {
        clock->capacity = clock->capacity ? 2 * clock->capacity : 64;
        clock->heap = mem_realloc_array(clock->heap, clock->capacity, sizeof(*clock->heap));
    }
    settle(clock, clock->length++, (struct slot){clock->now_us + delay_us, clock->asked++, timer});
    return timer;
}

static void cancel(void *self, struct timer *timer)
{
    struct sim_clock *clock = self;

    if (!timer) return;
    size_t place = timer->place;
    ASSERT(place < clock->length && clock->heap[place].timer == timer);
    struct slot last = clock->heap[--clock->length];
    if (place < clock->length) settle(clock, place, last);
    timer->place = SIZE_MAX; /* cancelled twice: asserted */
    timer->ctx = clock->free;
    clock->free = timer;
}

static bool before(const struct slot *a, const struct slot *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

/* Puts the slot into the free place, and from there up or down to where it belongs. */
static void settle(struct sim_clock *clock, size_t place, struct slot moved)
{
    struct slot *heap = clock->heap;

    for (; place > 0 && before(&moved, &heap[(place - 1) / BRANCHES]); place = (place - 1) / BRANCHES) {
        heap[place] = heap[(place - 1) / BRANCHES];
        heap[place].timer->place = place;
    }
    for (size_t child = BRANCHES * place + 1; child < clock->length; child = BRANCHES * place + 1) {
        size_t end = child + BRANCHES < clock->length ? child + BRANCHES : clock->length, least = child;
        for (size_t i = child + 1; i < end; i++)
            if (before(&heap[i], &heap[least])) least = i;
        if (before(&moved, &heap[least])) break;
        heap[place] = heap[least];
        heap[place].timer->place = place;
        place = least;
    }
    heap[place] = moved;
    moved.timer->place = place;
}
