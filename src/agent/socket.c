/* The one small socket in each instance. What comes in is of a tenant: it may ask for little, in few words,
 * and all that is believed is which socket it came in on. Balancers have none: they are croft's own. */
#include "agent/internal.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define SOCKET_NAME "socket" /* in the instance: /run/croft/socket */
#define METADATA_PATH "/v1/metadata"

/* The answer is read before its asker is ended. */
enum { RESTART_AFTER_US = 50 * 1000 };

struct route {
    const char *method, *path;
    void (*answer)(struct unit *unit, const struct local_request *request, struct local_answer *ret_answer);
};

static void asked(void *ctx, const struct local_request *request, struct local_answer *ret_answer);
static void answer_me(struct unit *unit, const struct local_request *request,
                      struct local_answer *ret_answer);
static void answer_metadata(struct unit *unit, const struct local_request *request,
                            struct local_answer *ret_answer);
static void answer_value(const struct unit *unit, const char *name, struct local_answer *ret_answer);
static void answer_heartbeat(struct unit *unit, const struct local_request *request,
                             struct local_answer *ret_answer);
static void answer_restart(struct unit *unit, const struct local_request *request,
                           struct local_answer *ret_answer);
static void restart(void *ctx);
static void refuse(struct local_answer *ret_answer, int status, const char *why);
static const struct pair *metadata_of(const struct unit *unit, size_t *ret_length);

static const struct route routes[] = {{"GET", "/v1/me", answer_me},
                                      {"GET", METADATA_PATH, answer_metadata},
                                      {"POST", "/v1/heartbeat", answer_heartbeat},
                                      {"POST", "/v1/restart", answer_restart}};

bool socket_open(struct unit *unit, struct error *err)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    const struct local_port *local = unit->agent->options.local;
    const char *directory = compute->control_directory(compute->self, unit->name);

    if (unit->socket || unit->have->frontends_length > 0) return true;
    if (!directory) return error_set(err, ERROR_FAILED, "%s has no place for its socket", unit->name);
    return local->open(local->self, directory, SOCKET_NAME, asked, unit, &unit->socket, err) ||
           error_wrap(err, "its socket");
}

void socket_close(struct unit *unit)
{
    const struct local_port *local = unit->agent->options.local;
    const struct clock_port *clock = unit->agent->options.clock;

    local->close(local->self, unit->socket);
    unit->socket = NULL;
    clock->cancel(clock->self, unit->restart);
    unit->restart = NULL;
}

static void asked(void *ctx, const struct local_request *request, struct local_answer *ret_answer)
{
    struct unit *unit = ctx;
    bool known = false;

    for (size_t i = 0; i < LENGTH(routes); i++) {
        if (!text_equal(request->path, routes[i].path)) continue;
        known = true;
        if (!text_equal(request->method, routes[i].method)) continue;
        routes[i].answer(unit, request, ret_answer);
        return;
    }
    if (text_starts(request->path, METADATA_PATH "/") && text_equal(request->method, "GET"))
        answer_value(unit, request->path + strlen(METADATA_PATH "/"), ret_answer);
    else if (known)
        refuse(ret_answer, 405, "the other of GET and POST goes here");
    else
        refuse(ret_answer, 404,
               "here are GET /v1/me, GET /v1/metadata, POST /v1/heartbeat and POST /v1/restart");
}

/* What the tenant sees of it by `croft get instances`, and no more. */
static void answer_me(struct unit *unit, const struct local_request *request, struct local_answer *ret_answer)
{
    const struct personality *have = unit->have;
    struct buf *json = &ret_answer->body;
    const char *dash = strrchr(unit->name, '-');
    char address[32];
    const struct {
        const char *name, *value;
    } texts[] = {{"name", unit->name},
                 {"party", have->party},
                 {"farm", have->farm},
                 {"tier", have->tier},
                 {"host", unit->agent->options.host->name},
                 {"address", text_format_ipv4(address, have->address)},
                 {"digest", have->digest}};

    for (size_t i = 0; i < LENGTH(texts); i++) {
        buf_printf(json, "%s\"%s\":", i ? "," : "{", texts[i].name);
        buf_add_json_string(json, texts[i].value);
    }
    buf_printf(json, ",\"number\":%lld,\"incarnation\":%lld,\"restarts\":%lld,\"size\":",
               dash ? strtoll(dash + 1, NULL, 10) : 0, (long long)have->incarnation,
               (long long)unit->restarts);
    schema_write(&schema_size, NULL, &have->size, json);
    buf_add_text(json, "}\n");
}

static void answer_metadata(struct unit *unit, const struct local_request *request,
                            struct local_answer *ret_answer)
{
    size_t length = 0;
    const struct pair *metadata = metadata_of(unit, &length);

    buf_add_char(&ret_answer->body, '{');
    for (size_t i = 0; i < length; i++) {
        if (i) buf_add_char(&ret_answer->body, ',');
        buf_add_json_string(&ret_answer->body, metadata[i].name);
        buf_add_char(&ret_answer->body, ':');
        buf_add_json_string(&ret_answer->body, metadata[i].value);
    }
    buf_add_text(&ret_answer->body, "}\n");
}

/* One value as it is, for a shell that reads no JSON. */
static void answer_value(const struct unit *unit, const char *name, struct local_answer *ret_answer)
{
    size_t length = 0;
    const struct pair *metadata = metadata_of(unit, &length);

    for (size_t i = 0; i < length; i++) {
        if (!text_equal(metadata[i].name, name)) continue;
        ret_answer->type = "text/plain; charset=utf-8";
        buf_add_text(&ret_answer->body, metadata[i].value);
        return;
    }
    refuse(ret_answer, 404, "the tier has no metadata of that name");
}

static void answer_heartbeat(struct unit *unit, const struct local_request *request,
                             struct local_answer *ret_answer)
{
    char within[32];
    bool counts = unit->have->health.kind == HEALTH_HEARTBEAT;

    if (counts) unit_beat(unit);
    if (counts)
        buf_printf(&ret_answer->body, "{\"counts\":true,\"within\":\"%s\"}\n",
                   text_format_duration(within, unit->have->health.within_ms));
    else
        buf_add_text(&ret_answer->body, "{\"counts\":false}\n");
}

/* The body is why, for people: its first line, as far as it is plain. */
static void answer_restart(struct unit *unit, const struct local_request *request,
                           struct local_answer *ret_answer)
{
    const struct clock_port *clock = unit->agent->options.clock;
    size_t length = 0;

    if (unit->state != UNIT_UP || unit->stop_asked) {
        refuse(ret_answer, 409, "it is being started or stopped already");
        return;
    }
    ret_answer->status = 202;
    buf_add_text(&ret_answer->body, "{}\n");
    if (unit->restart) return;
    for (const char *at = request->body; *at >= ' ' && *at <= '~' && length + 1 < sizeof(unit->restart_words);
         at++)
        unit->restart_words[length++] = *at;
    unit->restart_words[length] = '\0';
    unit->restart = clock->after(clock->self, RESTART_AFTER_US, restart, unit);
}

static void restart(void *ctx)
{
    struct unit *unit = ctx;
    unit->restart = NULL;
    unit_restart(unit);
}

static void refuse(struct local_answer *ret_answer, int status, const char *why)
{
    ret_answer->status = status;
    buf_add_text(&ret_answer->body, "{\"error\":");
    buf_add_json_string(&ret_answer->body, why);
    buf_add_text(&ret_answer->body, "}\n");
}

/* Today's, not what it was made with: it changes while the instance runs. */
static const struct pair *metadata_of(const struct unit *unit, size_t *ret_length)
{
    const struct personality *now = unit->wanted ? unit->wanted : unit->have;
    *ret_length = now->metadata_length;
    return now->metadata;
}
