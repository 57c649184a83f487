#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct condition {
    struct world *world;
    const bool *flag;
    const size_t *count;
    size_t wanted;
};

static void poll_condition(void *ctx);
static void too_late(void *ctx);
static void run(struct condition *condition);
static void keep_chunk(void *ctx, const char *data, size_t size);
static void keep_answer(void *ctx, const struct answer *answer);

int world_setup(void **state)
{
    struct world *world = mem_alloc(sizeof(*world));
    struct error err;
    assert_true(loop_new(&world->loop, &err));
    world->clock = os_clock_new(world->loop);
    world->http = http_new(world->loop, NULL);
    world->net = http_port(world->http);
    world_listen(world, &(struct http_listen_options){.address = "127.0.0.1:0"}, world->address);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    http_free(world->http);
    os_clock_free(world->clock);
    loop_free(world->loop);
    mem_free(world);
    return 0;
}

void world_listen(struct world *world, const struct http_listen_options *options, char *ret_address)
{
    struct http_listen_options copy = *options;
    struct http_listener *listener = NULL;
    struct error err;
    if (copy.handler == NULL) {
        copy.handler = world_handle;
        copy.ctx = world;
    }
    if (!http_listen(world->http, &copy, &listener, &err)) fail_msg("%s", err.message);
    snprintf(ret_address, 64, "127.0.0.1:%u", http_listener_port(listener));
}

void world_handle(void *ctx, struct exchange *exchange, const struct request *request,
                  const struct sender *sender)
{
    struct world *world = ctx;
    const struct net_port *net = world->net;
    world->requests++;
    static const char *const roles[] = {"-", "controller", "host "};
    snprintf(world->sender, sizeof(world->sender), "%s%s %s", roles[sender->role],
             sender->name != NULL ? sender->name : "", sender->token != NULL ? sender->token : "-");
    assert_true(text_starts(sender->address, "127.0.0.1:"));
    if (text_equal(request->path, "/echo")) {
        struct header header = {"X-Method", request->method};
        net->answer(net->self, exchange, 200, &header, 1, request->body, request->body_size);
    } else if (text_equal(request->path, "/hold")) {
        world->held = exchange;
        world->held_count++;
        net->on_gone(net->self, exchange, world_gone, world);
    } else if (text_equal(request->path, "/stream")) {
        struct header header = {"Content-Type", "text/event-stream"};
        world->held = exchange;
        world->held_count++;
        net->start(net->self, exchange, 200, &header, 1, world_gone, world);
    } else if (text_equal(request->path, "/ten-thousand")) {
        net->start(net->self, exchange, 200, NULL, 0, world_gone, world);
        for (int i = 0; i < 10000; i++) {
            char line[32];
            int size = snprintf(line, sizeof(line), "line %d\n", i);
            net->chunk(net->self, exchange, line, (size_t)size);
        }
        net->end(net->self, exchange);
    } else if (text_equal(request->path, "/who")) {
        net->answer(net->self, exchange, 200, NULL, 0, world->sender, strlen(world->sender));
    } else {
        net->answer(net->self, exchange, 404, NULL, 0, "nothing here", 12);
    }
}

void world_gone(void *ctx)
{
    struct world *world = ctx;
    world->held = NULL;
    world->gone_count++;
}

void run_until(struct world *world, const bool *flag)
{
    run(&(struct condition){.world = world, .flag = flag});
}

void run_until_count(struct world *world, const size_t *count, size_t wanted)
{
    run(&(struct condition){.world = world, .count = count, .wanted = wanted});
}

struct peer peer_at(const char *address)
{
    return (struct peer){.addresses = {address}, .addresses_length = 1, .only_address = -1};
}

struct call *ask(struct world *world, struct reply *reply, const struct peer *peer, const char *method,
                 const char *path, const void *body, size_t body_size, int64_t timeout_ms)
{
    struct request request = {.method = method, .path = path, .body = body, .body_size = body_size};
    reply->world = world;
    struct call *call =
        world->net->call(world->net->self, peer, &request, timeout_ms, NULL, keep_answer, reply);
    assert_false(reply->done); /* never from inside */
    return call;
}

struct call *ask_stream(struct world *world, struct reply *reply, const struct peer *peer, const char *path)
{
    struct request request = {.method = "GET", .path = path};
    reply->world = world;
    return world->net->call(world->net->self, peer, &request, 5000, keep_chunk, keep_answer, reply);
}

void get(struct world *world, struct reply *reply, const struct peer *peer, const char *path)
{
    ask(world, reply, peer, "GET", path, NULL, 0, 5000);
    run_until(world, &reply->done);
}

void reply_free(struct reply *reply)
{
    buf_free(&reply->body);
    *reply = (struct reply){0};
}

int raw_connect(const char *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void run(struct condition *condition)
{
    struct world *world = condition->world;
    const struct clock_port *clock = os_clock_port(world->clock);
    struct timer *timer = clock->after(clock->self, 20000000, too_late, world);
    loop_later(world->loop, poll_condition, condition);
    loop_run(world->loop);
    if (world->deadline_passed) fail_msg("waited for 20 s");
    clock->cancel(clock->self, timer);
}

/* Looked at once a round of the loop. */
static void poll_condition(void *ctx)
{
    struct condition *condition = ctx;
    bool holds = condition->flag != NULL ? *condition->flag : *condition->count >= condition->wanted;
    if (holds || condition->world->deadline_passed) {
        loop_stop(condition->world->loop);
    } else {
        loop_later(condition->world->loop, poll_condition, condition);
    }
}

static void too_late(void *ctx)
{
    struct world *world = ctx;
    world->deadline_passed = true;
}

static void keep_chunk(void *ctx, const char *data, size_t size)
{
    struct reply *reply = ctx;
    reply->chunks++;
    buf_add(&reply->body, data, size);
}

static void keep_answer(void *ctx, const struct answer *answer)
{
    struct reply *reply = ctx;
    assert_false(reply->done);
    reply->done = true;
    reply->status = answer->status;
    reply->lives = answer->lives;
    assert_true((answer->status == 0) == (answer->error != NULL));
    if (answer->error != NULL) {
        reply->code = answer->error->code;
        snprintf(reply->message, sizeof(reply->message), "%s", answer->error->message);
    }
    assert_int_equal(answer->body[answer->body_size], '\0');
    buf_add(&reply->body, answer->body, answer->body_size);
}
