/* A process that writes is killed at any instant: what it had acknowledged is there, each transaction whole.
 */
#include "harness.h"

#include "base/attr.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 40
#define ROUNDS_MAKING 40
#define ACKS_MAX 40       /* a round, before the kill */
#define HISTORY_KEPT 1000 /* more than a round can write between two looks */
#define WIDTH_MAX 8
#define VALUE_SIZE_MAX 24000

/* What the transaction of a revision writes follows from the revision alone, so that any process can check.
 */
struct expected {
    struct store_op ops[WIDTH_MAX];
    size_t length;
    char keys[WIDTH_MAX][16];
    char *values[WIDTH_MAX];
};

static void expect(uint64_t revision, struct expected *ret_expected)
{
    struct expected *expected = ret_expected;
    expected->length = 2 + revision % (WIDTH_MAX - 1);
    for (size_t i = 0; i < expected->length; i++) {
        size_t size = (revision * (i + 1) * 977) % VALUE_SIZE_MAX;
        expected->values[i] = mem_printf("%" PRIu64 "-%zu-%*s", revision, i, (int)size, "x");
        /* 7 and 50 have no common divisor: the keys of a transaction differ. */
        snprintf(expected->keys[i], sizeof(expected->keys[i]), "k/%d", (int)((revision * 31 + i * 7) % 50));
        expected->ops[i] =
            (struct store_op){.kind = STORE_PUT, .key = expected->keys[i], .value = expected->values[i]};
    }
    /* The last one puts a key and deletes it in turn. */
    struct store_op *last = &expected->ops[expected->length - 1];
    last->key = "turn";
    if (revision % 2 == 0) {
        last->kind = STORE_DELETE;
        last->value = NULL;
    }
}

static void expected_free(struct expected *expected)
{
    for (size_t i = 0; i < expected->length; i++)
        mem_free(expected->values[i]);
}

/* Writes until it is killed; tells each acknowledged revision. */
NORETURN static void write_for_ever(const char *path, int acks_fd)
{
    struct store *store;
    struct error err;
    if (!store_open_sqlite(path, &store, &err)) _exit(2);
    for (;;) {
        struct expected expected;
        uint64_t revision;
        expect(store_revision(store) + 1, &expected);
        if (!store_txn(store, expected.ops, expected.length, &revision, &err)) _exit(3);
        expected_free(&expected);
        if (write(acks_fd, &revision, sizeof(revision)) != sizeof(revision)) _exit(4);
        if (revision % 50 == 0 && revision > HISTORY_KEPT &&
            !store_compact(store, revision - HISTORY_KEPT, &err))
            _exit(5);
    }
}

/* Starts the child; *ret_acks_fd is the end of the pipe to read from. */
static pid_t start_child(const char *path, int *ret_acks_fd)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        close(ends[0]);
        write_for_ever(path, ends[1]);
    }
    close(ends[1]);
    *ret_acks_fd = ends[0];
    return pid;
}

static bool read_ack(int acks_fd, uint64_t *ret_revision)
{
    uint64_t revision;
    ssize_t size;
    do
        size = read(acks_fd, &revision, sizeof(revision));
    while (size < 0 && errno == EINTR);
    if (size != sizeof(revision)) return false; /* so small a write to a pipe is never split */
    *ret_revision = revision;
    return true;
}

/* Kills it somewhere in the time that a few transactions take; returns the last revision it acknowledged. */
static uint64_t kill_child(pid_t pid, int acks_fd, uint64_t last, uint64_t *random)
{
    size_t acks = random_below(random, ACKS_MAX);
    for (size_t i = 0; i < acks; i++)
        assert_true(read_ack(acks_fd, &last));
    struct timespec pause = {.tv_nsec = (long)random_below(random, 3000000)};
    nanosleep(&pause, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status)) fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
    while (read_ack(acks_fd, &last))
        continue;
    close(acks_fd);
    return last;
}

struct reader {
    uint64_t revision; /* being read */
    struct expected expected;
    size_t next;
    bool wrong;
};

/* Must not end the test itself: it is called from inside the store. */
static void changed(void *ctx, const struct store_item *item)
{
    struct reader *reader = ctx;
    if (item->revision != reader->revision) {
        /* The one before must be complete, none may be left out. */
        reader->wrong = reader->wrong || reader->next != reader->expected.length ||
                        item->revision != reader->revision + 1;
        expected_free(&reader->expected);
        reader->revision = item->revision;
        expect(item->revision, &reader->expected);
        reader->next = 0;
    }
    if (reader->next >= reader->expected.length) {
        reader->wrong = true;
        return;
    }
    const struct store_op *op = &reader->expected.ops[reader->next++];
    bool same = strcmp(op->key, item->key) == 0 &&
                (op->value ? item->value && strcmp(op->value, item->value) == 0 : !item->value);
    reader->wrong = reader->wrong || !same;
}

/* Every transaction behind `from` is there whole, up to the store's revision. */
static void check_history(struct store *store, uint64_t from)
{
    struct reader reader = {.revision = from};
    struct store_watch *watch;
    struct error err;
    if (!store_watch_start(store, "", from, changed, &reader, &watch, &err)) fail_msg("%s", err.message);
    dispatch(store);
    store_watch_stop(store, watch);
    assert_false(reader.wrong);
    assert_int_equal(reader.next, reader.expected.length);
    assert_int_equal(reader.revision, store_revision(store));
    expected_free(&reader.expected);
}

/* The current values are those of the last transaction that wrote the key. */
static void check_items(struct store *store)
{
    uint64_t revision = store_revision(store);
    for (int age = 0; age < 8 && revision > 0; age++, revision--) {
        struct expected expected;
        expect(revision, &expected);
        for (size_t i = 0; i < expected.length; i++) {
            struct store_item item;
            struct error err;
            const char *key = expected.ops[i].key;
            bool found = store_get_at(store, key, revision, &item, &err);
            assert_int_equal(found, expected.ops[i].value != NULL);
            if (!found) continue;
            assert_string_equal(item.value, expected.ops[i].value);
            store_item_free(&item);
            if (age == 0) assert_value(store, key, expected.ops[i].value);
        }
        expected_free(&expected);
    }
}

static void test_killed(struct fixture *fixture)
{
    uint64_t random = 20240817;
    uint64_t checked = 0;
    store_close(open_sqlite(fixture->path));
    for (int round = 0; round < ROUNDS; round++) {
        int acks_fd;
        pid_t pid = start_child(fixture->path, &acks_fd);
        uint64_t last = kill_child(pid, acks_fd, checked, &random);
        struct store *store = open_sqlite(fixture->path);
        uint64_t revision = store_revision(store);
        if (revision < last || revision > last + 1) /* one may be durable and not yet acknowledged */
            fail_msg("round %d: revision %d after %d was acknowledged", round, (int)revision, (int)last);
        check_history(store, checked);
        check_items(store);
        checked = revision;
        store_close(store);
    }
    assert_true(checked > ROUNDS); /* it did write */
}

/* Killed while the file is being made: the next one makes it or finds it whole. */
static void test_killed_making(struct fixture *fixture)
{
    uint64_t random = 4711;
    unsigned early = 0;
    for (int round = 0; round < ROUNDS_MAKING; round++) {
        int acks_fd;
        pid_t pid = start_child(fixture->path, &acks_fd);
        struct timespec pause = {.tv_nsec = (long)random_below(&random, 6000000)};
        nanosleep(&pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        uint64_t last = 0;
        while (read_ack(acks_fd, &last))
            continue;
        close(acks_fd);
        if (access(fixture->path, F_OK) != 0) early++;
        struct store *store = open_sqlite(fixture->path);
        assert_true(store_revision(store) >= last && store_revision(store) <= last + 1);
        check_history(store, 0);
        store_close(store);
        assert_int_equal(unlink(fixture->path), 0);
    }
    print_message("# killed %u of %d times before the file was there\n", early, ROUNDS_MAKING);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"killed while it writes", test_killed},
        {"killed while it makes the file", test_killed_making},
    };
    return run_with_directory("store crash", cases, LENGTH(cases));
}
