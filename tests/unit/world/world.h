/* The whole grid of simulate/world.h in a test. After every step it is judged: one and only one. */
#ifndef CROFT_TESTS_UNIT_WORLD_H
#define CROFT_TESTS_UNIT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "simulate/world.h"

enum { BOXES_MAX = 6 };

struct reply {
    bool done;
    int status;
    struct buf body;
    struct buf headers; /* "name: value\n" each */
};

struct world *small_world(size_t nodes); /* hosts h1, h2, … in two racks; nothing runs yet */
/* All of it: controller, API, agents; images hello:1 and croft-balancer:1, party acme. */
struct world *world_started(size_t nodes);
/* These fail the test. */
void start_controller(struct world *world);
void boot(struct box *box); /* power on, a new run of the host, its agent */
void start_agent(struct box *box);

/* Asks the API and waits for the answer; headers: "Name: value" …, NULL last, or NULL. */
struct reply ask(struct world *world, const char *token, const char *method, const char *path,
                 const char *const *headers, const char *body);
struct reply ask_bytes(struct world *world, const char *token, const char *method, const char *path,
                       const char *const *headers, const char *body, size_t size);
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
