/* What is kept for parties, over the real kernel: on a file system that encrypts, and on one that does not
 * and gets an image. What is on the disk is read below the file system. */
#include "raw.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/private.h"
#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77, WAIT_US_MAX = 20000000 };

static const char secret[] = "what acme keeps for itself 8c1e", control[] = "what anybody may read 77f2";

struct world {
    char *directory; /* everything is below it */
    char *state, *run,
        *disk; /* disk: the file that STATE's file system is in; NULL: STATE is a plain directory */
    char *image;
    struct loop *loop;
    struct os_clock *clock;
    struct os_process *process;
    struct os_private *private;
    const struct private_port *port;
    int64_t reserve_bytes;
    unsigned notes;
    unsigned waits; /* for so many callbacks */
    struct error error;
    char *opened;
    struct vec items;
};

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
    CLEANUP_BUF struct buf command = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&command, format, arguments);
    va_end(arguments);
    int status = system(buf_text(&command));
    if (status != 0) fail_msg("%s: %d", buf_text(&command), status);
}

static void too_late(void *ctx)
{
    fail_msg("nothing happened in 20 s");
}

static void wait_all(struct world *world)
{
    const struct clock_port *clock = os_clock_port(world->clock);
    struct timer *timer = clock->after(clock->self, WAIT_US_MAX, too_late, NULL);
    while (world->waits > 0)
        loop_run(world->loop);
    clock->cancel(clock->self, timer);
}

static void answered(struct world *world, const struct error *err)
{
    world->error = err ? *err : (struct error){0};
    if (--world->waits == 0) loop_stop(world->loop);
}

static void opened(void *ctx, const char *directory, const struct error *err)
{
    struct world *world = ctx;
    mem_free(world->opened);
    world->opened = directory ? mem_strdup(directory) : NULL;
    answered(world, err);
}

static void done(void *ctx, const struct error *err)
{
    answered(ctx, err);
}

static void forget_items(struct world *world)
{
    for (size_t i = 0; i < world->items.length; i++) {
        const struct private_item *item = vec_at(&world->items, i);
        mem_free(item->party);
        mem_free(item->directory);
    }
    vec_clear(&world->items);
}

static void listed(void *ctx, const struct vec *items, const struct error *err)
{
    struct world *world = ctx;
    forget_items(world);
    for (size_t i = 0; i < items->length; i++)
        *(struct private_item *)vec_push(&world->items) = *(const struct private_item *)vec_at(items, i);
    answered(world, err);
}

static void noted(void *ctx, const char *text)
{
    ((struct world *)ctx)->notes++;
}

static void start(struct world *world)
{
    const struct os_private_options options = {.loop = world->loop,
                                               .process = os_process_port(world->process),
                                               .state_directory = world->state,
                                               .run_directory = world->run,
                                               .reserve_bytes = world->reserve_bytes,
                                               .note = noted,
                                               .ctx = world};
    struct error err;
    if (!os_private_new(&options, &world->private, &err)) fail_msg("%s", err.message);
    world->port = os_private_port(world->private);
}

static void restart(struct world *world)
{
    os_private_free(world->private);
    start(world);
}

static void ask_open(struct world *world, const char *party, unsigned char key)
{
    memset(world->port->key, key, PRIVATE_KEY_SIZE);
    world->port->key[0] = 1;
    world->waits++;
    world->port->open(world->port->self, party, opened, world);
    for (size_t i = 0; i < PRIVATE_KEY_SIZE; i++)
        assert_int_equal(world->port->key[i], 0);
}

static void good(struct world *world)
{
    wait_all(world);
    if (world->error.code != ERROR_NONE) fail_msg("%s", world->error.message);
}

static void open_party(struct world *world, const char *party, unsigned char key)
{
    ask_open(world, party, key);
    good(world);
    assert_non_null(world->opened);
}

static void lock(struct world *world, const char *directory)
{
    world->waits++;
    world->port->lock(world->port->self, directory, done, world);
    wait_all(world);
}

static void take_away(struct world *world, const char *directory)
{
    world->waits++;
    world->port->remove(world->port->self, directory, done, world);
    good(world);
}

static void list(struct world *world)
{
    world->waits++;
    world->port->list(world->port->self, listed, world);
    good(world);
}

static void put(const char *directory, const char *name, const char *text)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fsync(fd), 0);
    close(fd);
}

static bool holds(const char *directory, const char *name, const char *text)
{
    char data[256] = "";
    CLEANUP_MEM char *path = mem_printf("%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, data, sizeof(data) - 1);
    close(fd);
    return got >= 0 && text_equal(data, text);
}

/* The file that all of it lies in. */
static const char *raw_file(const struct world *world)
{
    return world->disk ? world->disk : world->image;
}

static int make_world(void **state, bool encrypts)
{
    struct world *world = mem_alloc(sizeof(*world));
    struct error err;
    char place[] = "/tmp/croft-private-XXXXXX";
    assert_non_null(mkdtemp(place));
    world->directory = mem_strdup(place);
    world->state = mem_printf("%s/state", place);
    world->run = mem_printf("%s/run", place);
    world->image = mem_printf("%s/private.img", world->state);
    world->items = VEC_OF(struct private_item);
    run("mkdir %s %s", world->state, world->run);
    if (encrypts) {
        world->disk = mem_printf("%s/disk", place);
        run("truncate -s 64M %s && mkfs.ext4 -q -O encrypt %s && mount -o loop %s %s", world->disk,
            world->disk, world->disk, world->state);
    }
    assert_true(loop_new(&world->loop, &err));
    world->clock = os_clock_new(world->loop);
    world->process = os_process_new(world->loop);
    start(world);
    *state = world;
    return 0;
}

static int setup_image(void **state)
{
    return make_world(state, false);
}

static int setup_direct(void **state)
{
    return make_world(state, true);
}

static int teardown(void **state)
{
    struct world *world = *state;
    os_private_free(world->private);
    os_process_free(world->process);
    os_clock_free(world->clock);
    loop_free(world->loop);
    CLEANUP_MEM char *point = mem_printf("%s/private", world->run);
    assert_int_not_equal(umount2(point, 0), 0); /* none is left */
    assert_int_equal(raw_devices(world->image), 0);
    if (world->disk) run("umount %s", world->state);
    run("rm -r %s", world->directory);
    forget_items(world);
    vec_free(&world->items);
    mem_free(world->opened);
    mem_free(world->directory);
    mem_free(world->state);
    mem_free(world->run);
    mem_free(world->image);
    mem_free(world->disk);
    mem_free(world);
    return 0;
}

/* The search finds what is not encrypted, in the same file system. */
static void disk_has_nothing_readable(void **state)
{
    struct world *world = *state;
    open_party(world, "acme", 7);
    put(world->opened, secret, secret);
    CLEANUP_MEM char *beside = mem_printf("%s/..", world->opened);
    put(beside, "control", control);
    run("sync -f %s", world->opened);
    assert_true(raw_has(raw_file(world), control));
    assert_false(raw_has(raw_file(world), secret));
    assert_true(holds(world->opened, secret, secret));
}

static void locked_is_unreadable(void **state)
{
    struct world *world = *state;
    open_party(world, "acme", 7);
    CLEANUP_MEM char *directory = mem_strdup(world->opened);
    const struct disk_port *disk = world->port->disk(world->port->self, directory);
    struct error err;
    put(directory, "kept", secret);
    assert_true(disk->write(disk->self, "note", secret, strlen(secret), 0600, &err));
    lock(world, directory);
    assert_int_equal(world->error.code, ERROR_NONE);
    assert_null(world->port->disk(world->port->self, directory));
    assert_null(world->port->blobs(world->port->self, directory));
    assert_false(holds(directory, "kept", secret));
    CLEANUP_MEM char *fresh = mem_printf("%s/new", directory);
    assert_true(open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
    lock(world, directory); /* again */
    assert_int_equal(world->error.code, ERROR_NONE);

    open_party(world, "acme", 7);
    assert_string_equal(world->opened, directory);
    assert_true(holds(directory, "kept", secret));
    disk = world->port->disk(world->port->self, directory);
    CLEANUP_BUF struct buf text = {0};
    assert_true(disk->read(disk->self, "note", &text, &err));
    assert_string_equal(buf_text(&text), secret);
}

static void another_key_reads_nothing(void **state)
{
    struct world *world = *state;
    open_party(world, "acme", 7);
    CLEANUP_MEM char *directory = mem_strdup(world->opened);
    put(directory, "kept", secret);
    lock(world, directory);
    open_party(world, "acme", 8);
    assert_string_not_equal(world->opened, directory);
    assert_false(holds(world->opened, "kept", secret));
    assert_false(holds(directory, "kept", secret));
    list(world);
    assert_int_equal(world->items.length, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(((struct private_item *)vec_at(&world->items, i))->party, "acme");
}

static void removed_leaves_nothing(void **state)
{
    struct world *world = *state;
    list(world); /* makes no place */
    assert_int_equal(world->items.length, 0);
    assert_int_not_equal(access(world->image, F_OK), 0);
    open_party(world, "acme", 7);
    CLEANUP_MEM char *acme = mem_strdup(world->opened);
    put(acme, "kept", secret);
    open_party(world, "beta", 8);
    CLEANUP_MEM char *beta = mem_strdup(world->opened);
    put(beta, "kept", secret);
    take_away(world, acme);
    assert_int_not_equal(access(acme, F_OK), 0);
    assert_true(holds(beta, "kept", secret));
    take_away(world, acme); /* again */
    lock(world, beta);
    assert_int_equal(world->error.code, ERROR_NONE);
    take_away(world, beta); /* without its key */
    list(world);
    assert_int_equal(world->items.length, 0);
    assert_int_not_equal(access(world->image, F_OK), 0);
    assert_int_equal(raw_devices(world->image), 0);
    open_party(world, "acme", 7); /* and it is made again */
    assert_false(holds(world->opened, "kept", secret));
}

static void files_in_use_stay(void **state)
{
    struct world *world = *state;
    char data[64] = "";
    open_party(world, "acme", 7);
    CLEANUP_MEM char *directory = mem_strdup(world->opened), *path = mem_printf("%s/kept", directory);
    put(directory, "kept", secret);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    lock(world, directory);
    assert_int_equal(world->error.code, ERROR_REFUSED);
    assert_int_equal(pread(fd, data, sizeof(data) - 1, 0), strlen(secret));
    assert_string_equal(data, secret);
    take_away(world, directory);
    assert_int_equal(pread(fd, data, sizeof(data) - 1, 0), strlen(secret));
    close(fd);
}

/* What an agent that was killed left: its mount, and its keys in the kernel. */
static void killed_and_found_again(void **state)
{
    struct world *world = *state;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct error err;
        if (!loop_new(&world->loop, &err)) _exit(1);
        world->clock = os_clock_new(world->loop);
        world->process = os_process_new(world->loop);
        start(world);
        open_party(world, "acme", 7);
        put(world->opened, "kept", secret);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    open_party(world, "acme", 7);
    assert_true(holds(world->opened, "kept", secret));
    if (!world->disk) assert_int_equal(raw_devices(world->image), 1);
}

/* Between two steps: an image that is not whole; a directory that is not encrypted yet; a device without a
 * mount; a second agent at the same time. */
static void ended_in_between(void **state)
{
    struct world *world = *state;
    ask_open(world, "acme", 7);
    for (int i = 0; i < 3; i++) { /* mkfs runs */
        const struct clock_port *clock = os_clock_port(world->clock);
        clock->after(clock->self, 0, (void (*)(void *))loop_stop, world->loop);
        loop_run(world->loop);
    }
    restart(world);
    world->waits = 0;
    open_party(world, "acme", 7);
    CLEANUP_MEM char *directory = mem_strdup(world->opened);
    take_away(world, directory);
    open_party(world, "beta", 8);
    run("mkdir %s", directory);
    open_party(world, "acme", 7);
    put(directory, "kept", secret);
    assert_true(holds(directory, "kept", secret));
    lock(world, directory);
    assert_false(holds(directory, "kept", secret)); /* so it is encrypted */
}

static void device_without_mount(void **state)
{
    struct world *world = *state;
    open_party(world, "acme", 7);
    put(world->opened, "kept", secret);
    int held = open(world->opened, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* as an instance's root does */
    restart(world);
    assert_int_equal(raw_devices(world->image), 1);
    open_party(world, "acme", 7);
    assert_int_equal(raw_devices(world->image), 1);
    assert_true(holds(world->opened, "kept", secret));
    struct world other = *world;
    other.opened = NULL;
    start(&other);
    open_party(&other, "beta", 8);
    put(other.opened, "kept", control);
    assert_int_equal(raw_devices(world->image), 1);
    os_private_free(other.private);
    mem_free(other.opened);
    open_party(world, "acme", 7); /* the other one has unmounted it */
    assert_true(holds(world->opened, "kept", secret));
    close(held);
}

static void several_at_once(void **state)
{
    struct world *world = *state;
    ask_open(world, "acme", 7);
    ask_open(world, "beta", 8);
    ask_open(world, "acme", 7);
    good(world);
    assert_non_null(strstr(world->opened, "/acme."));
    list(world);
    assert_int_equal(world->items.length, 2);
}

static void full_disk_is_told(void **state)
{
    struct world *world = *state;
    world->reserve_bytes = INT64_MAX;
    restart(world);
    ask_open(world, "acme", 7);
    wait_all(world);
    assert_int_equal(world->error.code, ERROR_REFUSED);
    assert_non_null(strstr(world->error.message, "almost full"));
    world->reserve_bytes = 0;
    restart(world);
    open_party(world, "acme", 7);
}

/* A host's disk that fills up behind the image: what is written fails and says so, and nothing hangs. */
static void disk_fills_up(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *small = mem_printf("%s/small", world->directory);
    run("truncate -s 32M %s && mkfs.ext4 -q %s && mount -o loop %s %s", small, small, small, world->state);
    open_party(world, "acme", 7);
    CLEANUP_MEM char *path = mem_printf("%s/large", world->opened), *data = mem_alloc(1024 * 1024);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool failed = false;
    memset(data, 'x', 1024 * 1024);
    for (int i = 0; i < 48 && !failed; i++)
        failed = write(fd, data, 1024 * 1024) != 1024 * 1024 || fsync(fd) != 0;
    close(fd);
    assert_true(failed);
    ask_open(world, "beta", 8);
    wait_all(world); /* whichever way */
    os_private_free(world->private);
    run("umount %s", world->state);
    start(world);
}

static void damage_is_noted(void **state)
{
    struct world *world = *state;
    open_party(world, "acme", 7);
    put(world->opened, "kept", secret);
    os_private_free(world->private);
    run("dd if=/dev/zero of=%s bs=1M count=4 conv=notrunc status=none", world->image);
    start(world);
    open_party(world, "acme", 7);
    assert_int_equal(world->notes, 1);
    assert_false(holds(world->opened, "kept", secret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disk_has_nothing_readable, setup_image, teardown),
        cmocka_unit_test_setup_teardown(disk_has_nothing_readable, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(locked_is_unreadable, setup_image, teardown),
        cmocka_unit_test_setup_teardown(locked_is_unreadable, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(another_key_reads_nothing, setup_image, teardown),
        cmocka_unit_test_setup_teardown(another_key_reads_nothing, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(removed_leaves_nothing, setup_image, teardown),
        cmocka_unit_test_setup_teardown(removed_leaves_nothing, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(files_in_use_stay, setup_image, teardown),
        cmocka_unit_test_setup_teardown(files_in_use_stay, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(killed_and_found_again, setup_image, teardown),
        cmocka_unit_test_setup_teardown(killed_and_found_again, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(ended_in_between, setup_image, teardown),
        cmocka_unit_test_setup_teardown(ended_in_between, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(device_without_mount, setup_image, teardown),
        cmocka_unit_test_setup_teardown(several_at_once, setup_image, teardown),
        cmocka_unit_test_setup_teardown(several_at_once, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(full_disk_is_told, setup_image, teardown),
        cmocka_unit_test_setup_teardown(full_disk_is_told, setup_direct, teardown),
        cmocka_unit_test_setup_teardown(disk_fills_up, setup_image, teardown),
        cmocka_unit_test_setup_teardown(damage_is_noted, setup_image, teardown),
    };
    if (geteuid() != 0) return SKIPPED;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return SKIPPED;
    return cmocka_run_group_tests_name("private", tests, NULL, NULL);
}
