/* What a hostile or broken client sends. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *read_all(int fd, struct world *world, struct buf *got)
{
    /* The loop goes on between reads, until the server closes. */
    bool turn = true;
    for (int i = 0; i < 100000; i++) {
        char data[4096];
        ssize_t size = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        if (size == 0) return got;
        if (size > 0) buf_add(got, data, (size_t)size);
        run_until(world, &turn);
    }
    fail_msg("the server did not close");
    return NULL;
}

static void sends_and_gets(struct world *world, const char *text, size_t size, const char *wanted)
{
    int fd = raw_connect(world->address);
    CLEANUP_BUF struct buf got = {0};
    bool turn = true;
    while (size > 0) {
        ssize_t put = send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
        run_until(world, &turn);
    }
    read_all(fd, world, &got);
    if (strncmp(buf_text(&got), wanted, strlen(wanted)) != 0) fail_msg("got %s", buf_text(&got));
    close(fd);
}

static void refusals(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"}, /* no Host */
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505"},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 501"},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "HTTP/1.1 400"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "HTTP/1.1 400"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         "HTTP/1.1 501"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 16777217\r\n\r\n", "HTTP/1.1 413"},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1 400"},
        {"GET /none HTTP/1.0\r\n\r\n", "HTTP/1.1 404"},
        {"\r\nGET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        sends_and_gets(world, cases[i].text, strlen(cases[i].text), cases[i].wanted);
    assert_int_equal(world->requests, 2);
}

static void huge_heads(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)1024 * 1024;
    CLEANUP_MEM char *text = mem_alloc(size);
    memset(text, 'a', size);
    memcpy(text, "GET /", 5);
    sends_and_gets(
        world, text, size,
        "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 195\r\nConnection: close\r\n\r\n{\"type\":\"about:blank\",\"title\":"
        "\"Request Header Fields Too Large\",\"status\":431,\"detail\":\"past the limit of 64 KiB for the "
        "head of a request\",\"code\":\"usage\",\"file\":\"\",\"field\":\"\",\"line\":0,\"column\":0}");
    CLEANUP_BUF struct buf many = {0};
    buf_add_text(&many, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 200; i++)
        buf_printf(&many, "X-%d: y\r\n", i);
    buf_add_text(&many, "\r\n");
    sends_and_gets(world, many.data, many.size, "HTTP/1.1 400");
    assert_int_equal(world->requests, 0);
}

static void chunked_body_too_large(void **state)
{
    struct world *world = *state;
    CLEANUP_BUF struct buf text = {0};
    buf_add_text(&text, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    CLEANUP_MEM char *piece = mem_alloc(1024 * 1024);
    for (int i = 0; i < 18; i++) {
        buf_add_text(&text, "100000\r\n");
        buf_add(&text, piece, 1024 * 1024);
        buf_add_text(&text, "\r\n");
    }
    sends_and_gets(world, text.data, text.size, "HTTP/1.1 413");
    assert_int_equal(world->requests, 0);
}

/* A byte at a time, through two requests. */
static void in_single_bytes(void **state)
{
    struct world *world = *state;
    const char text[] = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3;x=y\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: z\r\n\r\n"
                        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    int fd = raw_connect(world->address);
    bool turn = true;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        assert_int_equal(send(fd, text + i, 1, 0), 1);
        run_until(world, &turn);
    }
    CLEANUP_BUF struct buf got = {0};
    read_all(fd, world, &got);
    assert_non_null(strstr(buf_text(&got), "\r\n\r\nabcdeHTTP/1.1 200"));
    assert_true(text_ends(buf_text(&got), "\r\n\r\nhi"));
    assert_int_equal(world->requests, 2);
    close(fd);
}

static void pipelined(void **state)
{
    struct world *world = *state;
    CLEANUP_BUF struct buf text = {0};
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\n.",
                   i == 499 ? "Connection: close\r\n" : "");
    int fd = raw_connect(world->address);
    assert_int_equal(send(fd, text.data, text.size, 0), text.size);
    CLEANUP_BUF struct buf got = {0};
    read_all(fd, world, &got);
    assert_int_equal(world->requests, 500);
    size_t answers = 0;
    for (const char *at = buf_text(&got); (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        answers++;
    assert_int_equal(answers, 500);
    close(fd);
}

/* Requests without end behind one that is not answered yet: not stored without end. */
static void floods_behind_a_pending_request(void **state)
{
    struct world *world = *state;
    int fd = raw_connect(world->address);
    const char text[] = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";
    char more[4096] = "x";
    bool turn = true;
    assert_int_equal(send(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
    for (int i = 0; i < 10000 && world->gone_count == 0; i++) {
        send(fd, more, sizeof(more), MSG_DONTWAIT | MSG_NOSIGNAL);
        run_until(world, &turn);
    }
    assert_int_equal(world->gone_count, 1);
    close(fd);
}

/* The end comes between an answer and the look at the request behind it: nothing is leaked (that is for the
 * leak sanitizer to say). */
static void ends_with_a_request_in_the_queue(void **state)
{
    struct world *world = *state;
    const char text[] = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /who HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = raw_connect(world->address);

    assert_int_equal(send(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
    run_until_count(world, &world->held_count, 1);
    world->net->answer(world->net->self, world->held, 200, NULL, 0, "", 0);
    assert_int_equal(world->requests, 1);
    close(fd);
}

static void half_requests_and_leavers(void **state)
{
    struct world *world = *state;
    static const char *const halves[] = {
        "",
        "G",
        "GET / HTTP/1.1\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < LENGTH(halves); i++) {
        int fd = raw_connect(world->address);
        assert_int_equal(send(fd, halves[i], strlen(halves[i]), 0), strlen(halves[i]));
        if (i >= 4) run_until_count(world, &world->held_count, i - 3);
        struct linger reset = {.l_onoff = 1};
        if (i % 2 == 1) assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        close(fd);
    }
    run_until_count(world, &world->gone_count, 2);
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
}

static void expects_continue(void **state)
{
    struct world *world = *state;
    const char head[] = "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
                        "Connection: close\r\n\r\n";
    int fd = raw_connect(world->address);
    assert_int_equal(send(fd, head, sizeof(head) - 1, 0), sizeof(head) - 1);
    char got[64] = "";
    bool turn = true;
    while (recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT) < 0)
        run_until(world, &turn);
    assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
    sends_and_gets(world, "GET /none HTTP/1.0\r\n\r\n", 22, "HTTP/1.1 404");
    assert_int_equal(send(fd, "hi", 2, 0), 2);
    CLEANUP_BUF struct buf answer = {0};
    read_all(fd, world, &answer);
    assert_true(text_ends(buf_text(&answer), "\r\n\r\nhi"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refusals, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(huge_heads, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(chunked_body_too_large, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(in_single_bytes, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(pipelined, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(floods_behind_a_pending_request, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(ends_with_a_request_in_the_queue, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(half_requests_and_leavers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(expects_continue, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
