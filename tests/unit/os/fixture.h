/* A server and a client on one loop, over the loopback. */
#ifndef CROFT_TESTS_UNIT_OS_FIXTURE_H
#define CROFT_TESTS_UNIT_OS_FIXTURE_H

#include "check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/http.h"

struct world {
    struct loop *loop;
    struct os_clock *clock;
    struct http *http; /* both sides */
    const struct net_port *net;
    char address[64];      /* of the plain listener */
    struct exchange *held; /* by "/hold": the last one */
    size_t held_count;
    size_t gone_count;
    size_t requests;
    char sender[128]; /* certificate, token and address of the last request */
    bool deadline_passed;
};

struct reply {
    struct world *world;
    bool done;
    int status;
    enum error_code code;
    bool lives;
    char message[1024];
    struct buf body;
    size_t chunks;
    bool stop; /* the loop, when done */
};

int world_setup(void **state);
int world_teardown(void **state);
void world_listen(struct world *world, const struct http_listen_options *options, char *ret_address);
/* The handler of every listener: "/echo" answers the body, "/hold" keeps, "/stream", "/who", "/flood"; see
 * .c. */
void world_handle(void *ctx, struct exchange *exchange, const struct request *request,
                  const struct sender *sender);
void world_gone(void *ctx);
/* Runs the loop until *flag; fails the test after 20 s. */
void run_until(struct world *world, const bool *flag);
void run_until_count(struct world *world, const size_t *count, size_t wanted);

struct peer peer_at(const char *address);
struct call *ask(struct world *world, struct reply *reply, const struct peer *peer, const char *method,
                 const char *path, const void *body, size_t body_size, int64_t timeout_ms);
struct call *ask_stream(struct world *world, struct reply *reply, const struct peer *peer, const char *path);
/* ask() and wait. */
void get(struct world *world, struct reply *reply, const struct peer *peer, const char *path);
void reply_free(struct reply *reply);
/* A blocking socket to the address. */
int raw_connect(const char *address);

#endif
