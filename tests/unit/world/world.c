#include "world.h"

#include <stdio.h>
#include <string.h>

static void judge(void *ctx);
static void took(void *ctx, const struct answer *answer);
static bool replied(void *ctx);

struct world *small_world(size_t nodes)
{
    static char names[BOXES_MAX][24];
    static struct host hosts[BOXES_MAX];
    const struct world_options options = {.seed = 7, .hosts = hosts, .hosts_length = nodes};

    assert_true(nodes <= BOXES_MAX);
    for (size_t i = 0; i < nodes; i++) {
        snprintf(names[i], sizeof(names[i]), "h%zu", i + 1);
        hosts[i] = (struct host){.name = names[i],
                                 .zone = i % 2 ? "east/b1/r2" : "east/b1/r1",
                                 .pool = "general",
                                 .class_name = "general",
                                 .capacity = {4000, 8LL << 30, 100LL << 30, 0}};
    }
    struct world *world = world_new(&options);
    sim_clock_after_step(world->clock, judge, world);
    return world;
}

struct world *world_started(size_t nodes)
{
    struct world *world = small_world(nodes);
    CLEANUP_BUF struct buf yaml = {0};

    start_controller(world);
    for (size_t i = 0; i < nodes; i++)
        boot(&world->boxes[i]);
    for (size_t i = 0; i < nodes; i++)
        wait_host(world, world->boxes[i].name, HOST_UP, 1000);
    buf_add_text(&yaml,
                 "kind: Party\nname: acme\nquota: {cpus: 100, memory: 100Gi, disk: 1Ti, instances: 100, "
                 "farms: 10}\n");
    world_images(world, &yaml);
    apply(world, buf_text(&yaml));
    return world;
}

void start_controller(struct world *world)
{
    struct error err;
    if (!world_start_controller(world, &err)) fail_msg("controller: %s", err.message);
}

void boot(struct box *box)
{
    struct error err;
    if (!box_boot(box, &err)) fail_msg("%s", err.message);
}

void start_agent(struct box *box)
{
    struct error err;
    if (!box_start_agent(box, &err)) fail_msg("%s", err.message);
}

struct reply ask(struct world *world, const char *token, const char *method, const char *path,
                 const char *const *headers, const char *body)
{
    return ask_bytes(world, token, method, path, headers, body, body ? strlen(body) : 0);
}

struct reply ask_bytes(struct world *world, const char *token, const char *method, const char *path,
                       const char *const *headers, const char *body, size_t size)
{
    struct reply reply = {0};
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {api_address}, .addresses_length = 1, .only_address = -1};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct header list[8];
    struct request request = {
        .method = method, .path = path, .headers = list, .body = body, .body_size = size};

    if (token)
        list[request.headers_length++] =
            (struct header){"Authorization", arena_printf(arena, "Bearer %s", token)};
    for (size_t i = 0; headers && headers[i]; i++) {
        const char *colon = strchr(headers[i], ':');
        list[request.headers_length++] = (struct header){
            arena_strndup(arena, headers[i], (size_t)(colon - headers[i])), arena_strdup(arena, colon + 2)};
    }
    net->call(net->self, &peer, &request, 60000, NULL, took, &reply);
    assert_true(sim_clock_run_until(world->clock, 61000000, replied, &reply));
    return reply;
}

void reply_free(struct reply *reply)
{
    buf_free(&reply->body);
    buf_free(&reply->headers);
}

const char *expect(struct world *world, int status, const char *token, const char *method, const char *path,
                   const char *body)
{
    static char kept[256 * 1024]; /* of a test program: the last answer */
    struct reply reply = ask(world, token, method, path, NULL, body);

    if (reply.status != status) print_error("%s %s: %s\n", method, path, buf_text(&reply.body));
    assert_int_equal(reply.status, status);
    snprintf(kept, sizeof(kept), "%s", buf_text(&reply.body));
    reply_free(&reply);
    return kept;
}

void apply(struct world *world, const char *yaml)
{
    expect(world, 200, landlord, "POST", "/v1/apply", yaml);
}

const char *reply_header(const struct reply *reply, const char *name, char *value)
{
    size_t size = strlen(name);
    for (const char *at = buf_text(&reply->headers); *at; at = strchr(at, '\n') + 1) {
        if (strncasecmp(at, name, size) != 0 || at[size] != ':') continue;
        snprintf(value, 256, "%.*s", (int)strcspn(at + size + 2, "\n"), at + size + 2);
        return value;
    }
    return NULL;
}

const struct instance *instance_of(struct world *world, const char *name)
{
    const struct record *record = mirror_get(controller_mirror(world->controller), RECORD_INSTANCE, name);
    return record ? record->object : NULL;
}

const struct host_fact *fact_of(struct world *world, const char *host)
{
    const struct record *record = mirror_get(controller_mirror(world->controller), RECORD_HOST_FACT, host);
    return record ? record->object : NULL;
}

const char *truly_on(struct world *world, const char *instance)
{
    for (size_t i = 0; i < world->boxes_length; i++) {
        struct fake_instance found;
        if (fake_host_instance(world->boxes[i].truth, instance, &found) && found.running)
            return world->boxes[i].name;
    }
    return NULL;
}

size_t truly_running(struct world *world, const char *name_begins)
{
    struct vec list = VEC_OF(struct fake_instance);
    size_t count = 0;

    fake_world_list(world->truth, &list);
    for (size_t i = 0; i < list.length; i++) {
        const struct fake_instance *instance = vec_at(&list, i);
        count += instance->running && text_starts(instance->name, name_begins);
    }
    vec_free(&list);
    return count;
}

static size_t known_running(struct world *world, const char *name_begins)
{
    size_t length = 0, count = 0;
    const struct record *const *records =
        mirror_list(controller_mirror(world->controller), RECORD_INSTANCE, &length);

    for (size_t i = 0; i < length; i++) {
        const struct instance *instance = records[i]->object;
        count += text_starts(instance->name, name_begins) && instance->state == INSTANCE_RUNNING &&
                 instance->health == HEALTH_GOOD;
    }
    return count;
}

void wait_running(struct world *world, const char *name_begins, size_t count, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 10) {
        if (truly_running(world, name_begins) == count && known_running(world, name_begins) == count) return;
        world_run_ms(world, 10);
    }
    const char *all = expect(world, 200, landlord, "GET", "/v1/instances", NULL);
    fail_msg("%s: %zu run and %zu are known to, not %zu: %s", name_begins, truly_running(world, name_begins),
             known_running(world, name_begins), count, all);
}

void wait_host(struct world *world, const char *host, enum host_state state, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 10) {
        if (fact_of(world, host) && fact_of(world, host)->state == state) return;
        world_run_ms(world, 10);
    }
    const struct host_fact *fact = fact_of(world, host);
    fail_msg("%s is %s (%s), not %s", host, fact ? host_state_names[fact->state] : "unknown",
             fact ? fact->reason : "", host_state_names[state]);
}

void assert_settled(struct world *world)
{
    size_t length = 0, wanted = 0;
    const struct record *const *records =
        mirror_list(controller_mirror(world->controller), RECORD_INSTANCE, &length);

    for (size_t i = 0; i < length; i++) {
        const struct instance *instance = records[i]->object;
        struct fake_instance found = {0};
        if (instance->wanted != WANTED_RUN) continue;
        wanted++;
        struct box *box = world_box(world, instance->host);
        assert_non_null(box);
        assert_true(fake_host_instance(box->truth, instance->name, &found) && found.running);
        assert_int_equal(found.incarnation, instance->incarnation);
    }
    assert_int_equal(truly_running(world, ""), wanted);
}

unsigned operations(struct world *world)
{
    unsigned sum = 0;
    for (size_t i = 0; i < world->boxes_length; i++) {
        const struct fake_counts *counts = fake_host_counts(world->boxes[i].truth);
        sum += counts->creates + counts->starts + counts->stops + counts->wipes + counts->freezes +
               counts->thaws + counts->ports_added + counts->ports_removed;
    }
    return sum;
}

static void judge(void *ctx)
{
    struct world *world = ctx;
    struct error err;
    if (!fake_world_check(world->truth, &err)) fail_msg("%s", err.message);
}

static void took(void *ctx, const struct answer *answer)
{
    struct reply *reply = ctx;

    reply->done = true;
    reply->status = answer->status;
    buf_add(&reply->body, answer->body, answer->body_size);
    for (size_t i = 0; i < answer->headers_length; i++)
        buf_printf(&reply->headers, "%s: %s\n", answer->headers[i].name, answer->headers[i].value);
}

static bool replied(void *ctx)
{
    return ((struct reply *)ctx)->done;
}
