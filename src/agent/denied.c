/* What the networks here did not let pass. */
#include "agent/internal.h"
#include "base/text.h"

enum { LOOK_US = 5 * 1000 * 1000 };

static void look(void *ctx);
static bool same(const struct vec *a, const struct vec *b);

void denied_start(struct agent *agent)
{
    if (!agent->denied_next) look(agent);
}

void denied_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    clock->cancel(clock->self, agent->denied_next);
    agent->denied_next = NULL;
    net_counters_free(&agent->denied);
}

static void look(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    const struct net_driver *network = agent->options.network;
    struct vec counters = VEC_OF(struct net_counter);
    struct error err;

    agent->denied_next = NULL;
    bool farms = agent->good && agent->good->document.farms_length > 0;
    if (farms) agent->denied_next = clock->after(clock->self, LOOK_US, look, agent);
    if (farms && !network->counters(network->self, &counters, &err)) {
        agent_log(agent, "reading what was denied", &err);
        net_counters_free(&counters);
        return;
    }
    bool news = !same(&agent->denied, &counters);
    net_counters_free(&agent->denied);
    agent->denied = counters;
    if (news) report_soon(agent);
}

/* In the same order, too: another order costs a report and does no harm. */
static bool same(const struct vec *a, const struct vec *b)
{
    bool equal = a->length == b->length;
    for (size_t i = 0; equal && i < a->length; i++) {
        const struct net_counter *x = vec_at(a, i), *y = vec_at(b, i);
        equal = x->packets == y->packets && text_equal(x->reason, y->reason) && text_equal(x->by, y->by) &&
                text_equal(x->instance, y->instance) && text_equal(x->farm, y->farm);
    }
    return equal;
}
