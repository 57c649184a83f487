#include "cli/client.h"

#include "base/text.h"
#include "model/node.h"
#include "model/problem.h"
#include "os/clock.h"
#include "os/http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { ASK_TIMEOUT_MS = 60000 }; /* an apply of a thousand documents is allowed to take its time */

struct client {
    char *server;
    char *authorization; /* "Bearer …"; NULL: none */
    char *address;       /* "127.0.0.1:7070" */
    struct tls *tls;
    struct loop *loop;
    struct os_clock *clock;
    struct http *http;
};

struct asking {
    struct client *client;
    struct arena *arena;
    struct client_reply *reply;
    struct error *err;
    bool good;
    bool over;
    struct call *call;
    struct timer *late;
    bool (*data)(void *ctx, const char *data, size_t size);
    void *ctx;
};

static bool find_address(struct client *client, const char *authority, struct error *err);
static bool resolve(struct client *client, const char *host, const char *port, struct error *err);
static struct call *send_request(struct client *client, const struct client_request *request,
                                 void (*chunk)(void *ctx, const char *data, size_t size),
                                 void (*done)(void *ctx, const struct answer *answer), void *ctx);
static void answered(void *ctx, const struct answer *answer);
static void streamed(void *ctx, const char *data, size_t size);
static void stream_ended(void *ctx, const struct answer *answer);
static void stream_late(void *ctx);
static void woken(void *ctx);

bool client_new(const struct client_options *options, struct client **ret_client, struct error *err)
{
    struct client *client = mem_alloc(sizeof(*client));

    client->server = mem_strdup(options->server);
    if (options->token) client->authorization = mem_printf("Bearer %s", options->token);
    if (!find_address(client, options->authority, err) || !loop_new(&client->loop, err)) {
        client_free(client);
        return false;
    }
    client->clock = os_clock_new(client->loop);
    client->http = http_new(client->loop, client->tls);
    *ret_client = client;
    return true;
}

void client_free(struct client *client)
{
    if (!client) return;
    http_free(client->http);
    os_clock_free(client->clock);
    loop_free(client->loop);
    tls_free(client->tls);
    mem_free(client->address);
    mem_free(client->authorization);
    mem_free(client->server);
    mem_free(client);
}

const char *client_server(const struct client *client)
{
    return client->server;
}

bool client_ask(struct client *client, struct arena *arena, const struct client_request *request,
                struct client_reply *ret_reply, struct error *err)
{
    struct client_reply reply;

    if (!client_ask_any(client, arena, request, &reply, err)) return false;
    if (reply.status >= 400) {
        const struct answer answer = {
            .status = reply.status, .body = reply.body, .body_size = reply.body_size};
        return client_error(client, &answer, err);
    }
    *ret_reply = reply;
    return true;
}

bool client_ask_any(struct client *client, struct arena *arena, const struct client_request *request,
                    struct client_reply *ret_reply, struct error *err)
{
    struct asking asking = {.client = client, .arena = arena, .reply = ret_reply, .err = err};

    send_request(client, request, NULL, answered, &asking);
    loop_run(client->loop);
    ASSERT(asking.over);
    return asking.good;
}

bool client_stream(struct client *client, const char *path, int64_t timeout_ms,
                   bool (*data)(void *ctx, const char *data, size_t size), void *ctx, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = path};
    const struct clock_port *clock = os_clock_port(client->clock);
    struct asking asking = {.client = client, .err = err, .data = data, .ctx = ctx};

    if (timeout_ms > 0) asking.late = clock->after(clock->self, timeout_ms * 1000, stream_late, &asking);
    asking.call = send_request(client, &request, streamed, stream_ended, &asking);
    loop_run(client->loop);
    if (!asking.over) client_drop(client, asking.call);
    clock->cancel(clock->self, asking.late);
    return asking.good;
}

void client_sleep(struct client *client, int64_t ms)
{
    const struct clock_port *clock = os_clock_port(client->clock);
    clock->after(clock->self, ms * 1000, woken, client);
    loop_run(client->loop);
}

struct call *client_start_call(struct client *client, const struct client_request *request,
                               void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    return send_request(client, request, NULL, done, ctx);
}

void client_drop(struct client *client, struct call *call)
{
    const struct net_port *net = http_port(client->http);
    net->cancel(net->self, call);
}

struct loop *client_loop(const struct client *client)
{
    return client->loop;
}

const struct clock_port *client_clock(const struct client *client)
{
    return os_clock_port(client->clock);
}

bool client_error(const struct client *client, const struct answer *answer, struct error *err)
{
    enum error_code code = error_from_http_status(answer->status);

    if (answer->status == 0) {
        const char *mend =
            answer->error->code != ERROR_UNREACHABLE ? ""
            : client->tls ? ": is it running there, with a certificate of an authority that this machine "
                            "trusts, or of the one in --ca FILE?"
                          : ": is it running there? `croft up` starts a grid, --server chooses another";
        return error_set(err, answer->error->code, "%s%s", answer->error->message, mend);
    }
    if (!problem_read(answer->body, answer->body_size, answer->status, err))
        error_set(err, code == ERROR_NONE ? ERROR_FAILED : code, "%s answered with status %d", client->server,
                  answer->status);
    err->http_status = answer->status;
    return false;
}

static bool find_address(struct client *client, const char *authority, struct error *err)
{
    const char *rest = NULL;
    bool tls = text_starts(client->server, "https://");

    if (tls)
        rest = client->server + strlen("https://");
    else if (text_starts(client->server, "http://"))
        rest = client->server + strlen("http://");
    else
        return error_set(err, ERROR_USAGE, "the server \"%s\" is no URL: http://ADDRESS:PORT is one",
                         client->server);
    if (tls && !tls_new(authority, NULL, NULL, &client->tls, err)) return error_wrap(err, "--ca");

    size_t size = strcspn(rest, "/");
    CLEANUP_MEM char *place = mem_strndup(rest, size);
    char *colon = strrchr(place, ':');
    if (rest[size] && rest[size + 1])
        return error_set(err, ERROR_USAGE, "the server \"%s\" has a path: http://ADDRESS:PORT has none",
                         client->server);
    if (colon && strchr(colon, ']')) colon = NULL;
    if (colon) *colon = 0;
    return resolve(client, place, colon ? colon + 1 : tls ? "443" : "80", err);
}

/* The port below takes numbers only: a name is looked up here, once. */
static bool resolve(struct client *client, const char *host, const char *port, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char text[INET6_ADDRSTRLEN + 16];
    CLEANUP_MEM char *bare =
        host[0] == '[' ? mem_strndup(host + 1, strcspn(host + 1, "]")) : mem_strdup(host);

    /* Of the name that was asked for, not of where it leads. */
    if (client->tls && !tls_expect_host(client->tls, bare, err)) return false;
    int result = getaddrinfo(bare, port, &hints, &found);
    if (result != 0)
        return error_set(err, ERROR_UNREACHABLE, "cannot find the server %s: %s", client->server,
                         gai_strerror(result));
    result = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    client->address = mem_printf(found->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", text, port);
    freeaddrinfo(found);
    if (result != 0)
        return error_set(err, ERROR_UNREACHABLE, "cannot find the server %s: %s", client->server,
                         gai_strerror(result));
    return true;
}

static struct call *send_request(struct client *client, const struct client_request *request,
                                 void (*chunk)(void *ctx, const char *data, size_t size),
                                 void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    const struct net_port *net = http_port(client->http);
    const struct peer peer = {.addresses = {client->address},
                              .addresses_length = 1,
                              .tls = client->tls != NULL,
                              .only_address = -1};
    struct header headers[2];
    size_t length = 0;

    if (client->authorization) headers[length++] = (struct header){"Authorization", client->authorization};
    if (request->file) headers[length++] = (struct header){"Croft-File", request->file};
    const struct request sent = {.method = request->method,
                                 .path = request->path,
                                 .headers = headers,
                                 .headers_length = length,
                                 .body = request->body,
                                 .body_size = request->body_size};
    return net->call(net->self, &peer, &sent, request->timeout_ms ? request->timeout_ms : ASK_TIMEOUT_MS,
                     chunk, done, ctx);
}

static void answered(void *ctx, const struct answer *answer)
{
    struct asking *asking = ctx;
    char *body = NULL;

    asking->over = true;
    loop_stop(asking->client->loop);
    if (answer->status == 0) {
        asking->good = client_error(asking->client, answer, asking->err);
        return;
    }
    body = arena_alloc(asking->arena, answer->body_size + 1);
    if (answer->body_size > 0) memcpy(body, answer->body, answer->body_size);
    *asking->reply =
        (struct client_reply){.status = answer->status, .body = body, .body_size = answer->body_size};
    for (size_t i = 0; i < answer->headers_length; i++) {
        const struct header *header = &answer->headers[i];
        if (strcasecmp(header->name, "Croft-Next") == 0)
            asking->reply->next = arena_strdup(asking->arena, header->value);
        else if (strcasecmp(header->name, "Croft-Offset") == 0)
            asking->reply->offset = arena_strdup(asking->arena, header->value);
    }
    asking->good = true;
}

static void streamed(void *ctx, const char *data, size_t size)
{
    struct asking *asking = ctx;

    if (asking->good) return; /* it has had enough, and this came meanwhile */
    if (asking->data(asking->ctx, data, size)) return;
    asking->good = true;
    loop_stop(asking->client->loop);
}

static void stream_ended(void *ctx, const struct answer *answer)
{
    struct asking *asking = ctx;

    asking->over = true;
    loop_stop(asking->client->loop);
    if (asking->good) return;
    if (answer->status == 0 || answer->status >= 400)
        client_error(asking->client, answer, asking->err);
    else
        error_set(asking->err, ERROR_UNREACHABLE, "%s ended the stream", asking->client->server);
}

static void stream_late(void *ctx)
{
    struct asking *asking = ctx;

    asking->late = NULL;
    loop_stop(asking->client->loop);
    if (asking->good || asking->over) return;
    error_set(asking->err, ERROR_TIMEOUT, "the time is over");
}

static void woken(void *ctx)
{
    struct client *client = ctx;
    loop_stop(client->loop);
}
