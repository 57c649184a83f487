/* The disk fails: the N-th call of SQLite to its file system fails, for N from 1 until nothing fails any
 * more. Whatever the store then says, what it acknowledged is there, and what it refused is not. */
#include "harness.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define CALLS_MAX 2000

enum call { CALL_OPEN, CALL_READ, CALL_WRITE, CALL_TRUNCATE, CALL_SYNC, CALL_DELETE, CALL_COUNT };

struct mode {
    const char *name;
    bool fails[CALL_COUNT];
    int result;  /* what SQLite is told */
    bool sticky; /* all later calls fail too, until the fault is mended */
};

static const struct mode modes[] = {
    {"one read", {[CALL_READ] = true}, SQLITE_IOERR_READ, false},
    {"one write", {[CALL_WRITE] = true}, SQLITE_IOERR_WRITE, false},
    {"all writes", {[CALL_WRITE] = true, [CALL_TRUNCATE] = true}, SQLITE_FULL, true},
    {"one sync", {[CALL_SYNC] = true}, SQLITE_IOERR_FSYNC, false},
    {"all syncs", {[CALL_SYNC] = true}, SQLITE_IOERR_FSYNC, true},
    {"everything",
     {[CALL_OPEN] = true,
      [CALL_READ] = true,
      [CALL_WRITE] = true,
      [CALL_TRUNCATE] = true,
      [CALL_SYNC] = true,
      [CALL_DELETE] = true},
     SQLITE_IOERR,
     true},
};

struct faults {
    sqlite3_vfs *real;
    const struct mode *mode; /* NULL: nothing fails */
    unsigned left;           /* calls until the first failure */
    bool struck;
};

/* A file of the faulty system: in front of the real one, which stands behind it in memory. */
struct file {
    sqlite3_file base;
    struct faults *faults;
    void *real[]; /* SQLite aligns its files to pointers */
};

static int strike(struct faults *faults, enum call call)
{
    if (!faults->mode || !faults->mode->fails[call]) return SQLITE_OK;
    if (faults->struck && !faults->mode->sticky) return SQLITE_OK;
    if (!faults->struck && --faults->left > 0) return SQLITE_OK;
    faults->struck = true;
    return faults->mode->result;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)((struct file *)file)->real;
}

static int strike_file(sqlite3_file *file, enum call call)
{
    return strike(((struct file *)file)->faults, call);
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int result = strike_file(file, CALL_READ);
    return result != SQLITE_OK ? result : real_of(file)->pMethods->xRead(real_of(file), data, size, at);
}

/* Half of it reaches the disk: the worst that a failed write can do. */
static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    int result = strike_file(file, CALL_WRITE);
    int written =
        real_of(file)->pMethods->xWrite(real_of(file), data, result == SQLITE_OK ? size : size / 2, at);
    return result != SQLITE_OK ? result : written;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int result = strike_file(file, CALL_TRUNCATE);
    return result != SQLITE_OK ? result : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    return strike_file(file, CALL_SYNC); /* the machine goes on, so a real sync would show nothing */
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_lock(sqlite3_file *file, int *ret_reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *opened, int flags, int *ret_flags)
{
    /* Version 1: no shared memory, which the exclusive lock makes needless. */
    static const sqlite3_io_methods methods = {1,
                                               file_close,
                                               file_read,
                                               file_write,
                                               file_truncate,
                                               file_sync,
                                               file_size,
                                               file_lock,
                                               file_unlock,
                                               file_check_lock,
                                               file_control,
                                               file_sector_size,
                                               file_characteristics};
    struct file *file = (struct file *)opened;
    file->base.pMethods = NULL;
    file->faults = vfs->pAppData;
    if (strike(file->faults, CALL_OPEN) != SQLITE_OK) return SQLITE_CANTOPEN;
    int result = file->faults->real->xOpen(file->faults->real, name, real_of(opened), flags, ret_flags);
    if (result == SQLITE_OK) file->base.pMethods = &methods;
    return result;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    struct faults *faults = vfs->pAppData;
    int result = strike(faults, CALL_DELETE);
    return result != SQLITE_OK ? result : faults->real->xDelete(faults->real, name, sync_directory);
}

/* All acknowledged state as text. */
static char *state_of(struct store *store)
{
    struct vec items;
    struct error err;
    if (!store_list(store, "", NULL, 0, &items, &err)) fail_msg("list: %s", err.message);
    struct buf state = {0};
    buf_printf(&state, "%d:", (int)store_revision(store));
    for (size_t i = 0; i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        buf_printf(&state, " %s@%d-%d=%.20s(%zu)", item->key, (int)item->create_revision, (int)item->revision,
                   item->value, strlen(item->value));
    }
    store_items_free(&items);
    return buf_take(&state);
}

/* One thing that changes the store; told by number, so that the loop can repeat it. */
static bool change(struct store *store, unsigned step, int64_t now_ms, struct error *err)
{
    static char large[9000];
    memset(large, 'a' + (int)(step % 26), sizeof(large) - 1);
    struct store_op ops[] = {{.kind = STORE_PUT, .key = "a", .value = step % 2 ? "odd" : "even"},
                             {.kind = step % 3 ? STORE_PUT : STORE_DELETE, .key = "b", .value = large},
                             {.kind = STORE_PUT, .key = "c", .value = large}};
    uint64_t lease;
    switch (step % 5) {
    case 0:
        return store_lease_grant(store, 10, now_ms, &lease, err) &&
               store_txn(store,
                         &(struct store_op){.kind = STORE_PUT, .key = "leased", .value = "", .lease = lease},
                         1, NULL, err);
    case 3:
        return store_tick(store, now_ms + 10, err);
    case 4:
        return store_compact(store, store_revision(store), err);
    default:
        return store_txn(store, ops, LENGTH(ops), NULL, err);
    }
}

static void assert_told(const struct error *err, const char *path)
{
    if (err->code != ERROR_FAILED || !strstr(err->message, path))
        fail_msg("not ERROR_FAILED with the path: %s: %s", error_code_name(err->code), err->message);
}

/* Ten changes with the fault at the n-th call. Returns whether it struck. */
static bool run_changes(struct fixture *fixture, struct faults *faults, const struct mode *mode, unsigned n)
{
    fixture->store = open_sqlite(fixture->path);
    *faults = (struct faults){.real = faults->real, .mode = mode, .left = n};
    for (unsigned step = 0; step < 10; step++) {
        CLEANUP_MEM char *before = NULL;
        faults->mode = NULL;
        before = state_of(fixture->store);
        faults->mode = mode;
        struct error err = {0};
        bool good = change(fixture->store, step, step * 100, &err);
        faults->mode = NULL;
        CLEANUP_MEM char *after = state_of(fixture->store);
        if (!good) {
            assert_told(&err, fixture->path);
            assert_string_equal(before, after);
        }
        faults->mode = mode;
    }
    /* A checkpoint, which a large transaction brings on, may fail unnoticed: the log stays valid. */
    faults->mode = NULL;
    put(fixture->store, "mended", "yes");
    CLEANUP_MEM char *before = state_of(fixture->store);
    reopen(fixture);
    CLEANUP_MEM char *after = state_of(fixture->store);
    assert_string_equal(before, after);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(remove(fixture->path), 0); /* each n sees the same calls */
    return faults->struck;
}

/* Opening a file that is there, or making it, with the fault at the n-th call. */
static bool run_open(struct fixture *fixture, struct faults *faults, const struct mode *mode, unsigned n,
                     const char *expected)
{
    *faults = (struct faults){.real = faults->real, .mode = mode, .left = n};
    struct error err = {0};
    if (!store_open_sqlite(fixture->path, &fixture->store, &err)) assert_told(&err, fixture->path);
    faults->mode = NULL;
    store_close(fixture->store);
    fixture->store = open_sqlite(fixture->path);
    CLEANUP_MEM char *state = state_of(fixture->store);
    assert_string_equal(state, expected);
    store_close(fixture->store);
    fixture->store = NULL;
    return faults->struck;
}

static void with_faults(struct fixture *fixture, void (*run)(struct fixture *fixture, struct faults *faults))
{
    struct faults faults = {.real = sqlite3_vfs_find(NULL)};
    sqlite3_vfs vfs = *faults.real;
    vfs.zName = "faulty";
    vfs.pAppData = &faults;
    vfs.szOsFile = (int)sizeof(struct file) + faults.real->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
    fixture->durable = true;
    run(fixture, &faults);
    assert_int_equal(sqlite3_vfs_unregister(&vfs), SQLITE_OK);
}

static void changes_under_faults(struct fixture *fixture, struct faults *faults)
{
    for (size_t i = 0; i < LENGTH(modes); i++) {
        unsigned n = 1;
        while (run_changes(fixture, faults, &modes[i], n)) {
            assert_true(n < CALLS_MAX);
            n++;
        }
        print_message("# %s: %u places\n", modes[i].name, n - 1);
        if (!text_equal(modes[i].name, "one read")) assert_true(n > 1);
    }
}

static void opens_under_faults(struct fixture *fixture, struct faults *faults)
{
    for (size_t i = 0; i < LENGTH(modes); i++) {
        fixture->store = open_sqlite(fixture->path);
        put(fixture->store, "a", "1");
        CLEANUP_MEM char *expected = state_of(fixture->store);
        store_close(fixture->store);
        fixture->store = NULL;
        unsigned there = 1, made = 1;
        while (run_open(fixture, faults, &modes[i], there, expected))
            assert_true(there++ < CALLS_MAX);
        do
            assert_int_equal(remove(fixture->path), 0);
        while (run_open(fixture, faults, &modes[i], made, "0:") && made++ < CALLS_MAX);
        print_message("# %s: %u places to open, %u to make\n", modes[i].name, there - 1, made - 1);
        assert_int_equal(remove(fixture->path), 0);
    }
}

static void test_changes(struct fixture *fixture)
{
    with_faults(fixture, changes_under_faults);
}

static void test_opens(struct fixture *fixture)
{
    with_faults(fixture, opens_under_faults);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"changes", test_changes},
        {"opening and making", test_opens},
    };
    return run_with_directory("store fault", cases, LENGTH(cases));
}
