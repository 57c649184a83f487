/* A whole grid in one process on virtual time: the real controller and API over a memory store, real agents,
 * and under them a simulated network and the fake world. What stands here is put together and taken apart;
 * who drives it (a test, or the simulation) sees its parts. */
#ifndef CROFT_SIMULATE_WORLD_H
#define CROFT_SIMULATE_WORLD_H

#include "agent/agent.h"
#include "api/api.h"
#include "base/mem.h"
#include "control/controller.h"
#include "driver/fake/fake.h"
#include "sim/bad_blobs.h"
#include "sim/bad_disk.h"
#include "sim/blob.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/hardware.h"
#include "sim/identity.h"
#include "sim/local.h"
#include "sim/machine_clock.h"
#include "sim/net.h"
#include "sim/post.h"
#include "sim/power.h"
#include "sim/private.h"
#include "sim/random.h"
#include "sim/vault.h"
#include "sim/watch.h"
#include "simulate/bad_store.h"
#include "store/store.h"

struct world_options {
    uint64_t seed;
    const struct host *hosts; /* as they present themselves; they and their texts outlive the world */
    size_t hosts_length;
    /* Lines that controller and agents log; NULL: to the standard error. */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
};

/* A host: what stays when its agent or its power goes, and what does not. */
struct box {
    struct world *world;
    char name[64], addresses[2][48], underlay[48], boot[160];
    int boots;
    bool on;
    bool switched_off; /* by its power switch, as the controller asked */
    struct sim_machine *machine;
    struct sim_disk *disk;
    struct sim_blobs *blobs;
    struct sim_private *private;
    /* laid over the true clock, the disk and the blobs: what may go wrong with them */
    struct sim_machine_clock *clock;
    struct sim_bad_disk *bad_disk;
    struct sim_bad_blobs *bad_blobs;
    struct sim_hardware *hardware;
    struct fake_host *truth;
    struct host host;
    /* while its agent runs */
    struct agent *agent;
    struct sim_vault *vault;
    struct sim_local *local;
    struct fake_processes *processes;
    const struct compute_driver *compute;
    const struct net_driver *network;
    const struct balance_driver *balance;
};

struct world {
    struct world_options options;
    struct sim_clock *clock;
    const struct clock_port *time;
    struct sim_random *random;
    struct sim_net *net;
    struct fake_world *truth;
    struct sim_identity *identity;
    struct sim_blobs *blobs; /* the controller's */
    char layer[72];          /* digest of the one layer that all images have */
    struct sim_power *power;
    struct sim_post *post; /* what people were told */
    bool power_fails, no_power;
    struct sim_machine *controller_machine, *person;
    struct sim_machine_clock *controller_clock;
    struct store *store;
    struct bad_store *bad_store; /* the layer in it */
    struct controller *controller;
    struct api *api;
    struct box *boxes;
    size_t boxes_length;
    struct map *boxes_by_name;
};

extern const char *const landlord; /* the landlord's token */
extern const char api_address[];

struct world *world_new(const struct world_options *options); /* nothing runs yet */
void world_free(struct world *world);                         /* NULL is fine */
/* Of an image with the one layer and this size, and nothing else. */
void world_image_digest(const struct world *world, int64_t size, char ret_digest[72]);
/* Documents of the images hello:1, hello:2 and croft-balancer:1, added to ret_yaml. */
void world_images(const struct world *world, struct buf *ret_yaml);
/* The same of an image hello:2 of the n-th party's own (from 0), another one than the landlord's. */
void world_party_image(const struct world *world, const char *party, size_t n, struct buf *ret_yaml);
/* One at a time. What it does not finish when it stops is as after a crash. */
MUST_CHECK bool world_start_controller(struct world *world, struct error *err);
void world_stop_controller(struct world *world);
void world_run_ms(struct world *world, int64_t ms);

MUST_CHECK bool box_boot(struct box *box, struct error *err); /* power on, a new run of the host, its agent */
MUST_CHECK bool box_start_agent(struct box *box, struct error *err);
void box_stop_agent(struct box *box);                         /* what it runs goes on */
void box_die(struct box *box);                                /* power lost */
struct box *world_box(struct world *world, const char *name); /* NULL: there is none */

#endif
