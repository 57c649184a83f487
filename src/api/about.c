/* About the grid as a whole: description of the API, health, measurements. */
#include "api/internal.h"
#include "api/operations.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
    for (size_t i = 0; i < api_operations_length; i++) {
        const char *method = api_operations[i].method;
        if (!is_of(path, api_operations[i].path)) continue;
        if (ret_list->size > 0) buf_add_text(ret_list, ", ");
        for (; *method; method++)
            buf_add_char(ret_list, (char)(*method - 'a' + 'A'));
        if (text_equal(api_operations[i].method, "get")) buf_add_text(ret_list, ", HEAD");
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
    load_metrics(controller, &text);
    answer_raw(asked, 200, &type, 1, text.data, text.size);
}

static void metrics_hosts(const struct snapshot *snapshot, struct buf *ret_text)
{
    buf_add_text(ret_text, "# HELP croft_host_up Whether the host answers.\n# TYPE croft_host_up gauge\n");
    for (size_t i = 0; i < snapshot->host_facts_length; i++)
        buf_printf(ret_text, "croft_host_up{host=\"%s\"} %d\n", snapshot->host_facts[i].name,
                   snapshot->host_facts[i].state == HOST_UP);
    buf_add_text(ret_text, "# HELP croft_host_finding What was read of hardware that is worse than what is "
                           "borne.\n# TYPE croft_host_finding gauge\n");
    for (size_t i = 0; i < snapshot->host_facts_length; i++) {
        const struct host_fact *fact = &snapshot->host_facts[i];
        for (size_t f = 0; f < fact->findings_length; f++)
            buf_printf(ret_text, "croft_host_finding{host=\"%s\",kind=\"%s\",what=\"%s\"} %" PRId64 "\n",
                       fact->name, finding_kind_names[fact->findings[f].kind], fact->findings[f].what,
                       fact->findings[f].value);
    }
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
    buf_printf(ctx, "croft_denied_packets_total{farm=\"%s\",instance=\"%s\",reason=\"%s\"", total->farm,
               total->instance, total->reason);
    if (total->by[0]) buf_printf(ctx, ",filter=\"%s\"", total->by);
    buf_printf(ctx, "} %" PRId64 "\n", total->packets);
}

static void version(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    buf_printf(&json, "{\"version\":\"%s\",\"revision\":%" PRIu64 "}", CROFT_VERSION,
               store_revision(controller_store(asked->api->options.controller)));
    answer_json(asked, 200, &json);
}
