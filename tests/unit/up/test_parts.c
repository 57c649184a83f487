/* The parts of `croft up` that need no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/up/api_socket.h"
#include "cli/up/child.h"
#include "cli/up/place.h"
#include "cli/up/wires.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void restarts_slow_down_and_recover(void **state)
{
    struct backoff backoff = {0};
    static const int64_t wanted[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (size_t i = 0; i < LENGTH(wanted); i++)
        assert_int_equal(backoff_delay_ms(&backoff, 999), wanted[i]);
    assert_int_equal(backoff_delay_ms(&backoff, 1000), 0);
    assert_int_equal(backoff_delay_ms(&backoff, 0), 100);
}

static void a_child_gets_what_it_is_told_and_nothing_else(void **state)
{
    struct error err;
    int out[2], extra[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe(extra), 0); /* not close-on-exec: must not get through all the same */
    const char *const argv[] = {"sh", "-c", "ls -m /proc/$$/fd; kill -9 $$", NULL};
    struct child_options options = {.program = "/bin/sh",
                                    .argv = argv,
                                    .net_ns_fd = -1,
                                    .keep_fds = extra,
                                    .keep_fds_length = 1,
                                    .log_fd = out[1]};
    pid_t pid;
    int pidfd = -1;
    assert_true(child_start(&options, &pid, &pidfd, &err));
    close(out[1]);
    char text[256] = "";
    assert_true(read(out[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "0, 1, 2, 3\n");
    assert_int_equal(child_reap(pidfd), 128 + SIGKILL);
    close(pidfd);
    close(out[0]);
    close(extra[0]);
    close(extra[1]);
}

static void a_program_that_is_missing_is_told(void **state)
{
    struct error err;
    const char *const argv[] = {"x", NULL};
    struct child_options options = {.program = "/nowhere/x", .argv = argv, .net_ns_fd = -1, .log_fd = 2};
    pid_t pid = 7;
    int pidfd = 7;
    assert_false(child_start(&options, &pid, &pidfd, &err));
    assert_int_equal(pid, 7);
    assert_int_equal(pidfd, 7);
    assert_non_null(strstr(err.message, "/nowhere/x: the program cannot be executed: No such file"));
}

static void addresses_to_listen_on_are_checked(void **state)
{
    static const char *const wrong[] = {
        "",       "7070",  ":7070",         "127.0.0.1",   "127.0.0.1:", "127.0.0.1:65536", "localhost:1",
        "[::1:0", "::1:0", "127.0.0.1:0x1", "127.0.0.1:-1"};
    struct error err;
    char *address = NULL;
    int fd = -1;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        assert_false(api_socket_open(wrong[i], false, &fd, &address, &err));
        assert_int_equal(err.code, ERROR_USAGE);
    }
    assert_true(api_socket_open("127.0.0.1:0", false, &fd, &address, &err));
    assert_true(text_starts(address, "127.0.0.1:") && !text_ends(address, ":0"));
    int second = -1;
    char *same = NULL;
    assert_false(api_socket_open(address, false, &second, &same, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_int_equal(second, -1);
    close(fd);
    mem_free(address);
}

static void a_place_is_one_by_whatever_path(void **state)
{
    struct error err;
    char directory[] = "/tmp/croft-up-XXXXXX";
    assert_non_null(mkdtemp(directory));
    CLEANUP_MEM char *detour = mem_printf("%s/run/..", directory);
    CLEANUP_MEM char *missing = mem_printf("%s/missing", directory);
    struct place a = {0}, b = {0}, c = {0};
    assert_true(place_open(directory, true, &a, &err));
    assert_true(place_open(detour, false, &b, &err));
    assert_string_equal(a.grid, b.grid);
    assert_false(place_open(missing, false, &c, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(c.state);
    int lock = -1, second = -1;
    assert_true(place_lock(&a, &lock, &err));
    assert_false(place_lock(&b, &second, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    CLEANUP_MEM char *pid = mem_printf("(pid %d)", (int)getpid());
    assert_non_null(strstr(err.message, pid));
    close(lock);
    place_clear(&a);
    place_clear(&b);
    static const char *const made[] = {"run", "log", "hosts", "controller", "lock", ""};
    for (size_t i = 0; i < LENGTH(made); i++) {
        CLEANUP_MEM char *path = mem_printf("%s/%s", directory, made[i]);
        assert_int_equal(remove(path), 0);
    }
}

static void processes_are_told_apart_by_their_start(void **state)
{
    uint64_t own = process_start_ticks(getpid());
    assert_true(own > 0);
    assert_true(own >= process_start_ticks(getppid()));
    assert_int_equal(process_start_ticks(INT32_MAX), 0);
}

static void addresses_are_those_of_the_contract(void **state)
{
    char out[32];
    assert_string_equal(wires_address(out, WIRES_MGMT0, 1), "10.90.0.1");
    assert_string_equal(wires_address(out, WIRES_MGMT1, 256 + 250), "10.91.1.250");
    assert_string_equal(wires_address(out, WIRES_UNDERLAY, 2 * 256 + 1), "10.92.2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts_slow_down_and_recover),
        cmocka_unit_test(a_child_gets_what_it_is_told_and_nothing_else),
        cmocka_unit_test(a_program_that_is_missing_is_told),
        cmocka_unit_test(addresses_to_listen_on_are_checked),
        cmocka_unit_test(a_place_is_one_by_whatever_path),
        cmocka_unit_test(processes_are_told_apart_by_their_start),
        cmocka_unit_test(addresses_are_those_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
