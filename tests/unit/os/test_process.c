/* Children: exits, streams, descriptors, time-outs. */
#include "check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "os/clock.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct nursery {
    struct loop *loop;
    struct os_process *processes;
    const struct process_port *port;
    struct process *process;
    struct buf out;
    struct buf err;
    bool exited;
    struct process_exit exit;
    bool detach_on_output, stop_on_output;
    int taken;
    const struct clock_port *clock;
    struct timer *look;
};

static int setup(void **state)
{
    struct nursery *nursery = mem_alloc(sizeof(*nursery));
    struct error err;
    assert_true(loop_new(&nursery->loop, &err));
    nursery->processes = os_process_new(nursery->loop);
    nursery->port = os_process_port(nursery->processes);
    *state = nursery;
    return 0;
}

static int teardown(void **state)
{
    struct nursery *nursery = *state;
    os_process_free(nursery->processes);
    loop_free(nursery->loop);
    buf_free(&nursery->out);
    buf_free(&nursery->err);
    mem_free(nursery);
    return 0;
}

static void take_output(void *ctx, int stream, const char *data, size_t size)
{
    struct nursery *nursery = ctx;
    assert_false(nursery->exited);
    buf_add(stream == 1 ? &nursery->out : &nursery->err, data, size);
    if (nursery->stop_on_output) loop_stop(nursery->loop);
    if (!nursery->detach_on_output) return;
    nursery->port->detach(nursery->port->self, nursery->process);
    loop_stop(nursery->loop);
}

static void take_exit(void *ctx, struct process_exit exit)
{
    struct nursery *nursery = ctx;
    assert_false(nursery->exited);
    nursery->exited = true;
    nursery->exit = exit;
    loop_stop(nursery->loop);
}

static void spawn(struct nursery *nursery, struct process_options options, const char *const *argv)
{
    struct error err;
    options.argv = argv;
    nursery->exited = false;
    buf_clear(&nursery->out);
    buf_clear(&nursery->err);
    if (!nursery->port->spawn(nursery->port->self, &options, take_output, take_exit, nursery,
                              &nursery->process, &err))
        fail_msg("%s", err.message);
    assert_false(nursery->exited);
}

static void run_shell(struct nursery *nursery, struct process_options options, const char *script)
{
    spawn(nursery, options, (const char *const[]){"sh", "-c", script, NULL});
    loop_run(nursery->loop);
    assert_true(nursery->exited);
}

static const struct process_options capture = {
    .out = PROCESS_CAPTURE, .err = PROCESS_CAPTURE, .net_ns_fd = -1};

static void exits_and_signals(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = {.net_ns_fd = -1};
    run_shell(nursery, options, "exit 0");
    assert_int_equal(nursery->exit.status, 0);
    assert_false(nursery->exit.timed_out);
    run_shell(nursery, options, "exit 7");
    assert_int_equal(nursery->exit.status, 7);
    run_shell(nursery, options, "kill -TERM $$");
    assert_int_equal(nursery->exit.status, 128 + SIGTERM);
    spawn(nursery, options, (const char *const[]){"sleep", "60", NULL});
    assert_true(nursery->port->pid(nursery->port->self, nursery->process) > 1);
    nursery->port->kill(nursery->port->self, nursery->process, SIGKILL);
    loop_run(nursery->loop);
    assert_int_equal(nursery->exit.status, 128 + SIGKILL);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left to be reaped */
    assert_int_equal(errno, ECHILD);
}

static void output_is_captured(void **state)
{
    struct nursery *nursery = *state;
    run_shell(nursery, capture, "echo out; echo err >&2; pwd");
    assert_string_equal(buf_text(&nursery->err), "err\n");
    struct process_options options = capture;
    options.directory = "/";
    options.env = (const char *const[]){"WORD=hello", NULL};
    run_shell(nursery, options, "echo $WORD; pwd; /usr/bin/env | /usr/bin/wc -l");
    assert_int_equal(strncmp(buf_text(&nursery->out), "hello\n/\n", 8), 0);
    run_shell(nursery, capture, "head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2");
    assert_int_equal(nursery->out.size, 3000000);
    assert_int_equal(nursery->err.size, 1000000);
    /* A daemon left behind holds the pipe; the exit is told all the same. */
    run_shell(nursery, capture, "sleep 3 & echo $!");
    assert_int_equal(nursery->exit.status, 0);
    assert_true(nursery->out.size > 1);
}

static void input_is_written(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = capture;
    options.in = PROCESS_CAPTURE;
    const size_t size = 1000000;
    CLEANUP_MEM char *data = mem_alloc(size);
    memset(data, 'x', size);
    spawn(nursery, options, (const char *const[]){"cat", NULL});
    nursery->port->write(nursery->port->self, nursery->process, data, size, NULL);
    nursery->port->write(nursery->port->self, nursery->process, "end", 3, NULL);
    nursery->port->write(nursery->port->self, nursery->process, NULL, 0, NULL);
    loop_run(nursery->loop);
    assert_int_equal(nursery->exit.status, 0);
    assert_int_equal(nursery->out.size, size + 3);
    /* One that does not read. */
    spawn(nursery, options, (const char *const[]){"true", NULL});
    nursery->port->write(nursery->port->self, nursery->process, data, size, NULL);
    loop_run(nursery->loop);
    assert_int_equal(nursery->exit.status, 0);
}

static void input_taken(void *ctx)
{
    struct nursery *nursery = ctx;
    nursery->taken++;
    loop_stop(nursery->loop);
}

/* Taken is what was read, not what is queued: by that a writer is slowed down. */
static void input_waits_for_its_reader(void **state)
{
    struct nursery *nursery = *state;
    const size_t size = (size_t)1024 * 1024; /* more than a pipe holds */
    struct process_options options = capture;
    CLEANUP_MEM char *data = mem_alloc(size);
    options.in = PROCESS_CAPTURE;
    /* It says a word, and only then reads, when it is told to go on. */
    spawn(nursery, options,
          (const char *const[]){"sh", "-c",
                                "trap 'wc -c; exit' USR1; echo ready; while :; do sleep 0.01; done", NULL});
    nursery->port->write(nursery->port->self, nursery->process, data, size, input_taken);
    nursery->stop_on_output = true;
    loop_run(nursery->loop);
    assert_string_equal(buf_text(&nursery->out), "ready\n");
    assert_int_equal(nursery->taken, 0);
    nursery->stop_on_output = false;
    nursery->port->kill(nursery->port->self, nursery->process, SIGUSR1);
    loop_run(nursery->loop);
    assert_int_equal(nursery->taken, 1);
    nursery->port->write(nursery->port->self, nursery->process, NULL, 0, input_taken);
    while (!nursery->exited) /* before the end, or not at all, it is told that the input is closed */
        loop_run(nursery->loop);
    nursery->taken = 0;
    assert_string_equal(buf_text(&nursery->out), "ready\n1048576\n");
    /* One that reads no more has taken all that it ever will. */
    spawn(nursery, options, (const char *const[]){"sh", "-c", "exec <&-; exec sleep 60", NULL});
    nursery->port->write(nursery->port->self, nursery->process, data, size, input_taken);
    loop_run(nursery->loop);
    assert_int_equal(nursery->taken, 1);
    nursery->port->write(nursery->port->self, nursery->process, data, size, input_taken);
    loop_run(nursery->loop);
    assert_int_equal(nursery->taken, 2);
    nursery->port->kill(nursery->port->self, nursery->process, SIGKILL);
    loop_run(nursery->loop);
    assert_true(nursery->exited);
}

static void terminal_is_one(void **state)
{
    struct nursery *nursery = *state;
    const struct process_options options = {.tty = true, .tty_rows = 31, .tty_columns = 97, .net_ns_fd = -1};
    /* All three streams are it, it controls the session, and has the size that was asked for. */
    run_shell(nursery, options, "test -t 0 -a -t 1 -a -t 2 && stty size < /dev/tty");
    assert_int_equal(nursery->exit.status, 0);
    assert_string_equal(buf_text(&nursery->out), "31 97\r\n");
    spawn(nursery, options, (const char *const[]){"sh", "-c", "stty -echo; echo ready; cat", NULL});
    nursery->port->write(nursery->port->self, nursery->process, "word\n", 5, NULL);
    nursery->port->write(nursery->port->self, nursery->process, NULL, 0, NULL); /* control-D ends cat */
    loop_run(nursery->loop);
    assert_int_equal(nursery->exit.status, 0);
    assert_non_null(strstr(buf_text(&nursery->out), "word"));
    /* Raw, it keeps nothing back and adds nothing: control-D is a byte. */
    struct process_options raw = options;
    raw.tty_raw = true;
    spawn(nursery, raw, (const char *const[]){"sh", "-c", "head -c 5 | od -An -tx1", NULL});
    nursery->port->write(nursery->port->self, nursery->process, "word", 4, NULL);
    nursery->port->write(nursery->port->self, nursery->process, NULL, 0, NULL);
    loop_run(nursery->loop);
    assert_string_equal(buf_text(&nursery->out), " 77 6f 72 64 04\n");
    /* With the errors beside it, so that one who runs something on it is told from that. */
    raw.tty_err = true;
    run_shell(nursery, raw, "test -t 0 -a -t 1 && ! test -t 2 && echo inside > /dev/tty; echo own >&2");
    assert_string_equal(buf_text(&nursery->out), "inside\n");
    assert_string_equal(buf_text(&nursery->err), "own\n");
}

static void descriptors_are_placed(void **state)
{
    struct nursery *nursery = *state;
    int a[2];
    int b[2];
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    int stray = open("/dev/null", O_RDONLY); /* not close-on-exec: must not get through */
    int keep[2] = {b[1], a[1]};              /* crossed on purpose */
    struct process_options options = capture;
    options.keep_fds = keep;
    options.keep_fds_length = 2;
    run_shell(nursery, options, "printf three >&3; printf four >&4; cd /proc/self/fd; echo *");
    char got[16] = "";
    assert_int_equal(read(b[0], got, sizeof(got)), 5);
    assert_memory_equal(got, "three", 5);
    assert_int_equal(read(a[0], got, sizeof(got)), 4);
    assert_memory_equal(got, "four", 4);
    /* 0 to 4, and what the shell itself opens to list them. */
    assert_int_equal(strncmp(buf_text(&nursery->out), "0 1 2 3 4", 9), 0);
    assert_true(nursery->out.size <= sizeof("0 1 2 3 4 10"));
    options = (struct process_options){.out = PROCESS_FD, .out_fd = a[1], .net_ns_fd = -1};
    run_shell(nursery, options, "printf own");
    assert_int_equal(read(a[0], got, sizeof(got)), 3);
    assert_int_equal(write(a[1], "x", 1), 1); /* ours is still open */
    close(stray);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void signals_are_reset(void **state)
{
    struct nursery *nursery = *state;
    run_shell(nursery, capture, "grep -E 'SigBlk|SigIgn' /proc/self/status");
    assert_non_null(strstr(buf_text(&nursery->out), "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(buf_text(&nursery->out), "SigIgn:\t0000000000000000"));
}

static void settings_hold(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = capture;
    options.new_session = true;
    options.die_with_parent = true;
    run_shell(nursery, options, "ps -o sid= -p $$ | tr -d ' '; echo $$");
    long session = 0;
    long pid = 1;
    assert_int_equal(sscanf(buf_text(&nursery->out), "%ld %ld", &session, &pid), 2);
    assert_int_equal(session, pid);
}

static void net_namespace_is_entered(void **state)
{
    struct nursery *nursery = *state;
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (geteuid() != 0) {
        close(fd);
        skip();
    }
    struct process_options options = capture;
    options.net_ns_fd = fd;
    char own[64] = "";
    assert_true(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
    run_shell(nursery, options, "readlink /proc/self/ns/net");
    assert_int_equal(strncmp(buf_text(&nursery->out), own, strlen(own)), 0);
    close(fd);
    struct error err;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    options.net_ns_fd = fd;
    options.argv = (const char *const[]){"true", NULL};
    assert_false(nursery->port->spawn(nursery->port->self, &options, take_output, take_exit, nursery,
                                      &nursery->process, &err));
    assert_non_null(strstr(err.message, "network namespace"));
    close(fd);
}

static void times_out(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = capture;
    options.timeout_ms = 50;
    spawn(nursery, options, (const char *const[]){"sleep", "60", NULL});
    loop_run(nursery->loop);
    assert_true(nursery->exit.timed_out);
    assert_int_equal(nursery->exit.status, 128 + SIGKILL);
}

static void missing_program(void **state)
{
    struct nursery *nursery = *state;
    struct error err;
    struct process_options options = capture;
    static const char *const missing[] = {"no-such-program-here", "/no/such/program", "/etc/passwd", ""};
    for (size_t i = 0; i < 4; i++) {
        options.argv = (const char *const[]){missing[i], NULL};
        nursery->process = NULL;
        assert_false(nursery->port->spawn(nursery->port->self, &options, take_output, take_exit, nursery,
                                          &nursery->process, &err));
        assert_int_equal(err.code, i == 2 ? ERROR_FAILED : ERROR_NOT_FOUND);
        assert_null(nursery->process);
    }
    options.argv = (const char *const[]){"true", NULL};
    options.directory = "/no/such/directory";
    assert_false(nursery->port->spawn(nursery->port->self, &options, take_output, take_exit, nursery,
                                      &nursery->process, &err));
    assert_non_null(strstr(err.message, "/no/such/directory"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void detached_from_inside(void **state)
{
    struct nursery *nursery = *state;
    nursery->detach_on_output = true;
    spawn(nursery, capture, (const char *const[]){"sh", "-c", "echo a; echo b", NULL});
    int64_t pid = nursery->port->pid(nursery->port->self, nursery->process);
    loop_run(nursery->loop);
    assert_false(nursery->exited);
    nursery->detach_on_output = false;
    struct process_options options = {.net_ns_fd = -1};
    run_shell(nursery, options, "sleep 0.2"); /* the loop goes on; the first is reaped in passing */
    assert_int_equal(kill((pid_t)pid, 0), -1);
    nursery->port->detach(nursery->port->self, NULL);
}

static void look_for_children(void *ctx)
{
    struct nursery *nursery = ctx;
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
        loop_stop(nursery->loop);
    else
        nursery->look = nursery->clock->after(nursery->clock->self, 10000, look_for_children, nursery);
}

static void orphans_are_taken(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = {.net_ns_fd = -1};
    struct os_clock *clock = os_clock_new(nursery->loop);
    struct error err;
    nursery->clock = os_clock_port(clock);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_true(os_process_reap_orphans(nursery->processes, &err));
    /* Each leaves three behind that end later than it, or at once; its own end is told as ever. */
    for (int i = 0; i < 5; i++) {
        run_shell(nursery, options, "sleep 0.05 & sleep 0.3 & true & exit 7");
        assert_int_equal(nursery->exit.status, 7);
    }
    look_for_children(nursery);
    loop_run(nursery->loop);                      /* until there is no child, dead or alive */
    run_shell(nursery, options, "true & exit 7"); /* after some time without any */
    look_for_children(nursery);
    loop_run(nursery->loop);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    os_clock_free(clock);
}

/* One that died before anybody asked for it gives no signal any more. */
static void earlier_orphans_are_taken_too(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = {.net_ns_fd = -1};
    struct os_clock *clock = os_clock_new(nursery->loop);
    siginfo_t info;
    struct error err;
    nursery->clock = os_clock_port(clock);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    run_shell(nursery, options, "true & exit 7");
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    assert_true(os_process_reap_orphans(nursery->processes, &err));
    look_for_children(nursery);
    loop_run(nursery->loop);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    os_clock_free(clock);
}

/* Many that die at once are taken together, and what watches a child gets its end all the same. */
static void many_orphans_are_taken_together(void **state)
{
    struct nursery *nursery = *state;
    struct process_options options = {.net_ns_fd = -1};
    struct os_clock *clock = os_clock_new(nursery->loop);
    int64_t took_us[2];
    struct error err;
    nursery->clock = os_clock_port(clock);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_true(os_process_reap_orphans(nursery->processes, &err));
    for (int many = 0; many < 2; many++) {
        int64_t begin_us = nursery->clock->steady_us(nursery->clock->self);
        run_shell(nursery, options,
                  many ? "i=0; while [ $i -lt 60 ]; do true & i=$((i+1)); done; exit 7" : "true & exit 7");
        assert_int_equal(nursery->exit.status, 7);
        look_for_children(nursery);
        loop_run(nursery->loop);
        took_us[many] = nursery->clock->steady_us(nursery->clock->self) - begin_us;
    }
    print_message("# orphans: one %lld us, sixty %lld us\n", (long long)took_us[0], (long long)took_us[1]);
    assert_true(took_us[1] < took_us[0] * 10); /* one after the other: thirty times */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    os_clock_free(clock);
}

static void spawning_is_fast(void **state)
{
    struct nursery *nursery = *state;
    struct os_clock *clock = os_clock_new(nursery->loop);
    const struct clock_port *port = os_clock_port(clock);
    struct process_options options = {.net_ns_fd = -1};
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < 50; i++) {
        int64_t before_us = port->steady_us(port->self);
        spawn(nursery, options, (const char *const[]){"true", NULL});
        int64_t took_us = port->steady_us(port->self) - before_us;
        if (took_us < best_us) best_us = took_us;
        loop_run(nursery->loop);
    }
    print_message("# spawn: best %lld us\n", (long long)best_us);
    assert_true(best_us < 20000);
    os_clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exits_and_signals, setup, teardown),
        cmocka_unit_test_setup_teardown(output_is_captured, setup, teardown),
        cmocka_unit_test_setup_teardown(input_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(input_waits_for_its_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(terminal_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_are_placed, setup, teardown),
        cmocka_unit_test_setup_teardown(signals_are_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(net_namespace_is_entered, setup, teardown),
        cmocka_unit_test_setup_teardown(times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_program, setup, teardown),
        cmocka_unit_test_setup_teardown(detached_from_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(orphans_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(earlier_orphans_are_taken_too, setup, teardown),
        cmocka_unit_test_setup_teardown(many_orphans_are_taken_together, setup, teardown),
        cmocka_unit_test_setup_teardown(spawning_is_fast, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
