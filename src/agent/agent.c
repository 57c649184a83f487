#include "agent/internal.h"

#include "base/planted.h"
#include "base/text.h"

static bool adopt(struct agent *agent, struct error *err);

bool agent_new(const struct agent_options *options, struct agent **ret_agent, struct error *err)
{
    struct agent *agent = mem_alloc(sizeof(*agent));

    agent->options = *options;
    agent->denied = VEC_OF(struct net_counter);
    agent->units = map_new();
    agent->wiped = VEC_OF(struct unit *);
    agent->predecessors = VEC_OF(struct held_document *);
    agent->fetches = map_new();
    agent->drained = map_new();
    agent->execs = map_new();
    agent->looks = VEC_OF(struct look *);
    agent->meters = map_new();
    agent->stalls = map_new();
    agent->keys = VEC_OF(struct party_keys *);
    agent->disk_keys = map_new();
    private_start(agent);
    kept_logs_start(agent);
    agent->sealed = VEC_OF(struct sealed_asked *);
    images_start(agent);
    const struct compute_events compute_events = {unit_exited, agent};
    /* A balancer steers around a server that it finds bad by itself; the instance's own probe decides what
     * happens to the instance. */
    const struct balance_events balance_events = {.drained = drain_noted,
                                                  .sample = options->unmeasured ? NULL : load_sample,
                                                  .counted = options->unmeasured ? NULL : load_counted,
                                                  .ctx = agent};
    options->compute->set_events(options->compute->self, &compute_events);
    options->balance->set_events(options->balance->self, &balance_events);
    if (!adopt(agent, err) || !keys_load(agent, err) || !disk_keys_load(agent, err)) {
        agent_free(agent);
        return false;
    }
    document_load(agent);
    channel_start(agent);
    boot_start(agent);
    if (!options->unmeasured) load_start(agent);
    hardware_start(agent);
    *ret_agent = agent;
    return true;
}

void agent_free(struct agent *agent)
{
    if (!agent) return;
    const struct clock_port *clock = agent->options.clock;
    size_t cursor = 0;
    void *value = NULL;

    channel_stop(agent);
    load_stop(agent);
    hardware_stop(agent);
    denied_stop(agent);
    tend_stop(agent);
    images_stop(agent);
    boot_stop(agent);
    clock->cancel(clock->self, agent->step_soon);
    clock->cancel(clock->self, agent->make_warm);
    clock->cancel(clock->self, agent->wiped_next);
    vec_free(&agent->wiped);
    while (map_next(agent->units, &cursor, NULL, &value))
        unit_free(value);
    for (cursor = 0; map_next(agent->fetches, &cursor, NULL, &value);)
        fetch_free(value);
    kept_logs_stop(agent);
    private_stop(agent);
    for (cursor = 0; map_next(agent->execs, &cursor, NULL, &value);)
        exec_free(value);
    while (agent->looks.length > 0)
        look_free(*(struct look **)vec_at(&agent->looks, 0));
    vec_free(&agent->looks);
    map_free(agent->units);
    map_free(agent->fetches);
    map_free(agent->drained);
    map_free(agent->execs);
    predecessors_free(agent);
    document_stop(agent);
    sealed_forget(agent, NULL);
    vec_free(&agent->sealed);
    keys_free(agent);
    disk_keys_free(agent);
    mem_free(agent->refused_reason);
    mem_free(agent);
}

/* What the driver finds was made by an earlier agent; until a document says otherwise it is left alone. */
static bool adopt(struct agent *agent, struct error *err)
{
    const struct compute_driver *compute = agent->options.compute;
    struct vec found = VEC_OF(struct compute_found);

    if (!compute->list(compute->self, &found, err)) return false;
    for (size_t i = 0; i < found.length; i++) {
        struct compute_found *item = vec_at(&found, i);
        if (!PLANTED(nothing_taken_over)) unit_adopt(unit_get(agent, item->instance), item);
        mem_free(item->instance);
        mem_free(item->store);
        mem_free(item->personality_json);
    }
    vec_free(&found);
    return true;
}
