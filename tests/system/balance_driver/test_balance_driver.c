/* The driver with a real HAProxy on the loopback of a private network namespace. */
#include "base/text.h"
#include "driver/balance/balance_haproxy.h"
#include "driver/balance/balance_image.h"
#include "farm.h"
#include "mini_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PUBLISHED = 18080, INSIDE = 80, SERVER_FIRST = 19001, SERVERS_MAX = 4, WAIT_MS = 15000 };
#define BALANCER "acme/shop/balance-1"

struct world {
    struct mini_loop loop;
    struct balance_driver driver;
    struct arena *arena;
    char directory[64];
    struct balance_server servers[SERVERS_MAX];
    struct balance_frontend frontend;
    struct personality personality;
    int fd; /* of the published address */
    pid_t haproxy, server[SERVERS_MAX];
    /* Heard: */
    bool done;
    struct error error;
    char drained[32], bad[32];
    bool heard_drained, heard_bad, heard_good, web_2_is_good;
    int64_t samples, strangers; /* of web-1, of others */
    struct balance_sample sample;
    int64_t units, refused;
    int64_t asked, asked_nobody;
};

static void on_drained(void *ctx, const char *balancer, const char *server)
{
    struct world *world = ctx;
    assert_string_equal(balancer, BALANCER);
    snprintf(world->drained, sizeof(world->drained), "%s", server);
    world->heard_drained = true;
}

static void on_health(void *ctx, const char *balancer, const char *server, bool good)
{
    struct world *world = ctx;
    assert_string_equal(balancer, BALANCER);
    if (!good) snprintf(world->bad, sizeof(world->bad), "%s", server);
    if (strcmp(server, "web-2") == 0) world->web_2_is_good = good;
    *(good ? &world->heard_good : &world->heard_bad) = true;
}

static void on_sample(void *ctx, const char *balancer, const struct balance_sample *sample)
{
    struct world *world = ctx;
    assert_string_equal(balancer, BALANCER);
    assert_string_equal(sample->frontend, "www");
    if (strcmp(sample->server, "web-9") == 0) world->strangers++;
    if (strcmp(sample->server, "web-1") != 0) return;
    world->samples++;
    world->sample = *sample;
}

static void on_counted(void *ctx, const char *balancer, int64_t taken_us,
                       const struct balance_counters *counters, size_t length)
{
    struct world *world = ctx;
    assert_string_equal(balancer, BALANCER);
    for (size_t i = 0; i < length; i++) {
        if (counters[i].server[0]) continue;
        assert_string_equal(counters[i].frontend, "www");
        world->units = counters[i].units;
        world->refused = counters[i].refused;
    }
}

static void on_done(void *ctx, const struct error *err)
{
    struct world *world = ctx;
    world->done = true;
    world->error.code = ERROR_NONE;
    if (err) world->error = *err;
}

static void apply_now(struct world *world)
{
    world->done = false;
    world->driver.apply(world->driver.self, &world->personality, world->directory, on_done, world);
    assert_false(world->done);
    assert_true(mini_loop_until(&world->loop, &world->done, WAIT_MS));
}

static void apply_well(struct world *world, size_t length)
{
    world->frontend.servers_length = length;
    apply_now(world);
    if (world->error.code) fail_msg("%s", world->error.message);
}

static int set_up(void **state)
{
    struct world *world = mem_alloc(sizeof(*world));
    struct error error;
    *state = world;
    mini_loop_start(&world->loop);
    const struct balance_options options = {&world->loop.clock, &world->loop.watch, -1};
    const struct balance_events events = {on_drained, on_health, on_sample, on_counted, world};
    assert_true(balance_driver_new(&options, &world->driver, &error));
    world->driver.set_events(world->driver.self, &events);
    strcpy(world->directory, "/tmp/balance-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    static const char *const NAMES[SERVERS_MAX] = {"web-1", "web-2", "web-3", "web-4"};
    for (size_t i = 0; i < SERVERS_MAX; i++) {
        uint16_t port = (uint16_t)(SERVER_FIRST + i);
        world->servers[i] = (struct balance_server){NAMES[i], 0x7f000001, port, false};
        world->server[i] = farm_serve(port);
    }
    world->frontend = (struct balance_frontend){.name = "www",
                                                .mode = BALANCE_HTTP,
                                                .port = INSIDE,
                                                .publish = "127.0.0.1:18080",
                                                .health_path = "/healthz",
                                                .health_every_ms = 200,
                                                .health_fails = 2,
                                                .servers = world->servers};
    world->arena = arena_new();
    world->personality = (struct personality){
        .instance = BALANCER, .address = 0x7f000001, .frontends = &world->frontend, .frontends_length = 1};
    world->driver.personalize(world->driver.self, world->arena, &world->personality);
    assert_true(world->driver.listen(world->driver.self, world->frontend.publish, &world->fd, &error));
    world->haproxy = farm_haproxy(&world->personality, world->directory, &world->fd, 1);
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    char command[160];
    world->driver.destroy(world->driver.self);
    mini_loop_end(&world->loop);
    farm_kill(world->haproxy);
    for (size_t i = 0; i < SERVERS_MAX; i++)
        farm_kill(world->server[i]);
    close(world->fd);
    arena_free(world->arena);
    snprintf(command, sizeof(command), "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
    mem_free(world);
    return 0;
}

static void starts_without_servers_and_serves_on_both_sides(void **state)
{
    struct world *world = *state;
    static const uint16_t PORTS[] = {PUBLISHED, INSIDE};
    apply_well(world, 0);
    apply_well(world, 2);
    for (size_t i = 0; i < 2; i++) {
        struct farm_load load = farm_load_start(PORTS[i], 1);
        struct farm_result result = farm_load_end(load);
        assert_int_equal(result.failed, 0);
        assert_true(result.good > 0);
    }
    assert_true(mini_loop_until(&world->loop, &world->heard_good, WAIT_MS));
}

static void loses_no_request_while_servers_come_and_go(void **state)
{
    struct world *world = *state;
    apply_well(world, 1);
    struct farm_load load = farm_load_start(PUBLISHED, 16);
    for (int cycle = 0; cycle < 20; cycle++) {
        world->servers[1].drain = false;
        apply_well(world, 2);
        farm_load_round(load);
        world->heard_drained = false;
        world->servers[1].drain = true;
        apply_well(world, 2);
        assert_true(mini_loop_until(&world->loop, &world->heard_drained, WAIT_MS));
        assert_string_equal(world->drained, "web-2");
        apply_well(world, 1);
    }
    /* Taken away without draining first: requests under way are answered all the same. */
    world->servers[1].drain = false;
    for (int cycle = 0; cycle < 5; cycle++) {
        apply_well(world, 3);
        farm_load_round(load);
        apply_well(world, 1);
    }
    struct farm_result result = farm_load_end(load);
    assert_int_equal(result.failed, 0);
    assert_true(result.good > 25 * 16);
}

static void loses_no_request_when_a_server_dies(void **state)
{
    struct world *world = *state;
    apply_well(world, 3);
    assert_true(mini_loop_until(&world->loop, &world->heard_good, WAIT_MS));
    struct farm_load load = farm_load_start(PUBLISHED, 16);
    farm_load_round(load);
    farm_kill(world->server[1]);
    world->server[1] = 0;
    assert_true(mini_loop_until(&world->loop, &world->heard_bad, WAIT_MS));
    assert_string_equal(world->bad, "web-2");
    struct farm_result result = farm_load_end(load);
    assert_int_equal(result.failed, 0);
    world->server[1] = farm_serve(SERVER_FIRST + 1);
    assert_true(mini_loop_until(&world->loop, &world->web_2_is_good, WAIT_MS));
}

/* As when its host has died: the kernel takes connections or nothing at all, answers never come. */
static void sends_requests_again_when_a_silent_server_is_taken_away(void **state)
{
    struct world *world = *state;
    apply_well(world, 2);
    assert_true(mini_loop_until(&world->loop, &world->heard_good, WAIT_MS));
    struct farm_load load = farm_load_start(PUBLISHED, 16);
    farm_load_round(load);
    kill(world->server[1], SIGSTOP);
    assert_true(mini_loop_until(&world->loop, &world->heard_bad, WAIT_MS));
    assert_string_equal(world->bad, "web-2");
    apply_well(world, 1);
    /* The load ends when every request has its answer. */
    static bool never;
    mini_loop_until(&world->loop, &never, 1200);
    struct farm_result result = farm_load_end(load);
    assert_int_equal(result.failed, 0);
    assert_true(result.good > 0);
}

static bool has_servers_again(void *ctx)
{
    struct farm_load load = farm_load_start(PUBLISHED, 1);
    struct farm_result result = farm_load_end(load);
    return result.good > 0 && result.failed == 0;
}

static void fills_a_haproxy_that_was_started_anew(void **state)
{
    struct world *world = *state;
    apply_well(world, 3);
    farm_kill(world->haproxy);
    world->haproxy = farm_haproxy(&world->personality, world->directory, &world->fd, 1);
    assert_true(mini_loop_while(&world->loop, has_servers_again, world, WAIT_MS));
}

static void says_so_when_haproxy_does_not_answer(void **state)
{
    struct world *world = *state;
    farm_kill(world->haproxy);
    world->haproxy = 0;
    apply_now(world);
    assert_int_equal(world->error.code, ERROR_TIMEOUT);
    /* A haproxy that hangs: connections are taken by the kernel, answers never come. */
    world->haproxy = farm_haproxy(&world->personality, world->directory, &world->fd, 1);
    apply_well(world, 1);
    kill(world->haproxy, SIGSTOP);
    apply_now(world);
    assert_int_equal(world->error.code, ERROR_TIMEOUT);
    kill(world->haproxy, SIGCONT);
    apply_well(world, 2);
}

static void refuses_other_frontends(void **state)
{
    struct world *world = *state;
    world->frontend.name = "other";
    world->frontend.servers_length = 1;
    apply_now(world);
    assert_int_equal(world->error.code, ERROR_REFUSED);
    assert_non_null(strstr(world->error.message, "anew"));
}

static void tells_every_caller_of_the_last_apply(void **state)
{
    struct world *world = *state, second = {0};
    world->frontend.servers_length = 1;
    world->driver.apply(world->driver.self, &world->personality, world->directory, on_done, world);
    world->frontend.servers_length = 2;
    world->driver.apply(world->driver.self, &world->personality, world->directory, on_done, &second);
    assert_true(mini_loop_until(&world->loop, &second.done, WAIT_MS));
    assert_true(world->done);
    assert_int_equal(second.error.code, ERROR_NONE);
}

static bool has_samples(void *ctx)
{
    return ((struct world *)ctx)->samples >= 2;
}

static bool has_counted(void *ctx)
{
    struct world *world = ctx;
    return world->units >= world->asked && world->refused >= world->asked_nobody;
}

/* A line of somebody else's who is inside: too long, of no server of ours, or none at all. */
static void write_lines(const struct world *world)
{
    static char LONG[4096];
    static const char *const LINES[] = {"nonsense", "www web-9 200 1 0 0 1 1 1 1",
                                        "raw web-1 200 1 0 0 1 1 1 1", LONG};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    memset(LONG, '1', sizeof(LONG) - 1);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/log.sock", world->directory);
    for (size_t i = 0; i < 8; i++) {
        const char *line = LINES[i % LENGTH(LINES)];
        (void)!sendto(fd, line, strlen(line), MSG_DONTWAIT, (const struct sockaddr *)&name, sizeof(name));
    }
    close(fd);
}

static void counts_and_samples_requests(void **state)
{
    struct world *world = *state;
    apply_well(world, 1);
    write_lines(world);
    struct farm_load load = farm_load_start(PUBLISHED, 2);
    for (int i = 0; i < 50; i++)
        farm_load_round(load);
    struct farm_result served = farm_load_end(load);
    assert_int_equal(served.failed, 0);
    assert_true(mini_loop_while(&world->loop, has_samples, world, WAIT_MS));
    apply_well(world, 0); /* nobody is there for the next */
    load = farm_load_start(PUBLISHED, 1);
    struct farm_result refused = farm_load_end(load);
    assert_int_equal(refused.good, 0);
    world->asked = (int64_t)(served.good + refused.failed);
    world->asked_nobody = (int64_t)refused.failed;
    assert_true(mini_loop_while(&world->loop, has_counted, world, WAIT_MS));
    assert_int_equal(world->units, world->asked);
    assert_int_equal(world->refused, world->asked_nobody);
    assert_true(world->samples <= (int64_t)served.good);
    assert_int_equal(world->strangers, 0);
    assert_int_equal(world->sample.status, 200);
    assert_true(world->sample.head_us >= 0 && world->sample.head_us <= world->sample.all_us);
}

static void refuses_a_published_address_in_use(void **state)
{
    struct world *world = *state;
    int fd = -1;
    struct error error;
    assert_false(world->driver.listen(world->driver.self, "127.0.0.1:18080", &fd, &error));
    assert_int_equal(error.code, ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "127.0.0.1:18080"));
    assert_false(world->driver.listen(world->driver.self, "192.0.2.1:80", &fd, &error));
    assert_int_equal(error.code, ERROR_REFUSED);
    assert_false(world->driver.listen(world->driver.self, "localhost", &fd, &error));
    assert_int_equal(fd, -1);
    assert_int_equal(error.code, ERROR_INVALID);
}

static void listens_in_the_namespace_it_was_given(void **state)
{
    struct world *world = *state;
    struct balance_driver other;
    int fd = -1, none = -1;
    struct error error;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(farm_enter());
    int elsewhere = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(setns(home, CLONE_NEWNET), 0);
    const struct balance_options options = {&world->loop.clock, &world->loop.watch, elsewhere};
    assert_true(balance_driver_new(&options, &other, &error));
    /* In use here, free there. */
    assert_true(other.listen(other.self, world->frontend.publish, &fd, &error));
    assert_false(world->driver.listen(world->driver.self, world->frontend.publish, &none, &error));
    other.destroy(other.self);
    close(fd);
    close(home);
    close(elsewhere);
}

static void builds_a_root_that_runs(void **state)
{
    struct world *world = *state;
    struct error error;
    char root[96], command[800];
    snprintf(root, sizeof(root), "%s/root", world->directory);
    if (!balance_image_root(root, &error)) fail_msg("%s", error.message);
    snprintf(command, sizeof(command), "chroot %s /usr/sbin/haproxy -vv >/dev/null", root);
    assert_int_equal(system(command), 0);
    /* Without the passed descriptor, which is none here. */
    snprintf(command, sizeof(command),
             "grep -v fd@ %s/haproxy.cfg >%s/etc/haproxy/haproxy.cfg && mkdir -p %s%s &&"
             " chroot %s /usr/sbin/haproxy -c -f /etc/haproxy/haproxy.cfg >/dev/null",
             world->directory, root, root, world->directory, root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        WITH_WORLD(starts_without_servers_and_serves_on_both_sides),
        WITH_WORLD(loses_no_request_while_servers_come_and_go),
        WITH_WORLD(loses_no_request_when_a_server_dies),
        WITH_WORLD(sends_requests_again_when_a_silent_server_is_taken_away),
        WITH_WORLD(fills_a_haproxy_that_was_started_anew),
        WITH_WORLD(says_so_when_haproxy_does_not_answer),
        WITH_WORLD(refuses_other_frontends),
        WITH_WORLD(tells_every_caller_of_the_last_apply),
        WITH_WORLD(counts_and_samples_requests),
        WITH_WORLD(refuses_a_published_address_in_use),
        WITH_WORLD(listens_in_the_namespace_it_was_given),
        WITH_WORLD(builds_a_root_that_runs),
    };
    if (!farm_enter()) {
        puts("1..0 # SKIP needs root, network namespaces and the package haproxy");
        return 0;
    }
    return cmocka_run_group_tests_name("balance driver", tests, NULL, NULL);
}
