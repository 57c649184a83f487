/* The one small socket in each instance: an instance asks, over HTTP/1.1, and is answered at once. Who asks
 * is known by the socket it came in on, never by what it says.
 *
 * What asks may be hostile. So an asker gets one short answer and is gone, and so many at once, so many a
 * second, so many bytes and so much time are all that one socket is given; whoever wants more waits in its
 * queue, and nobody else does. */
#ifndef CROFT_PORT_LOCAL_H
#define CROFT_PORT_LOCAL_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Of each socket. A request is its head and its body, chunks' lengths included. */
enum {
    LOCAL_ASKERS_MAX = 8, /* connections at once */
    LOCAL_HEAD_SIZE_MAX = 4096,
    LOCAL_REQUEST_SIZE_MAX = 8192,
    LOCAL_PIECES_MAX = 32,           /* reads that a request may need */
    LOCAL_TIME_US = 5 * 1000 * 1000, /* from the connection to the last byte of its answer */
    LOCAL_RATE = 4,                  /* connections a second, on average */
    LOCAL_BURST = 16,                /* of them at once after a quiet time */
};

struct local;

struct local_request {
    const char *method; /* "GET" */
    const char *path;   /* "/v1/me" */
    const char *body;   /* followed by a zero byte that does not count; "" when none */
    size_t body_size;
};

struct local_answer {
    int status;
    const char *type; /* "application/json" */
    struct buf body;
};

/* ret_answer comes with 200, JSON, and no body. Must not close the socket. */
typedef void (*local_handler)(void *ctx, const struct local_request *request,
                              struct local_answer *ret_answer);

struct local_port {
    void *self;
    /* Listens at directory/name, for everybody who gets there. What an earlier process left at that name is
     * replaced, and nothing that is there is followed. The strings are copied. */
    bool (*open)(void *self, const char *directory, const char *name, local_handler handler, void *ctx,
                 struct local **ret_local, struct error *err);
    /* NULL is fine. Whoever asks at the moment is cut off; the name stays. */
    void (*close)(void *self, struct local *local);
};

#endif
