#include "api/internal.h"

#include "base/text.h"
#include "model/problem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers to repeats are remembered for so many changes of a party, in so many bytes; older ones are
 * forgotten first. */
enum { REPEATS_MAX = 1000, REPEATS_SIZE_MAX = 4 * 1024 * 1024, REPEAT_KEY_SIZE_MAX = 255 };

/* One party's: none can push out another's. */
struct repeats {
    struct map *all; /* caller and Idempotency-Key -> struct repeat */
    size_t size;     /* bytes of their answers */
};

struct repeat {
    uint64_t request;  /* hash of method, path and body: another request under the same key is refused */
    int status;        /* 0: under way */
    uint64_t revision; /* 0: the answer told none */
    char *json;
};

static void later_free_all(struct api *api);
static void later_forget(struct asked *asked);
static void asker_gone(void *ctx);
static bool identify(struct asked *asked, const struct sender *sender, struct error *err);
static bool repeated(struct asked *asked);
static struct repeats *repeats_of(struct asked *asked);
static void repeats_trim(struct repeats *repeats);
static void repeats_free(struct repeats *repeats);
static char *repeat_key(struct asked *asked);
static uint64_t repeat_hash(const struct asked *asked);
static void repeat_keep(struct asked *asked, int status, const struct buf *json, uint64_t revision);
static void answer_no_route(struct asked *asked, const char *path);
static void answer_problem(struct asked *asked, const struct error *err, int status,
                           const struct header *header);
static struct asked *asked_new(struct api *api, struct exchange *exchange, const struct request *request);
static void take_headers(struct asked *asked, const struct request *request);
static void take_tags(struct asked *asked, const char *value);
static void take_tag(struct asked *asked, const char *tag);
static bool is_local(const struct request *request, const struct sender *sender);
static void route_metrics(struct asked *asked, const struct sender *sender);
static char *decode(struct arena *arena, const char *text, size_t size);
static void repeat_free(struct repeat *repeat);

struct api *api_new(const struct api_options *options)
{
    struct api *api = mem_alloc(sizeof(*api));
    api->options = *options;
    api->repeats = map_new();
    api->sealed = map_new();
    api->watchers = VEC_OF(struct watcher *);
    api->later = VEC_OF(struct asked *);
    return api;
}

void api_free(struct api *api)
{
    if (!api) return;
    size_t cursor = 0;
    void *repeats = NULL;
    watch_free_all(api);
    later_free_all(api);
    while (map_next(api->repeats, &cursor, NULL, &repeats))
        repeats_free(repeats);
    map_free(api->repeats);
    for (size_t cursor_sealed = 0; map_next(api->sealed, &cursor_sealed, NULL, &repeats);)
        mem_free(repeats);
    map_free(api->sealed);
    vec_free(&api->watchers);
    mem_free(api);
}

void api_serve(void *ctx, struct exchange *exchange, const struct request *request,
               const struct sender *sender)
{
    static bool (*const routes[])(struct asked * asked) = {route_objects, route_keys,     route_library,
                                                           route_events,  route_bill,     route_reach,
                                                           route_about,   route_documents};
    struct asked *asked = asked_new(ctx, exchange, request);
    struct error err;

    take_headers(asked, request);
    asked->local = is_local(request, sender);
    if (route_open(asked)) return;
    if (path_is_metrics(asked)) {
        route_metrics(asked, sender);
        return;
    }
    if (!text_starts(request->path, "/v1/")) {
        answer_no_route(asked, request->path);
        return;
    }
    if (!identify(asked, sender, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (repeated(asked)) return;
    for (size_t i = 0; i < LENGTH(routes); i++)
        if (routes[i](asked)) return;
    answer_no_route(asked, arena_printf(asked->arena, "/v1/%s", asked->path));
}

void answer_json(struct asked *asked, int status, const struct buf *json)
{
    answer_changed(asked, status, json, 0);
}

void answer_changed(struct asked *asked, int status, const struct buf *json, uint64_t revision)
{
    char tag[32];
    const struct header headers[] = {{"Content-Type", "application/json"}, {"ETag", tag}};

    snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", revision);
    repeat_keep(asked, status, json, revision);
    answer_raw(asked, status, headers, revision ? 2 : 1, json->data, json->size);
}

void answer_error(struct asked *asked, const struct error *err)
{
    const struct header authenticate = {"WWW-Authenticate", "Bearer"};

    /* RFC 9110, 15.5.2: 401 when it is not known who asks, 403 when it is. */
    if (err->code == ERROR_DENIED && !asked->caller.party) {
        answer_problem(asked, err, 401, &authenticate);
        return;
    }
    if (err->code == ERROR_DENIED)
        controller_note_refusal(asked->api->options.controller, &asked->caller,
                                arena_printf(asked->arena, "%s %s", asked->method, asked->path), err);
    answer_problem(asked, err, error_http_status(err->code), NULL);
}

/* RFC 9110, 15.5.6: 405 with what is possible, where only the method is wrong. */
static void answer_no_route(struct asked *asked, const char *path)
{
    CLEANUP_BUF struct buf methods = {0};
    struct error err;

    about_methods(path, &methods);
    /* The method is right: then it is a name in the path that nothing can have. */
    if (methods.size == 0 || strstr(buf_text(&methods), asked->method)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no %s: see /v1/openapi.json", path);
        answer_error(asked, &err);
        return;
    }
    const struct header allow = {"Allow", buf_text(&methods)};
    error_set(&err, ERROR_USAGE, "%s takes %s, not %s", path, buf_text(&methods), asked->method);
    answer_problem(asked, &err, 405, &allow);
}

/* header: one more, or NULL */
static void answer_problem(struct asked *asked, const struct error *err, int status,
                           const struct header *header)
{
    CLEANUP_BUF struct buf json = {0};
    struct header headers[2] = {{"Content-Type", "application/problem+json"}};

    if (header) headers[1] = *header;
    problem_write(err, status, &json);
    repeat_keep(asked, status, NULL, 0);
    answer_raw(asked, status, headers, header ? 2 : 1, json.data, json.size);
}

void answer_raw(struct asked *asked, int status, const struct header *headers, size_t headers_length,
                const void *data, size_t size)
{
    const struct net_port *net = asked->api->options.net;
    if (asked->exchange) net->answer(net->self, asked->exchange, status, headers, headers_length, data, size);
    later_forget(asked);
    asked_free(asked);
}

void asked_later(struct asked *asked, void (*cancel)(struct asked *asked))
{
    const struct net_port *net = asked->api->options.net;
    asked->cancel = cancel;
    *(struct asked **)vec_push(&asked->api->later) = asked;
    net->on_gone(net->self, asked->exchange, asker_gone, asked);
}

bool asked_is_over(struct asked *asked)
{
    if (asked->api) return false;
    asked_free(asked);
    return true;
}

void asked_free(struct asked *asked)
{
    arena_free(asked->arena); /* asked itself lives in it */
}

const char *query_text(const struct asked *asked, const char *name)
{
    size_t size = 0;
    const char *value = text_query(asked->query, name, &size);

    return value ? decode(asked->arena, value, size) : NULL;
}

bool query_number(const struct asked *asked, const char *name, int64_t fallback, int64_t *ret_number,
                  struct error *err)
{
    const char *text = query_text(asked, name);
    char *end = NULL;
    int64_t number = fallback;

    errno = 0;
    if (text) number = strtoll(text, &end, 10);
    if (text && (end == text || *end != 0 || errno != 0))
        return error_set(err, ERROR_USAGE, "?%s= takes a number, not \"%s\"", name, text);
    *ret_number = number;
    return true;
}

bool query_limit(const struct asked *asked, const char *name, int64_t max, int64_t *ret_limit,
                 struct error *err)
{
    if (!query_number(asked, name, max, ret_limit, err)) return false;
    if (*ret_limit >= 1 && *ret_limit <= max) return true;
    return error_set(err, ERROR_USAGE, "?%s= takes 1 to %" PRId64 ", not %" PRId64, name, max, *ret_limit);
}

bool query_watch(const struct asked *asked, int64_t *ret_revision, struct error *err)
{
    int64_t revision = 0;

    if (!query_number(asked, "watch", -1, &revision, err)) return false;
    if (revision < 0 && query_text(asked, "watch"))
        return error_set(err, ERROR_USAGE, "?watch= takes a revision, 0 or more, not %" PRId64, revision);
    /* A browser's EventSource asks for its old address again, and says in the header how far it is. */
    if (revision >= 0 && asked->last_event <= INT64_MAX && (int64_t)asked->last_event > revision)
        revision = (int64_t)asked->last_event;
    *ret_revision = revision;
    return true;
}

bool asked_matches(const struct asked *asked, enum record_kind kind, const char *name, struct error *err)
{
    const struct record *record = mirror_get(controller_mirror(asked->api->options.controller), kind, name);

    /* What one may not see, one does not get to know by its revision. */
    if (record && !caller_may_see(asked->api->options.controller, &asked->caller, kind, record))
        record = NULL;
    if (asked->if_exists && !record)
        return error_set(err, ERROR_CONFLICT, "there is no %s, and it should be there already", name);
    uint64_t wanted = asked_revision(asked, kind, name);
    if (wanted == UINT64_MAX || !record || record->revision == wanted) return true;
    return error_set(err, ERROR_CONFLICT,
                     "%s was changed meanwhile (revision %" PRIu64 ", expected %" PRIu64 "): read it again",
                     name, record->revision, wanted);
}

uint64_t asked_revision(const struct asked *asked, enum record_kind kind, const char *name)
{
    const struct record *record = mirror_get(controller_mirror(asked->api->options.controller), kind, name);

    for (size_t i = 0; record && i < asked->if_revisions_length; i++)
        if (record->revision == asked->if_revisions[i]) return record->revision;
    return asked->if_revision;
}

bool asked_body(struct asked *asked, struct node *ret_body, struct error *err)
{
    if (!asked->body_size) return error_set(err, ERROR_INVALID, "a JSON body is missing");
    if (!node_from_json(asked->arena, asked->body, asked->body_size, ret_body, err)) return false;
    if (ret_body->kind != NODE_MAP) return error_set(err, ERROR_INVALID, "the body has to be a JSON object");
    return true;
}

static void later_free_all(struct api *api)
{
    for (size_t i = 0; i < api->later.length; i++) {
        struct asked *asked = *(struct asked **)vec_at(&api->later, i);
        asked->api = NULL;
        asked->exchange = NULL;
        if (!asked->cancel) continue;
        asked->cancel(asked);
        asked_free(asked);
    }
    vec_free(&api->later);
}

static void later_forget(struct asked *asked)
{
    struct vec *later = &asked->api->later;
    for (size_t i = 0; i < later->length; i++) {
        if (*(struct asked **)vec_at(later, i) != asked) continue;
        vec_remove(later, i);
        return;
    }
}

/* A question is dropped with its asker. What changes something goes on: its answer is kept for a repeat. */
static void asker_gone(void *ctx)
{
    struct asked *asked = ctx;

    asked->exchange = NULL;
    if (!asked->cancel || !text_equal(asked->method, "GET")) return;
    later_forget(asked);
    asked->cancel(asked);
    asked_free(asked);
}

static bool identify(struct asked *asked, const struct sender *sender, struct error *err)
{
    if (!sender->token)
        return error_set(err, ERROR_DENIED,
                         "who asks? send a token: --token, CROFT_TOKEN, or \"Authorization: "
                         "Bearer TOKEN\"");
    if (text_equal_secret(asked->api->options.landlord_token, sender->token)) {
        asked->caller = (struct caller){.name = PARTY_LANDLORD, .party = PARTY_LANDLORD};
        return true;
    }
    return token_caller(asked->api, asked->arena, sender->token, &asked->caller, err);
}

/* The same key and request again gets the same answer without anything happening again. */
static bool repeated(struct asked *asked)
{
    struct repeat *repeat = NULL;
    struct error err;

    if (!asked->idempotency_key || text_equal(asked->method, "GET")) {
        asked->idempotency_key = NULL;
        return false;
    }
    const char *key = asked->idempotency_key;
    if (strlen(key) > REPEAT_KEY_SIZE_MAX) {
        asked->idempotency_key = NULL;
        error_set(&err, ERROR_TOO_LARGE, "an Idempotency-Key has at most %d bytes", REPEAT_KEY_SIZE_MAX);
        answer_error(asked, &err);
        return true;
    }
    struct repeats *repeats = repeats_of(asked);
    repeat = map_get(repeats->all, repeat_key(asked));
    if (!repeat) {
        repeat = mem_alloc(sizeof(*repeat));
        repeat->request = repeat_hash(asked);
        map_put(repeats->all, repeat_key(asked), repeat);
        return false;
    }
    asked->idempotency_key = NULL; /* what is answered now is not to be kept */
    if (repeat->request != repeat_hash(asked)) {
        error_set(&err, ERROR_INVALID, "Idempotency-Key %s was used for another request", key);
        answer_error(asked, &err);
    } else if (repeat->status == 0) {
        error_set(&err, ERROR_REFUSED, "the first request with Idempotency-Key %s is still under way", key);
        answer_error(asked, &err);
    } else {
        CLEANUP_BUF struct buf json = {0};
        buf_add_text(&json, repeat->json);
        answer_changed(asked, repeat->status, &json, repeat->revision);
    }
    return true;
}

static struct repeats *repeats_of(struct asked *asked)
{
    struct map *parties = asked->api->repeats;
    struct repeats *repeats = map_get(parties, asked->caller.party);

    if (repeats) return repeats;
    repeats = mem_alloc(sizeof(*repeats));
    repeats->all = map_new();
    map_put(parties, asked->caller.party, repeats);
    return repeats;
}

/* Those under way stay: their repeats are refused by them. */
static void repeats_trim(struct repeats *repeats)
{
    const char *key = NULL;
    size_t cursor = 0;
    void *value = NULL;

    while ((map_length(repeats->all) > REPEATS_MAX || repeats->size > REPEATS_SIZE_MAX) &&
           map_next(repeats->all, &cursor, &key, &value)) {
        const struct repeat *repeat = value;
        if (repeat->status == 0) continue;
        repeats->size -= strlen(repeat->json);
        repeat_free(map_remove(repeats->all, key));
    }
}

static void repeats_free(struct repeats *repeats)
{
    size_t cursor = 0;
    void *repeat = NULL;

    while (map_next(repeats->all, &cursor, NULL, &repeat))
        repeat_free(repeat);
    map_free(repeats->all);
    mem_free(repeats);
}

static char *repeat_key(struct asked *asked)
{
    return arena_printf(asked->arena, "%s %s", asked->caller.name, asked->idempotency_key);
}

static uint64_t repeat_hash(const struct asked *asked)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, asked->method, strlen(asked->method));
    hash = text_hash(hash, asked->path, strlen(asked->path) + 1);
    hash = text_hash(hash, asked->query, strlen(asked->query) + 1);
    return text_hash(hash, asked->body ? asked->body : "", asked->body_size);
}

/* A refusal (json NULL) is not kept: nothing happened, and the same request may be right later. */
static void repeat_keep(struct asked *asked, int status, const struct buf *json, uint64_t revision)
{
    struct repeats *repeats = NULL;
    struct repeat *repeat = NULL;

    if (!asked->idempotency_key || !asked->caller.name) return;
    repeats = repeats_of(asked);
    if (!json) {
        repeat_free(map_remove(repeats->all, repeat_key(asked)));
        return;
    }
    repeat = map_get(repeats->all, repeat_key(asked));
    if (!repeat) return;
    repeat->status = status;
    repeat->revision = revision;
    repeat->json = mem_strdup(buf_text(json));
    repeats->size += strlen(repeat->json);
    repeats_trim(repeats);
}

static struct asked *asked_new(struct api *api, struct exchange *exchange, const struct request *request)
{
    struct arena *arena = arena_new();
    struct asked *asked = arena_alloc(arena, sizeof(*asked));
    size_t size = strcspn(request->path, "?");
    const char *path = request->path;

    asked->api = api;
    asked->net = api->options.net;
    asked->exchange = exchange;
    asked->arena = arena;
    /* RFC 9110, 9.3.2: a HEAD is a GET without the body, which the server leaves out. */
    asked->method = text_equal(request->method, "HEAD") ? "GET" : arena_strdup(arena, request->method);
    asked->query = arena_strdup(arena, path[size] ? path + size + 1 : "");
    if (text_starts(path, "/v1/")) {
        path += strlen("/v1/");
        size -= strlen("/v1/");
    }
    asked->path = decode(arena, path, size);
    asked->body = "";
    if (request->body_size > 0) {
        char *body = arena_alloc(arena, request->body_size + 1);
        memcpy(body, request->body, request->body_size);
        asked->body = body;
    }
    asked->body_size = request->body_size;
    asked->file = "request";
    asked->if_revision = UINT64_MAX;
    return asked;
}

static void take_headers(struct asked *asked, const struct request *request)
{
    for (size_t i = 0; i < request->headers_length; i++) {
        const struct header *header = &request->headers[i];
        if (strcasecmp(header->name, "Croft-File") == 0) {
            asked->file = arena_strdup(asked->arena, header->value);
        } else if (strcasecmp(header->name, "Idempotency-Key") == 0) {
            asked->idempotency_key = arena_strdup(asked->arena, header->value);
        } else if (strcasecmp(header->name, "Last-Event-ID") == 0) {
            if (!text_parse_u64(header->value, &asked->last_event)) asked->last_event = 0;
        } else if (strcasecmp(header->name, "If-Match") == 0 && text_equal(header->value, "*")) {
            asked->if_exists = true;
        } else if (strcasecmp(header->name, "If-Match") == 0) {
            take_tags(asked, header->value);
        } else if (strcasecmp(header->name, "If-None-Match") == 0 && text_equal(header->value, "*")) {
            asked->if_revision = 0; /* only if it does not exist */
        }
    }
}

/* RFC 9110, 13.1.1: a list, of which one has to match. */
static void take_tags(struct asked *asked, const char *value)
{
    while (*value) {
        size_t size = strcspn(value, ",");
        if (size > 0) take_tag(asked, arena_strndup(asked->arena, value, size));
        value += size + (value[size] == ',');
    }
}

static void take_tag(struct asked *asked, const char *tag)
{
    size_t blank = strspn(tag, " \t");
    const char *digits = tag + blank + (tag[blank] == '"');
    uint64_t revision = strtoull(digits, NULL, 10);

    /* Anything that is no revision of ours matches nothing; 0 would mean "does not exist". */
    if (revision == 0 || revision == UINT64_MAX) revision = UINT64_MAX - 1;
    if (asked->if_revision == UINT64_MAX) {
        asked->if_revision = revision;
        return;
    }
    uint64_t *more = arena_alloc_array(asked->arena, asked->if_revisions_length + 1, sizeof(*more));
    for (size_t i = 0; i < asked->if_revisions_length; i++)
        more[i] = asked->if_revisions[i];
    more[asked->if_revisions_length++] = revision;
    asked->if_revisions = more;
}

/* A proxy on this machine asks for somebody else, and says so (RFC 7239, and what came before it). */
static bool is_local(const struct request *request, const struct sender *sender)
{
    static const char *const beginnings[] = {"127.", "[::1]:", "[::ffff:127."};
    static const char *const proxies[] = {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"};
    bool local = false;

    for (size_t i = 0; i < LENGTH(beginnings); i++)
        local |= text_starts(sender->address, beginnings[i]);
    for (size_t i = 0; i < request->headers_length; i++)
        for (size_t j = 0; j < LENGTH(proxies); j++)
            if (strcasecmp(request->headers[i].name, proxies[j]) == 0) local = false;
    return local;
}

/* They name every farm, so they are the landlord's: with the landlord's token, or from his machine. */
static void route_metrics(struct asked *asked, const struct sender *sender)
{
    struct error err;

    if (!sender->token && !asked->local) {
        error_set(&err, ERROR_DENIED,
                  "measurements are the landlord's: from elsewhere than this machine send his token, as "
                  "\"Authorization: Bearer TOKEN\"");
        answer_error(asked, &err);
    } else if (sender->token && !identify(asked, sender, &err)) {
        answer_error(asked, &err);
    } else if (sender->token && !text_equal(asked->caller.party, "landlord")) {
        error_set(&err, ERROR_DENIED, "measurements are the landlord's: they name every party's farms");
        answer_error(asked, &err);
    } else {
        metrics(asked);
    }
}

static char *decode(struct arena *arena, const char *text, size_t size)
{
    char *out = arena_alloc(arena, size + 1);
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && i + 2 < size ? text_hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? text_hex_digit(text[i + 2]) : -1;
        if (low >= 0 && high + low > 0) { /* a zero byte stays as it is: it would end the text */
            out[used++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[used++] = text[i];
        }
    }
    return out;
}

static void repeat_free(struct repeat *repeat)
{
    if (!repeat) return;
    mem_free(repeat->json);
    mem_free(repeat);
}
