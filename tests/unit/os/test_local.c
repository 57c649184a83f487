/* The sockets that instances ask at: their answers, and what those get who ask badly, or too much. */
#include "check.h"

#include "base/mem.h"
#include "os/clock.h"
#include "os/local.h"
#include "os/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEADLINE_US = 20 * 1000 * 1000 };

struct world {
    struct loop *loop;
    struct os_clock *clock;
    struct os_watch *watch;
    struct os_local *all;
    const struct local_port *port;
    struct local *local;
    char directory[128]; /* longer, with a name, than that of a socket may be */
    unsigned asked;
    char last[256];
    bool late;
};

static void answer(void *ctx, const struct local_request *request, struct local_answer *ret_answer)
{
    struct world *world = ctx;
    world->asked++;
    snprintf(world->last, sizeof(world->last), "%s %s %s", request->method, request->path, request->body);
    buf_add_text(&ret_answer->body, "{}");
}

static void open_socket(struct world *world)
{
    struct error err;
    if (!world->port->open(world->port->self, world->directory, "socket", answer, world, &world->local, &err))
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    struct world *world = mem_alloc(sizeof(*world));
    struct error err;
    assert_true(loop_new(&world->loop, &err));
    world->clock = os_clock_new(world->loop);
    world->watch = os_watch_new(world->loop);
    world->all = os_local_new(os_clock_port(world->clock), os_watch_port(world->watch));
    world->port = os_local_port(world->all);
    snprintf(world->directory, sizeof(world->directory), "/tmp/test-local-%s-XXXXXX",
             "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567");
    assert_non_null(mkdtemp(world->directory));
    open_socket(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *path = mem_printf("%s/socket", world->directory);
    world->port->close(world->port->self, world->local);
    os_local_free(world->all);
    os_watch_free(world->watch);
    os_clock_free(world->clock);
    loop_free(world->loop);
    unlink(path);
    rmdir(world->directory);
    mem_free(world);
    return 0;
}

static void woken(void *ctx)
{
    struct world *world = ctx;
    loop_stop(world->loop);
}

static void turn(struct world *world)
{
    const struct clock_port *clock = os_clock_port(world->clock);
    clock->after(clock->self, 1000, woken, world);
    loop_run(world->loop);
}

static int64_t now_us(const struct world *world)
{
    const struct clock_port *clock = os_clock_port(world->clock);
    return clock->steady_us(clock->self);
}

/* -1: its queue is full. */
static int dial(const struct world *world)
{
    int place = open(world->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/socket", place);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = connect(fd, (const struct sockaddr *)&name, sizeof(name));
    close(place);
    if (result == 0) return fd;
    assert_int_equal(errno, EAGAIN);
    close(fd);
    return -1;
}

static void put(int fd, const char *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* All that comes until the other side closes; the caller's. */
static char *get(struct world *world, int fd)
{
    struct buf text = {0};
    char data[4096];
    for (int64_t end = now_us(world) + DEADLINE_US;;) {
        ssize_t size = recv(fd, data, sizeof(data), 0);
        if (size > 0) buf_add(&text, data, (size_t)size);
        if (size == 0 || (size < 0 && errno == ECONNRESET)) break;
        if (size < 0 && errno != EAGAIN) fail_msg("%s", strerror(errno));
        if (now_us(world) > end) fail_msg("no answer: %s", buf_text(&text));
        if (size < 0) turn(world);
    }
    close(fd);
    buf_add(&text, "", 0);
    return text.data ? buf_take(&text) : mem_strdup("");
}

static char *ask(struct world *world, const char *request)
{
    int fd = dial(world);
    put(fd, request, strlen(request));
    return get(world, fd);
}

static void answers(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *text = ask(world, "GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                              "Connection: close\r\n\r\n{}");
    assert_string_equal(world->last, "GET /v1/me ");
    int fd = dial(world);
    static const char post[] = "POST /v1/restart HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nleaking";
    put(fd, post, 60);
    for (int i = 0; i < 5; i++)
        turn(world);
    put(fd, post + 60, strlen(post) - 60);
    CLEANUP_MEM char *second = get(world, fd);
    assert_non_null(strstr(second, "200 OK"));
    assert_string_equal(world->last, "POST /v1/restart leaking");
    struct stat status;
    CLEANUP_MEM char *path = mem_printf("%s/socket", world->directory);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0666); /* whatever user of the instance */
}

/* A second request on the same connection, and all that comes after the first, is not heard. */
static void one_a_connection(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *text =
        ask(world, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(text, "{}"));
    assert_null(strstr(strstr(text, "HTTP/1.1") + 1, "HTTP/1.1"));
    assert_int_equal(world->asked, 1);
}

static void refuses(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *request, *status;
    } bad[] = {
        {"rubbish\r\n\r\n", " 400 "},
        {"GET / HTTP/1.1\nHost: x\n\nHost: x\r\n\r\n", " 505 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n", " 413 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", " 400 "}};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CLEANUP_MEM char *text = ask(world, bad[i].request);
        if (strstr(text, bad[i].status) == NULL) fail_msg("%s: %s", bad[i].request, text);
    }
    char head[LOCAL_HEAD_SIZE_MAX + 1];
    memset(head, 'a', sizeof(head));
    int fd = dial(world);
    put(fd, head, sizeof(head));
    CLEANUP_MEM char *text = get(world, fd);
    assert_non_null(strstr(text, " 431 "));
    assert_int_equal(world->asked, 0);
}

/* Byte by byte it takes the agent as many turns, so that is not waited for. */
static void crumbs(void **state)
{
    struct world *world = *state;
    static const char request[] = "GET /v1/me HTTP/1.1\r\nHost: a-host-with-a-name\r\n\r\n";
    int fd = dial(world);
    for (size_t i = 0; i < LOCAL_PIECES_MAX; i++) {
        put(fd, request + i, 1);
        turn(world);
        turn(world);
    }
    CLEANUP_MEM char *text = get(world, fd);
    assert_non_null(strstr(text, " 400 "));
    assert_int_equal(world->asked, 0);
}

/* Those who say nothing hold all places; when their time is over, and not before, the next one is heard.
 * Other sockets do not notice. */
static void hangs(void **state)
{
    struct world *world = *state, other = *world;
    int silent[LOCAL_ASKERS_MAX];
    for (size_t i = 0; i < LENGTH(silent); i++)
        silent[i] = dial(world);
    for (int i = 0; i < 50; i++)
        turn(world);
    int next = dial(world);
    put(next, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    for (int i = 0; i < 50; i++)
        turn(world);
    assert_int_equal(world->asked, 0);
    snprintf(other.directory, sizeof(other.directory), "/tmp/test-local-XXXXXX");
    assert_non_null(mkdtemp(other.directory));
    open_socket(&other);
    CLEANUP_MEM char *theirs = ask(&other, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(theirs, "200 OK"));
    assert_int_equal(world->asked, 0);
    CLEANUP_MEM char *text = get(world, next);
    assert_non_null(strstr(text, "200 OK"));
    for (size_t i = 0; i < LENGTH(silent); i++) {
        CLEANUP_MEM char *nothing = get(world, silent[i]);
        assert_string_equal(nothing, "");
    }
    other.port->close(other.port->self, other.local);
    CLEANUP_MEM char *path = mem_printf("%s/socket", other.directory);
    unlink(path);
    rmdir(other.directory);
}

/* A flood: so many are heard as the rate lets in, whatever comes. */
static void floods(void **state)
{
    struct world *world = *state;
    int64_t begun_us = now_us(world);
    while (world->asked < LOCAL_BURST + 4) {
        int fd = dial(world);
        if (fd >= 0) {
            put(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
            close(fd);
        } else {
            turn(world);
        }
        if (now_us(world) - begun_us > DEADLINE_US) fail_msg("only %u were heard", world->asked);
        int64_t most = LOCAL_BURST + (now_us(world) - begun_us) * LOCAL_RATE / 1000000 + 1;
        if (world->asked > most) fail_msg("%u were heard", world->asked);
    }
}

/* A socket that an earlier process left is replaced; a link is not followed. */
static void opens_again(void **state)
{
    struct world *world = *state;
    CLEANUP_MEM char *path = mem_printf("%s/socket", world->directory);
    CLEANUP_MEM char *elsewhere = mem_printf("%s/elsewhere", world->directory);
    world->port->close(world->port->self, world->local);
    assert_int_equal(access(path, F_OK), 0);
    open_socket(world);
    CLEANUP_MEM char *text = ask(world, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(text, "200 OK"));
    world->port->close(world->port->self, world->local);
    unlink(path);
    assert_int_equal(symlink(elsewhere, path), 0);
    open_socket(world);
    assert_int_equal(access(elsewhere, F_OK), -1);
    CLEANUP_MEM char *again = ask(world, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(again, "200 OK"));
}

/* Whoever asks while it is closed is cut off, and nothing of it is left. */
static void closes(void **state)
{
    struct world *world = *state;
    int fds[LOCAL_ASKERS_MAX];
    for (size_t i = 0; i < LENGTH(fds); i++)
        fds[i] = dial(world);
    for (int i = 0; i < 20; i++)
        turn(world);
    world->port->close(world->port->self, world->local);
    for (size_t i = 0; i < LENGTH(fds); i++) {
        CLEANUP_MEM char *nothing = get(world, fds[i]);
        assert_string_equal(nothing, "");
    }
    world->local = NULL;
    turn(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, setup, teardown),
        cmocka_unit_test_setup_teardown(one_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(crumbs, setup, teardown),
        cmocka_unit_test_setup_teardown(hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(floods, setup, teardown),
        cmocka_unit_test_setup_teardown(opens_again, setup, teardown),
        cmocka_unit_test_setup_teardown(closes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
