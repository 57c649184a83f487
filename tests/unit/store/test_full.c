/* A full disk: a small tmpfs in a mount namespace of the test's own. Needs root; skipped without. */
#include "harness.h"

#include "base/attr.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define DISK "size=4m"
#define VALUE_SIZE 60000

static void mount_small_disk(struct fixture *fixture)
{
    if (geteuid() != 0) skip();
    if (unshare(CLONE_NEWNS) != 0) {
        print_message("# no mount namespace here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("croft-store-test", fixture->directory, "tmpfs", MS_NOSUID | MS_NODEV, DISK), 0);
}

static void unmount(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(umount2(fixture->directory, MNT_DETACH), 0);
}

static char *ballast_path(const struct fixture *fixture)
{
    return mem_printf("%s/ballast", fixture->directory);
}

/* Takes at most `size` bytes of the disk, or all that is left. */
static void add_ballast(const struct fixture *fixture, size_t size)
{
    char *path = ballast_path(fixture);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    char block[4096] = {0};
    for (size_t done = 0; done < size; done += sizeof(block))
        if (write(fd, block, sizeof(block)) != sizeof(block)) break;
    close(fd);
    mem_free(path);
}

static void drop_ballast(const struct fixture *fixture)
{
    char *path = ballast_path(fixture);
    assert_int_equal(unlink(path), 0);
    mem_free(path);
}

static char *value_of(uint64_t n)
{
    return mem_printf("%d %*s", (int)n, VALUE_SIZE, "x");
}

/* Two keys a transaction, until the disk is full. Returns how many were acknowledged. */
static uint64_t write_until_full(const struct fixture *fixture, uint64_t first)
{
    for (uint64_t n = first;; n++) {
        assert_true(n < 1000);
        char a[16], b[16];
        snprintf(a, sizeof(a), "a/%d", (int)n);
        snprintf(b, sizeof(b), "b/%d", (int)n);
        CLEANUP_MEM char *value = value_of(n);
        struct store_op ops[] = {{.kind = STORE_PUT, .key = a, .value = value},
                                 {.kind = STORE_PUT, .key = b, .value = value}};
        struct error err = {0};
        uint64_t before = store_revision(fixture->store);
        uint64_t revision = 0;
        if (store_txn(fixture->store, ops, LENGTH(ops), &revision, &err)) continue;
        assert_int_equal(err.code, ERROR_FAILED);
        assert_non_null(strstr(err.message, fixture->path));
        assert_non_null(strstr(err.message, "full"));
        assert_int_equal(revision, 0);
        assert_int_equal(store_revision(fixture->store), before);
        assert_absent(fixture->store, a);
        assert_absent(fixture->store, b);
        return n;
    }
}

static void check_all(struct store *store, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        char key[16];
        CLEANUP_MEM char *value = value_of(n);
        for (int i = 0; i < 2; i++) {
            snprintf(key, sizeof(key), "%c/%d", "ab"[i], (int)n);
            assert_value(store, key, value);
        }
    }
}

/* Opening may fail while there is no room, but loses nothing. */
static void reopen_full(struct fixture *fixture, uint64_t count)
{
    add_ballast(fixture, SIZE_MAX);
    store_close(fixture->store);
    fixture->store = NULL;
    add_ballast(fixture, SIZE_MAX);
    struct error err = {0};
    if (!store_open_sqlite(fixture->path, &fixture->store, &err)) {
        assert_int_equal(err.code, ERROR_FAILED);
        assert_non_null(strstr(err.message, fixture->path));
    }
    drop_ballast(fixture);
    store_close(fixture->store);
    fixture->store = open_sqlite(fixture->path);
    check_all(fixture->store, count);
    assert_int_equal(store_revision(fixture->store), count + 1);
    struct error tick_err;
    assert_true(store_tick(fixture->store, 0, &tick_err));
    assert_value(fixture->store, "leased", "1");
}

static void test_full(struct fixture *fixture)
{
    mount_small_disk(fixture);
    add_ballast(fixture, (size_t)2 << 20);
    fixture->store = open_sqlite(fixture->path);
    uint64_t lease;
    struct error err = {0};
    assert_true(store_lease_grant(fixture->store, 100, 0, &lease, &err));
    put_leased(fixture->store, "leased", "1", lease);
    uint64_t count = write_until_full(fixture, 0);
    assert_true(count > 0);
    check_all(fixture->store, count);
    add_ballast(fixture, SIZE_MAX);
    assert_int_equal(write_until_full(fixture, count), count); /* and again, with not a block left */
    uint64_t revision = store_revision(fixture->store);
    assert_false(store_tick(fixture->store, 100, &err)); /* the lease cannot end now */
    assert_int_equal(err.code, ERROR_FAILED);
    assert_value(fixture->store, "leased", "1");
    assert_int_equal(store_revision(fixture->store), revision);
    check_all(fixture->store, count);

    drop_ballast(fixture);
    uint64_t more = write_until_full(fixture, count);
    assert_true(more > count);
    check_all(fixture->store, more);
    reopen_full(fixture, more);
    unmount(fixture);
}

static void test_full_from_the_start(struct fixture *fixture)
{
    mount_small_disk(fixture);
    add_ballast(fixture, SIZE_MAX);
    struct error err = {0};
    assert_false(store_open_sqlite(fixture->path, &fixture->store, &err));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_non_null(strstr(err.message, fixture->path));
    assert_int_not_equal(access(fixture->path, F_OK), 0);
    CLEANUP_MEM char *draft = mem_printf("%s.new", fixture->path);
    assert_int_not_equal(access(draft, F_OK), 0); /* nothing is left lying about */
    drop_ballast(fixture);
    fixture->store = open_sqlite(fixture->path);
    put(fixture->store, "a", "1");
    unmount(fixture);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"full, and with room again", test_full},
        {"full from the start", test_full_from_the_start},
    };
    return run_with_directory("store full", cases, LENGTH(cases));
}
