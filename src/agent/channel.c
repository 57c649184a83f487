/* The agent's words with the controller: hello, beats, the line, the wait for a newer document, reports. */
#include "agent/internal.h"
#include "base/text.h"
#include "model/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BEAT_US = 250 * 1000, /* control.md: 4 a second, over each path */
    BEAT_TIMEOUT_MS = 1000,
    CALL_TIMEOUT_MS = 5000,
    POLL_TIMEOUT_MS = 40000, /* the controller answers "none" after 20 s */
    AGAIN_US = 200 * 1000,   /* between tries when the controller does not answer */
    /* Who has not answered for so long is not there: as long as a controller waits for an agent
     * (control/hosts.c), and several times what a slow disk holds it up in one write. */
    HEARS_US = 10 * 1000 * 1000,
};

static void hello(void *ctx);
static void hello_done(void *ctx, const struct answer *answer);
static void beat(void *ctx);
static void beat_done_0(void *ctx, const struct answer *answer);
static void beat_done_1(void *ctx, const struct answer *answer);
static void beat_done(struct agent *agent, size_t path, const struct answer *answer);
static void line(void *ctx);
static void line_done(void *ctx, const struct answer *answer);
static void poll(void *ctx);
static void poll_done(void *ctx, const struct answer *answer);
static void report(void *ctx);
static void report_done(void *ctx, const struct answer *answer);
static void write_report(struct agent *agent, struct arena *arena, struct buf *ret_json);
static void report_unit(const struct unit *unit, struct instance_report *ret_report);
static void greet_again(struct agent *agent);

void channel_start(struct agent *agent)
{
    hello(agent);
    beat(agent);
}

void channel_stop(struct agent *agent)
{
    const struct net_port *net = agent->options.net;
    const struct clock_port *clock = agent->options.clock;
    struct call *calls[] = {agent->hello,  agent->line,     agent->poll,
                            agent->report, agent->beats[0], agent->beats[1]};
    struct timer *timers[] = {agent->hello_again, agent->line_again, agent->poll_again, agent->report_again,
                              agent->beat_next};

    for (size_t i = 0; i < LENGTH(calls); i++)
        net->cancel(net->self, calls[i]);
    for (size_t i = 0; i < LENGTH(timers); i++)
        clock->cancel(clock->self, timers[i]);
}

bool channel_hears(const struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    return agent->heard_us && clock->steady_us(clock->self) - agent->heard_us < HEARS_US;
}

/* Reports of what happens in one turn of the loop go together. */
void report_soon(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    agent->report_due = true;
    if (agent->greeted && !agent->report && !agent->report_again)
        agent->report_again = clock->after(clock->self, 0, report, agent);
}

static void hello(void *ctx)
{
    struct agent *agent = ctx;
    const struct agent_options *options = &agent->options;
    const struct net_port *net = options->net;
    CLEANUP_BUF struct buf body = {0};

    agent->hello_again = NULL;
    buf_add_text(&body, "{\"host\":");
    schema_write(&schema_host, NULL, options->host, &body);
    buf_add_text(&body, ",\"boot\":");
    buf_add_json_string(&body, options->boot);
    buf_add_text(&body, ",\"addresses\":[");
    buf_add_json_string(&body, options->addresses[0]);
    buf_add_char(&body, ',');
    buf_add_json_string(&body, options->addresses[1]);
    buf_add_text(&body, "],\"underlay\":");
    buf_add_json_string(&body, options->underlay);
    buf_add_text(&body, ",\"outside\":");
    buf_add_json_string(&body, options->outside ? options->outside : "");
    buf_add_text(&body, ",\"agent_version\":");
    buf_add_json_string(&body, CROFT_VERSION);
    buf_printf(&body, ",\"pid\":%" PRId64 ",\"agent_pid\":%" PRId64 "}", options->pid, options->agent_pid);
    struct request request = {
        .method = "POST", .path = "/agent/hello", .body = body.data, .body_size = body.size};
    agent->hello =
        net->call(net->self, &options->controllers, &request, CALL_TIMEOUT_MS, NULL, hello_done, agent);
}

static void hello_done(void *ctx, const struct answer *answer)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;

    agent->hello = NULL;
    if (answer->status) agent->heard_us = clock->steady_us(clock->self);
    if (answer->status != 200) {
        if (answer->status) {
            struct error err;
            if (!problem_read(answer->body, answer->body_size, answer->status, &err))
                error_set(&err, ERROR_REFUSED, "status %d", answer->status);
            agent_log(agent, "the controller refuses the hello", &err);
        }
        agent->hello_again = clock->after(clock->self, AGAIN_US, hello, agent);
        return;
    }
    agent->greeted = true;
    report_soon(agent);
    if (!agent->line && !agent->line_again) line(agent);
    if (!agent->poll && !agent->poll_again) poll(agent);
}

/* Over each path of its own, so that one that is broken shows and the other suffices. */
static void beat(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    const struct net_port *net = agent->options.net;
    static void (*const dones[])(void *ctx, const struct answer *answer) = {beat_done_0, beat_done_1};

    agent->beat_next = clock->after_together(clock->self, BEAT_US, BEAT_US, beat, agent);
    if (!agent->greeted) return;
    for (size_t path = 0; path < agent->options.controllers.addresses_length; path++) {
        struct peer peer = agent->options.controllers;
        if (agent->beats[path]) continue;
        peer.only_address = (int)path;
        char text[128];
        snprintf(text, sizeof(text), "/agent/beat?path=%zu&boot=%s", path, agent->options.boot);
        const struct request request = {.method = "POST", .path = text};
        agent->beats[path] = net->call(net->self, &peer, &request, BEAT_TIMEOUT_MS, NULL, dones[path], agent);
    }
}

static void beat_done_0(void *ctx, const struct answer *answer)
{
    beat_done(ctx, 0, answer);
}

static void beat_done_1(void *ctx, const struct answer *answer)
{
    beat_done(ctx, 1, answer);
}

/* A beat that got no answer is not repeated, the next one is due anyway. But it tells of its path: what waits
 * for an answer of the controller would wait on a dead one for long, so it is asked again over the other. */
static void beat_done(struct agent *agent, size_t path, const struct answer *answer)
{
    const struct clock_port *clock = agent->options.clock;
    const struct net_port *net = agent->options.net;
    bool lost = answer->status == 0;

    agent->beats[path] = NULL;
    if (!lost) agent->heard_us = clock->steady_us(clock->self);
    if (answer->status == 404) greet_again(agent);
    if (lost == agent->path_lost[path]) return;
    agent->path_lost[path] = lost;
    if (!lost || agent->path_lost[1 - path]) return;
    if (agent->line) agent->line_again = clock->after(clock->self, 0, line, agent);
    net->cancel(net->self, agent->line);
    agent->line = NULL;
    if (agent->poll) agent->poll_again = clock->after(clock->self, 0, poll, agent);
    net->cancel(net->self, agent->poll);
    agent->poll = NULL;
}

struct peer controllers_now(const struct agent *agent)
{
    struct peer peer = agent->options.controllers;
    if (peer.addresses_length == 2 && agent->path_lost[0] != agent->path_lost[1])
        peer.only_address = agent->path_lost[0] ? 1 : 0;
    return peer;
}

/* A question that says nothing and waits for nothing: that it breaks off tells the controller that this agent
 * ended. The question for a newer document could not, for there is none while one is being applied. */
static void line(void *ctx)
{
    struct agent *agent = ctx;
    const struct net_port *net = agent->options.net;
    const struct request request = {.method = "GET", .path = "/agent/line"};
    struct peer peer = controllers_now(agent);

    agent->line_again = NULL;
    agent->line = net->call(net->self, &peer, &request, POLL_TIMEOUT_MS, NULL, line_done, agent);
}

static void line_done(void *ctx, const struct answer *answer)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;

    agent->line = NULL;
    agent->line_again = clock->after(clock->self, answer->status == 204 ? 0 : AGAIN_US, line, agent);
}

static void poll(void *ctx)
{
    struct agent *agent = ctx;
    const struct net_port *net = agent->options.net;
    int64_t after = agent->good && agent->confirmed_boot ? agent->good->document.version : 0;
    char path[64];

    agent->poll_again = NULL;
    if (agent->apply) return; /* its end asks */
    if (agent->passed_over > after) after = agent->passed_over;
    snprintf(path, sizeof(path), "/agent/document?after=%" PRId64, after);
    struct request request = {.method = "GET", .path = path};
    struct peer peer = controllers_now(agent);
    agent->poll = net->call(net->self, &peer, &request, POLL_TIMEOUT_MS, NULL, poll_done, agent);
}

static void poll_done(void *ctx, const struct answer *answer)
{
    struct agent *agent = ctx;
    const char *signature = "";

    agent->poll = NULL;
    if (answer->status == 200) {
        for (size_t i = 0; i < answer->headers_length; i++)
            if (strcasecmp(answer->headers[i].name, "Croft-Signature") == 0)
                signature = answer->headers[i].value;
        document_take(agent, answer->body, answer->body_size, signature);
        return;
    }
    /* A controller that is new, or back, may not know this run of the host: greet it before anything else. */
    if (answer->status == 0) greet_again(agent);
    /* Nothing newer for a while. What stood in the way of one that was refused may be gone: it may come
     * again. */
    if (answer->status == 204) agent->passed_over = 0;
    poll_next(agent, answer->status == 204);
}

/* One that was refused would come again at once. */
void poll_next(struct agent *agent, bool at_once)
{
    const struct clock_port *clock = agent->options.clock;

    if (!agent->greeted || agent->poll || agent->poll_again) return;
    agent->poll_again = clock->after(clock->self, at_once ? 0 : AGAIN_US, poll, agent);
}

static void report(void *ctx)
{
    struct agent *agent = ctx;
    const struct net_port *net = agent->options.net;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};

    agent->report_again = NULL;
    agent->report_due = false;
    write_report(agent, arena, &json);
    struct request request = {
        .method = "POST", .path = "/agent/report", .body = json.data, .body_size = json.size};
    struct peer peer = controllers_now(agent);
    agent->report = net->call(net->self, &peer, &request, CALL_TIMEOUT_MS, NULL, report_done, agent);
}

static void report_done(void *ctx, const struct answer *answer)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;

    agent->report = NULL;
    if (answer->status != 200) {
        agent->report_due = true;
        agent->report_again = clock->after(clock->self, AGAIN_US, report, agent);
    } else if (agent->report_due) {
        report_soon(agent);
    }
}

static void write_report(struct agent *agent, struct arena *arena, struct buf *ret_json)
{
    const struct clock_port *clock = agent->options.clock;
    struct instance_report *instances =
        arena_alloc_array(arena, map_length(agent->units), sizeof(*instances));
    struct denied_report *denied = arena_alloc_array(arena, agent->denied.length, sizeof(*denied));
    struct host_report whole = {.host = agent->options.host->name,
                                .boot = agent->options.boot,
                                .agent_version = CROFT_VERSION,
                                .pid = agent->options.pid,
                                .agent_pid = agent->options.agent_pid,
                                .sent_us = clock->steady_us(clock->self),
                                .refused_version = agent->refused_version,
                                .refused_reason = agent->refused_reason ? agent->refused_reason : "",
                                .instances = instances,
                                .denied = denied,
                                .denied_length = agent->denied.length};
    size_t cursor = 0;
    void *value = NULL;

    /* Before this boot's document is confirmed nothing is claimed: "nothing here" could be read as "wiped".
     */
    if (agent->good && agent->confirmed_boot) whole.document_version = agent->good->document.version;
    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (!unit->have && !unit->wanted) continue; /* wiped, or never made: nothing of it is here */
        report_unit(unit, &instances[whole.instances_length++]);
    }
    whole.drained = drained_list(agent, arena, &whole.drained_length);
    whole.keys = keys_report(agent, arena, &whole.keys_length);
    hardware_report(agent, &whole);
    for (size_t i = 0; i < agent->denied.length; i++) {
        const struct net_counter *counter = vec_at(&agent->denied, i);
        denied[i] = (struct denied_report){counter->farm, counter->instance, counter->reason, counter->by,
                                           counter->packets};
    }
    schema_write(&schema_host_report, NULL, &whole, ret_json);
}

static void report_unit(const struct unit *unit, struct instance_report *ret_report)
{
    static const enum instance_state states[] = {
        [UNIT_ABSENT] = INSTANCE_BOOTING, [UNIT_FETCHING] = INSTANCE_BOOTING,
        [UNIT_MAKING] = INSTANCE_BOOTING, [UNIT_STARTING] = INSTANCE_BOOTING,
        [UNIT_UP] = INSTANCE_RUNNING,     [UNIT_STOPPING] = INSTANCE_WIPING,
        [UNIT_WIPING] = INSTANCE_WIPING,  [UNIT_RESTING] = INSTANCE_FAILED,
    };
    const struct personality *personality = unit->have ? unit->have : unit->wanted;
    bool failing = unit->stop_asked && unit->wanted;
    bool starting = unit->state == UNIT_UP && !unit->balanced;

    *ret_report = (struct instance_report){
        .name = unit->name,
        /* A rest is of what failed, also when another is wanted by now. */
        .incarnation = unit->state == UNIT_RESTING ? unit->failed_incarnation : personality->incarnation,
        .state = failing    ? INSTANCE_FAILED
                 : starting ? INSTANCE_BOOTING
                            : states[unit->state],
        .health = unit->health,
        .warm = unit->frozen,
        .since_ms = unit->since_ms,
        .restarts = unit->restarts,
        .publish_taken = unit->publish_taken ? unit->publish_taken : "",
        .frontends_hash = unit->frontends_hash,
        .reason = unit->reason,
    };
}

static void greet_again(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    if (agent->hello || agent->hello_again) return;
    agent->hello_again = clock->after(clock->self, 0, hello, agent);
}
