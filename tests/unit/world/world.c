#include "world.h"

#include "model/image_text.h"

#include <stdio.h>
#include <string.h>

const char *const landlord = "landlords-own-token";
static const char *const controller_addresses[] = {"10.90.0.1:7070", "10.91.0.1:7070"};
static const char api_address[] = "127.0.0.1:7000";

static void judge(void *ctx);
static bool switch_power(void *ctx, const char *host, enum power_order order, struct error *err);
static void took(void *ctx, const struct answer *answer);
static bool replied(void *ctx);

struct world *world_new(size_t nodes)
{
    struct world *world = mem_alloc(sizeof(*world));

    world->clock = sim_clock_new(1700000000000);
    world->time = sim_clock_port(world->clock);
    world->random = sim_random_new(7);
    world->net = sim_net_new(world->time, world->random);
    world->truth = fake_world_new(world->time);
    world->identity = sim_identity_new("croft");
    world->blobs = sim_blobs_new();
    sim_blobs_put(world->blobs, "the one layer of all images", 27, world->layer);
    world->power = sim_power_new(world->time, 50000, switch_power, world);
    world->controller_machine = sim_net_machine(world->net, "controller");
    sim_machine_certify(world->controller_machine, ROLE_CONTROLLER, NULL);
    world->person = sim_net_machine(world->net, "person");
    world->store = store_open_memory();
    for (size_t i = 0; i < nodes; i++) {
        struct box *box = &world->boxes[world->boxes_length++];
        box->world = world;
        snprintf(box->name, sizeof(box->name), "h%zu", i + 1);
        for (int path = 0; path < 2; path++)
            snprintf(box->addresses[path], sizeof(box->addresses[path]), "10.9%d.0.%zu:7071", path, i + 2);
        snprintf(box->underlay, sizeof(box->underlay), "10.92.0.%zu", i + 2);
        box->machine = sim_net_machine(world->net, box->name);
        box->disk = sim_disk_new();
        box->blobs = sim_blobs_new();
        box->truth = fake_host_get(world->truth, box->name);
        box->host = (struct host){.name = box->name,
                                  .zone = i % 2 ? "east/b1/r2" : "east/b1/r1",
                                  .pool = "general",
                                  .class_name = "general",
                                  .capacity = {4000, 8LL << 30, 100LL << 30, 0}};
    }
    for (int path = 0; path < 2; path++)
        sim_machine_listen(world->controller_machine, controller_addresses[path], path, NULL, NULL);
    sim_clock_after_step(world->clock, judge, world);
    return world;
}

void world_free(struct world *world)
{
    for (size_t i = 0; i < world->boxes_length; i++)
        box_stop_agent(&world->boxes[i]);
    world_stop_controller(world);
    sim_power_free(world->power);
    sim_net_free(world->net);
    fake_world_free(world->truth);
    for (size_t i = 0; i < world->boxes_length; i++) {
        sim_disk_free(world->boxes[i].disk);
        sim_blobs_free(world->boxes[i].blobs);
    }
    store_close(world->store);
    sim_blobs_free(world->blobs);
    sim_identity_free(world->identity);
    sim_random_free(world->random);
    sim_clock_free(world->clock);
    mem_free(world);
}

struct world *world_started(size_t nodes)
{
    struct world *world = world_new(nodes);
    CLEANUP_BUF struct buf yaml = {0};

    world_start_controller(world);
    for (size_t i = 0; i < nodes; i++)
        box_boot(&world->boxes[i]);
    for (size_t i = 0; i < nodes; i++)
        wait_host(world, world->boxes[i].name, HOST_UP, 1000);
    buf_add_text(&yaml,
                 "kind: Party\nname: acme\nquota: {cpus: 100, memory: 100Gi, disk: 1Ti, instances: 100, "
                 "farms: 10}\n");
    const char *const images[] = {"hello:1", "hello:2", "croft-balancer:1"};
    for (size_t i = 0; i < LENGTH(images); i++) { /* their sizes keep them apart */
        char digest[72];
        world_image_digest(world, 27 + (int64_t)i, digest);
        buf_printf(&yaml, "---\nkind: Image\nname: %s\ndigest: \"%s\"\nlayers: [\"%s\"]\nsize: %zu\n",
                   images[i], digest, world->layer, 27 + i);
    }
    apply(world, buf_text(&yaml));
    return world;
}

void world_image_digest(const struct world *world, int64_t size, char ret_digest[72])
{
    const struct identity_port *identity = sim_identity_port(world->identity);
    const char *const layers[] = {world->layer};
    const struct image image = {
        .layers = layers, .layers_length = 1, .size_bytes = size, .directory = "/", .user = "0"};
    CLEANUP_BUF struct buf text = {0};
    char hex[65];

    image_canonical(&image, &text);
    identity->digest(identity->self, text.data, text.size, hex);
    snprintf(ret_digest, 72, "sha256:%s", hex);
}

void world_start_controller(struct world *world)
{
    struct error err;
    const struct controller_options options = {.clock = world->time,
                                               .net = sim_machine_port(world->controller_machine),
                                               .identity = sim_identity_port(world->identity),
                                               .blobs = sim_blobs_port(world->blobs),
                                               .power = world->no_power ? NULL : sim_power_port(world->power),
                                               .store = world->store,
                                               .join_token = "join"};

    if (!controller_new(&options, &world->controller, &err)) fail_msg("controller: %s", err.message);
    const struct api_options api_options = {.controller = world->controller,
                                            .clock = world->time,
                                            .net = options.net,
                                            .random = sim_random_port(world->random),
                                            .identity = options.identity,
                                            .landlord_token = landlord};
    world->api = api_new(&api_options);
    for (int path = 0; path < 2; path++)
        sim_machine_listen(world->controller_machine, controller_addresses[path], path,
                           controller_serve_agents, world->controller);
    sim_machine_listen(world->controller_machine, api_address, 0, api_serve, world->api);
}

void world_stop_controller(struct world *world)
{
    if (!world->controller) return;
    api_free(world->api);
    controller_free(world->controller);
    world->api = NULL;
    world->controller = NULL;
    /* Whoever leaves takes with him what he asked for. */
    assert_int_equal(sim_machine_calls(world->controller_machine), 0);
    sim_machine_end(world->controller_machine);
}

void world_run_ms(struct world *world, int64_t ms)
{
    sim_clock_run(world->clock, ms * 1000);
}

void box_boot(struct box *box)
{
    snprintf(box->boot, sizeof(box->boot), "%s-boot-%d", box->name, ++box->boots);
    sim_machine_power(box->machine, true);
    box_start_agent(box);
}

void box_start_agent(struct box *box)
{
    struct world *world = box->world;
    struct error err;

    box->processes = fake_processes_new(box->truth);
    box->compute = fake_compute_new(box->truth);
    box->network = fake_net_new(box->truth);
    box->balance = fake_balance_new(box->truth);
    const struct agent_options options = {
        .clock = world->time,
        .net = sim_machine_port(box->machine),
        .disk = sim_disk_port(box->disk),
        .identity = sim_identity_port(world->identity),
        .blobs = sim_blobs_port(box->blobs),
        .process = fake_processes_port(box->processes),
        .watch = sim_watch_port(),
        .random = sim_random_port(world->random),
        .compute = box->compute,
        .network = box->network,
        .balance = box->balance,
        .probe = fake_probe(box->truth),
        .host = &box->host,
        .controllers = {.role = ROLE_CONTROLLER,
                        .addresses = {controller_addresses[0], controller_addresses[1]},
                        .addresses_length = 2,
                        .tls = true,
                        .only_address = -1},
        .addresses = {box->addresses[0], box->addresses[1]},
        .underlay = box->underlay,
        .boot = box->boot,
    };
    if (!agent_new(&options, &box->agent, &err)) fail_msg("agent of %s: %s", box->name, err.message);
    for (int path = 0; path < 2; path++)
        sim_machine_listen(box->machine, box->addresses[path], path, agent_serve, box->agent);
}

void box_stop_agent(struct box *box)
{
    if (!box->agent) return;
    agent_free(box->agent);
    box->agent = NULL;
    box->balance->destroy(box->balance->self);
    box->network->destroy(box->network->self);
    box->compute->destroy(box->compute->self);
    fake_processes_free(box->processes);
    assert_int_equal(sim_machine_calls(box->machine), 0);
    sim_machine_end(box->machine);
}

void box_die(struct box *box)
{
    sim_machine_power(box->machine, false); /* first: it says no more */
    box_stop_agent(box);
    fake_host_off(box->truth);
}

struct box *world_box(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->boxes_length; i++)
        if (text_equal(world->boxes[i].name, name)) return &world->boxes[i];
    return NULL;
}

struct reply ask(struct world *world, const char *token, const char *method, const char *path,
                 const char *const *headers, const char *body)
{
    struct reply reply = {0};
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {api_address}, .addresses_length = 1, .only_address = -1};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct header list[8];
    struct request request = {
        .method = method, .path = path, .headers = list, .body = body, .body_size = body ? strlen(body) : 0};

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

static bool switch_power(void *ctx, const char *host, enum power_order order, struct error *err)
{
    struct world *world = ctx;
    struct box *box = world_box(world, host);

    if (!box) return error_set(err, ERROR_NOT_FOUND, "no switch for %s", host);
    if (world->power_fails) return error_set(err, ERROR_FAILED, "the switch of %s is stuck", host);
    if (order != POWER_ON) box_die(box);
    if (order != POWER_OFF) box_boot(box);
    return true;
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
