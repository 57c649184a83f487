/* Probes against real sockets on the loopback: good, bad, absent and hostile servers. */
#include "driver/probe/probe.h"
#include "driver/probe/probe_http.h"
#include "mini_loop.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 10000 };

/* One server in the same loop: answers each connection with `answer`, byte by byte or again and again. */
struct world {
    struct mini_loop loop;
    struct probe *probe;
    int listener, fd;
    uint16_t port;
    struct fd_watch *listener_watch, *watch;
    struct timer *timer;
    const char *answer;
    bool endless, silent, stop_in_callback;
    int connections;
    bool told, good;
    int changes;
    char reason[300];
};

static void changed(void *ctx, bool good, const char *reason)
{
    struct world *world = ctx;
    world->told = true;
    world->good = good;
    world->changes++;
    snprintf(world->reason, sizeof(world->reason), "%s", reason);
    if (!world->stop_in_callback) return;
    probe_stop(world->probe);
    world->probe = NULL;
}

static void hang_up(struct world *world)
{
    world->loop.watch.stop(&world->loop, world->watch);
    world->watch = NULL;
    if (world->fd >= 0) close(world->fd);
    world->fd = -1;
}

static void pour(void *ctx)
{
    struct world *world = ctx;
    if (send(world->fd, world->answer, strlen(world->answer), MSG_NOSIGNAL) < 0) hang_up(world);
}

static void asked(void *ctx)
{
    struct world *world = ctx;
    char data[2048];
    ssize_t size = recv(world->fd, data, sizeof(data), MSG_DONTWAIT);
    if (size <= 0) {
        hang_up(world);
        return;
    }
    if (world->silent) return;
    if (send(world->fd, world->answer, strlen(world->answer), MSG_NOSIGNAL) < 0 || !world->endless) {
        hang_up(world);
        return;
    }
    world->loop.watch.stop(&world->loop, world->watch);
    world->watch = world->loop.watch.start_writable(&world->loop, world->fd, pour, world);
}

static void accepted(void *ctx)
{
    struct world *world = ctx;
    hang_up(world);
    world->fd = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    world->connections++;
    world->watch = world->loop.watch.start(&world->loop, world->fd, asked, world);
}

static int set_up(void **state)
{
    struct world *world = mem_alloc(sizeof(*world));
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    mini_loop_start(&world->loop);
    world->fd = -1;
    world->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&name, size), 0);
    assert_int_equal(getsockname(world->listener, (struct sockaddr *)&name, &size), 0);
    world->port = ntohs(name.sin_port);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    probe_stop(world->probe);
    hang_up(world);
    world->loop.watch.stop(&world->loop, world->listener_watch);
    mini_loop_end(&world->loop);
    close(world->listener);
    mem_free(world);
    return 0;
}

static void open_door(void *ctx)
{
    struct world *world = ctx;
    assert_int_equal(listen(world->listener, 16), 0);
    world->listener_watch = world->loop.watch.start(&world->loop, world->listener, accepted, world);
}

static void start(struct world *world, enum health_kind kind, int64_t start_period_ms,
                  const char *const *argv)
{
    const struct health health = {
        .kind = kind, .path = "/healthz", .port = world->port, .every_ms = 20, .timeout_ms = 200, .fails = 2};
    const struct probe_options options = {.clock = &world->loop.clock,
                                          .watch = &world->loop.watch,
                                          .process = &world->loop.process,
                                          .health = &health,
                                          .address = 0x7f000001,
                                          .net_ns_fd = -1,
                                          .exec_argv = argv,
                                          .start_period_ms = start_period_ms};
    world->probe = probe_start(&options, changed, world);
    assert_false(world->told);
}

static void expect(struct world *world, bool good, const char *reason)
{
    world->told = false;
    assert_true(mini_loop_until(&world->loop, &world->told, WAIT_MS));
    assert_string_equal(world->reason, reason);
    assert_int_equal(world->good, good);
}

static void sees_good_bad_and_good_again(void **state)
{
    struct world *world = *state;
    world->answer = "HTTP/1.1 200 OK\r\n\r\n";
    open_door(world);
    start(world, HEALTH_HTTP, 0, NULL);
    expect(world, true, "GET /healthz: 200");
    world->answer = "HTTP/1.1 500 No\r\n\r\n";
    expect(world, false, "GET /healthz: 500");
    world->answer = "HTTP/1.0 302 Go\n\n";
    expect(world, true, "GET /healthz: 302");
    world->silent = true;
    expect(world, false, "no answer in 200ms");
    assert_int_equal(world->changes, 4);
}

static void waits_for_one_that_starts(void **state)
{
    struct world *world = *state;
    struct clock_port *clock = &world->loop.clock;
    clock->after(clock->self, 150000, open_door, world);
    start(world, HEALTH_TCP, 0, NULL);
    world->told = false;
    assert_true(mini_loop_until(&world->loop, &world->told, WAIT_MS));
    assert_true(world->good);
    assert_int_equal(world->changes, 1);
}

static void ends_waiting_with_the_start_period(void **state)
{
    struct world *world = *state;
    start(world, HEALTH_HTTP, 50, NULL);
    expect(world, false, "connection refused");
}

static void judges_hostile_servers_bad(void **state)
{
    struct world *world = *state;
    open_door(world);
    start(world, HEALTH_HTTP, 0, NULL);
    world->endless = true;
    world->answer = "HTTP/1.1 200 OK\r\nX: endless";
    expect(world, false, "GET /healthz: the answer's head is longer than 16 KiB");
    world->endless = false;
    world->answer = "HTTP/1.1 200 OK\r\n\r\n";
    expect(world, true, "GET /healthz: 200");
    world->answer = "SSH-2.0-OpenSSH\r\n";
    expect(world, false, "GET /healthz: the answer is not HTTP");
    world->answer = "HTTP/1.1 200 OK\r\n\r\n";
    expect(world, true, "GET /healthz: 200");
    world->answer = "HTTP/1.1 200";
    expect(world, false, "GET /healthz: connection closed without an answer");
}

static void runs_commands(void **state)
{
    struct world *world = *state;
    static const char *const FINE[] = {"/bin/sh", "-c", "exit 0", NULL}, *const WRONG[] = {"/bin/sh", "-c",
                                                                                           "exit 3", NULL};
    static const char *const SLOW[] = {"/bin/sleep", "30", NULL}, *const NONE[] = {"/nonexistent", NULL};
    start(world, HEALTH_EXEC, 0, FINE);
    expect(world, true, "/bin/sh: exit code 0");
    probe_stop(world->probe);
    world->told = false;
    start(world, HEALTH_EXEC, 0, WRONG);
    expect(world, false, "/bin/sh: exit code 3");
    probe_stop(world->probe);
    world->told = false;
    start(world, HEALTH_EXEC, 0, SLOW);
    expect(world, false, "no answer in 200ms");
    probe_stop(world->probe);
    world->told = false;
    start(world, HEALTH_EXEC, 0, NONE);
    world->told = false;
    assert_true(mini_loop_until(&world->loop, &world->told, WAIT_MS));
    assert_false(world->good);
    assert_non_null(strstr(world->reason, "/nonexistent"));
}

static void may_be_stopped_from_its_callback(void **state)
{
    struct world *world = *state;
    world->stop_in_callback = true;
    open_door(world);
    start(world, HEALTH_TCP, 0, NULL);
    world->told = false;
    assert_true(mini_loop_until(&world->loop, &world->told, WAIT_MS));
    assert_null(world->probe);
}

static void reads_heads_in_pieces(void **state)
{
    static const char HEAD[] = "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n";
    int status = 0;
    for (size_t i = 0; i < sizeof(HEAD) - 1; i++)
        assert_int_equal(probe_head_read(HEAD, i, &status), PROBE_HEAD_MORE);
    assert_int_equal(status, 0);
    assert_int_equal(probe_head_read(HEAD, sizeof(HEAD) - 1, &status), PROBE_HEAD_DONE);
    assert_int_equal(status, 204);
    assert_int_equal(probe_head_read("HTTP/2.0 200", 12, &status), PROBE_HEAD_GARBAGE);
    assert_int_equal(probe_head_read("HTTP/1.1 2000 OK", 16, &status), PROBE_HEAD_GARBAGE);
    assert_int_equal(probe_head_read("HTTP/1.1 200 \0\r\n\r\n", 18, &status), PROBE_HEAD_GARBAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        WITH_WORLD(sees_good_bad_and_good_again),
        WITH_WORLD(waits_for_one_that_starts),
        WITH_WORLD(ends_waiting_with_the_start_period),
        WITH_WORLD(judges_hostile_servers_bad),
        WITH_WORLD(runs_commands),
        WITH_WORLD(may_be_stopped_from_its_callback),
        cmocka_unit_test(reads_heads_in_pieces),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
