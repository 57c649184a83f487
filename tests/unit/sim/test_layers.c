/* What is laid over the ports: it changes nothing until it is asked to, and then does what it says. */
#include "base/mem.h"
#include "base/text.h"
#include "sim/bad_blobs.h"
#include "sim/bad_disk.h"
#include "sim/blob.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/machine_clock.h"
#include "simulate/bad_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND_US = 1000 * 1000 };

/* A timer that asks for itself every local second, and what the clocks said when it fired. */
struct beat {
    struct sim_clock *clock;
    const struct clock_port *port;
    int64_t due_us, early;
    int count;
    struct timer *timer;
};

static void beat(void *ctx)
{
    struct beat *beat_ = ctx;
    int64_t now_us = beat_->port->steady_us(beat_->port->self);
    beat_->early += now_us < beat_->due_us;
    beat_->count++;
    beat_->due_us = now_us + SECOND_US;
    beat_->timer = beat_->port->after(beat_->port->self, SECOND_US, beat, beat_);
}

static void test_clock(void **state)
{
    struct sim_clock *clock = sim_clock_new(1700000000000);
    const struct clock_port *true_port = sim_clock_port(clock);
    struct sim_machine_clock *machine = sim_machine_clock_new(true_port);
    const struct clock_port *port = sim_machine_clock_port(machine);
    struct beat beats = {.clock = clock, .port = port};

    beat(&beats);
    sim_clock_run(clock, 10 * SECOND_US);
    assert_int_equal(beats.count, 11);
    assert_int_equal(port->steady_us(port->self), true_port->steady_us(true_port->self));
    assert_int_equal(port->wall_ms(port->self), true_port->wall_ms(true_port->self));
    sim_machine_clock_jump(machine, -5000);
    assert_int_equal(port->wall_ms(port->self), true_port->wall_ms(true_port->self) - 5000);
    sim_machine_clock_jump(machine, 5000);
    /* A tenth too fast: eleven beats in ten seconds, none of them before its time. */
    sim_machine_clock_drift(machine, 100 * 1000);
    beats.count = 0;
    sim_clock_run(clock, 100 * SECOND_US);
    assert_in_range(beats.count, 109, 110);
    sim_machine_clock_drift(machine, 33333); /* in which nothing is whole */
    sim_clock_run(clock, 100 * SECOND_US);
    sim_machine_clock_drift(machine, -77777);
    sim_clock_run(clock, 100 * SECOND_US);
    assert_int_equal(beats.early, 0);
    sim_machine_clock_drift(machine, 0);
    /* Held up for 5 s: it is later for who asks in it, and nothing fires. */
    int64_t before_us = port->steady_us(port->self);
    sim_machine_clock_spend(machine, 5 * SECOND_US);
    assert_int_equal(port->steady_us(port->self), before_us + 5 * SECOND_US);
    beats.count = 0;
    sim_clock_run(clock, 5 * SECOND_US - 1);
    assert_int_equal(beats.count, 0);
    sim_clock_run(clock, 2);
    assert_int_equal(beats.count, 1);
    assert_int_equal(port->steady_us(port->self), before_us + 5 * SECOND_US + 1);
    port->cancel(port->self, beats.timer);
    assert_int_equal(sim_clock_waiting(clock), 0);
    sim_machine_clock_free(machine);
    sim_clock_free(clock);
}

static void count_time(void *ctx, int64_t us)
{
    *(int64_t *)ctx += us;
}

static bool put(const struct disk_port *disk, const char *path, const char *text)
{
    struct error err;
    return disk->write(disk->self, path, text, strlen(text), 0600, &err);
}

/* NULL text: there is no such file. */
static void assert_has(const struct disk_port *disk, const char *path, const char *text)
{
    CLEANUP_BUF struct buf data = {0};
    struct error err;
    assert_int_equal(disk->read(disk->self, path, &data, &err), text != NULL);
    if (text) assert_string_equal(buf_text(&data), text);
}

static void assert_names(const struct disk_port *disk, const char *wanted)
{
    struct vec names = VEC_OF(char *);
    CLEANUP_BUF struct buf text = {0};
    struct error err;
    assert_true(disk->list(disk->self, "d", &names, &err));
    for (size_t i = 0; i < names.length; i++) {
        buf_printf(&text, "%s ", *(char **)vec_at(&names, i));
        mem_free(*(char **)vec_at(&names, i));
    }
    vec_free(&names);
    assert_string_equal(buf_text(&text), wanted);
}

static void test_disk(void **state)
{
    struct sim_disk *under = sim_disk_new();
    int64_t spent_us = 0;
    struct sim_bad_disk *bad = sim_bad_disk_new(sim_disk_port(under), count_time, &spent_us);
    const struct disk_port *disk = sim_bad_disk_port(bad);
    struct error err;

    assert_true(put(disk, "d/b", "one") && put(disk, "d/c", "two"));
    assert_int_equal(spent_us, 0);
    sim_bad_disk_slow(bad, 700);
    assert_true(put(disk, "d/c", "three"));
    assert_int_equal(spent_us, 700);
    sim_bad_disk_slow(bad, 0);
    sim_bad_disk_full(bad, true);
    assert_false(put(disk, "d/c", "four"));
    assert_has(disk, "d/c", "three");
    sim_bad_disk_full(bad, false);
    /* It lies, and tells the truth again in time. */
    sim_bad_disk_lie(bad, true);
    assert_true(put(disk, "d/a", "new") && put(disk, "d/b", "newer") &&
                disk->remove(disk->self, "d/c", &err));
    assert_has(disk, "d/b", "newer");
    assert_has(disk, "d/c", NULL);
    assert_names(disk, "a b ");
    assert_has(sim_disk_port(under), "d/b", "one");
    sim_bad_disk_lie(bad, false);
    assert_has(sim_disk_port(under), "d/b", "newer");
    assert_int_equal(sim_bad_disk_power_lost(bad), 0);
    /* It lies, and the power goes. */
    sim_bad_disk_lie(bad, true);
    assert_true(put(disk, "d/c", "again") && put(disk, "d/b", "newest") &&
                disk->remove(disk->self, "d/a", &err));
    assert_int_equal(sim_bad_disk_power_lost(bad), 3);
    assert_has(disk, "d/a", "new");
    assert_has(disk, "d/b", "");
    assert_has(disk, "d/c", "");
    sim_bad_disk_lie(bad, false);
    assert_true(sim_bad_disk_flip(bad, "d/a", 8));
    assert_has(disk, "d/a", "ndw");
    assert_false(sim_bad_disk_flip(bad, "d/x", 8));
    sim_bad_disk_free(bad);
    sim_disk_free(under);
}

static void test_blobs(void **state)
{
    struct sim_blobs *under = sim_blobs_new(), *other = sim_blobs_new();
    int64_t spent_us = 0, size = 0;
    struct sim_bad_blobs *bad = sim_bad_blobs_new(sim_blobs_port(under), count_time, &spent_us);
    const struct blob_port *blobs = sim_bad_blobs_port(bad);
    char digest[72];
    bool done = false;
    struct error err;

    sim_blobs_put(other, "layer", 5, digest);
    sim_bad_blobs_full(bad, true);
    assert_false(blobs->append(blobs->self, "me", digest, 0, "layer", 5, &err));
    sim_bad_blobs_full(bad, false);
    sim_bad_blobs_flip(bad, 3);
    assert_true(blobs->append(blobs->self, "me", digest, 0, "layer", 5, &err));
    assert_false(blobs->finish(blobs->self, "me", digest, &done, &err)); /* once */
    sim_bad_blobs_lie(bad, true);
    sim_bad_blobs_slow(bad, 300);
    assert_true(blobs->append(blobs->self, "me", digest, 0, "layer", 5, &err));
    assert_true(blobs->finish(blobs->self, "me", digest, &done, &err) && done);
    assert_int_equal(spent_us, 600);
    assert_true(blobs->size(blobs->self, digest, &size, &err));
    assert_int_equal(sim_bad_blobs_power_lost(bad), 1);
    assert_false(blobs->size(blobs->self, digest, &size, &err));
    sim_bad_blobs_free(bad);
    sim_blobs_free(under);
    sim_blobs_free(other);
}

static void test_store(void **state)
{
    int64_t spent_us = 0;
    struct bad_store *bad = NULL;
    struct store *store = bad_store_open(count_time, &spent_us, &bad);
    const struct store_op plain[] = {{.kind = STORE_PUT, .key = "a", .value = "1"}};
    const struct store_op careful[] = {{.kind = STORE_COMPARE, .key = "b"},
                                       {.kind = STORE_PUT, .key = "c", .value = "1"}};
    struct error err;

    assert_true(store_txn(store, plain, 1, NULL, &err) && store_txn(store, careful, 2, NULL, &err));
    bad_store_fail(bad, 2);
    assert_true(store_txn(store, plain, 1, NULL, &err));
    assert_false(store_txn(store, plain, 1, NULL, &err));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_int_equal(store_revision(store), 3);
    assert_true(store_txn(store, plain, 1, NULL, &err));
    bad_store_fail(bad, 0);
    bad_store_conflict(bad, 1);
    bad_store_slow(bad, 50);
    assert_true(store_txn(store, plain, 1, NULL, &err));
    assert_false(store_txn(store, careful, 2, NULL, &err));
    assert_int_equal(err.code, ERROR_CONFLICT);
    bad_store_conflict(bad, 0);
    assert_true(store_txn(store, careful, 2, NULL, &err));
    assert_int_equal(spent_us, 150);
    assert_int_equal(store_revision(store), 6);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
