/* `top`: every host that is up is asked twice, a moment apart, and the difference of the totals is the use
 * now. Agents thus keep no rates, and nobody measures while nobody looks. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BETWEEN_US = 250 * 1000, ASK_TIMEOUT_MS = 2000 };

struct use {
    const char *name, *farm, *host;
    int64_t cpu_us, steady_us; /* of the first round */
    int64_t cpus_millis, memory_bytes, restarts;
    bool complete; /* both rounds know it */
};

struct sum {
    const char *name;
    int64_t cpus_millis, memory_bytes, instances;
};

struct top_call {
    struct top *top;
    const char *host;
    struct call *call; /* NULL: answered */
};

struct top {
    struct asked *asked;
    struct api *api;
    struct arena *arena;
    struct timer *pause;    /* between the rounds */
    struct top_call *calls; /* of this round; in the arena */
    size_t calls_length;
    struct map *uses; /* instance -> struct use */
    struct vec order; /* struct use *, as they came; in the answer by name */
    struct vec hosts; /* const char *: that have answered the second time, too */
    bool second;
    size_t open;
};

static void ask_all(void *ctx);
static void took(void *ctx, const struct answer *answer);
static void note(struct top *top, const struct node *usage, int64_t steady_us);
static void cancel(struct asked *asked);
static void end(struct top *top);
static void write_instances(const struct top *top, struct buf *ret_json);
static void write_sums(const struct top *top, bool by_host, struct buf *ret_json);
/* The one of the name; made, and added to sums, when there is none. */
static struct sum *sum_of(struct arena *arena, struct map *by_name, const char *name, struct vec *sums);
static int compare_uses(const void *a, const void *b);
static int compare_sums(const void *a, const void *b);
static void write_use(struct buf *ret_json, int64_t cpus_millis, int64_t memory_bytes);
static void top_free(struct top *top);

void top_start(struct asked *asked)
{
    struct top *top = mem_alloc(sizeof(*top));

    top->asked = asked;
    top->api = asked->api;
    top->arena = arena_new();
    top->uses = map_new();
    top->order = VEC_OF(struct use *);
    top->hosts = VEC_OF(const char *);
    asked->later = top;
    asked_later(asked, cancel);
    ask_all(top);
}

static void ask_all(void *ctx)
{
    struct top *top = ctx;
    struct controller *controller = top->api->options.controller;
    const struct request request = {.method = "GET", .path = "/agent/usage"};
    struct vec hosts = VEC_OF(const char *);
    size_t length = 0;
    const struct record *const *records =
        mirror_list(controller_mirror(controller), RECORD_HOST_FACT, &length);

    top->pause = NULL;
    for (size_t i = 0; i < length; i++) {
        const struct host_fact *fact = records[i]->object;
        if (fact->state == HOST_UP) *(const char **)vec_push(&hosts) = fact->name;
    }
    top->open = top->calls_length = hosts.length;
    top->calls = arena_alloc_array(top->arena, hosts.length, sizeof(*top->calls));
    for (size_t i = 0; i < hosts.length; i++) {
        top->calls[i].top = top;
        top->calls[i].host = arena_strdup(top->arena, *(const char **)vec_at(&hosts, i));
        controller_ask_agent(controller, top->calls[i].host, &request, ASK_TIMEOUT_MS, NULL, took,
                             &top->calls[i], &top->calls[i].call);
    }
    if (hosts.length == 0) end(top);
    vec_free(&hosts);
}

/* A host that does not answer now has no line: what is not known is not shown as zero. */
static void took(void *ctx, const struct answer *answer)
{
    struct top_call *call = ctx;
    struct top *top = call->top;
    const struct clock_port *clock = top->api->options.clock;
    struct node node;
    struct error err;

    call->call = NULL;
    if (answer->status == 200 && node_from_json(top->arena, answer->body, answer->body_size, &node, &err)) {
        const struct node *instances = node_get(&node, "instances");
        for (size_t i = 0; instances && i < instances->length; i++)
            note(top, &instances->items[i], node_int(&node, "steady_us", 0));
        if (top->second) *(const char **)vec_push(&top->hosts) = call->host;
    }
    if (--top->open > 0) return;
    if (top->second) {
        end(top);
    } else {
        top->second = true;
        top->pause = clock->after(clock->self, BETWEEN_US, ask_all, top);
    }
}

static void note(struct top *top, const struct node *usage, int64_t steady_us)
{
    const char *name = node_text(usage, "name", "");
    const struct record *record =
        mirror_get(controller_mirror(top->api->options.controller), RECORD_INSTANCE, name);
    struct use *use = map_get(top->uses, name);
    int64_t cpu_us = node_int(usage, "cpu_us", 0);

    if (!record ||
        !caller_may_see(top->asked->api->options.controller, &top->asked->caller, RECORD_INSTANCE, record))
        return;
    if (!use) {
        const struct instance *instance = record->object;
        use = arena_alloc(top->arena, sizeof(*use));
        *use = (struct use){.name = arena_strdup(top->arena, name),
                            .farm = arena_strdup(top->arena, instance->farm),
                            .host = arena_strdup(top->arena, instance->host),
                            .cpu_us = cpu_us,
                            .steady_us = steady_us};
        map_put(top->uses, name, use);
        *(struct use **)vec_push(&top->order) = use;
    } else if (top->second && steady_us > use->steady_us && cpu_us >= use->cpu_us) {
        use->complete = true;
        use->cpus_millis = (cpu_us - use->cpu_us) * 1000 / (steady_us - use->steady_us);
    }
    use->memory_bytes = node_int(usage, "memory", 0);
    use->restarts = node_int(usage, "restarts", 0);
}

static void cancel(struct asked *asked)
{
    struct top *top = asked->later;
    const struct clock_port *clock = top->api->options.clock;

    clock->cancel(clock->self, top->pause);
    for (size_t i = 0; i < top->calls_length; i++)
        asked->net->cancel(asked->net->self, top->calls[i].call);
    top_free(top);
}

static void end(struct top *top)
{
    CLEANUP_BUF struct buf json = {0};

    vec_sort(&top->order, compare_uses);
    buf_add_text(&json, "{\"hosts\":[");
    write_sums(top, true, &json);
    buf_add_text(&json, "],\"farms\":[");
    write_sums(top, false, &json);
    buf_add_text(&json, "],\"instances\":[");
    write_instances(top, &json);
    buf_add_text(&json, "]}");
    answer_json(top->asked, 200, &json);
    top_free(top);
}

static void write_instances(const struct top *top, struct buf *ret_json)
{
    bool first = true;

    for (size_t i = 0; i < top->order.length; i++) {
        const struct use *use = *(struct use **)vec_at(&top->order, i);
        if (!use->complete) continue;
        buf_add_text(ret_json, first ? "{\"name\":" : ",{\"name\":");
        buf_add_json_string(ret_json, use->name);
        buf_add_text(ret_json, ",\"farm\":");
        buf_add_json_string(ret_json, use->farm);
        buf_add_text(ret_json, ",\"host\":");
        buf_add_json_string(ret_json, use->host);
        write_use(ret_json, use->cpus_millis, use->memory_bytes);
        buf_printf(ret_json, ",\"restarts\":%" PRId64, use->restarts);
        load_write_instance(top->api->options.controller, use->name, ret_json);
        buf_add_char(ret_json, '}');
        first = false;
    }
}

static void write_sums(const struct top *top, bool by_host, struct buf *ret_json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(map_freep) struct map *by_name = map_new();
    struct vec sums = VEC_OF(struct sum *);

    /* One without instances uses nothing: that is known of it. */
    for (size_t i = 0; by_host && i < top->hosts.length; i++) {
        const char *name = *(const char **)vec_at(&top->hosts, i);
        const struct record *record =
            mirror_get(controller_mirror(top->api->options.controller), RECORD_HOST, name);
        if (record &&
            caller_may_see(top->asked->api->options.controller, &top->asked->caller, RECORD_HOST, record))
            sum_of(arena, by_name, name, &sums);
    }
    for (size_t i = 0; i < top->order.length; i++) {
        const struct use *use = *(struct use **)vec_at(&top->order, i);
        const char *key = by_host ? use->host : use->farm;
        if (!use->complete) continue;
        struct sum *sum = sum_of(arena, by_name, key, &sums);
        sum->cpus_millis += use->cpus_millis;
        sum->memory_bytes += use->memory_bytes;
        sum->instances++;
    }
    vec_sort(&sums, compare_sums);
    for (size_t i = 0; i < sums.length; i++) {
        const struct sum *sum = *(struct sum **)vec_at(&sums, i);
        buf_add_text(ret_json, i == 0 ? "{\"name\":" : ",{\"name\":");
        buf_add_json_string(ret_json, sum->name);
        write_use(ret_json, sum->cpus_millis, sum->memory_bytes);
        buf_printf(ret_json, ",\"instances\":%" PRId64, sum->instances);
        if (!by_host) load_write_farm(top->api->options.controller, sum->name, ret_json);
        buf_add_char(ret_json, '}');
    }
    vec_free(&sums);
}

static struct sum *sum_of(struct arena *arena, struct map *by_name, const char *name, struct vec *sums)
{
    struct sum *sum = map_get(by_name, name);

    if (sum) return sum;
    sum = arena_alloc(arena, sizeof(*sum));
    sum->name = name;
    map_put(by_name, name, sum);
    *(struct sum **)vec_push(sums) = sum;
    return sum;
}

static int compare_uses(const void *a, const void *b)
{
    const struct use *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}

static int compare_sums(const void *a, const void *b)
{
    const struct sum *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}

static void write_use(struct buf *ret_json, int64_t cpus_millis, int64_t memory_bytes)
{
    char text[32];
    buf_printf(ret_json, ",\"cpus_used\":%s", text_format_cpus(text, cpus_millis));
    buf_printf(ret_json, ",\"memory_used\":%" PRId64, memory_bytes);
}

static void top_free(struct top *top)
{
    map_free(top->uses);
    vec_free(&top->order);
    vec_free(&top->hosts);
    arena_free(top->arena);
    mem_free(top);
}
