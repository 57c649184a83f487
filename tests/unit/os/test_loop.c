#include "check.h"

#include "base/mem.h"
#include "os/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct record {
    struct loop *loop;
    const struct clock_port *clock;
    char order[32];
    size_t length;
    struct loop_watch *watch;
    struct loop_later *cancelled;
    struct timer *timer;
    int64_t start_us;
    int fd;
};

static void note(struct record *record, char c)
{
    record->order[record->length++] = c;
}

static void say_again(void *ctx)
{
    note(ctx, 'c');
    loop_stop(((struct record *)ctx)->loop);
}

static void say_b(void *ctx)
{
    note(ctx, 'b');
}

static void say_a(void *ctx)
{
    struct record *record = ctx;
    note(record, 'a');
    loop_later_cancel(record->loop, record->cancelled);
    loop_later(record->loop, say_again, record);
}

static void later_in_order(void **state)
{
    struct error err;
    struct record record = {0};
    assert_true(loop_new(&record.loop, &err));
    loop_later(record.loop, say_a, &record);
    loop_later(record.loop, say_b, &record);
    record.cancelled = loop_later(record.loop, say_b, &record);
    assert_int_equal(record.length, 0);
    loop_run(record.loop);
    assert_string_equal(record.order, "abc");
    loop_later(record.loop, say_a, &record); /* never run: freed with the loop */
    loop_stop(record.loop);
    loop_run(record.loop);
    assert_string_equal(record.order, "abc");
    loop_free(record.loop);
    loop_free(NULL);
}

static void fire_b(void *ctx)
{
    struct record *record = ctx;
    assert_true(record->clock->steady_us(record->clock->self) - record->start_us >= 20000);
    note(record, 'b');
    loop_stop(record->loop);
}

static void fire_a(void *ctx)
{
    struct record *record = ctx;
    assert_true(record->clock->steady_us(record->clock->self) - record->start_us >= 1500);
    note(record, 'a');
    record->clock->cancel(record->clock->self, record->timer);
}

static void timers_are_never_early(void **state)
{
    struct error err;
    struct record record = {0};
    assert_true(loop_new(&record.loop, &err));
    struct os_clock *clock = os_clock_new(record.loop);
    record.clock = os_clock_port(clock);
    record.start_us = record.clock->steady_us(record.clock->self);
    record.clock->after(record.clock->self, 20000, fire_b, &record);
    record.clock->after(record.clock->self, 1500, fire_a, &record);
    record.timer = record.clock->after(record.clock->self, 10000, fire_b, &record); /* cancelled by a */
    record.clock->after(record.clock->self, 3600000000, fire_b, &record);           /* freed with the clock */
    record.clock->cancel(record.clock->self, NULL);
    loop_run(record.loop);
    assert_string_equal(record.order, "ab");
    assert_true(record.clock->wall_ms(record.clock->self) > 1700000000000);
    os_clock_free(clock);
    loop_free(record.loop);
}

static void ready(void *ctx, unsigned ready)
{
    struct record *record = ctx;
    if ((ready & LOOP_WRITE) != 0) {
        note(record, 'w');
        loop_watch_change(record->watch, LOOP_READ);
        assert_int_equal(write(record->fd, "x", 1), 1);
        return;
    }
    note(record, 'r');
    loop_watch_end(record->watch);
    loop_stop(record->loop);
}

static void watches(void **state)
{
    struct error err;
    struct record record = {0};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(loop_new(&record.loop, &err));
    record.fd = fds[1];
    record.watch = loop_watch_fd(record.loop, fds[0], LOOP_READ, ready, &record);
    loop_watch_change(record.watch, 0);
    loop_watch_change(record.watch, LOOP_READ);
    assert_int_equal(write(record.fd, "x", 1), 1);
    loop_run(record.loop);
    assert_string_equal(record.order, "r");
    loop_free(record.loop);
    close(fds[0]);
    close(fds[1]);
}

static void signalled(void *ctx, int signal_number)
{
    struct record *record = ctx;
    note(record, signal_number == SIGTERM ? 't' : 'i');
    if (signal_number == SIGINT) loop_stop(record->loop);
    if (signal_number == SIGTERM) assert_int_equal(raise(SIGINT), 0);
}

static void signals_are_told(void **state)
{
    struct error err;
    struct record record = {0};
    assert_true(loop_new(&record.loop, &err));
    assert_true(loop_on_signal(record.loop, signalled, &record, &err));
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(raise(SIGPIPE), 0); /* ignored */
    assert_int_equal(record.length, 0);
    loop_run(record.loop);
    assert_string_equal(record.order, "ti");
    loop_free(record.loop);
}

/* Two that recur every 40 ms, begun half a step apart. */
struct recurring {
    const struct clock_port *clock;
    struct loop *loop;
    int64_t asked_us, fired_us[2];
    int fired, near;
};

enum { STEP_US = 40000, ROUNDS = 20 };

static void recur(struct recurring *recurring, int which, void (*fire)(void *ctx))
{
    const struct clock_port *clock = recurring->clock;
    recurring->fired_us[which] = clock->steady_us(clock->self);
    if (recurring->fired_us[which] - recurring->fired_us[1 - which] < STEP_US / 4) recurring->near++;
    if (++recurring->fired == 2 * ROUNDS) {
        loop_stop(recurring->loop);
        return;
    }
    clock->after_together(clock->self, STEP_US, STEP_US, fire, recurring);
}

static void recur_a(void *ctx)
{
    recur(ctx, 0, recur_a);
}

static void recur_b(void *ctx)
{
    recur(ctx, 1, recur_b);
}

static void begin_b(void *ctx)
{
    const struct recurring *recurring = ctx;
    recurring->clock->after_together(recurring->clock->self, STEP_US, STEP_US, recur_b, ctx);
}

static void not_too_early(void *ctx)
{
    struct recurring *recurring = ctx;
    const struct clock_port *clock = recurring->clock;
    assert_true(clock->steady_us(clock->self) - recurring->asked_us >= 2 * STEP_US);
    clock->after_together(clock->self, STEP_US, STEP_US, recur_a, recurring);
    clock->after(clock->self, STEP_US / 2, begin_b, recurring);
}

static void timers_fire_together(void **state)
{
    struct recurring recurring = {0};
    struct error err;
    assert_true(loop_new(&recurring.loop, &err));
    struct os_clock *clock = os_clock_new(recurring.loop);
    recurring.clock = os_clock_port(clock);
    recurring.asked_us = recurring.clock->steady_us(recurring.clock->self);
    recurring.clock->after_together(recurring.clock->self, 3 * STEP_US, STEP_US, not_too_early, &recurring);
    loop_run(recurring.loop);
    assert_true(recurring.near > ROUNDS / 2);
    os_clock_free(clock);
    loop_free(recurring.loop);
}

struct burst {
    struct loop *loop;
    const struct clock_port *clock;
    int pipe[2];
    struct loop_watch *watch;
    int pieces;
    int pieces_before_read, pieces_before_due; /* -1: not yet */
};

/* A piece of work that takes longer than a turn should. */
static void work(void *ctx)
{
    struct burst *burst = ctx;
    int64_t begin_us = burst->clock->steady_us(burst->clock->self);
    while (burst->clock->steady_us(burst->clock->self) < begin_us + 20000) {
    }
    if (burst->pieces++ == 0) assert_int_equal(write(burst->pipe[1], "x", 1), 1);
    if (burst->pieces == 10) loop_stop(burst->loop);
}

static void burst_read(void *ctx, unsigned ready)
{
    struct burst *burst = ctx;
    burst->pieces_before_read = burst->pieces;
    loop_watch_change(burst->watch, 0);
}

static void burst_due(void *ctx)
{
    struct burst *burst = ctx;
    burst->pieces_before_due = burst->pieces;
}

static void cancelled(void *ctx)
{
    fail();
}

/* Much work that is asked for at once keeps neither descriptors waiting nor timers that are due. */
static void work_is_spread(void **state)
{
    struct burst burst = {.pieces_before_read = -1, .pieces_before_due = -1};
    struct error err;
    assert_true(loop_new(&burst.loop, &err));
    struct os_clock *clock = os_clock_new(burst.loop);
    burst.clock = os_clock_port(clock);
    assert_int_equal(pipe2(burst.pipe, O_CLOEXEC), 0);
    burst.watch = loop_watch_fd(burst.loop, burst.pipe[0], LOOP_READ, burst_read, &burst);
    (void)burst.clock->after(burst.clock->self, 1000, burst_due, &burst);
    for (int i = 0; i < 10; i++)
        (void)burst.clock->after(burst.clock->self, 0, work, &burst);
    struct timer *last = burst.clock->after(burst.clock->self, 0, cancelled, &burst);
    burst.clock->cancel(burst.clock->self, last);
    loop_run(burst.loop);
    assert_in_range(burst.pieces_before_read, 1, 3);
    assert_in_range(burst.pieces_before_due, 0, 3);
    (void)burst.clock->after(burst.clock->self, 0, cancelled, &burst); /* goes with the clock */
    loop_watch_end(burst.watch);
    os_clock_free(clock);
    loop_free(burst.loop);
    close(burst.pipe[0]);
    close(burst.pipe[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_in_order),
        cmocka_unit_test(timers_are_never_early),
        cmocka_unit_test(timers_fire_together),
        cmocka_unit_test(work_is_spread),
        cmocka_unit_test(watches),
        cmocka_unit_test(signals_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
