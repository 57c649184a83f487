/* Requests to a controller, one after the other, over the very port that the grid's own parts use. */
#ifndef CROFT_CLI_CLIENT_H
#define CROFT_CLI_CLIENT_H

#include "base/buf.h"
#include "base/mem.h"
#include "os/loop.h"
#include "port/clock.h"
#include "port/net.h"

struct client;

struct client_options {
    const char *server;    /* "http://127.0.0.1:7070", or https:// with the authority */
    const char *token;     /* NULL: none */
    const char *authority; /* PEM text; needed with https */
};

struct client_request {
    const char *method;
    const char *path; /* with query, escaped */
    const char *body; /* NULL: none */
    size_t body_size;
    const char *file;   /* Croft-File; NULL: none */
    int64_t timeout_ms; /* 0: the usual */
};

struct client_reply {
    int status;
    const char *body; /* followed by a zero byte */
    size_t body_size;
    const char *next;   /* Croft-Next; NULL: there is no more */
    const char *offset; /* Croft-Offset; NULL: none */
};

MUST_CHECK bool client_new(const struct client_options *options, struct client **ret_client,
                           struct error *err);
void client_free(struct client *client); /* NULL is fine */
const char *client_server(const struct client *client);

/* ret_reply lives in the arena. A problem document becomes the error it tells. */
MUST_CHECK bool client_ask(struct client *client, struct arena *arena, const struct client_request *request,
                           struct client_reply *ret_reply, struct error *err);
/* Any status is an answer: only silence fails. */
MUST_CHECK bool client_ask_any(struct client *client, struct arena *arena,
                               const struct client_request *request, struct client_reply *ret_reply,
                               struct error *err);
/* GETs a stream and gives it to data() until that returns false (then true is returned), or the stream ends:
 * ERROR_UNREACHABLE, or timeout_ms are over (0: never): ERROR_TIMEOUT. */
MUST_CHECK bool client_stream(struct client *client, const char *path, int64_t timeout_ms,
                              bool (*data)(void *ctx, const char *data, size_t size), void *ctx,
                              struct error *err);
void client_sleep(struct client *client, int64_t ms);

/* For what needs several things at once (exec): a request whose answer comes from the loop. */
struct call *client_start_call(struct client *client, const struct client_request *request,
                               void (*done)(void *ctx, const struct answer *answer), void *ctx);
void client_drop(struct client *client, struct call *call);
struct loop *client_loop(const struct client *client);
const struct clock_port *client_clock(const struct client *client);
/* The error that an answer tells; returns false. The answer has failed: status 0 or from 400 on. */
bool client_error(const struct client *client, const struct answer *answer, struct error *err);

#endif
