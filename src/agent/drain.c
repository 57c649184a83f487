/* Which draining members have no connection left at the balancers here. */
#include "agent/internal.h"
#include "base/text.h"

#include <stdio.h>

static bool still_draining(const struct agent *agent, const char *member);

void drain_noted(void *ctx, const char *balancer, const char *server)
{
    struct agent *agent = ctx;
    struct unit *unit = map_get(agent->units, balancer);
    char member[256];

    if (!unit || !unit->wanted) return;
    snprintf(member, sizeof(member), "%s/%s", unit->wanted->farm, server);
    map_put(agent->drained, member, agent);
    report_soon(agent);
}

void drained_trim(struct agent *agent)
{
    size_t cursor = 0;
    const char *member = NULL;

    while (map_next(agent->drained, &cursor, &member, NULL))
        if (!still_draining(agent, member)) map_remove(agent->drained, member);
}

static bool still_draining(const struct agent *agent, const char *member)
{
    const struct host_document *document = &agent->good->document;

    for (size_t i = 0; i < document->instances_length; i++) {
        const struct personality *balancer = &document->instances[i];
        for (size_t j = 0; j < balancer->frontends_length; j++) {
            const struct balance_frontend *frontend = &balancer->frontends[j];
            for (size_t k = 0; k < frontend->servers_length; k++) {
                char name[256];
                snprintf(name, sizeof(name), "%s/%s", balancer->farm, frontend->servers[k].instance);
                if (frontend->servers[k].drain && text_equal(name, member)) return true;
            }
        }
    }
    return false;
}
