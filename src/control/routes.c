/* The agents' side of the controller: joining, beats, documents, reports, layers of images. */
#include "base/text.h"
#include "control/internal.h"
#include "control/notices.h"
#include "model/problem.h"
#include "observe/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOB_CHUNK_MAX = 4 * 1024 * 1024,
    LINE_CHANGES_US = 20 * 1000, /* an agent that lives has another one over its other path long before */
};

/* One request in the hands of its route. */
struct asked {
    struct controller *controller;
    struct exchange *exchange;
    const struct request *request;
    const char *host; /* whose certificate it is; NULL: no host's, as before joining */
    struct arena *arena;
    struct node body;
};

static void route_join(struct asked *asked);
static void route_hello(struct asked *asked);
static void route_beat(struct asked *asked);
static void route_line(struct asked *asked);
static void route_document(struct asked *asked);
static void route_report(struct asked *asked);
static void route_load(struct asked *asked);
static void route_blob(struct asked *asked);
static bool take_hello(struct asked *asked, struct error *err);
static bool note_lost_run(struct asked *asked, const char *boot, struct error *err);
static void line_gone(void *ctx);
static void line_lost(void *ctx);
static void poll_gone(void *ctx);
static bool read_addresses(const struct asked *asked, const char **ret_addresses, size_t length_max,
                           size_t *ret_length, struct error *err);
static bool parse_body(struct asked *asked, struct error *err);
static void answer_error(struct asked *asked, const struct error *err);
static void answer_json(struct asked *asked, const char *json);
static int64_t query_int(const char *path, const char *name);
static bool is_run(const struct asked *asked, const struct host_fact *fact);

struct route {
    const char *method;
    const char *path; /* without the query */
    size_t path_size;
    bool open;        /* more follows */
    bool certificate; /* only for agents that have joined */
    void (*serve)(struct asked *asked);
};

#define ROUTE(method_, path_, open_, certificate_, serve_)             \
    {                                                                  \
        method_, path_, sizeof(path_) - 1, open_, certificate_, serve_ \
    }
static const struct route routes[] = {
    ROUTE("POST", "/agent/beat", false, true, route_beat),
    ROUTE("POST", "/agent/join", false, false, route_join),
    ROUTE("POST", "/agent/hello", false, true, route_hello),
    ROUTE("GET", "/agent/line", false, true, route_line),
    ROUTE("GET", "/agent/document", false, true, route_document),
    ROUTE("POST", "/agent/report", false, true, route_report),
    ROUTE("GET", "/agent/blob/", true, true, route_blob),
    ROUTE("POST", "/agent/load", false, true, route_load),
};

void controller_serve_agents(void *ctx, struct exchange *exchange, const struct request *request,
                             const struct sender *sender)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct asked asked = {.controller = ctx, .exchange = exchange, .request = request, .arena = arena};
    size_t size = strcspn(request->path, "?");
    struct error err;

    if (sender->role == ROLE_HOST) asked.host = arena_strdup(arena, sender->name);
    for (size_t i = 0; i < LENGTH(routes); i++) {
        const struct route *route = &routes[i];
        if (size < route->path_size || (!route->open && size != route->path_size)) continue;
        if (memcmp(request->path, route->path, route->path_size) != 0) continue;
        if (!text_equal(request->method, route->method)) continue;
        if (route->certificate && !asked.host) {
            error_set(&err, ERROR_DENIED, "this needs a host's certificate: join first");
            answer_error(&asked, &err);
            return;
        }
        route->serve(&asked);
        return;
    }
    error_set(&err, ERROR_NOT_FOUND, "no %s %.*s here", request->method, (int)size, request->path);
    answer_error(&asked, &err);
}

void line_renew(struct session *session)
{
    const struct net_port *net = session->controller->options.net;

    if (session->line) net->answer(net->self, session->line, 204, NULL, 0, NULL, 0);
    session->line = NULL;
}

/* {token, name, request, addresses[]} -> {certificate, authority}. Possession of the join token is the right
 * to become a host; a name that is in use by a living host is refused. */
static void route_join(struct asked *asked)
{
    const struct controller_options *options = &asked->controller->options;
    CLEANUP_BUF struct buf certificate = {0}, json = {0};
    const char *addresses[8];
    size_t length = 0;
    struct error err;

    if (!parse_body(asked, &err) || !read_addresses(asked, addresses, LENGTH(addresses), &length, &err))
        goto failed;
    const char *name = node_text(&asked->body, "name", "");
    if (!text_equal_secret(options->join_token, node_text(&asked->body, "token", ""))) {
        error_set(&err, ERROR_DENIED,
                  "the join token is not this grid's: see join.token in the controller's state");
        goto failed;
    }
    if (!text_is_name(name)) {
        error_set(&err, ERROR_INVALID, "a host's name is 1 to 63 of a-z 0-9 -, not \"%s\"", name);
        goto failed;
    }
    const struct record *record = mirror_get(asked->controller->mirror, RECORD_HOST_FACT, name);
    if (record && ((const struct host_fact *)record->object)->state == HOST_UP) {
        error_set(&err, ERROR_REFUSED, "a host %s is up already: give this one another name", name);
        goto failed;
    }
    if (!options->identity->certify(options->identity->self, node_text(&asked->body, "request", ""), name,
                                    addresses, length, &certificate, &err))
        goto failed;
    buf_add_text(&json, "{\"certificate\":");
    buf_add_json_string(&json, buf_text(&certificate));
    buf_add_text(&json, ",\"authority\":");
    buf_add_json_string(&json, options->identity->authority(options->identity->self));
    buf_add_char(&json, '}');
    answer_json(asked, buf_text(&json));
    return;
failed:
    answer_error(asked, &err);
}

static void route_hello(struct asked *asked)
{
    struct error err;
    if (parse_body(asked, &err) && take_hello(asked, &err)) {
        const struct record *record = mirror_get(asked->controller->mirror, RECORD_HOST_FACT, asked->host);
        hosts_beat(session_get(asked->controller, asked->host), record ? record->object : NULL, 0);
        answer_json(asked, "{}");
        think_soon(asked->controller);
    } else {
        answer_error(asked, &err);
    }
}

/* {host: document, boot, addresses[2], underlay, outside, agent_version, pid, agent_pid}: once at the start
 * of an agent. The document is taken when the grid has none for this host; after that the grid's is the
 * truth. */
static bool take_hello(struct asked *asked, struct error *err)
{
    struct controller *controller = asked->controller;
    const struct clock_port *clock = controller->options.clock;
    const char *boot = node_text(&asked->body, "boot", "");
    if (!note_lost_run(asked, boot, err)) return false;
    CLEANUP_CHANGE struct change *change = control_change(controller);
    const struct node *document = node_get(&asked->body, "host");
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, asked->host);
    size_t addresses_length = 0;
    struct host_fact fact = {.name = asked->host, .reason = "joined", .document_error = ""};
    int64_t now_ms = control_now_ms(controller);

    if (record) fact = *(const struct host_fact *)record->object;
    if (!mirror_get(controller->mirror, RECORD_HOST, asked->host)) {
        struct host host = {0};
        if (!document || !schema_read(&schema_host, asked->arena, document, &host, err))
            return document ? false : error_set(err, ERROR_INVALID, "hello without a host document");
        if (!text_equal(host.name, asked->host))
            return error_set(err, ERROR_DENIED, "%s cannot speak for %s", asked->host, host.name);
        change_put(change, RECORD_HOST, asked->host, &host);
        change_event(change, now_ms, asked->host, "host", asked->host, "joined",
                     "said hello for the first time");
    }
    if (!read_addresses(asked, fact.addresses, LENGTH(fact.addresses), &addresses_length, err)) return false;
    for (size_t i = addresses_length; i < LENGTH(fact.addresses); i++)
        fact.addresses[i] = "";
    if (!text_parse_ipv4(node_text(&asked->body, "underlay", ""), &fact.underlay))
        return error_set(err, ERROR_INVALID, "hello without an underlay address");
    if (!text_equal(boot, fact.boot)) fact.document_version = 0;
    if (fact.state != HOST_UP || !text_equal(boot, fact.boot)) fact.since_ms = now_ms;
    if (record && fact.state != HOST_UP)
        change_event(change, now_ms, "croft", "host", asked->host, "up", "its agent said hello");
    fact.boot = boot;
    fact.outside = node_text(&asked->body, "outside", "");
    fact.agent_version = node_text(&asked->body, "agent_version", "");
    fact.pid = node_int(&asked->body, "pid", 0);
    fact.agent_pid = node_int(&asked->body, "agent_pid", 0);
    fact.state = HOST_UP;
    fact.fenced = false;
    fact.reason = "its agent said hello";
    change_put(change, RECORD_HOST_FACT, asked->host, &fact);
    if (record) notices_host(controller, change, record->object, &fact, now_ms);
    if (!change_commit(change, NULL, err)) return false;
    session_get(controller, asked->host)->heard_us = clock->steady_us(clock->self);
    control_dispatch(controller);
    return true;
}

/* A run of it that ended while no controller was there: what ran in it was lost then, and is not to be billed
 * until now. */
static bool note_lost_run(struct asked *asked, const char *boot, struct error *err)
{
    const struct record *record = mirror_get(asked->controller->mirror, RECORD_HOST_FACT, asked->host);
    const struct host_fact *fact = record ? record->object : NULL;

    if (!fact || text_equal(fact->boot, boot) || fact->state == HOST_DOWN || fact->state == HOST_STATE_OFF ||
        session_get(asked->controller, asked->host)->heard_us != 0)
        return true;
    return hosts_set_state(asked->controller, asked->host, HOST_DOWN, HOST_KEPT,
                           "it began anew while no controller was there", err);
}

static void route_beat(struct asked *asked)
{
    struct session *session = session_get(asked->controller, asked->host);
    int path = query_int(asked->request->path, "path") == 1;

    const struct record *record = mirror_get(asked->controller->mirror, RECORD_HOST_FACT, asked->host);
    /* One that was switched off is another run of it when it is back, and says so: a beat that was under way
     * for long is no sign of life. So it is with a hello: after one of a run that is over the run of now has
     * to say it again. */
    bool is_on = record && !((const struct host_fact *)record->object)->fenced;
    if (!is_on || !is_run(asked, record->object)) {
        struct error err;
        error_set(&err, ERROR_NOT_FOUND, "host %s is not known%s: say hello first", asked->host,
                  is_on    ? " by this run of it"
                  : record ? " to be on"
                           : "");
        answer_error(asked, &err);
        return;
    }
    hosts_beat(session, record->object, path);
    answer_json(asked, "{}");
}

/* Whether the asker is the run of the host that said hello last; agents of before do not say which they are.
 */
static bool is_run(const struct asked *asked, const struct host_fact *fact)
{
    size_t size = 0;
    const char *query = strchr(asked->request->path, '?');
    const char *boot = query ? text_query(query + 1, "boot", &size) : NULL;

    return !boot || (strlen(fact->boot) == size && memcmp(boot, fact->boot, size) == 0);
}

static void route_line(struct asked *asked)
{
    const struct clock_port *clock = asked->controller->options.clock;
    const struct net_port *net = asked->controller->options.net;
    struct session *session = session_get(asked->controller, asked->host);

    line_renew(session);
    session->line = asked->exchange;
    session->line_since_us = clock->steady_us(clock->self);
    net->on_gone(net->self, asked->exchange, line_gone, session);
}

/* The agent's connection broke: that speeds up suspicion, but decides nothing (control.md). One that has only
 * changed to its other path has another line at once. */
static void line_gone(void *ctx)
{
    struct session *session = ctx;
    const struct clock_port *clock = session->controller->options.clock;

    session->line = NULL;
    clock->cancel(clock->self, session->line_gone);
    session->line_gone = clock->after(clock->self, LINE_CHANGES_US, line_lost, session);
}

static void line_lost(void *ctx)
{
    struct session *session = ctx;
    session->line_gone = NULL;
    if (!session->line) hosts_doubt(session, "its connection broke");
}

static void route_document(struct asked *asked)
{
    const struct clock_port *clock = asked->controller->options.clock;
    const struct net_port *net = asked->controller->options.net;
    struct session *session = session_get(asked->controller, asked->host);

    document_answer(session, NULL); /* an older question of the same agent is of no use any more */
    session->waiting = asked->exchange;
    session->waiting_after = query_int(asked->request->path, "after");
    session->waiting_since_us = clock->steady_us(clock->self);
    if (session->document && session->document_version > session->waiting_after)
        document_answer(session, session->document);
    else
        net->on_gone(net->self, asked->exchange, poll_gone, session);
}

static void poll_gone(void *ctx)
{
    struct session *session = ctx;
    session->waiting = NULL;
}

static void route_report(struct asked *asked)
{
    struct session *session = session_get(asked->controller, asked->host);
    struct host_report report = {0};
    struct error err;

    const struct request *request = asked->request;

    if ((!request->body && !error_set(&err, ERROR_INVALID, "a JSON body is missing")) ||
        !model_read_json(&schema_host_report, asked->arena, request->body, request->body_size, &report,
                         &err) ||
        (!text_equal(report.host, asked->host) &&
         !error_set(&err, ERROR_DENIED, "%s cannot speak for %s", asked->host, report.host)) ||
        !report_take(asked->controller, session, &report, &err)) {
        answer_error(asked, &err);
        return;
    }
    answer_json(asked, "{}");
}

static void route_load(struct asked *asked)
{
    struct load_report report = {0};
    struct error err;

    if (!parse_body(asked, &err) ||
        !schema_read_lenient(&schema_load_report, asked->arena, &asked->body, &report, &err) ||
        (!text_equal(report.host, asked->host) &&
         !error_set(&err, ERROR_DENIED, "%s cannot speak for %s", asked->host, report.host))) {
        answer_error(asked, &err);
        return;
    }
    load_take(session_get(asked->controller, asked->host), &report);
    answer_json(asked, "{}");
}

static void route_blob(struct asked *asked)
{
    const struct blob_port *blobs = asked->controller->options.blobs;
    const struct net_port *net = asked->controller->options.net;
    CLEANUP_BUF struct buf data = {0};
    const char *digest = asked->request->path + strlen("/agent/blob/");
    char *name = arena_strndup(asked->arena, digest, strcspn(digest, "?"));
    int64_t offset = query_int(asked->request->path, "offset");
    char total[32];
    int64_t size = 0;
    struct error err;

    if (offset < 0 || !blobs->size(blobs->self, name, &size, &err) ||
        !blobs->read(blobs->self, name, offset, BLOB_CHUNK_MAX, &data, &err)) {
        if (offset < 0) error_set(&err, ERROR_INVALID, "offset below zero");
        answer_error(asked, &err);
        return;
    }
    snprintf(total, sizeof(total), "%lld", (long long)size);
    const struct header headers[] = {{"Content-Type", "application/octet-stream"}, {"Croft-Size", total}};
    net->answer(net->self, asked->exchange, 200, headers, LENGTH(headers), data.data, data.size);
}

/* The first of the body's addresses, in the request's memory. */
static bool read_addresses(const struct asked *asked, const char **ret_addresses, size_t length_max,
                           size_t *ret_length, struct error *err)
{
    const struct node *list = node_get(&asked->body, "addresses");
    size_t length = list ? list->length : 0;

    if (length > length_max) length = length_max;
    for (size_t i = 0; i < length; i++)
        if (list->items[i].kind != NODE_STRING)
            return error_set(err, ERROR_INVALID, "addresses[%zu] is no text", i);
    for (size_t i = 0; i < length; i++)
        ret_addresses[i] = list->items[i].text;
    *ret_length = length;
    return true;
}

static bool parse_body(struct asked *asked, struct error *err)
{
    if (!asked->request->body) return error_set(err, ERROR_INVALID, "a JSON body is missing");
    return node_from_json(asked->arena, asked->request->body, asked->request->body_size, &asked->body, err);
}

static void answer_error(struct asked *asked, const struct error *err)
{
    const struct net_port *net = asked->controller->options.net;
    CLEANUP_BUF struct buf json = {0};
    const struct header type = {"Content-Type", "application/problem+json"};
    int status = error_http_status(err->code);

    problem_write(err, status, &json);
    net->answer(net->self, asked->exchange, status, &type, 1, json.data, json.size);
}

static void answer_json(struct asked *asked, const char *json)
{
    const struct net_port *net = asked->controller->options.net;
    const struct header type = {"Content-Type", "application/json"};
    net->answer(net->self, asked->exchange, 200, &type, 1, json, strlen(json));
}

/* 0 when absent. */
static int64_t query_int(const char *path, const char *name)
{
    size_t size = 0;
    const char *query = strchr(path, '?');
    const char *value = query ? text_query(query + 1, name, &size) : NULL;

    return value ? strtoll(value, NULL, 10) : 0;
}
