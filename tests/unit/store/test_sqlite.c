/* The file: what is refused, what damage does, who may open it. */
#include "harness.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAMAGES 150

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static struct buf read_file(const char *path)
{
    struct buf content = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char part[65536];
    for (ssize_t size; (size = read(fd, part, sizeof(part))) > 0;)
        buf_add(&content, part, (size_t)size);
    close(fd);
    return content;
}

static void assert_open_fails(const char *path, enum error_code code, const char *says)
{
    struct store *store = NULL;
    struct error err = {0};
    assert_false(store_open_sqlite(path, &store, &err));
    assert_null(store);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, says) || !strstr(err.message, path))
        fail_msg("the message does not say '%s' and the path: %s", says, err.message);
}

/* Runs SQL on the file, as a stranger would. */
static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_made(struct fixture *fixture)
{
    char *path = mem_printf("%s/x/y//croft.db", fixture->directory);
    mode_t old = umask(0);
    fixture->store = open_sqlite(path);
    umask(old);
    put(fixture->store, "a", "1");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    char *log = mem_printf("%s-wal", path);
    assert_int_equal(stat(log, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_not_equal(stat(log, &status), 0); /* all is in the one file again */
    assert_int_equal(unlink(path), 0);
    const char *directories[] = {"x/y", "x"};
    for (size_t i = 0; i < LENGTH(directories); i++) {
        char *directory = mem_printf("%s/%s", fixture->directory, directories[i]);
        assert_int_equal(rmdir(directory), 0);
        mem_free(directory);
    }
    mem_free(log);
    mem_free(path);
}

static void test_refused(struct fixture *fixture)
{
    const char *path = fixture->path;
    char garbage[5000];
    memset(garbage, 'x', sizeof(garbage));
    write_file(path, garbage, sizeof(garbage));
    assert_open_fails(path, ERROR_REFUSED, "not a croft store");
    struct buf content = read_file(path);
    assert_int_equal(content.size, sizeof(garbage));
    assert_memory_equal(content.data, garbage, sizeof(garbage));
    buf_free(&content);

    write_file(path, "", 0);
    assert_open_fails(path, ERROR_REFUSED, "not a croft store");
    write_file(path, "hello\n", 6);
    assert_open_fails(path, ERROR_REFUSED, "not a croft store");
    unlink(path);
    run_sql(path, "CREATE TABLE other (x)");
    assert_open_fails(path, ERROR_REFUSED, "not a croft store");
    unlink(path);
    assert_open_fails(fixture->directory, ERROR_REFUSED, "not a croft store");
    char below[128];
    write_file(path, "x", 1);
    snprintf(below, sizeof(below), "%s/below", path);
    assert_open_fails(below, ERROR_FAILED, "cannot");
}

static void test_newer_format(struct fixture *fixture)
{
    store_close(open_sqlite(fixture->path));
    run_sql(fixture->path, "PRAGMA user_version = 2");
    assert_open_fails(fixture->path, ERROR_REFUSED, "format 2");
    run_sql(fixture->path, "PRAGMA user_version = 1; DROP TABLE lease");
    assert_open_fails(fixture->path, ERROR_FAILED, "tables");
}

static void test_log_without_store(struct fixture *fixture)
{
    char log[128];
    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    write_file(log, "remains", 7);
    assert_open_fails(fixture->path, ERROR_REFUSED, "-wal");
    assert_int_not_equal(access(fixture->path, F_OK), 0);
    unlink(log);
    store_close(open_sqlite(fixture->path));
}

/* 0: opened, 1: refused as in use, 2: anything else. */
static int open_in_child(const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *store;
        struct error err;
        if (store_open_sqlite(path, &store, &err)) {
            store_close(store);
            _exit(0);
        }
        _exit(err.code == ERROR_REFUSED && strstr(err.message, "in use") ? 1 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_second_opener(struct fixture *fixture)
{
    fixture->store = open_sqlite(fixture->path);
    assert_int_equal(open_in_child(fixture->path), 1);
    put(fixture->store, "a", "1");
    assert_int_equal(open_in_child(fixture->path), 1);
    assert_open_fails(fixture->path, ERROR_REFUSED, "in use"); /* from the same process */
    assert_int_equal(open_in_child(fixture->path), 1);         /* and that did not drop the lock */
    put(fixture->store, "a", "2");
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(open_in_child(fixture->path), 0);
    fixture->store = open_sqlite(fixture->path);
    assert_value(fixture->store, "a", "2");
}

static void fill(struct store *store)
{
    char value[600];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    uint64_t lease;
    struct error err;
    assert_true(store_lease_grant(store, 100, 0, &lease, &err));
    for (int i = 0; i < 400; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key/%d", i % 150);
        if (i % 7 == 0)
            erase(store, key);
        else
            put_leased(store, key, value, i % 5 == 0 ? lease : 0);
    }
}

static void ignore(void *ctx, const struct store_item *item)
{
    unsigned *count = ctx;
    ++*count;
}

/* Does everything once; each answer may be a failure, none may be a crash. Returns whether all went well. */
static bool use(struct store *store, struct error *err)
{
    bool good = true;
    struct vec items;
    bool listed = store_list(store, "", NULL, 0, &items, err);
    good = good && listed;
    if (listed) store_items_free(&items);
    for (int i = 0; i < 150; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key/%d", i);
        struct store_item item;
        if (store_get(store, key, &item, err))
            store_item_free(&item);
        else
            good = good && err->code == ERROR_NOT_FOUND;
    }
    unsigned count = 0;
    struct store_watch *watch = NULL;
    good = store_watch_start(store, "", 0, ignore, &count, &watch, err) && good;
    good = store_dispatch(store, err) && good;
    struct store_op op = {.kind = STORE_PUT, .key = "key/10", .value = "new"};
    good = store_txn(store, &op, 1, NULL, err) && good;
    good = store_tick(store, 0, err) && good;
    good = store_tick(store, 1000, err) && good;
    store_watch_stop(store, watch);
    good = store_compact(store, store_revision(store), err) && good;
    return good;
}

static void test_damaged(struct fixture *fixture)
{
    fixture->store = open_sqlite(fixture->path);
    fill(fixture->store);
    store_close(fixture->store);
    fixture->store = NULL;
    struct buf whole = read_file(fixture->path);
    unsigned noticed = 0;
    for (uint64_t seed = 1; seed <= DAMAGES; seed++) {
        uint64_t random = seed;
        struct buf damaged = {0};
        buf_add(&damaged, whole.data, whole.size);
        size_t first = seed % 3 ? 100 : 0; /* the header has a test of its own too */
        size_t bytes = 1 + random_below(&random, 64);
        size_t at = first + random_below(&random, whole.size - first - bytes);
        for (size_t i = 0; i < bytes; i++)
            damaged.data[at + i] = (char)random_next(&random);
        if (seed % 5 == 0) damaged.size = random_below(&random, whole.size);
        write_file(fixture->path, damaged.data, damaged.size);
        buf_free(&damaged);
        struct error err = {0};
        struct store *store;
        bool good = store_open_sqlite(fixture->path, &store, &err);
        if (good) {
            good = use(store, &err);
            store_close(store);
        }
        if (!good &&
            (!strstr(err.message, fixture->path) || (err.code != ERROR_FAILED && err.code != ERROR_REFUSED)))
            fail_msg("damage %d: %s: %s", (int)seed, error_code_name(err.code), err.message);
        if (!good) noticed++;
        char log[128];
        snprintf(log, sizeof(log), "%s-wal", fixture->path);
        unlink(log);
    }
    print_message("# noticed %u of %u damages; the others were within values or unused space\n", noticed,
                  DAMAGES);
    assert_true(noticed > DAMAGES / 5); /* each truncation at the very least */
    buf_free(&whole);
}

static void test_truncated(struct fixture *fixture)
{
    fixture->store = open_sqlite(fixture->path);
    fill(fixture->store);
    store_close(fixture->store);
    fixture->store = NULL;
    struct buf whole = read_file(fixture->path);
    for (size_t size = 0; size < whole.size; size += 1 + whole.size / 40) {
        write_file(fixture->path, whole.data, size);
        struct store *store;
        struct error err;
        assert_false(store_open_sqlite(fixture->path, &store, &err));
    }
    write_file(fixture->path, whole.data, whole.size);
    fixture->store = open_sqlite(fixture->path);
    struct error err;
    if (!use(fixture->store, &err)) fail_msg("%s", err.message);
    buf_free(&whole);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"made with its directory", test_made},
        {"a file that is not a store is refused", test_refused},
        {"another format is refused", test_newer_format},
        {"a log without its store is refused", test_log_without_store},
        {"a second opener is refused", test_second_opener},
        {"damaged", test_damaged},
        {"truncated", test_truncated},
    };
    return run_with_directory("store sqlite", cases, LENGTH(cases));
}
