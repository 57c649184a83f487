/* Keys of parties on hosts, as hosts report them, and sealed commands on their way there: opaque bytes. */
#include "api/internal.h"
#include "base/text.h"
#include "model/sealed.h"

#include <inttypes.h>
#include <string.h>

enum {
    RELAY_TIMEOUT_MS = 25000, /* an agent holds a poll for 20 s */
    /* Of a party's sealed commands: a bucket that fills at the rate and holds a burst. Each costs an agent a
     * fraction of a millisecond before it knows whom it is from. */
    RATE_A_SECOND = 500,
    BURST = 1000,
};

struct bucket {
    int64_t at_us;
    int64_t microtokens;
};

static void list(struct asked *asked);
static bool find_subject(struct asked *asked, const char *name, struct error *err);
static bool has_key(struct asked *asked, const char *host, const char *party);
static bool is_at(struct asked *asked, const char *name, const char *host, const char *party);
static void add_row(struct buf *json, const char *host, const struct host_key *key);
static void send_on(struct asked *asked, const char *rest);
static bool may_send(struct asked *asked, const char *party, struct error *err);

bool route_keys(struct asked *asked)
{
    if (text_equal(asked->method, "GET") && text_equal(asked->path, "pairs"))
        list(asked);
    else if (text_equal(asked->method, "POST") && text_starts(asked->path, "sealed/"))
        send_on(asked, asked->path + strlen("sealed/"));
    else
        return false;
    return true;
}

bool keys_allow_plain(struct asked *asked, const struct instance *instance, struct error *err)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    const char *elsewhere = NULL;
    size_t length = 0;
    const struct record *const *hosts = mirror_list(mirror, RECORD_HOST_FACT, &length);

    for (size_t i = 0; i < length; i++) {
        const struct host_fact *fact = hosts[i]->object;
        for (size_t k = 0; k < fact->keys_length; k++) {
            if (!fact->keys[k].taken_ms || !text_equal(fact->keys[k].party, instance->party)) continue;
            if (text_equal(fact->name, instance->host)) return true; /* its agent says what it obeys */
            elsewhere = fact->name;
        }
    }
    if (!elsewhere) return true;
    return error_set(
        err, ERROR_REFUSED,
        "%s has taken its keys on %s, and not on %s yet: croft key take %s takes them there, too",
        instance->party, elsewhere, instance->host, instance->farm);
}

/* ?name= is a host, a farm or an instance. */
static void list(struct asked *asked)
{
    struct controller *controller = asked->api->options.controller;
    const struct identity_port *identity = asked->api->options.identity;
    const char *name = query_text(asked, "name"), *authority = identity->authority(identity->self);
    CLEANUP_BUF struct buf json = {0};
    size_t length = 0;
    char digest[65];
    struct error err;

    if (name && !find_subject(asked, name, &err)) {
        answer_error(asked, &err);
        return;
    }
    identity->digest(identity->self, authority, strlen(authority), digest);
    buf_printf(&json, "{\"grid\":\"%.16s\",\"pairs\":[", digest);
    const struct record *const *hosts = mirror_list(controller_mirror(controller), RECORD_HOST_FACT, &length);
    for (size_t i = 0; i < length; i++) {
        const struct host_fact *fact = hosts[i]->object;
        for (size_t k = 0; k < fact->keys_length; k++) {
            const char *party = fact->keys[k].party;
            if (!text_equal(asked->caller.party, "landlord") && !text_equal(asked->caller.party, party))
                continue;
            if (!name || is_at(asked, name, fact->name, party)) add_row(&json, fact->name, &fact->keys[k]);
        }
    }
    if (json.data[json.size - 1] == ',') buf_truncate(&json, json.size - 1);
    buf_add_text(&json, "]}");
    answer_json(asked, 200, &json);
}

static bool find_subject(struct asked *asked, const char *name, struct error *err)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    static const enum record_kind kinds_of[] = {RECORD_HOST, RECORD_FARM, RECORD_INSTANCE};

    /* Of a host a party may know that it has something there. */
    if (has_key(asked, name, asked->caller.party)) return true;
    for (size_t i = 0; i < LENGTH(kinds_of); i++) {
        const struct record *record = mirror_get(mirror, kinds_of[i], name);
        if (record && caller_may_see(asked->api->options.controller, &asked->caller, kinds_of[i], record))
            return true;
    }
    return error_set(err, ERROR_NOT_FOUND, "there is no host, farm or instance %s", name);
}

static bool has_key(struct asked *asked, const char *host, const char *party)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    const struct record *record = mirror_get(mirror, RECORD_HOST_FACT, host);
    const struct host_fact *fact = record ? record->object : NULL;

    for (size_t i = 0; fact && i < fact->keys_length; i++)
        if (text_equal(fact->keys[i].party, party)) return true;
    return false;
}

static bool is_at(struct asked *asked, const char *name, const char *host, const char *party)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    const struct record *record = mirror_get(mirror, RECORD_INSTANCE, name);
    size_t length = 0;

    if (text_equal(name, host)) return true;
    if (record) {
        const struct instance *instance = record->object;
        return text_equal(instance->host, host) && text_equal(instance->party, party);
    }
    const struct record *const *records = mirror_list(mirror, RECORD_INSTANCE, &length);
    for (size_t i = 0; i < length; i++) {
        const struct instance *instance = records[i]->object;
        if (text_equal(instance->farm, name) && text_equal(instance->host, host) &&
            text_equal(instance->party, party))
            return true;
    }
    return false;
}

static void add_row(struct buf *json, const char *host, const struct host_key *key)
{
    char time[32] = "";

    buf_add_text(json, "{\"host\":");
    buf_add_json_string(json, host);
    buf_add_text(json, ",\"party\":");
    buf_add_json_string(json, key->party);
    buf_printf(json, ",\"generation\":%" PRId64 ",\"taken\":\"%s\"", key->generation,
               key->taken_ms ? text_format_time(time, key->taken_ms) : "");
    buf_printf(json, ",\"stored\":%" PRId64, key->stored);
    buf_add_text(json, key->waits ? ",\"waits\":true" : ",\"waits\":false");
    buf_add_text(json, ",\"seal\":");
    buf_add_json_string(json, key->seal);
    buf_add_text(json, ",\"sign\":");
    buf_add_json_string(json, key->sign);
    buf_add_text(json, ",\"fingerprint\":");
    buf_add_json_string(json, key->fingerprint);
    buf_add_text(json, "},");
}

/* HOST/PARTY, as the message's own head says. What is in it is nobody's business here: only how much, how
 * often, and from whom. */
static void send_on(struct asked *asked, const char *rest)
{
    struct controller *controller = asked->api->options.controller;
    const char *slash = strchr(rest, '/'), *party = slash ? slash + 1 : "";
    const char *host = arena_strndup(asked->arena, rest, slash ? (size_t)(slash - rest) : strlen(rest));
    struct call *call = NULL;
    struct sealed_head head;
    const char *box = NULL;
    size_t box_size = 0;
    struct error err;

    if (!may_send(asked, party, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!has_key(asked, host, party)) {
        error_set(&err, ERROR_NOT_FOUND, "%s has no keys on a host %s", party, host);
        answer_error(asked, &err);
        return;
    }
    if (!sealed_head_read(asked->body, asked->body_size, &head, &box, &box_size, &err) ||
        ((!text_equal(head.host, host) || !text_equal(head.party, party)) &&
         !error_set(&err, ERROR_INVALID, "a sealed command of %s for %s: it goes to /v1/sealed/%s/%s",
                    head.party, head.host, head.host, head.party))) {
        answer_error(asked, &err);
        return;
    }
    const struct request request = {.method = "POST",
                                    .path = "/agent/sealed",
                                    .body = asked->body ? asked->body : "",
                                    .body_size = asked->body_size};
    asked_later(asked, relay_cancel);
    controller_ask_agent(controller, host, &request, RELAY_TIMEOUT_MS, NULL, relay_answered, asked, &call);
    asked->later = call;
}

static bool may_send(struct asked *asked, const char *party, struct error *err)
{
    const struct clock_port *clock = asked->api->options.clock;
    const char *caller = asked->caller.party;
    int64_t now_us = clock->steady_us(clock->self);
    struct bucket *bucket = map_get(asked->api->sealed, caller);

    if (!text_equal(caller, "landlord") && !text_equal(caller, party))
        return error_set(err, ERROR_DENIED, "%s sends no sealed commands of %s", caller, party);
    if (asked->body_size > SEALED_COMMAND_SIZE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "a sealed command has at most %d bytes, not %zu",
                         SEALED_COMMAND_SIZE_MAX, asked->body_size);
    if (!bucket) {
        bucket = mem_alloc(sizeof(*bucket));
        *bucket = (struct bucket){now_us, BURST * 1000000LL};
        map_put(asked->api->sealed, caller, bucket);
    }
    int64_t passed_us = now_us - bucket->at_us;
    if (passed_us > BURST * 1000000LL / RATE_A_SECOND) passed_us = BURST * 1000000LL / RATE_A_SECOND;
    bucket->microtokens += passed_us * RATE_A_SECOND;
    if (bucket->microtokens > BURST * 1000000LL) bucket->microtokens = BURST * 1000000LL;
    bucket->at_us = now_us;
    if (bucket->microtokens < 1000000)
        return error_set(err, ERROR_REFUSED, "%s sends more than %d sealed commands a second: send it again",
                         caller, RATE_A_SECOND);
    bucket->microtokens -= 1000000;
    return true;
}
