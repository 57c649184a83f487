/* Looks after what the networks here need besides the kernel: a name server may end at any time, and nobody
 * else would notice before the next document. */
#include "agent/internal.h"

enum { TEND_US = 2 * 1000 * 1000 };

static void tend(void *ctx);

void tend_start(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    if (!agent->tend_next) agent->tend_next = clock->after(clock->self, TEND_US, tend, agent);
}

void tend_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    clock->cancel(clock->self, agent->tend_next);
    agent->tend_next = NULL;
}

static void tend(void *ctx)
{
    struct agent *agent = ctx;
    const struct net_driver *network = agent->options.network;
    struct error err;

    agent->tend_next = NULL;
    if (!agent->good || agent->good->document.farms_length == 0) return;
    for (size_t i = 0; i < agent->good->document.farms_length; i++)
        if (!network->farm_tend(network->self, &agent->good->document.farms[i], &err))
            agent_log(agent, "looking after a farm's network", &err);
    tend_start(agent);
}
