/* Documents that were in force before: kept on disk as predecessors/<version>, the last few of them, so that
 * an operator can see what a host was told and when it changed. Nothing goes by them, so nothing waits for
 * them. */
#include "agent/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT = 5,
    LATER_US = 1000 * 1000, /* when the instances have been seen to */
};

static void write_next(void *ctx);
static void write_one(struct agent *agent, const struct held_document *held);
static void forget_old(struct agent *agent, int64_t version);

void predecessors_add(struct agent *agent, struct held_document *held)
{
    const struct clock_port *clock = agent->options.clock;

    if (!held) return;
    *(struct held_document **)vec_push(&agent->predecessors) = held;
    if (agent->predecessors.length > KEPT) {
        held_document_free(*(struct held_document **)vec_at(&agent->predecessors, 0));
        vec_remove(&agent->predecessors, 0);
    }
    if (!agent->predecessors_next)
        agent->predecessors_next = clock->after(clock->self, LATER_US, write_next, agent);
}

void predecessors_free(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;

    clock->cancel(clock->self, agent->predecessors_next);
    for (size_t i = 0; i < agent->predecessors.length; i++)
        held_document_free(*(struct held_document **)vec_at(&agent->predecessors, i));
    vec_free(&agent->predecessors);
}

static void write_next(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    struct held_document *held = *(struct held_document **)vec_at(&agent->predecessors, 0);

    agent->predecessors_next = NULL;
    vec_remove(&agent->predecessors, 0);
    write_one(agent, held);
    held_document_free(held);
    if (agent->predecessors.length > 0)
        agent->predecessors_next = clock->after(clock->self, LATER_US, write_next, agent);
}

static void write_one(struct agent *agent, const struct held_document *held)
{
    const struct disk_port *disk = agent->options.disk;
    char path[64];
    struct error err;

    snprintf(path, sizeof(path), "predecessors/%" PRId64, held->document.version);
    if (!disk->write(disk->self, path, held->stored, strlen(held->stored), 0600, &err))
        agent_log(agent, "keeping a document that was in force before", &err);
    forget_old(agent, held->document.version);
}

static void forget_old(struct agent *agent, int64_t version)
{
    const struct disk_port *disk = agent->options.disk;
    struct vec names = VEC_OF(char *);
    struct error err;

    if (!disk->list(disk->self, "predecessors", &names, &err))
        agent_log(agent, "listing old documents", &err);
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i), path[128];
        snprintf(path, sizeof(path), "predecessors/%s", name);
        /* By version and not by count: a controller that began anew counts from one again. */
        int64_t age = version - strtoll(name, NULL, 10);
        if ((age >= KEPT || age < 0) && !disk->remove(disk->self, path, &err))
            agent_log(agent, "removing an old document", &err);
        mem_free(name);
    }
    vec_free(&names);
}
