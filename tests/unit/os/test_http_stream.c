/* Streams: both directions of ending, and readers that do not read. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void ten_thousand_chunks(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    ask_stream(world, &reply, &peer, "/ten-thousand");
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 200);
    CLEANUP_BUF struct buf wanted = {0};
    for (int i = 0; i < 10000; i++)
        buf_printf(&wanted, "line %d\n", i);
    assert_int_equal(reply.body.size, wanted.size);
    assert_memory_equal(reply.body.data, wanted.data, wanted.size);
    assert_true(reply.chunks >= 2);
    assert_int_equal(world->gone_count, 0);
    reply_free(&reply);
    ask(world, &reply, &peer, "GET", "/ten-thousand", NULL, 0, 5000); /* gathered when nobody wants chunks */
    run_until(world, &reply.done);
    assert_int_equal(reply.body.size, wanted.size);
    reply_free(&reply);
}

static void chunks_come_at_once(void **state)
{
    struct world *world = *state;
    const struct net_port *net = world->net;
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    ask_stream(world, &reply, &peer, "/stream");
    run_until_count(world, &world->held_count, 1);
    for (size_t i = 1; i <= 100; i++) {
        net->chunk(net->self, world->held, "tick\n", 5);
        run_until_count(world, &reply.body.size, i * 5);
    }
    assert_int_equal(reply.chunks, 100);
    assert_false(reply.done);
    net->end(net->self, world->held);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.size, 500);
    reply_free(&reply);
}

static void reader_leaves(void **state)
{
    struct world *world = *state;
    const struct net_port *net = world->net;
    struct peer peer = peer_at(world->address);
    struct reply reply = {0};
    struct call *call = ask_stream(world, &reply, &peer, "/stream");
    run_until_count(world, &world->held_count, 1);
    net->chunk(net->self, world->held, "tick\n", 5);
    run_until_count(world, &reply.body.size, 5);
    net->cancel(net->self, call);
    run_until_count(world, &world->gone_count, 1);
    assert_false(reply.done);
    reply_free(&reply);
}

struct canceller {
    struct world *world;
    struct call *call;
    size_t chunks;
};

static void cancel_in_chunk(void *ctx, const char *data, size_t size)
{
    struct canceller *canceller = ctx;
    canceller->chunks++;
    canceller->world->net->cancel(canceller->world->net->self, canceller->call);
}

static void never_done(void *ctx, const struct answer *answer)
{
    fail();
}

static void cancelled_from_inside_a_chunk(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_at(world->address);
    struct canceller canceller = {.world = world};
    struct request request = {.method = "GET", .path = "/stream"};
    canceller.call =
        world->net->call(world->net->self, &peer, &request, 5000, cancel_in_chunk, never_done, &canceller);
    run_until_count(world, &world->held_count, 1);
    world->net->chunk(world->net->self, world->held, "a", 1);
    world->net->chunk(world->net->self, world->held, "b", 1);
    run_until_count(world, &world->gone_count, 1);
    assert_int_equal(canceller.chunks, 1);
}

/* The serving side goes away in mid-stream: told as a failure, not as the end. */
static void server_breaks_off(void **state)
{
    struct world *world = *state;
    struct world other = *world;
    other.http = http_new(world->loop, NULL);
    other.net = http_port(other.http);
    struct http_listen_options options = {.address = "127.0.0.1:0", .handler = world_handle, .ctx = &other};
    char address[64];
    world_listen(&other, &options, address);
    struct peer peer = peer_at(address);
    struct reply reply = {0};
    ask_stream(world, &reply, &peer, "/stream");
    run_until_count(&other, &other.held_count, 1);
    other.net->chunk(other.net->self, other.held, "tick\n", 5);
    run_until_count(world, &reply.body.size, 5);
    http_free(other.http);
    run_until(world, &reply.done);
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);
}

static void one_who_does_not_read_is_dropped(void **state)
{
    struct world *world = *state;
    const struct net_port *net = world->net;
    int fd = raw_connect(world->address);
    const char request[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    run_until_count(world, &world->held_count, 1);
    CLEANUP_MEM char *piece = mem_alloc(256 * 1024);
    size_t sent = 0;
    bool turn = true;
    while (world->gone_count == 0 && sent < 64) {
        net->chunk(net->self, world->held, piece, 256 * 1024);
        if (sent == 40) net->chunk(net->self, world->held, piece, 1); /* ignored once it is being dropped */
        sent++;
        run_until(world, &turn);
    }
    assert_int_equal(world->gone_count, 1);
    assert_true(sent > 16); /* 4 MiB are waited for */
    close(fd);
}

static void ended_while_being_dropped(void **state)
{
    struct world *world = *state;
    const struct net_port *net = world->net;
    int fd = raw_connect(world->address);
    const char request[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    run_until_count(world, &world->held_count, 1);
    CLEANUP_MEM char *piece = mem_alloc(1024 * 1024);
    for (int i = 0; i < 16; i++)
        net->chunk(net->self, world->held, piece, 1024 * 1024);
    net->end(net->self, world->held);
    char data[4096];
    struct reply reply = {0};
    struct peer peer = peer_at(world->address);
    get(world, &reply, &peer, "/echo"); /* lets the loop come by */
    assert_int_equal(world->gone_count, 0);
    reply_free(&reply);
    ssize_t got;
    do {
        got = recv(fd, data, sizeof(data), 0);
    } while (got > 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_chunks, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(chunks_come_at_once, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(reader_leaves, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(cancelled_from_inside_a_chunk, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(server_breaks_off, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(one_who_does_not_read_is_dropped, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(ended_while_being_dropped, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
