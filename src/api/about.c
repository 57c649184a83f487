/* About the grid as a whole: description of the API, health, measurements. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One operation of the API, for its description. */
struct operation {
    const char *path, *method, *summary;
    const char *body;   /* schema of the request body, or NULL */
    const char *answer; /* schema of the answer, or NULL */
    enum {
        FOR_TOKENS,
        FOR_ALL,
        FOR_LANDLORD
    } access; /* FOR_LANDLORD: or without a token, on the same machine */
};

static const struct operation operations[] = {
    {"/v1/hosts", "get", "Hosts", NULL, "Host"},
    {"/v1/hosts/{name}", "get", "One host", NULL, "Host"},
    {"/v1/hosts/{name}", "put", "Make a host what the document says", "Host", NULL},
    {"/v1/hosts/{name}", "delete", "Forget a host that has no instances", NULL, NULL},
    {"/v1/hosts/{name}/drain", "post", "Move its instances elsewhere", NULL, NULL},
    {"/v1/hosts/{name}/activate", "post", "Let it have instances again", NULL, NULL},
    {"/v1/hosts/{name}/power", "post", "Switch it on, off, or off and on", NULL, NULL},
    {"/v1/parties", "get", "Parties", NULL, "Party"},
    {"/v1/parties/{name}", "get", "One party", NULL, "Party"},
    {"/v1/parties/{name}", "put", "Make a party what the document says", "Party", NULL},
    {"/v1/parties/{name}", "delete", "Delete a party that has no farms", NULL, NULL},
    {"/v1/farms", "get", "Farms", NULL, "Farm"},
    {"/v1/farms/{party}/{name}", "get", "One farm", NULL, "Farm"},
    {"/v1/farms/{party}/{name}", "put", "Make a farm what the document says", "Farm", NULL},
    {"/v1/farms/{party}/{name}", "delete", "End a farm; what it held is wiped", NULL, NULL},
    {"/v1/farms/{party}/{name}/scale", "post", "Set a tier's committed count", NULL, NULL},
    {"/v1/images", "get", "The image library", NULL, "Image"},
    {"/v1/images/{party}/{name}", "get", "One image", NULL, "Image"},
    {"/v1/images/{party}/{name}", "put", "Name an image whose layers are here", "Image", NULL},
    {"/v1/images/{party}/{name}", "delete", "Remove an image that no farm uses", NULL, NULL},
    {"/v1/instances", "get", "Instances", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}", "get", "One instance", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/move", "post", "Move an instance to a host", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/exec", "post", "Run a command inside", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}", "get", "Output of the command", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}", "delete", "Kill the command", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}/input", "post", "Input of the command", NULL, NULL},
    {"/v1/instances/{party}/{farm}/{name}/log", "get", "What an instance said", NULL, NULL},
    {"/v1/apply", "post", "Make all documents of a text so, or none", NULL, NULL},
    {"/v1/diff", "post", "What applying would change", NULL, NULL},
    {"/v1/export", "get", "Intent and facts, a document a line", NULL, NULL},
    {"/v1/events", "get", "What happened, and why", NULL, NULL},
    {"/v1/explain/{name}", "get", "Why something is as it is", NULL, NULL},
    {"/v1/top", "get", "Use of CPU and memory now", NULL, NULL},
    {"/v1/blobs/{digest}", "get", "How much of a layer is here", NULL, NULL},
    {"/v1/blobs/{digest}", "put", "Add a piece of a layer", NULL, NULL},
    {"/v1/blobs/{digest}/finish", "post", "Verify a layer and keep it", NULL, NULL},
    {"/v1/tokens", "get", "Tokens, without their secrets", NULL, NULL},
    {"/v1/tokens", "post", "Make a token for a party", NULL, NULL},
    {"/v1/tokens/{id}", "delete", "Delete a token", NULL, NULL},
    {"/v1/version", "get", "Version of the server", NULL, NULL},
    {"/v1/openapi.json", "get", "This description", NULL, NULL, FOR_ALL},
    {"/metrics", "get", "Measurements for Prometheus: with the landlord's token, or on the server's machine",
     NULL, NULL, FOR_LANDLORD},
    {"/healthz", "get", "Answers while the server lives", NULL, NULL, FOR_ALL},
    {"/readyz", "get", "Answers while the server can do its work", NULL, NULL, FOR_ALL},
};

static void describe(struct asked *asked);
static void describe_operation(const struct operation *operation, struct buf *ret_json);
static void describe_parameters(const char *path, struct buf *ret_json);
static bool is_of(const char *path, const char *pattern);
static void metrics_hosts(const struct snapshot *snapshot, struct buf *ret_text);
static void metrics_instances(const struct snapshot *snapshot, struct buf *ret_text);
static void metrics_denied(void *ctx, const struct denied_total *total);
static void version(struct asked *asked);

bool route_about(struct asked *asked)
{
    if (!text_equal(asked->method, "GET")) return false;
    if (text_equal(asked->path, "version"))
        version(asked);
    else if (text_equal(asked->path, "top"))
        top_start(asked);
    else
        return false;
    return true;
}

bool route_open(struct asked *asked)
{
    const struct header text = {"Content-Type", "text/plain; charset=utf-8"};

    if (!text_equal(asked->method, "GET")) return false;
    if (text_equal(asked->path, "/healthz") || text_equal(asked->path, "/readyz")) {
        /* The listener is opened after the store is loaded and the first plan is made: answering is being
         * ready. */
        answer_raw(asked, 200, &text, 1, "ok\n", 3);
    } else if (text_equal(asked->path, "openapi.json")) {
        describe(asked);
    } else {
        return false;
    }
    return true;
}

bool path_is_metrics(const struct asked *asked)
{
    return text_equal(asked->method, "GET") && text_equal(asked->path, "/metrics");
}

static void describe(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    const struct header type = {"Content-Type", "application/json"};

    buf_add_text(&json, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"croft\",\"version\":\"" CROFT_VERSION
                        "\"},\"security\":[{\"token\":[]}],\"paths\":{");
    for (size_t i = 0; i < LENGTH(operations); i++) {
        bool same = i > 0 && text_equal(operations[i].path, operations[i - 1].path);
        if (!same) {
            if (i > 0) buf_add_text(&json, "},");
            buf_add_json_string(&json, operations[i].path);
            buf_add_text(&json, ":{");
            describe_parameters(operations[i].path, &json);
        } else {
            buf_add_char(&json, ',');
        }
        describe_operation(&operations[i], &json);
    }
    buf_add_text(
        &json, "}},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
               "\"schemas\":{");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (i > 0) buf_add_char(&json, ',');
        buf_add_json_string(&json, kinds[i].name);
        buf_add_char(&json, ':');
        schema_describe(kinds[i].schema, kinds[i].name, &json);
    }
    buf_add_text(
        &json,
        ",\"Problem\":{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"},\"status\":{"
        "\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"field\":{\"type\":\"string\"},\"line\":{"
        "\"type\":\"integer\"}}}}}}");
    answer_raw(asked, 200, &type, 1, json.data, json.size);
}

static void describe_operation(const struct operation *operation, struct buf *ret_json)
{
    static const char *const securities[] = {[FOR_TOKENS] = "",
                                             [FOR_ALL] = "\"security\":[],",
                                             [FOR_LANDLORD] = "\"security\":[{},{\"token\":[]}],"};

    buf_printf(ret_json, "\"%s\":{\"summary\":\"%s\",%s", operation->method, operation->summary,
               securities[operation->access]);
    if (operation->body)
        buf_printf(
            ret_json,
            "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
            "\"#/components/schemas/%s\"}}}},",
            operation->body);
    buf_add_text(
        ret_json,
        "\"responses\":{\"200\":{\"description\":\"done\"},\"default\":{\"description\":\"refused or "
        "failed\",\"content\":{\"application/problem+json\":{\"schema\":{\"$ref\":"
        "\"#/components/schemas/Problem\"}}}}}}");
}

static void describe_parameters(const char *path, struct buf *ret_json)
{
    bool first = true;

    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        buf_add_text(ret_json, first ? "\"parameters\":[" : ",");
        buf_printf(ret_json,
                   "{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}",
                   (int)strcspn(open + 1, "}"), open + 1);
        first = false;
    }
    if (!first) buf_add_text(ret_json, "],");
}

/* "/v1/farms/acme/shop" is of "/v1/farms/{party}/{name}", and "/v1/farm/acme/shop" is another word for it. */
static bool is_of(const char *path, const char *pattern)
{
    while (*path && *pattern) {
        size_t size = strcspn(path, "/"), wanted = strcspn(pattern, "/");
        bool any = pattern[0] == '{';
        bool same = size == wanted && strncmp(path, pattern, size) == 0;
        bool singular = size + 1 == wanted && pattern[size] == 's' && strncmp(path, pattern, size) == 0;
        if (any ? size == 0 : !same && !singular) return false;
        path += size + (path[size] == '/');
        pattern += wanted + (pattern[wanted] == '/');
    }
    return !*path && !*pattern;
}

void about_methods(const char *path, struct buf *ret_list)
{
    for (size_t i = 0; i < LENGTH(operations); i++) {
        const char *method = operations[i].method;
        if (!is_of(path, operations[i].path)) continue;
        if (ret_list->size > 0) buf_add_text(ret_list, ", ");
        for (; *method; method++)
            buf_add_char(ret_list, (char)(*method - 'a' + 'A'));
        if (text_equal(operations[i].method, "get")) buf_add_text(ret_list, ", HEAD");
    }
}

/* Prometheus' text form, version 0.0.4. */
void metrics(struct asked *asked)
{
    struct controller *controller = asked->api->options.controller;
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(controller));
    CLEANUP_BUF struct buf text = {0};
    const struct header type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};

    buf_printf(&text,
               "# HELP croft_store_revision Changes of the store so far.\n# TYPE croft_store_revision "
               "counter\ncroft_store_revision %" PRIu64 "\n",
               store_revision(controller_store(controller)));
    metrics_hosts(snapshot, &text);
    metrics_instances(snapshot, &text);
    buf_add_text(&text, "# HELP croft_denied_packets_total Packets that were not let pass.\n# TYPE "
                        "croft_denied_packets_total counter\n");
    controller_denied(controller, metrics_denied, &text);
    answer_raw(asked, 200, &type, 1, text.data, text.size);
}

static void metrics_hosts(const struct snapshot *snapshot, struct buf *ret_text)
{
    buf_add_text(ret_text, "# HELP croft_host_up Whether the host answers.\n# TYPE croft_host_up gauge\n");
    for (size_t i = 0; i < snapshot->host_facts_length; i++)
        buf_printf(ret_text, "croft_host_up{host=\"%s\"} %d\n", snapshot->host_facts[i].name,
                   snapshot->host_facts[i].state == HOST_UP);
    buf_add_text(ret_text, "# HELP croft_host_cpus Cores that the host has.\n# TYPE croft_host_cpus gauge\n");
    for (size_t i = 0; i < snapshot->hosts_length; i++) {
        char cpus[32];
        buf_printf(ret_text, "croft_host_cpus{host=\"%s\"} %s\n", snapshot->hosts[i].name,
                   text_format_cpus(cpus, snapshot->hosts[i].capacity.cpus_millis));
    }
    buf_add_text(
        ret_text,
        "# HELP croft_host_memory_bytes Memory of the host.\n# TYPE croft_host_memory_bytes gauge\n");
    for (size_t i = 0; i < snapshot->hosts_length; i++)
        buf_printf(ret_text, "croft_host_memory_bytes{host=\"%s\"} %" PRId64 "\n", snapshot->hosts[i].name,
                   snapshot->hosts[i].capacity.memory_bytes);
}

static void metrics_instances(const struct snapshot *snapshot, struct buf *ret_text)
{
    buf_add_text(ret_text,
                 "# HELP croft_instance_running Whether the instance serves.\n# TYPE croft_instance_running "
                 "gauge\n");
    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        buf_printf(ret_text,
                   "croft_instance_running{instance=\"%s\",farm=\"%s\",tier=\"%s\",host=\"%s\"} %d\n",
                   instance->name, instance->farm, instance->tier, instance->host,
                   instance->state == INSTANCE_RUNNING && instance->health == HEALTH_GOOD);
    }
    buf_add_text(ret_text, "# HELP croft_instance_restarts_total Restarts since it was placed.\n# TYPE "
                           "croft_instance_restarts_total counter\n");
    for (size_t i = 0; i < snapshot->instances_length; i++)
        buf_printf(ret_text, "croft_instance_restarts_total{instance=\"%s\"} %" PRId64 "\n",
                   snapshot->instances[i].name, snapshot->instances[i].restarts);
}

/* Names and reasons need no escapes. */
static void metrics_denied(void *ctx, const struct denied_total *total)
{
    buf_printf(ctx, "croft_denied_packets_total{farm=\"%s\",instance=\"%s\",reason=\"%s\"} %" PRId64 "\n",
               total->farm, total->instance, total->reason, total->packets);
}

static void version(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    buf_printf(&json, "{\"version\":\"%s\",\"revision\":%" PRIu64 "}", CROFT_VERSION,
               store_revision(controller_store(asked->api->options.controller)));
    answer_json(asked, 200, &json);
}
