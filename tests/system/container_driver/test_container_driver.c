/* The container driver over crun, the kernel and a busybox image, in namespaces of the test's own. */
#include "base/mem.h"
#include "base/text.h"
#include "driver/container/container.h"
#include "driver/container/files.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77, WAIT_US_MAX = 20000000 };

struct world {
    char *directory; /* everything is below it */
    char *cgroup;
    char *digest;
    char *layer;
    const char *store; /* where images are; NULL: the driver's own place */
    struct loop *loop;
    struct os_clock *clock;
    struct os_process *process;
    struct os_watch *watch;
    struct compute_driver driver;
    /* of the last call, and of the last exit */
    bool called;
    struct error error;
    bool exited;
    int status;
    bool out_of_memory;
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

static char *output_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char text[8192];
    size_t size = fread(text, 1, sizeof(text) - 1, pipe);
    text[size] = '\0';
    pclose(pipe);
    while (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    return mem_strdup(text);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void done(void *ctx, const struct error *err)
{
    struct world *world = ctx;
    world->called = true;
    world->error = err != NULL ? *err : (struct error){0};
    loop_stop(world->loop);
}

static void exited(void *ctx, const char *instance, int64_t incarnation, int status, bool out_of_memory)
{
    struct world *world = ctx;
    world->exited = true;
    world->status = status;
    world->out_of_memory = out_of_memory;
    loop_stop(world->loop);
}

static void too_late(void *ctx)
{
    fail_msg("nothing happened in 20 s");
}

static void wait_for(struct world *world, const bool *flag)
{
    const struct clock_port *clock = os_clock_port(world->clock);
    struct timer *timer = clock->after(clock->self, WAIT_US_MAX, too_late, NULL);
    while (!*flag)
        loop_run(world->loop);
    clock->cancel(clock->self, timer);
}

static void finish(struct world *world)
{
    wait_for(world, &world->called);
    world->called = false;
    if (world->error.code != ERROR_NONE) fail_msg("%s", world->error.message);
}

static void woken(void *ctx)
{
    struct world *world = ctx;
    loop_stop(world->loop);
}

/* Lets the loop turn for a moment: for conditions that nothing announces. */
static void turn(struct world *world)
{
    const struct clock_port *clock = os_clock_port(world->clock);
    clock->after(clock->self, 5000, woken, world);
    loop_run(world->loop);
}

static void open_driver(struct world *world)
{
    CLEANUP_MEM char *state = mem_printf("%s/state", world->directory);
    CLEANUP_MEM char *rundir = mem_printf("%s/run", world->directory);
    struct container_options options = {
        .state_directory = state,
        .run_directory = rundir,
        .cgroup = world->cgroup,
        .clock = os_clock_port(world->clock),
        .process = os_process_port(world->process),
        .watch = os_watch_port(world->watch),
    };
    struct error err;
    if (!container_driver_new(&options, &world->driver, &err)) fail_msg("%s", err.message);
    world->driver.set_events(world->driver.self, &(struct compute_events){.exited = exited, .ctx = world});
}

static struct image image_of(const struct world *world, const char *const *layers)
{
    return (struct image){.name = "busybox:1",
                          .party = "landlord",
                          .digest = world->digest,
                          .layers = layers,
                          .layers_length = 1,
                          .directory = "/",
                          .user = "0"};
}

static void create(struct world *world, const char *name, const char *script, const struct personality *more)
{
    const char *const layers[] = {world->layer};
    const char *command[] = {"sh", "-c", script};
    struct image image = image_of(world, layers);
    struct personality personality = more != NULL ? *more : (struct personality){0};
    CLEANUP_MEM char *net = mem_printf("%s/net", world->directory);
    personality.instance = name;
    personality.party = "acme";
    personality.farm = "acme/shop";
    personality.tier = "web";
    personality.incarnation = 1;
    personality.digest = world->digest;
    personality.command = command;
    personality.command_length = 3;
    if (personality.size.memory_bytes == 0) personality.size.memory_bytes = 64 << 20;
    if (personality.size.cpus_millis == 0) personality.size.cpus_millis = 1000;
    struct compute_place place = {.store = world->store,
                                  .net_ns_path = net,
                                  .hostname = "web-1",
                                  .domain = "shop.acme",
                                  .resolver = 0x0a000001};
    world->driver.create(world->driver.self, &personality, &image, &place, done, world);
    finish(world);
}

static void start(struct world *world, const char *name)
{
    world->exited = false;
    world->driver.start(world->driver.self, name, done, world);
    finish(world);
}

static void wipe(struct world *world, const char *name)
{
    world->driver.wipe(world->driver.self, name, done, world);
    finish(world);
}

static char *log_of(struct world *world, const char *name)
{
    CLEANUP_BUF struct buf text = {0};
    struct error err;
    int64_t offset = 0;
    assert_true(world->driver.log(world->driver.self, name, &offset, 8 << 20, &text, &err));
    return buf_take(&text);
}

/* Runs a script to its end; its output, the caller's. */
static char *script(struct world *world, const char *text, const struct personality *more)
{
    create(world, "acme/shop/web-1", text, more);
    start(world, "acme/shop/web-1");
    wait_for(world, &world->exited);
    char *log = log_of(world, "acme/shop/web-1");
    wipe(world, "acme/shop/web-1");
    return log;
}

static void wait_for_log(struct world *world, const char *name, const char *word)
{
    for (double end = now_ms() + 10000;;) {
        CLEANUP_MEM char *log = log_of(world, name);
        if (strstr(log, word) != NULL) return;
        if (now_ms() > end) fail_msg("no '%s' in the log: %s", word, log);
        turn(world);
    }
}

static void assert_nothing_left(struct world *world)
{
    CLEANUP_MEM char *find =
        mem_printf("find %s/run/instance %s/run/crun -mindepth 1", world->directory, world->directory);
    CLEANUP_MEM char *files = output_of(find);
    assert_string_equal(files, "");
    CLEANUP_MEM char *mounts = mem_printf("grep '%s/run/instance' /proc/self/mountinfo", world->directory);
    CLEANUP_MEM char *mounted = output_of(mounts);
    assert_string_equal(mounted, "");
    CLEANUP_MEM char *cgroups = mem_printf("find /sys/fs/cgroup -path '*%s/*' -type d", world->cgroup);
    CLEANUP_MEM char *groups = output_of(cgroups);
    assert_string_equal(groups, "");
}

static void runs_and_reports_status(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *log = script(world, "echo hello; exit 7", NULL);
    assert_string_equal(log, "hello\n");
    assert_int_equal(world->status, 7);
    assert_false(world->out_of_memory);
    assert_nothing_left(world);
}

static void gives_files_names_and_environment(void **state)
{
    struct world *world = *state;
    struct file files[] = {{.path = "/etc/motd", .content = "welcome\n", .mode = 0640},
                           {.path = "/escape/etc/out", .content = "inside\n", .mode = 0644}};
    struct pair env[] = {{.name = "GREETING", .value = "a \"b\"\n"}};
    struct personality more = {
        .files = files, .files_length = 2, .env = env, .env_length = 1, .address = 0x0a000002};
    CLEANUP_MEM char *log =
        script(world,
               "cat /etc/motd /etc/out; stat -c %a:%u /etc/motd; hostname; cat /etc/hosts "
               "/etc/resolv.conf; echo \"$GREETING\"; id -u",
               &more);
    assert_string_equal(log,
                        "welcome\ninside\n640:0\nweb-1\n127.0.0.1 localhost\n10.0.0.2 web-1.shop.acme web-1\n"
                        "nameserver 10.0.0.1\nsearch shop.acme\na \"b\"\n\n0\n");
}

static void confines(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *log =
        script(world,
               "mount -t tmpfs x /mnt 2>/dev/null && echo MOUNTED; unshare -U true 2>/dev/null && "
               "echo UNSHARED; ip link add d type dummy 2>/dev/null && echo LINKED; "
               "ls /sys 2>/dev/null; mknod /dev/x b 8 0 2>/dev/null && echo NODE; "
               "chroot / true 2>/dev/null && echo CHROOT; cat /proc/kcore; "
               "echo 1 2>/dev/null >/proc/sys/kernel/panic && echo SYSCTL; "
               "grep -E 'CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status; "
               "nc -l -p 80 -w 9 & i=0; until grep -q :0050 /proc/net/tcp* || [ $i = 500 ]; do i=$((i + 1)); "
               "sleep 0.01; done; grep -c :0050 /proc/net/tcp*; kill $!",
               NULL);
    assert_null(strstr(log, "MOUNTED"));
    assert_null(strstr(log, "UNSHARED"));
    assert_null(strstr(log, "LINKED"));
    assert_null(strstr(log, "NODE"));
    assert_null(strstr(log, "CHROOT"));
    assert_null(strstr(log, "SYSCTL"));
    assert_non_null(strstr(log, "CapBnd:\t00000000000004fb"));
    assert_non_null(strstr(log, "NoNewPrivs:\t1"));
    assert_non_null(strstr(log, "Seccomp:\t2"));
    assert_non_null(strstr(log, ":1\n")); /* bound port 80 */
}

static void is_another_user_outside(void **state)
{
    struct world *world = *state;
    create(world, "acme/shop/web-1", "sleep 1000", NULL);
    start(world, "acme/shop/web-1");
    int64_t pid = world->driver.pid(world->driver.self, "acme/shop/web-1");
    assert_true(pid > 1);
    CLEANUP_MEM char *path = mem_printf("/proc/%lld", (long long)pid);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_uid >= 0x10000000);
    wipe(world, "acme/shop/web-1");
    assert_nothing_left(world);
}

static void memory_hog_is_killed_alone(void **state)
{
    struct world *world = *state;
    create(world, "acme/shop/web-2", "sleep 1000", NULL);
    start(world, "acme/shop/web-2");
    struct personality more = {.size = {.memory_bytes = 16 << 20, .disk_bytes = 1 << 30}};
    mem_free(script(world, "exec dd if=/dev/zero of=/dev/null bs=200M count=1", &more));
    assert_int_equal(world->status, 137);
    assert_true(world->out_of_memory);
    assert_true(world->driver.pid(world->driver.self, "acme/shop/web-2") > 0);
    wipe(world, "acme/shop/web-2");
}

static void processes_scratch_and_log_are_limited(void **state)
{
    struct world *world = *state;
    struct personality more = {.size = {.disk_bytes = 2 << 20}};
    CLEANUP_MEM char *full = script(world,
                                    "dd if=/dev/zero of=/fill bs=1M count=4 2>/dev/null || echo FULL; "
                                    "stat -c %s /fill",
                                    &more);
    assert_string_equal(full, "FULL\n2084864\n");
    create(world, "acme/shop/web-1", "f() { f | f & }; f; sleep 1000", NULL);
    start(world, "acme/shop/web-1");
    struct compute_usage usage = {0};
    struct error err;
    for (double end = now_ms() + 1500; now_ms() < end;) {
        turn(world);
        if (world->exited) break;
        assert_true(world->driver.usage(world->driver.self, "acme/shop/web-1", &usage, &err));
        assert_true(usage.processes <= 512);
    }
    wipe(world, "acme/shop/web-1");
    create(world, "acme/shop/web-1",
           "i=0; while [ $i -lt 60000 ]; do echo line-$i-0123456789012345678901234567; "
           "i=$((i+1)); done; echo END; sleep 1000",
           NULL);
    start(world, "acme/shop/web-1");
    int64_t offset = 0;
    CLEANUP_BUF struct buf all = {0};
    while (strstr(buf_text(&all), "END") == NULL) {
        turn(world);
        buf_clear(&all);
        assert_true(world->driver.log(world->driver.self, "acme/shop/web-1", &offset, 8 << 20, &all, &err));
    }
    for (int i = 0; i < 40; i++)
        turn(world);
    CLEANUP_MEM char *tail = log_of(world, "acme/shop/web-1");
    assert_true(strlen(tail) <= 512 * 1024);
    assert_true(offset > 2 << 20);
    /* Whoever has read on in a longer log, of a run before, reads this one from its beginning. */
    int64_t end = offset;
    offset = 1LL << 40;
    buf_clear(&all);
    assert_true(world->driver.log(world->driver.self, "acme/shop/web-1", &offset, 8 << 20, &all, &err));
    assert_string_equal(buf_text(&all), tail);
    assert_true(offset == end);
    wipe(world, "acme/shop/web-1");
    assert_nothing_left(world);
}

static void cpu_is_limited_frozen_and_resized(void **state)
{
    struct world *world = *state;
    struct personality more = {.size = {.cpus_millis = 200}};
    struct compute_usage before, after;
    struct error err;
    create(world, "acme/shop/web-1", "while :; do :; done", &more);
    start(world, "acme/shop/web-1");
    assert_true(world->driver.usage(world->driver.self, "acme/shop/web-1", &before, &err));
    double begun = now_ms();
    while (now_ms() < begun + 1000)
        turn(world);
    assert_true(world->driver.usage(world->driver.self, "acme/shop/web-1", &after, &err));
    assert_in_range(after.cpu_us_total - before.cpu_us_total, 50000, 330000);
    begun = now_ms();
    assert_true(world->driver.freeze(world->driver.self, "acme/shop/web-1", &err));
    double frozen_ms = now_ms() - begun;
    assert_true(world->driver.usage(world->driver.self, "acme/shop/web-1", &before, &err));
    for (int i = 0; i < 40; i++)
        turn(world);
    assert_true(world->driver.usage(world->driver.self, "acme/shop/web-1", &after, &err));
    assert_true(after.cpu_us_total - before.cpu_us_total < 5000);
    begun = now_ms();
    assert_true(world->driver.thaw(world->driver.self, "acme/shop/web-1", &err));
    print_message("# freeze %.2f ms, thaw %.2f ms\n", frozen_ms, now_ms() - begun);
    struct resources size = {.cpus_millis = 50, .memory_bytes = 32 << 20, .disk_bytes = 4 << 20};
    world->driver.resize(world->driver.self, "acme/shop/web-1", &size, done, world);
    finish(world);
    assert_true(world->driver.freeze(world->driver.self, "acme/shop/web-1", &err));
    wipe(world, "acme/shop/web-1"); /* a frozen one */
    assert_nothing_left(world);
}

static void stops_gently_or_hard(void **state)
{
    struct world *world = *state;
    create(world, "acme/shop/web-1", "trap 'echo BYE; exit 0' TERM; echo UP; while :; do sleep 0.05; done",
           NULL);
    start(world, "acme/shop/web-1");
    wait_for_log(world, "acme/shop/web-1", "UP");
    world->driver.stop(world->driver.self, "acme/shop/web-1", 5000, done, world);
    finish(world);
    CLEANUP_MEM char *log = log_of(world, "acme/shop/web-1");
    assert_non_null(strstr(log, "BYE"));
    assert_false(world->exited);
    wipe(world, "acme/shop/web-1");
    create(world, "acme/shop/web-1", "trap : TERM; echo UP; while :; do sleep 0.05; done", NULL);
    start(world, "acme/shop/web-1");
    wait_for_log(world, "acme/shop/web-1", "UP");
    world->driver.stop(world->driver.self, "acme/shop/web-1", 100, done, world);
    finish(world);
    assert_int_equal(world->driver.pid(world->driver.self, "acme/shop/web-1"), 0);
    wipe(world, "acme/shop/web-1");
    wipe(world, "acme/shop/web-1"); /* not there any more */
}

static void executes_inside(void **state)
{
    struct world *world = *state;
    struct error err;
    create(world, "acme/shop/web-1", "sleep 1000", NULL);
    start(world, "acme/shop/web-1");
    struct vec argv = VEC_OF(char *);
    const char *words[] = {"sh", "-c",
                           "'echo $(hostname) $COLOUR'"}; /* quoted for the shell that runs it here */
    const char *env[] = {"COLOUR=green"};
    const struct compute_command command = {.argv = words, .length = 3, .env = env, .env_length = 1};
    assert_true(world->driver.exec_argv(world->driver.self, "acme/shop/web-1", &command, &argv, &err));
    CLEANUP_BUF struct buf line = {0};
    for (size_t i = 0; i + 1 < argv.length; i++)
        buf_printf(&line, "%s ", *(char **)vec_at(&argv, i));
    CLEANUP_MEM char *name = output_of(buf_text(&line));
    assert_string_equal(name, "web-1 green");
    for (size_t i = 0; i < argv.length; i++)
        mem_free(*(char **)vec_at(&argv, i));
    vec_free(&argv);
    assert_true(world->driver.freeze(world->driver.self, "acme/shop/web-1", &err));
    argv = VEC_OF(char *);
    assert_false(world->driver.exec_argv(world->driver.self, "acme/shop/web-1", &command, &argv, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    wipe(world, "acme/shop/web-1");
}

static void survives_its_own_restart(void **state)
{
    struct world *world = *state;
    struct error err;
    create(world, "acme/shop/web-1", "echo first; sleep 1000", NULL);
    start(world, "acme/shop/web-1");
    int64_t pid = world->driver.pid(world->driver.self, "acme/shop/web-1");
    world->driver.destroy(world->driver.self);
    open_driver(world);
    struct vec found = VEC_OF(struct compute_found);
    assert_true(world->driver.list(world->driver.self, &found, &err));
    assert_int_equal(found.length, 1);
    struct compute_found *one = vec_at(&found, 0);
    assert_string_equal(one->instance, "acme/shop/web-1");
    assert_true(one->running && !one->frozen && one->incarnation == 1);
    assert_non_null(strstr(one->personality_json, "\"acme/shop/web-1\""));
    mem_free(one->instance);
    mem_free(one->personality_json);
    vec_free(&found);
    assert_int_equal(world->driver.pid(world->driver.self, "acme/shop/web-1"), pid);
    wait_for_log(world, "acme/shop/web-1", "first");
    world->exited = false;
    double begun = now_ms();
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    wait_for(world, &world->exited);
    print_message("# a killed main process was seen after %.2f ms\n", now_ms() - begun);
    assert_int_equal(world->status, 137); /* still this process's child */
    wipe(world, "acme/shop/web-1");
    assert_nothing_left(world);
}

/* Whatever moment the driver dies at, its successor wipes all of it. */
static void wipes_what_a_crash_left(void **state)
{
    struct world *world = *state;
    for (int delay_us = 0; delay_us < 12000; delay_us += 1500) {
        create(world, "acme/shop/web-1", "sleep 1000", NULL);
        world->driver.start(world->driver.self, "acme/shop/web-1", done, world);
        double end = now_ms() + (double)delay_us / 1000;
        while (now_ms() < end)
            usleep(100);
        world->called = false;
        CLEANUP_MEM char *find = output_of("pidof crun");
        int pid = atoi(find);
        if (pid > 0) kill(pid, SIGKILL); /* in this PID namespace there are only ours */
        world->driver.destroy(world->driver.self);
        open_driver(world);
        wipe(world, "acme/shop/web-1");
        assert_nothing_left(world);
        CLEANUP_MEM char *sleepers = output_of("pidof sleep");
        assert_string_equal(sleepers, "");
    }
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The child that goes ahead of crun is there, once, and leaves nothing. */
static void what_goes_ahead_is_reaped(void **state)
{
    struct world *world = *state;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ; /* orphans of crun: nobody reaps them in this program */
    assert_false(has_children());
    for (int i = 0; i < 3; i++) {
        world->driver.expect(world->driver.self);
        world->driver.expect(world->driver.self); /* while one is under way: nothing */
        assert_true(has_children());
        for (double end = now_ms() + WAIT_US_MAX / 1000.0; has_children();) {
            turn(world);
            assert_true(now_ms() < end);
        }
    }
}

static void is_fast(void **state)
{
    struct world *world = *state;
    enum { ROUNDS = 21 };
    double made[ROUNDS], started[ROUNDS], wiped[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double begun = now_ms();
        create(world, "acme/shop/web-1", "exec sleep 1000", NULL);
        made[i] = now_ms() - begun;
        start(world, "acme/shop/web-1");
        started[i] = now_ms() - begun - made[i];
        begun = now_ms();
        wipe(world, "acme/shop/web-1");
        wiped[i] = now_ms() - begun;
    }
    qsort(made, ROUNDS, sizeof(*made), compare_double);
    qsort(started, ROUNDS, sizeof(*started), compare_double);
    qsort(wiped, ROUNDS, sizeof(*wiped), compare_double);
    print_message("# create %.1f ms, start %.1f ms, wipe %.1f ms\n", made[ROUNDS / 2], started[ROUNDS / 2],
                  wiped[ROUNDS / 2]);
    assert_true(wiped[ROUNDS / 2] < 100);
}

static void make_image(struct world *world)
{
    const char *at = world->directory;
    run("mkdir -p %s/image/bin %s/image/mnt && cp /bin/busybox %s/image/bin/ && ln -s . %s/image/escape && "
        "ln -s /../../../.. %s/image/escape2 && for x in sh cat ls stat hostname id mount ip dd sleep "
        "unshare mknod "
        "chroot grep nc true; do ln -s busybox %s/image/bin/$x; done && tar -C %s/image -cf %s/layer.tar .",
        at, at, at, at, at, at, at, at);
    CLEANUP_MEM char *command = mem_printf("sha256sum %s/layer.tar | cut -c1-64", at);
    CLEANUP_MEM char *sum = output_of(command);
    world->layer = mem_printf("sha256:%s", sum);
    world->digest = mem_printf("sha256:%064d", 1);
    CLEANUP_MEM char *path = mem_printf("%s/layer.tar", at);
    const char *const paths[] = {path};
    const char *const wrong[] = {world->digest};
    const char *const layers[] = {world->layer};
    struct image image = image_of(world, wrong);
    world->driver.add_image(world->driver.self, NULL, &image, paths, done, world);
    wait_for(world, &world->called);
    assert_int_equal(world->error.code, ERROR_INVALID); /* the digest is another */
    world->called = false;
    assert_false(world->driver.has_image(world->driver.self, NULL, world->digest));
    image = image_of(world, layers);
    world->driver.add_image(world->driver.self, NULL, &image, paths, done, world);
    finish(world);
    assert_true(world->driver.has_image(world->driver.self, NULL, world->digest));
}

/* One store does not have what another has; an instance says from where it was made, also to the next driver,
 * and goes on when the store is dropped. */
static void images_of_a_store_are_apart(void **state)
{
    struct world *world = *state;
    const char *const layers[] = {world->layer}, *name = "acme/shop/web-1";
    struct image image = image_of(world, layers);
    CLEANUP_MEM char *store = mem_printf("%s/a store", world->directory);
    CLEANUP_MEM char *tar = mem_printf("%s/layer.tar", world->directory);
    const char *const paths[] = {tar};
    struct vec found = VEC_OF(struct compute_found);
    struct error err;

    run("mkdir '%s'", store);
    assert_false(world->driver.has_image(world->driver.self, store, world->digest));
    assert_false(world->driver.has_layer(world->driver.self, store, world->layer));
    world->driver.add_image(world->driver.self, store, &image, paths, done, world);
    finish(world);
    assert_true(world->driver.has_image(world->driver.self, store, world->digest));
    world->store = store;
    create(world, name, "trap 'exit 0' TERM; while true; do sleep 1; done", NULL);
    world->store = NULL;
    start(world, name);
    assert_true(world->driver.keep_images(world->driver.self, store, NULL, 0, &err)); /* it is in use */
    assert_true(world->driver.has_image(world->driver.self, store, world->digest));
    world->driver.drop_store(world->driver.self, store);
    world->driver.destroy(world->driver.self);
    open_driver(world);
    assert_true(world->driver.list(world->driver.self, &found, &err));
    assert_int_equal(found.length, 1);
    struct compute_found *item = vec_at(&found, 0);
    assert_string_equal(item->store, store);
    assert_true(item->running);
    mem_free(item->instance);
    mem_free(item->store);
    mem_free(item->personality_json);
    vec_free(&found);
    wipe(world, name);
    assert_true(world->driver.keep_images(world->driver.self, store, NULL, 0, &err));
    assert_false(world->driver.has_image(world->driver.self, store, world->digest));
    assert_true(world->driver.has_image(world->driver.self, NULL, world->digest));
    world->driver.drop_store(world->driver.self, store);
    run("rm -r '%s'", store);
    assert_nothing_left(world);
}

static void make_net(struct world *world)
{
    CLEANUP_MEM char *path = mem_printf("%s/net", world->directory);
    run("touch %s && unshare --net=%s ip link set lo up", path, path);
}

static int set_up(void **state)
{
    static struct world world;
    struct error err;
    world = (struct world){0};
    char template[] = "/tmp/croft-test-container-XXXXXX";
    world.directory = mem_strdup(mkdtemp(template));
    assert_int_equal(chmod(world.directory, 0711), 0);
    assert_int_equal(mount("croft-test", world.directory, "tmpfs", 0, "mode=711"), 0);
    run("mkdir -m 711 %s/run", world.directory);
    CLEANUP_MEM char *rundir = mem_printf("%s/run", world.directory);
    if (!container_prepare_cgroups(rundir, &err)) fail_msg("%s", err.message);
    world.cgroup = mem_printf("croft-test-%s", world.directory + strlen("/tmp/croft-test-container-"));
    assert_true(loop_new(&world.loop, &err));
    world.clock = os_clock_new(world.loop);
    world.process = os_process_new(world.loop);
    world.watch = os_watch_new(world.loop);
    open_driver(&world);
    make_net(&world);
    make_image(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    struct error err;
    world->driver.destroy(world->driver.self);
    CLEANUP_MEM char *rundir = mem_printf("%s/run", world->directory);
    struct container_options options = {.run_directory = rundir, .cgroup = world->cgroup};
    if (!container_tidy(&options, &err)) fail_msg("%s", err.message);
    CLEANUP_MEM char *find = mem_printf("find /sys/fs/cgroup -name '%s'", world->cgroup);
    CLEANUP_MEM char *left = output_of(find);
    assert_string_equal(left, "");
    os_watch_free(world->watch);
    os_process_free(world->process);
    os_clock_free(world->clock);
    loop_free(world->loop);
    umount2(world->directory, MNT_DETACH);
    rmdir(world->directory);
    mem_free(world->directory);
    mem_free(world->cgroup);
    mem_free(world->digest);
    mem_free(world->layer);
    return 0;
}

static void follow_child(void);

/* Own mounts and processes: whatever goes wrong, the kernel takes it away with this program. */
static void enter_namespaces(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        perror("unshare");
        exit(1);
    }
    follow_child();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0) {
        perror("proc");
        exit(1);
    }
    follow_child(); /* the leak sanitizer cannot look at the first process of a pid namespace */
}

/* Goes on in a child; the parent ends as it does. */
static void follow_child(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) return;
    while (waitpid(-1, &status, 0) != child)
        ; /* a first process reaps orphans too */
    fflush(NULL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(void)
{
    if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
        puts("1..0 # SKIP needs root and busybox");
        return SKIPPED;
    }
    enter_namespaces();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_and_reports_status),
        cmocka_unit_test(gives_files_names_and_environment),
        cmocka_unit_test(confines),
        cmocka_unit_test(is_another_user_outside),
        cmocka_unit_test(memory_hog_is_killed_alone),
        cmocka_unit_test(processes_scratch_and_log_are_limited),
        cmocka_unit_test(cpu_is_limited_frozen_and_resized),
        cmocka_unit_test(stops_gently_or_hard),
        cmocka_unit_test(executes_inside),
        cmocka_unit_test(survives_its_own_restart),
        cmocka_unit_test(wipes_what_a_crash_left),
        cmocka_unit_test(images_of_a_store_are_apart),
        cmocka_unit_test(what_goes_ahead_is_reaped),
        cmocka_unit_test(is_fast),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
