/* What is done with one farm, instance or host by name. */
#include "api/internal.h"
#include "base/text.h"
#include "model/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RELAY_TIMEOUT_MS = 25000 }; /* an agent holds a poll for 20 s */

static void scale(struct asked *asked, const char *farm);
static void move(struct asked *asked, const char *instance);
static void host_state(struct asked *asked, const char *host, enum host_intent_state state);
static void power(struct asked *asked, const char *host);
static void lease_end(struct asked *asked, const char *lease);
static void power_done(void *ctx, const struct error *err);
static void relay(struct asked *asked, const char *instance, const char *rest);
static bool note_exec(struct asked *asked, const char *instance, struct error *err);
static bool check_input(struct asked *asked, struct error *err);
static bool exec_path(struct asked *asked, const char **ret_instance, const char **ret_rest);
static void done(struct asked *asked, bool good, const struct error *err);

bool route_objects(struct asked *asked)
{
    const char *name = NULL;
    const char *rest = NULL;

    if (exec_path(asked, &name, &rest)) {
        relay(asked, name, rest);
        return true;
    }
    if (text_equal(asked->method, "GET")) {
        name = path_between(asked, "instance", "/log");
        if (name) relay(asked, name, "/log");
        return name != NULL;
    }
    if (!text_equal(asked->method, "POST")) return false;
    if ((name = path_between(asked, "farm", "/scale")))
        scale(asked, name);
    else if ((name = path_between(asked, "instance", "/move")))
        move(asked, name);
    else if ((name = path_between(asked, "host", "/drain")))
        host_state(asked, name, HOST_DRAINING);
    else if ((name = path_between(asked, "host", "/activate")))
        host_state(asked, name, HOST_ACTIVE);
    else if ((name = path_between(asked, "host", "/power")))
        power(asked, name);
    else if ((name = path_between(asked, "lease", "/end")))
        lease_end(asked, name);
    return name != NULL;
}

const char *path_between(const struct asked *asked, const char *prefix, const char *suffix)
{
    const char *path = asked->path;
    size_t size = strlen(prefix);

    if (!text_starts(path, prefix) || !text_ends(path, suffix)) return NULL;
    if (path[size] == 's') size++;
    if (path[size] != '/' || strlen(path) <= size + 1 + strlen(suffix)) return NULL;
    return arena_strndup(asked->arena, path + size + 1, strlen(path) - size - 1 - strlen(suffix));
}

static void scale(struct asked *asked, const char *farm)
{
    struct node body;
    struct error err;

    bool good = asked_body(asked, &body, &err) && asked_matches(asked, RECORD_FARM, farm, &err);
    int64_t wanted = good ? node_int(&body, "count", -1) : 0;
    if (good && wanted < 0) good = error_set(&err, ERROR_INVALID, "\"count\" has to be a number from 0 on");
    done(asked,
         good && controller_scale(asked->api->options.controller, &asked->caller, farm,
                                  node_text(&body, "tier", ""), wanted, &err),
         &err);
}

static void move(struct asked *asked, const char *instance)
{
    struct node body;
    struct error err;

    done(asked,
         asked_body(asked, &body, &err) && asked_matches(asked, RECORD_INSTANCE, instance, &err) &&
             controller_move(asked->api->options.controller, &asked->caller, instance,
                             node_text(&body, "host", ""), &err),
         &err);
}

static void host_state(struct asked *asked, const char *host, enum host_intent_state state)
{
    struct error err;
    done(asked,
         asked_matches(asked, RECORD_HOST, host, &err) &&
             controller_host_state(asked->api->options.controller, &asked->caller, host, state, &err),
         &err);
}

static void power(struct asked *asked, const char *host)
{
    static const char *const orders[] = {[POWER_ON] = "on", [POWER_OFF] = "off", [POWER_CYCLE] = "cycle"};
    struct node body;
    struct error err;

    if (!asked_body(asked, &body, &err) || !asked_matches(asked, RECORD_HOST, host, &err)) {
        answer_error(asked, &err);
        return;
    }
    for (size_t i = 0; i < LENGTH(orders); i++) {
        if (!text_equal(orders[i], node_text(&body, "order", ""))) continue;
        asked_later(asked, NULL);
        controller_power(asked->api->options.controller, &asked->caller, host, (enum power_order)i,
                         power_done, asked);
        return;
    }
    error_set(&err, ERROR_INVALID, "\"order\" is \"on\", \"off\" or \"cycle\", not \"%s\"",
              node_text(&body, "order", ""));
    answer_error(asked, &err);
}

static void lease_end(struct asked *asked, const char *lease)
{
    struct node body;
    struct error err;

    bool good = asked_body(asked, &body, &err) && asked_matches(asked, RECORD_LEASE, lease, &err);
    const struct node *reason = good ? node_get(&body, "reason") : NULL;
    if (good && (!reason || reason->kind != NODE_STRING))
        good = error_set(&err, ERROR_INVALID, "\"reason\" has to be a text, if an empty one");
    done(asked,
         good &&
             controller_lease_end(asked->api->options.controller, &asked->caller, lease, reason->text, &err),
         &err);
}

static void power_done(void *ctx, const struct error *err)
{
    if (asked_is_over(ctx)) return;
    done(ctx, err == NULL, err);
}

/* Passes a question about an instance on to the agent that has it, and the answer back as it is. */
static void relay(struct asked *asked, const char *instance, const char *rest)
{
    struct controller *controller = asked->api->options.controller;
    const struct record *record = mirror_get(controller_mirror(controller), RECORD_INSTANCE, instance);
    const struct instance *object = NULL;
    struct call *call = NULL;
    struct error err;
    const char *path = NULL;

    if (!record || !caller_may_see(asked->api->options.controller, &asked->caller, RECORD_INSTANCE, record)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no instance %s", instance);
        answer_error(asked, &err);
        return;
    }
    int64_t ignored = 0;
    object = record->object;
    if (!controller_allows(controller, &asked->caller, DEED_INSTANCE, object->party, NULL, &err) ||
        !query_number(asked, "after", 0, &ignored, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!object->host[0]) {
        error_set(&err, ERROR_REFUSED, "%s runs nowhere: %s", instance, object->reason);
        answer_error(asked, &err);
        return;
    }
    if (!keys_allow_plain(asked, object, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (text_equal(asked->method, "POST") &&
        !(text_equal(rest, "/exec") ? note_exec(asked, instance, &err) : check_input(asked, &err))) {
        answer_error(asked, &err);
        return;
    }
    /* A session belongs to the instance it was opened for, and its agent holds it to that. */
    if (text_equal(rest, "/exec"))
        path = arena_printf(asked->arena, "/agent/exec?instance=%s", instance);
    else if (text_equal(rest, "/log"))
        path = arena_printf(asked->arena, "/agent/log?instance=%s&%s", instance, asked->query);
    else
        path = arena_printf(asked->arena, "/agent%s?instance=%s&%s", rest, instance, asked->query);
    struct request request = {
        .method = asked->method, .path = path, .body = asked->body, .body_size = asked->body_size};
    asked_later(asked, relay_cancel);
    controller_ask_agent(controller, object->host, &request, RELAY_TIMEOUT_MS, NULL, relay_answered, asked,
                         &call);
    asked->later = call;
}

/* Who runs what where is in the log before it runs. */
static bool note_exec(struct asked *asked, const char *instance, struct error *err)
{
    struct node body;

    if (!asked_body(asked, &body, err)) return false;
    const struct node *command = node_get(&body, "command");
    const char *word = command && command->length > 0 ? command->items[0].text : NULL;
    if (!word || !word[0]) return error_set(err, ERROR_INVALID, "no command was given");
    return controller_note_exec(asked->api->options.controller, &asked->caller, instance, word, err);
}

/* It may wait at the agent for long, and with it what is kept of it here. */
static bool check_input(struct asked *asked, struct error *err)
{
    if (asked->body_size <= EXEC_INPUT_SIZE_MAX) return true;
    return error_set(err, ERROR_TOO_LARGE, "a piece of input has at most %d bytes, not %zu",
                     EXEC_INPUT_SIZE_MAX, asked->body_size);
}

void relay_cancel(struct asked *asked)
{
    const struct net_port *net = asked->net;
    net->cancel(net->self, asked->later);
}

/* "instances/PARTY/FARM/INSTANCE/exec", then nothing, "/SESSION" or "/SESSION/input" and no more: what stands
 * behind goes to the agent as it is, and must not become another question there. */
static bool exec_path(struct asked *asked, const char **ret_instance, const char **ret_rest)
{
    const char *at = strchr(asked->path, '/'), *name = NULL;

    if (!at || !(text_starts(asked->path, "instance/") || text_starts(asked->path, "instances/")))
        return false;
    name = at + 1;
    for (int i = 0; i < 3 && at; i++)
        at = strchr(at + 1, '/');
    if (!at || !text_starts(at, "/exec")) return false;
    const char *session = at + strlen("/exec");
    if (*session) {
        if (*session++ != '/') return false;
        size_t size = strspn(session, "0123456789abcdef");
        if (size == 0 || (session[size] && !text_equal(session + size, "/input"))) return false;
    }
    *ret_instance = arena_strndup(asked->arena, name, (size_t)(at - name));
    *ret_rest = at;
    return true;
}

void relay_answered(void *ctx, const struct answer *answer)
{
    struct asked *asked = ctx;
    struct vec headers = VEC_OF(struct header);
    struct error err;

    if (answer->status == 0) {
        err = *answer->error;
        error_wrap(&err, "asking the host");
        answer_error(asked, &err);
        vec_free(&headers);
        return;
    }
    if (answer->status >= 400) {
        if (!problem_read(answer->body, answer->body_size, answer->status, &err))
            error_set(&err, error_from_http_status(answer->status), "the host answered with status %d",
                      answer->status);
        answer_error(asked, &err);
        vec_free(&headers);
        return;
    }
    for (size_t i = 0; i < answer->headers_length; i++)
        if (strcasecmp(answer->headers[i].name, "Content-Type") == 0 ||
            strcasecmp(answer->headers[i].name, "Croft-Offset") == 0)
            *(struct header *)vec_push(&headers) = answer->headers[i];
    if (asked->idempotency_key) {
        CLEANUP_BUF struct buf json = {0};
        buf_add(&json, answer->body, answer->body_size);
        answer_json(asked, answer->status, &json);
    } else {
        answer_raw(asked, answer->status, headers.items, headers.length, answer->body, answer->body_size);
    }
    vec_free(&headers);
}

static void done(struct asked *asked, bool good, const struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    if (good) {
        buf_add_text(&json, "{}");
        answer_json(asked, 200, &json);
    } else {
        answer_error(asked, err);
    }
}

/* "farms/acme/shop/scale" with "farm", "/scale" -> "acme/shop"; NULL when it is not of that form. */
