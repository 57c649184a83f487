/* What an agent is asked: is it alive, does it reach another host, and for people: run this inside an
 * instance, show its log, how much does it use. */
#include "agent/internal.h"
#include "base/text.h"
#include "model/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_PIECE_MAX = 256 * 1024, LOG_TAIL = 64 * 1024 };

static void serve_instance(struct agent *agent, struct exchange *exchange, const struct request *request);
static void serve_usage(struct agent *agent, struct exchange *exchange);

void agent_serve(void *ctx, struct exchange *exchange, const struct request *request,
                 const struct sender *sender)
{
    struct agent *agent = ctx;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node body;
    struct error err;

    sealed_forget(agent, exchange); /* of an asker who has left: another one has its place in memory */
    if (sender->role == ROLE_NONE) {
        error_set(&err, ERROR_DENIED, "this needs a controller's or a host's certificate");
        agent_answer_error(agent, exchange, &err);
    } else if (text_equal(request->path, "/agent/alive")) {
        agent_answer_json(agent, exchange, "{\"answer\":\"alive\"}");
    } else if (text_starts(request->path, "/agent/given-up?")) {
        const char *host = agent_query(arena, request->path, "host");
        boot_serve(agent, exchange, host ? host : "");
    } else if (sender->role != ROLE_CONTROLLER) {
        error_set(&err, ERROR_DENIED, "only a controller may ask for this");
        agent_answer_error(agent, exchange, &err);
    } else if (text_equal(request->path, "/agent/look")) {
        if (node_from_json(arena, request->body ? request->body : "", request->body_size, &body, &err))
            look_serve(agent, exchange, &body);
        else
            agent_answer_error(agent, exchange, &err);
    } else if (text_starts(request->path, "/agent/exec") || text_starts(request->path, "/agent/log?")) {
        serve_instance(agent, exchange, request);
    } else if (text_equal(request->path, "/agent/sealed")) {
        sealed_serve(agent, exchange, request);
    } else if (text_equal(request->path, "/agent/usage")) {
        serve_usage(agent, exchange);
    } else {
        error_set(&err, ERROR_NOT_FOUND, "no %s here", request->path);
        agent_answer_error(agent, exchange, &err);
    }
}

/* What a controller asks in plain words, for whomever. */
static void serve_instance(struct agent *agent, struct exchange *exchange, const struct request *request)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *instance = agent_query(arena, request->path, "instance");
    struct error err;

    if (!keys_let_plain(agent, instance ? instance : "", &err))
        agent_answer_error(agent, exchange, &err);
    else if (text_starts(request->path, "/agent/exec"))
        exec_serve(agent, exchange, request);
    else
        serve_log(agent, exchange, request);
}

void agent_answer(struct agent *agent, struct exchange *exchange, int status, const struct header *headers,
                  size_t headers_length, const void *body, size_t body_size)
{
    const struct net_port *net = agent->options.net;
    if (!sealed_answer(agent, exchange, status, headers, headers_length, body, body_size))
        net->answer(net->self, exchange, status, headers, headers_length, body, body_size);
}

void agent_answer_error(struct agent *agent, struct exchange *exchange, const struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    const struct header type = {"Content-Type", "application/problem+json"};
    int status = error_http_status(err->code);

    problem_write(err, status, &json);
    agent_answer(agent, exchange, status, &type, 1, json.data, json.size);
}

void agent_answer_json(struct agent *agent, struct exchange *exchange, const char *json)
{
    const struct header type = {"Content-Type", "application/json"};
    agent_answer(agent, exchange, 200, &type, 1, json, strlen(json));
}

const char *agent_query(struct arena *arena, const char *path, const char *name)
{
    size_t size = 0;
    const char *query = strchr(path, '?');
    const char *value = query ? text_query(query + 1, name, &size) : NULL;

    return value ? arena_strndup(arena, value, size) : NULL;
}

void agent_log(const struct agent *agent, const char *what, const struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    char time[32];
    CLEANUP_MEM char *line =
        mem_printf("%s %s: %s (%s:%d)", text_format_time(time, clock->wall_ms(clock->self)), what,
                   err->message, err->source_file, err->source_line);
    if (agent->options.log)
        agent->options.log(agent->options.log_ctx, line);
    else
        fprintf(stderr, "%s\n", line);
}

void serve_log(struct agent *agent, struct exchange *exchange, const struct request *request)
{
    const struct compute_driver *compute = agent->options.compute;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf data = {0};
    const char *instance = agent_query(arena, request->path, "instance");
    const char *after = agent_query(arena, request->path, "after");
    const char *previous = agent_query(arena, request->path, "previous");
    int64_t offset = after ? strtoll(after, NULL, 10) : 0;
    char next[32];
    struct error err;

    if (previous && !text_equal(previous, "no")) {
        kept_logs_serve(agent, exchange, instance ? instance : "");
        return;
    }
    const struct unit *unit = instance ? map_get(agent->units, instance) : NULL;
    bool failed = unit && unit->last_words.size > 0;
    if (failed && offset <= 0) {
        buf_add_text(&data, "--- the run that failed last ended with:\n");
        buf_add(&data, unit->last_words.data, unit->last_words.size);
        buf_add_text(&data, "--- now:\n");
    }
    if (offset < 0) offset = -LOG_TAIL;
    if (!compute->log(compute->self, instance ? instance : "", &offset, LOG_PIECE_MAX, &data, &err)) {
        if (!failed) {
            agent_answer_error(agent, exchange, &err);
            return;
        }
        offset = 0; /* between two runs */
    }
    snprintf(next, sizeof(next), "%" PRId64, offset);
    const struct header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Croft-Offset", next}};
    agent_answer(agent, exchange, 200, headers, LENGTH(headers), data.data, data.size);
}

/* {"instances":[{name, cpu_us, memory, processes}]}: totals; whoever asks makes rates of two answers. */
static void serve_usage(struct agent *agent, struct exchange *exchange)
{
    const struct compute_driver *compute = agent->options.compute;
    const struct clock_port *clock = agent->options.clock;
    CLEANUP_BUF struct buf json = {0};
    size_t cursor = 0;
    void *value = NULL;
    bool first = true;

    buf_printf(&json, "{\"steady_us\":%" PRId64 ",\"instances\":[", clock->steady_us(clock->self));
    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        struct compute_usage usage = {0};
        struct error err;
        if (unit->state != UNIT_UP || !compute->usage(compute->self, unit->name, &usage, &err)) continue;
        buf_add_text(&json, first ? "{\"name\":" : ",{\"name\":");
        buf_add_json_string(&json, unit->name);
        buf_printf(&json,
                   ",\"cpu_us\":%" PRId64 ",\"memory\":%" PRId64 ",\"processes\":%" PRId64
                   ",\"restarts\":%" PRId64 "}",
                   usage.cpu_us_total, usage.memory_bytes, usage.processes, unit->restarts);
        first = false;
    }
    buf_add_text(&json, "]}");
    agent_answer_json(agent, exchange, buf_text(&json));
}
