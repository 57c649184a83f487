#include "check.h"

#include "base/mem.h"
#include "os/blob.h"
#include "os/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char root[64];
    struct os_disk *disk;
    const struct disk_port *port;
};

static int setup(void **state)
{
    struct place *place = mem_alloc(sizeof(*place));
    struct error err;
    strcpy(place->root, "/tmp/croft-disk-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    assert_true(os_disk_new(place->root, &place->disk, &err));
    place->port = os_disk_port(place->disk);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    os_disk_free(place->disk);
    CLEANUP_MEM char *command = mem_printf("rm -r %s", place->root);
    assert_int_equal(system(command), 0);
    mem_free(place);
    return 0;
}

static void put(struct place *place, const char *path, const char *text)
{
    struct error err;
    if (!place->port->write(place->port->self, path, text, strlen(text), 0640, &err))
        fail_msg("%s", err.message);
}

static void holds(struct place *place, const char *path, const char *text)
{
    struct error err;
    CLEANUP_BUF struct buf data = {0};
    buf_add_text(&data, "before ");
    if (!place->port->read(place->port->self, path, &data, &err)) fail_msg("%s", err.message);
    assert_string_equal(buf_text(&data) + 7, text);
}

static void writes_replace(void **state)
{
    struct place *place = *state;
    put(place, "a", "one");
    holds(place, "a", "one");
    CLEANUP_MEM char *path = mem_printf("%s/a", place->root);
    int old = open(path, O_RDONLY | O_CLOEXEC);
    umask(0077);
    put(place, "a", "two");
    holds(place, "a", "two");
    char text[8] = "";
    assert_int_equal(read(old, text, sizeof(text)), 3); /* a reader of the old file keeps it whole */
    assert_string_equal(text, "one");
    close(old);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640); /* whatever the umask */
    put(place, "deep/er/still/b", "three");
    holds(place, "deep/er/still/b", "three");
    put(place, "empty", "");
    holds(place, "empty", "");
}

static void unfinished_write_is_not_seen(void **state)
{
    struct place *place = *state;
    put(place, "a", "whole");
    CLEANUP_MEM char *path = mem_printf("%s/.~a", place->root);
    FILE *left = fopen(path, "we"); /* what a crash leaves behind */
    assert_non_null(left);
    fputs("ha", left);
    fclose(left);
    holds(place, "a", "whole");
    struct error err;
    struct vec names = VEC_OF(char *);
    assert_true(place->port->list(place->port->self, "", &names, &err));
    assert_int_equal(names.length, 1);
    mem_free(*(char **)vec_at(&names, 0));
    vec_free(&names);
    put(place, "a", "new");
    holds(place, "a", "new");
    assert_int_equal(access(path, F_OK), -1);
}

static void missing_and_removed(void **state)
{
    struct place *place = *state;
    struct error err;
    CLEANUP_BUF struct buf data = {0};
    static const char *const missing[] = {"a", "b/c"};
    for (size_t i = 0; i < 2; i++) {
        assert_false(place->port->read(place->port->self, missing[i], &data, &err));
        assert_int_equal(err.code, ERROR_NOT_FOUND);
        assert_true(place->port->remove(place->port->self, missing[i], &err));
    }
    put(place, "b/c", "x");
    assert_true(place->port->remove(place->port->self, "b/c", &err));
    assert_false(place->port->read(place->port->self, "b/c", &data, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(place->port->read(place->port->self, "b", &data, &err)); /* a directory */
    assert_int_equal(data.size, 0);
}

static void lists_in_order(void **state)
{
    struct place *place = *state;
    struct error err;
    struct vec names = VEC_OF(char *);
    assert_true(place->port->list(place->port->self, "none/such", &names, &err));
    assert_int_equal(names.length, 0);
    put(place, "d/b", "");
    put(place, "d/a", "");
    put(place, "d/c", "");
    put(place, "d/inner/x", "");
    assert_true(place->port->list(place->port->self, "d", &names, &err));
    assert_int_equal(names.length, 3);
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        assert_int_equal(name[0], 'a' + (int)i);
        mem_free(name);
    }
    vec_free(&names);
}

static void stays_below_its_root(void **state)
{
    struct place *place = *state;
    struct error err;
    CLEANUP_BUF struct buf data = {0};
    CLEANUP_MEM char *link = mem_printf("%s/link", place->root);
    CLEANUP_MEM char *file = mem_printf("%s/file", place->root);
    assert_int_equal(symlink("/etc", link), 0);
    assert_int_equal(symlink("/etc/passwd", file), 0);
    static const char *const outside[] = {"../x", "a/../../x", "/etc/passwd", "",     "a//b",
                                          "a/",   ".",         "link/passwd", "file", ".~x"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_false(place->port->read(place->port->self, outside[i], &data, &err));
        if (strcmp(outside[i], "file") == 0) continue; /* writing replaces the link itself */
        assert_false(place->port->write(place->port->self, outside[i], "x", 1, 0600, &err));
    }
    assert_int_equal(access("/etc/x", F_OK), -1);
}

static void blobs_go(void **state)
{
    /* FIPS 180-2, B.1: SHA-256 of "abc" */
    static const char abc[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct place *place = *state;
    struct os_blobs *blobs = NULL;
    struct error err;
    int64_t size = 0;

    assert_true(os_blobs_new(place->root, &blobs, &err));
    const struct blob_port *port = os_blobs_port(blobs);
    bool done = false;
    assert_true(port->append(port->self, "acme", abc, 0, "abc", 3, &err));
    assert_int_equal(port->partial(port->self, "beta", abc), 0); /* another's */
    assert_true(port->append(port->self, "beta", abc, 0, "wrong", 5, &err));
    assert_true(port->finish(port->self, "acme", abc, &done, &err));
    assert_true(done);
    assert_true(port->size(port->self, abc, &size, &err));
    assert_false(port->finish(port->self, "beta", abc, &done, &err)); /* though it is here */
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(port->partial(port->self, "beta", abc), 0);
    assert_true(port->append(port->self, "beta", abc, 0, "abc", 3, &err));
    assert_true(port->finish(port->self, "beta", abc, &done, &err));
    assert_true(port->remove(port->self, abc, &err));
    assert_false(port->size(port->self, abc, &size, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_true(port->append(port->self, "acme", abc, 0, "ab", 2, &err));
    assert_true(port->drop(port->self, "acme", abc, &err)); /* in the making */
    assert_int_equal(port->partial(port->self, "acme", abc), 0);
    assert_true(port->append(port->self, "acme", abc, 0, "abc", 3, &err)); /* hashed from its start */
    assert_true(port->finish(port->self, "acme", abc, &done, &err));
    assert_true(port->remove(port->self, abc, &err));
    assert_true(port->remove(port->self, abc, &err)); /* not here */
    assert_false(port->remove(port->self, "sha256:../../etc/passwd", &err));
    os_blobs_free(blobs);
}

static void count_blob(void *ctx, const struct blob_item *item)
{
    int64_t *sums = ctx;
    sums[item->owner != NULL] += item->bytes;
}

/* Verification asks for no more at once than a piece; what was taken in by this process is hashed already. */
static void blobs_are_hashed_in_pieces(void **state)
{
    const size_t piece = (size_t)4 * 1024 * 1024;
    struct place *place = *state;
    struct os_blobs *blobs = NULL;
    struct error err;
    CLEANUP_MEM char *data = mem_alloc(piece);
    char digest[80];
    int64_t size = 0;

    /* SHA-256 of 40 MiB of zeros */
    snprintf(digest, sizeof(digest), "sha256:%s",
             "80a3721188e40218b08b26776bc53bdae81e4784fff71d71450a197319cba113");
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_true(os_blobs_new(place->root, &blobs, &err));
        const struct blob_port *port = os_blobs_port(blobs);
        bool done = false;
        int turns = 0;
        for (int i = 0; i < 10; i++) {
            assert_true(port->append(port->self, "acme", digest, i * (int64_t)piece, data, piece, &err));
            if (!restarted || i != 8) continue; /* what comes then is hashed after what was before */
            os_blobs_free(blobs);
            assert_true(os_blobs_new(place->root, &blobs, &err));
            port = os_blobs_port(blobs);
        }
        int64_t sums[2] = {0};
        assert_true(port->each(port->self, restarted ? "acme" : NULL, count_blob, sums, &err));
        assert_int_equal(sums[1], 10 * (int64_t)piece);
        for (; !done; turns++)
            assert_true(port->finish(port->self, "acme", digest, &done, &err));
        if (restarted)
            assert_true(turns >= 10);
        else
            assert_int_equal(turns, 1);
        assert_true(port->size(port->self, digest, &size, &err));
        assert_int_equal(size, 10 * (int64_t)piece);
        assert_true(port->remove(port->self, digest, &err));
        os_blobs_free(blobs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(unfinished_write_is_not_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(blobs_go, setup, teardown),
        cmocka_unit_test_setup_teardown(blobs_are_hashed_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(stays_below_its_root, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
