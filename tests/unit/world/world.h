/* A whole grid in one process on virtual time: the real controller and API over a memory store, real agents,
 * and under them a simulated network and the fake world. After every step the world is judged: one and only
 * one. */
#ifndef CROFT_TESTS_UNIT_WORLD_H
#define CROFT_TESTS_UNIT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "api/api.h"
#include "base/mem.h"
#include "base/text.h"
#include "control/controller.h"
#include "driver/fake/fake.h"
#include "sim/blob.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/identity.h"
#include "sim/net.h"
#include "sim/power.h"
#include "sim/random.h"
#include "sim/watch.h"
#include "store/store.h"

enum { BOXES_MAX = 6 };

/* A host: what stays when its agent or its power goes, and what does not. */
struct box {
    struct world *world;
    char name[32], addresses[2][48], underlay[48], boot[64];
    int boots;
    struct sim_machine *machine;
    struct sim_disk *disk;
    struct sim_blobs *blobs;
    struct fake_host *truth;
    struct host host;
    /* while its agent runs */
    struct agent *agent;
    struct fake_processes *processes;
    const struct compute_driver *compute;
    const struct net_driver *network;
    const struct balance_driver *balance;
};

struct world {
    struct sim_clock *clock;
    const struct clock_port *time;
    struct sim_random *random;
    struct sim_net *net;
    struct fake_world *truth;
    struct sim_identity *identity;
    struct sim_blobs *blobs; /* the controller's */
    char layer[72];          /* digest of the one layer that all images have */
    struct sim_power *power;
    bool power_fails, no_power;
    struct sim_machine *controller_machine, *person;
    struct store *store;
    struct controller *controller;
    struct api *api;
    struct box boxes[BOXES_MAX];
    size_t boxes_length;
};

struct reply {
    bool done;
    int status;
    struct buf body;
    struct buf headers; /* "name: value\n" each */
};

extern const char *const landlord; /* the landlord's token */

struct world *world_new(size_t nodes); /* nothing runs yet */
void world_free(struct world *world);
/* All of it: controller, API, agents; images hello:1 and croft-balancer:1, party acme. */
struct world *world_started(size_t nodes);
/* Of an image with the one layer and this size, and nothing else. */
void world_image_digest(const struct world *world, int64_t size, char ret_digest[72]);
void world_start_controller(struct world *world);
void world_stop_controller(struct world *world);
void world_run_ms(struct world *world, int64_t ms);

void box_boot(struct box *box); /* power on, a new run of the host, its agent */
void box_start_agent(struct box *box);
void box_stop_agent(struct box *box); /* what it runs goes on */
void box_die(struct box *box);        /* power lost */
struct box *world_box(struct world *world, const char *name);

/* Asks the API and waits for the answer; headers: "Name: value" …, NULL last, or NULL. */
struct reply ask(struct world *world, const char *token, const char *method, const char *path,
                 const char *const *headers, const char *body);
void reply_free(struct reply *reply);
/* As ask(), with the status that is expected; the body in a buffer that the next call reuses. */
const char *expect(struct world *world, int status, const char *token, const char *method, const char *path,
                   const char *body);
void apply(struct world *world, const char *yaml);
/* Value of a header of a reply, or NULL; valid until the reply is freed. Into value, 256 bytes. */
const char *reply_header(const struct reply *reply, const char *name, char *value);

const struct instance *instance_of(struct world *world, const char *name); /* as the controller knows it */
const struct host_fact *fact_of(struct world *world, const char *host);
/* Where the instance truly runs, or NULL. */
const char *truly_on(struct world *world, const char *instance);
size_t truly_running(struct world *world, const char *name_begins);
/* Fails the test when it is not so in time. */
void wait_running(struct world *world, const char *name_begins, size_t count, int64_t ms);
void wait_host(struct world *world, const char *host, enum host_state state, int64_t ms);
/* Every instance wanted by the controller runs where it says, nothing else does. */
void assert_settled(struct world *world);
unsigned operations(struct world *world); /* that any driver was asked for that touch instances */

#endif
