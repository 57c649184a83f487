#include "simulate/world.h"

#include "base/text.h"
#include "model/image_text.h"
#include "sim/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const landlord = "landlords-own-token";
const char api_address[] = "127.0.0.1:7000";
enum { LOOK_US = 3000 }; /* of reading some sensors */

static const char *const images[] = {"hello:1", "hello:2", "croft-balancer:1"};
enum { FIRST_SIZE = 27 }; /* of images: it keeps them apart */
static const char *const controller_addresses[] = {"10.90.0.1:7070", "10.91.0.1:7070"};

static void add_box(struct world *world, const struct host *host);
static void write_image(const struct world *world, const char *party, const char *name, int64_t size,
                        struct buf *ret_yaml);
static void name_boot(struct box *box);
static void free_drivers(struct box *box);
static void spend(void *ctx, int64_t us);
static int64_t held_until_us(void *ctx);
static bool switch_power(void *ctx, const char *host, enum power_order order, struct error *err);

struct world *world_new(const struct world_options *options)
{
    struct world *world = mem_alloc(sizeof(*world));

    world->options = *options;
    world->clock = sim_clock_new(1700000000000);
    world->time = sim_clock_port(world->clock);
    world->random = sim_random_new(options->seed);
    world->net = sim_net_new(world->time, world->random);
    world->truth = fake_world_new(world->time);
    world->identity = sim_identity_new("croft");
    world->blobs = sim_blobs_new();
    sim_blobs_put(world->blobs, "the one layer of all images", 27, world->layer);
    world->power = sim_power_new(world->time, 50000, switch_power, world);
    world->post = sim_post_new(world->time, 20000);
    world->controller_machine = sim_net_machine(world->net, "controller");
    sim_machine_certify(world->controller_machine, ROLE_CONTROLLER, NULL);
    world->controller_clock = sim_machine_clock_new(world->time);
    sim_machine_held(world->controller_machine, held_until_us, world->controller_clock);
    world->person = sim_net_machine(world->net, "person");
    world->store = bad_store_open(spend, world->controller_clock, &world->bad_store);
    world->boxes = mem_alloc_array(options->hosts_length, sizeof(*world->boxes));
    world->boxes_by_name = map_new();
    for (size_t i = 0; i < options->hosts_length; i++)
        add_box(world, &options->hosts[i]);
    for (int path = 0; path < 2; path++)
        sim_machine_listen(world->controller_machine, controller_addresses[path], path, NULL, NULL);
    return world;
}

void world_free(struct world *world)
{
    if (!world) return;
    for (size_t i = 0; i < world->boxes_length; i++)
        box_stop_agent(&world->boxes[i]);
    world_stop_controller(world);
    sim_post_free(world->post);
    sim_power_free(world->power);
    sim_net_free(world->net);
    fake_world_free(world->truth);
    for (size_t i = 0; i < world->boxes_length; i++) {
        sim_bad_disk_free(world->boxes[i].bad_disk);
        sim_bad_blobs_free(world->boxes[i].bad_blobs);
        sim_hardware_free(world->boxes[i].hardware);
        sim_disk_free(world->boxes[i].disk);
        sim_blobs_free(world->boxes[i].blobs);
        sim_private_free(world->boxes[i].private);
        sim_machine_clock_free(world->boxes[i].clock);
    }
    store_close(world->store);
    sim_blobs_free(world->blobs);
    sim_identity_free(world->identity);
    sim_random_free(world->random);
    sim_machine_clock_free(world->controller_clock);
    sim_clock_free(world->clock);
    map_free(world->boxes_by_name);
    mem_free(world->boxes);
    mem_free(world);
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

void world_images(const struct world *world, struct buf *ret_yaml)
{
    for (size_t i = 0; i < LENGTH(images); i++)
        write_image(world, "landlord", images[i], FIRST_SIZE + (int64_t)i, ret_yaml);
}

void world_party_image(const struct world *world, const char *party, size_t n, struct buf *ret_yaml)
{
    write_image(world, party, images[1], FIRST_SIZE + (int64_t)(LENGTH(images) + n), ret_yaml);
}

bool world_start_controller(struct world *world, struct error *err)
{
    const struct clock_port *clock = sim_machine_clock_port(world->controller_clock);
    const struct controller_options options = {.clock = clock,
                                               .net = sim_machine_port(world->controller_machine),
                                               .identity = sim_identity_port(world->identity),
                                               .blobs = sim_blobs_port(world->blobs),
                                               .power = world->no_power ? NULL : sim_power_port(world->power),
                                               .post = sim_post_port(world->post),
                                               .store = world->store,
                                               .join_token = "join",
                                               .log = world->options.log,
                                               .log_ctx = world->options.log_ctx};

    ASSERT(!world->controller);

    if (!controller_new(&options, &world->controller, err)) return false;
    const struct api_options api_options = {.controller = world->controller,
                                            .clock = clock,
                                            .net = options.net,
                                            .random = sim_random_port(world->random),
                                            .identity = options.identity,
                                            .landlord_token = landlord};
    world->api = api_new(&api_options);
    for (int path = 0; path < 2; path++)
        sim_machine_listen(world->controller_machine, controller_addresses[path], path,
                           controller_serve_agents, world->controller);
    sim_machine_listen(world->controller_machine, api_address, 0, api_serve, world->api);
    return true;
}

void world_stop_controller(struct world *world)
{
    if (!world->controller) return;
    api_free(world->api);
    controller_free(world->controller);
    world->api = NULL;
    world->controller = NULL;
    /* Whoever leaves takes with him what he asked for. */
    ASSERT(sim_machine_calls(world->controller_machine) == 0);
    sim_machine_end(world->controller_machine);
}

void world_run_ms(struct world *world, int64_t ms)
{
    sim_clock_run(world->clock, ms * 1000);
}

bool box_boot(struct box *box, struct error *err)
{
    name_boot(box);
    box->on = true;
    box->switched_off = false;
    sim_machine_power(box->machine, true);
    return box_start_agent(box, err);
}

bool box_start_agent(struct box *box, struct error *err)
{
    struct world *world = box->world;

    if (!sim_vault_new(sim_bad_disk_port(box->bad_disk), sim_random_port(world->random), &box->vault, err))
        return error_wrap(err, "agent of %s", box->name);
    box->local = sim_local_new();
    box->processes = fake_processes_new(box->truth);
    box->compute = fake_compute_new(box->truth);
    box->network = fake_net_new(box->truth);
    box->balance = fake_balance_new(box->truth);
    const struct agent_options options = {
        .clock = sim_machine_clock_port(box->clock),
        .net = sim_machine_port(box->machine),
        .disk = sim_bad_disk_port(box->bad_disk),
        .identity = sim_identity_port(world->identity),
        .blobs = sim_bad_blobs_port(box->bad_blobs),
        .hardware = sim_hardware_port(box->hardware),
        .process = fake_processes_port(box->processes),
        .watch = sim_watch_port(),
        .random = sim_random_port(world->random),
        .vault = sim_vault_port(box->vault),
        .local = sim_local_port(box->local),
        .private = sim_private_port(box->private),
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
        .log = world->options.log,
        .log_ctx = world->options.log_ctx,
    };
    if (!agent_new(&options, &box->agent, err)) {
        sim_private_end(box->private);
        free_drivers(box);
        return error_wrap(err, "agent of %s", box->name);
    }
    for (int path = 0; path < 2; path++)
        sim_machine_listen(box->machine, box->addresses[path], path, agent_serve, box->agent);
    return true;
}

void box_stop_agent(struct box *box)
{
    if (!box->agent) return;
    agent_free(box->agent);
    box->agent = NULL;
    sim_private_end(box->private);
    free_drivers(box);
    ASSERT(sim_machine_calls(box->machine) == 0);
    sim_machine_end(box->machine);
}

void box_die(struct box *box)
{
    sim_machine_power(box->machine, false); /* first: it says no more */
    box->on = false;
    box_stop_agent(box);
    sim_bad_disk_power_lost(box->bad_disk);
    sim_bad_blobs_power_lost(box->bad_blobs);
    fake_host_off(box->truth);
}

struct box *world_box(struct world *world, const char *name)
{
    return map_get(world->boxes_by_name, name);
}

static void add_box(struct world *world, const struct host *host)
{
    size_t number = world->boxes_length + 2; /* 1 is the controller's */
    struct box *box = &world->boxes[world->boxes_length++];

    box->world = world;
    snprintf(box->name, sizeof(box->name), "%s", host->name);
    for (int path = 0; path < 2; path++)
        snprintf(box->addresses[path], sizeof(box->addresses[path]), "10.9%d.%zu.%zu:7071", path,
                 number / 256, number % 256);
    snprintf(box->underlay, sizeof(box->underlay), "10.92.%zu.%zu", number / 256, number % 256);
    box->machine = sim_net_machine(world->net, box->name);
    box->disk = sim_disk_new();
    box->blobs = sim_blobs_new();
    box->clock = sim_machine_clock_new(world->time);
    box->private = sim_private_new(sim_machine_clock_port(box->clock));
    sim_machine_held(box->machine, held_until_us, box->clock);
    box->bad_disk = sim_bad_disk_new(sim_disk_port(box->disk), spend, box->clock);
    box->bad_blobs = sim_bad_blobs_new(sim_blobs_port(box->blobs), spend, box->clock);
    box->hardware = sim_hardware_new(sim_machine_clock_port(box->clock), LOOK_US);
    box->truth = fake_host_get(world->truth, box->name);
    box->host = *host;
    map_put(world->boxes_by_name, box->name, box);
}

static void write_image(const struct world *world, const char *party, const char *name, int64_t size,
                        struct buf *ret_yaml)
{
    char digest[72];

    world_image_digest(world, size, digest);
    buf_printf(ret_yaml,
               "---\nkind: Image\nname: %s\nparty: %s\ndigest: \"%s\"\nlayers: [\"%s\"]\nsize: %" PRId64 "\n",
               name, party, digest, world->layer, size);
}

/* Unlike every other one's, as the kernel's are: no turned bit makes one of another. */
static void name_boot(struct box *box)
{
    char hex[65], text[96];

    snprintf(text, sizeof(text), "%s-boot-%d", box->name, ++box->boots);
    sim_digest(text, strlen(text), hex);
    snprintf(box->boot, sizeof(box->boot), "%s-%.16s", text, hex);
}

static void free_drivers(struct box *box)
{
    box->balance->destroy(box->balance->self);
    box->network->destroy(box->network->self);
    box->compute->destroy(box->compute->self);
    fake_processes_free(box->processes);
    sim_local_free(box->local);
    box->local = NULL;
    sim_vault_free(box->vault);
    box->vault = NULL;
}

static void spend(void *ctx, int64_t us)
{
    sim_machine_clock_spend(ctx, us);
}

static int64_t held_until_us(void *ctx)
{
    return sim_machine_clock_held_until_us(ctx);
}

static bool switch_power(void *ctx, const char *host, enum power_order order, struct error *err)
{
    struct world *world = ctx;
    struct box *box = world_box(world, host);

    if (!box) return error_set(err, ERROR_NOT_FOUND, "no switch for %s", host);
    if (world->power_fails) return error_set(err, ERROR_FAILED, "the switch of %s is stuck", host);
    if (order != POWER_ON) box_die(box);
    box->switched_off = order == POWER_OFF;
    return order == POWER_OFF || box->on || box_boot(box, err); /* what has power stays as it is */
}
