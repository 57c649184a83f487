/* Calls and answers over plain HTTP. */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An address that nobody listens on: bound, so that nobody else takes it. */
static int closed_port(char *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(ret_address, 64, "127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static void methods_go_round(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < LENGTH(methods); i++) {
        struct reply reply = {0};
        ask(world, &reply, &peer, methods[i], "/echo", "hello", 5, 5000);
        run_until(world, &reply.done);
        assert_int_equal(reply.status, 200);
        assert_string_equal(buf_text(&reply.body), "hello");
        reply_free(&reply);
    }
    struct reply head = {0};
    ask(world, &head, &peer, "HEAD", "/who", NULL, 0, 5000);
    run_until(world, &head.done);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.body.size, 0);
    reply_free(&head);
    struct reply missing = {0};
    get(world, &missing, &peer, "/none");
    assert_int_equal(missing.status, 404);
    assert_string_equal(buf_text(&missing.body), "nothing here");
    reply_free(&missing);
}

static void bodies_of_all_sizes(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    const size_t most = (size_t)16 * 1024 * 1024;
    CLEANUP_MEM char *body = mem_alloc(most + 1);
    for (size_t i = 0; i < most; i++)
        body[i] = (char)(i * 7 + i / 251);
    const size_t sizes[] = {0, 1, 16383, 16384, 16385, 100000, most};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct reply reply = {0};
        ask(world, &reply, &peer, "PUT", "/echo", body, sizes[i], 5000);
        run_until(world, &reply.done);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body.size, sizes[i]);
        if (sizes[i] > 0) assert_memory_equal(reply.body.data, body, sizes[i]);
        reply_free(&reply);
    }
    size_t before = world->requests;
    struct reply reply = {0};
    ask(world, &reply, &peer, "PUT", "/echo", body, most + 1, 5000);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 413);
    assert_int_equal(world->requests, before);
    reply_free(&reply);
}

static void token_is_told(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    get(world, &reply, &peer, "/who");
    assert_string_equal(buf_text(&reply.body), "- -");
    reply_free(&reply);
    int fd = raw_connect(world->address);
    const char request[] = "GET /none HTTP/1.1\r\nHost: x\r\nauthorization: bearer  s3cret\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    run_until_count(world, &world->requests, 2);
    assert_string_equal(world->sender, "- s3cret");
    close(fd);
}

static void nobody_there_fails_fast(void **state)
{
    struct world *world = *state;
    char address[64];
    int fd = closed_port(address);
    struct peer peer = peer_at(address);
    struct reply reply = {0};
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(reply.message, address));
    assert_true(reply.lives);
    reply_free(&reply);
    peer.addresses[0] = "no address";
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);
    close(fd);
}

static void falls_over_and_only_address(void **state)
{
    struct world *world = *state;
    char closed[64];
    int fd = closed_port(closed);
    struct peer peer = {.addresses = {closed, world->address}, .addresses_length = 2, .only_address = -1};
    for (int i = 0; i < 3; i++) {
        struct reply reply = {0};
        get(world, &reply, &peer, "/echo");
        assert_int_equal(reply.status, 200);
        reply_free(&reply);
    }
    struct reply reply = {0};
    peer.only_address = 0;
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);
    peer.only_address = 1;
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
    peer.addresses[1] = closed;
    peer.only_address = -1;
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);
    close(fd);
}

/* A server that accepts, takes the request and breaks: not sent a second time, not to the other address. */
static void broken_call_is_not_repeated(void **state)
{
    struct world *world = *state;
    char address[64];
    int listening = closed_port(address);
    assert_int_equal(listen(listening, 5), 0);
    struct peer peer = {.addresses = {address, world->address}, .addresses_length = 2, .only_address = -1};
    struct reply reply = {0};
    ask(world, &reply, &peer, "POST", "/echo", "x", 1, 5000);
    /* The kernel accepts; the answer to what is sent then is a reset, as the socket goes. */
    struct reply turn = {0};
    struct peer self = peer_at(world->address);
    get(world, &turn, &self, "/echo");
    reply_free(&turn);
    size_t before = world->requests;
    close(listening);
    run_until(world, &reply.done);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_int_equal(world->requests, before);
    reply_free(&reply);
    /* The next call takes the other path. */
    ask(world, &reply, &peer, "POST", "/echo", "x", 1, 5000);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
}

static void time_out_and_gone(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    ask(world, &reply, &peer, "GET", "/hold", NULL, 0, 50);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.code, ERROR_TIMEOUT);
    assert_true(reply.lives);
    run_until_count(world, &world->gone_count, 1); /* the server learns that nobody waits */
    reply_free(&reply);
}

/* A kernel takes a connection for a process that sleeps: the machine lives. The second finds the queue full,
 * and is dropped without a word, as if no machine were there. */
static void busy_is_not_dead(void **state)
{
    struct world *world = *state;
    char address[64];
    int fd = closed_port(address);
    struct peer peer = peer_at(address);

    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < 2; i++) {
        struct reply reply = {0};
        ask(world, &reply, &peer, "GET", "/", NULL, 0, 50);
        run_until(world, &reply.done);
        assert_int_equal(reply.status, 0);
        assert_int_equal(reply.code, ERROR_TIMEOUT);
        assert_int_equal(reply.lives, i == 0);
        reply_free(&reply);
    }
    close(fd);
}

/* What a kept connection acknowledged before says nothing while the request has not gone out whole. */
static void unsent_is_not_acknowledged(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const size_t much = (size_t)16 * 1024 * 1024; /* more than the two kernels buffer */
    struct world *world = *state;
    CLEANUP_MEM char *body = mem_alloc(much);
    char address[64];
    int fd = closed_port(address);
    struct peer peer = peer_at(address);
    struct reply reply = {0};

    assert_int_equal(listen(fd, 1), 0);
    (void)ask(world, &reply, &peer, "GET", "/", NULL, 0, 5000);
    int server = accept(fd, NULL, NULL);
    assert_int_equal(send(server, ok, sizeof(ok) - 1, 0), sizeof(ok) - 1);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
    (void)ask(world, &reply, &peer, "PUT", "/", body, much, 200);
    run_until(world, &reply.done);
    assert_int_equal(reply.code, ERROR_TIMEOUT);
    assert_false(reply.lives);
    reply_free(&reply);
    close(server);
    close(fd);
}

static void cancelled_is_silent(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct reply cancelled = {0};
    struct call *call = ask(world, &cancelled, &peer, "GET", "/hold", NULL, 0, 5000);
    run_until_count(world, &world->held_count, 1);
    world->net->cancel(world->net->self, call);
    run_until_count(world, &world->gone_count, 1);
    call = ask(world, &cancelled, &peer, "GET", "/hold", NULL, 0, 5000);
    world->net->cancel(world->net->self, call); /* before it is sent */
    world->net->cancel(world->net->self, NULL);
    struct reply reply = {0};
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.status, 200);
    assert_false(cancelled.done);
    assert_int_equal(world->held_count, 1);
    reply_free(&reply);
}

static void long_polls_do_not_block(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct reply polls[20] = {0};
    for (size_t i = 0; i < LENGTH(polls); i++)
        ask(world, &polls[i], &peer, "GET", "/hold", NULL, 0, 20000);
    run_until_count(world, &world->held_count, LENGTH(polls));
    for (int i = 0; i < 100; i++) {
        struct reply reply = {0};
        get(world, &reply, &peer, "/echo");
        assert_int_equal(reply.status, 200);
        reply_free(&reply);
    }
    world->net->answer(world->net->self, world->held, 200, NULL, 0, "late", 4);
    run_until(world, &polls[LENGTH(polls) - 1].done);
    assert_string_equal(buf_text(&polls[LENGTH(polls) - 1].body), "late");
    reply_free(&polls[LENGTH(polls) - 1]);
}

static void listens_on_an_inherited_descriptor(void **state)
{
    struct world *world = *state;
    char address[64];
    char told[64];
    int fd = closed_port(address);
    struct error err;
    struct http_listener *listener = NULL;
    struct http_listen_options options = {.inherited_fd = fd, .handler = world_handle, .ctx = world};
    assert_false(http_listen(world->http, &options, &listener, &err)); /* does not listen yet */
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(listen(fd, 5), 0);
    world_listen(world, &options, told);
    assert_string_equal(told, address);
    struct peer peer = peer_at(address);
    struct reply reply = {0};
    get(world, &reply, &peer, "/echo");
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
    options = (struct http_listen_options){.address = address, .handler = world_handle};
    assert_false(http_listen(world->http, &options, &listener, &err)); /* taken */
    assert_int_equal(err.code, ERROR_FAILED);
}

/* Smoke alarm for the 40 ms of Nagle's algorithm against delayed acknowledgements. */
static void round_trips_are_short(void **state)
{
    struct world *world = *state;
    const struct clock_port *clock = os_clock_port(world->clock);
    struct peer peer = peer_at(world->address);
    int64_t best_us = INT64_MAX;
    int64_t start_us = clock->steady_us(clock->self);
    for (int i = 0; i < 1000; i++) {
        struct reply reply = {0};
        int64_t before_us = clock->steady_us(clock->self);
        ask(world, &reply, &peer, "POST", "/echo", "ping", 4, 5000);
        run_until(world, &reply.done);
        int64_t took_us = clock->steady_us(clock->self) - before_us;
        if (took_us < best_us) best_us = took_us;
        assert_int_equal(reply.status, 200);
        reply_free(&reply);
    }
    print_message("# round trip: best %lld us, mean %lld us\n", (long long)best_us,
                  (long long)(clock->steady_us(clock->self) - start_us) / 1000);
    assert_true(best_us < 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(methods_go_round, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(bodies_of_all_sizes, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(token_is_told, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(nobody_there_fails_fast, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(falls_over_and_only_address, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(broken_call_is_not_repeated, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(time_out_and_gone, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(busy_is_not_dead, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(unsent_is_not_acknowledged, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(cancelled_is_silent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(long_polls_do_not_block, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(listens_on_an_inherited_descriptor, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(round_trips_are_short, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
