/* Messages between peers: a request and its answer, or a request and a stream of chunks. Not sockets.
 *
 * os/ carries them over HTTP/1.1 (mutual TLS between controllers, agents and each other; plain with a token
 * on the loopback API); the simulation will deliver, delay, lose, repeat and reorder them. All callbacks
 * come from the loop, never from inside the call that asks for them. */
#ifndef CROFT_PORT_NET_H
#define CROFT_PORT_NET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct header {
    const char *name; /* as HTTP: compared without case */
    const char *value;
};

/* What a certificate says its owner is. A host may have any name, so the role decides, never the name. */
enum role {
    ROLE_NONE, /* of a peer: whoever it is; of a sender: nobody known */
    ROLE_CONTROLLER,
    ROLE_HOST, /* with the host's name */
};

/* Where to: the addresses are alternatives on different paths ("10.90.0.3:7071"). A call uses the first
 * that accepts a connection, remembers it, and falls over to the next when it breaks. */
struct peer {
    enum role role;   /* with TLS checked against the certificate */
    const char *name; /* of a host; also checked */
    const char *addresses[2];
    size_t addresses_length; /* 1 or 2 */
    bool tls;
    int only_address; /* 0 or 1: this path only (probes, heartbeats); -1: any */
};

struct request {
    const char *method; /* "GET", "PUT", "POST", "DELETE" */
    const char *path;   /* with query: "/v1/farm?limit=10" */
    const struct header *headers;
    size_t headers_length;
    const char *body; /* not necessarily text; NULL when none */
    size_t body_size;
};

struct answer {
    int status; /* HTTP status; 0 when none came: then error tells */
    const struct header *headers;
    size_t headers_length;
    const char *body; /* followed by a zero byte that does not count; "" when none */
    size_t body_size;
    const struct error *error; /* ERROR_UNREACHABLE or ERROR_TIMEOUT with status 0; else NULL */
    /* With status 0: its process did not answer, but its kernel did: it refused the connection, or took in
     * all that was sent. So the machine lives. */
    bool lives;
};

/* A request that arrived and has to be answered once: by net_port.answer or by start … chunk … end. */
struct exchange;
struct call;

/* Who sent a request. */
struct sender {
    enum role role;      /* by a verified client certificate */
    const char *name;    /* of ROLE_HOST; else NULL */
    const char *token;   /* of `Authorization: Bearer …`, or NULL */
    const char *address; /* "127.0.0.1:40312" */
};

struct net_port {
    void *self;

    /* Sends; calls done exactly once, unless cancelled. Everything pointed to is copied. chunk may be
     * NULL; else a body of status 200 is given to it as it comes and done gets an empty one. timeout_ms
     * bounds the wait for the answer to begin; a stream may then be silent for as long as it likes. */
    struct call *(*call)(void *self, const struct peer *peer, const struct request *request,
                         int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                         void (*done)(void *ctx, const struct answer *answer), void *ctx);
    void (*cancel)(void *self, struct call *call); /* call may be NULL; done will not be called */

    /* Answers an exchange; it is gone after. */
    void (*answer)(void *self, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, const void *body, size_t body_size);
    /* Streams: status and headers first, then chunks, then end. `gone` is called when the other side has
     * left; the exchange is gone then and must not be touched (nor ended). */
    void (*start)(void *self, struct exchange *exchange, int status, const struct header *headers,
                  size_t headers_length, void (*gone)(void *ctx), void *ctx);
    void (*chunk)(void *self, struct exchange *exchange, const void *data, size_t size);
    void (*end)(void *self, struct exchange *exchange);
    /* Told when the asker of a not yet answered exchange leaves; the exchange must not be touched after. */
    void (*on_gone)(void *self, struct exchange *exchange, void (*gone)(void *ctx), void *ctx);
};

/* What serves: registered with the implementation for one listening address. The request is valid during the
 * call; what it points to, until the exchange is answered. Must answer now or later, exactly once. */
typedef void (*net_handler)(void *ctx, struct exchange *exchange, const struct request *request,
                            const struct sender *sender);

#endif
