/* Which hosts' documents may say something else than before. A document follows from the host's farms, whole,
 * and from what all hosts have in common: addresses of the others, and images. */
#include "base/text.h"
#include "base/vec.h"
#include "control/internal.h"

static void note_farm(struct controller *controller, const char *farm);
static void note_host(struct controller *controller, const char *host);
static bool is_news_to_others(const struct host_fact *was, const struct host_fact *is);

void news_of(struct controller *controller, enum record_kind kind, const char *name, const void *is)
{
    const void *was = planner_get(controller->planner, kind, name);

    switch (kind) {
    case RECORD_INSTANCE:
        /* Where it was is not told by its farm any more. */
        if (was == NULL && is == NULL) return;
        if (was) note_host(controller, ((const struct instance *)was)->host);
        note_farm(controller, ((const struct instance *)(is ? is : was))->farm);
        return;
    case RECORD_FARM:
    case RECORD_FARM_FACT:
        note_farm(controller, name);
        return;
    case RECORD_HOST_FACT:
        note_host(controller, name);
        if (is_news_to_others(was, is)) controller->news_everywhere = true;
        return;
    case RECORD_IMAGE:
        controller->news_everywhere = true;
        return;
    case RECORD_HOST:
    case RECORD_PARTY:
    case RECORD_POOL:
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
        return; /* no document says anything of them */
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

const char *const *news_hosts(struct controller *controller, struct arena *arena)
{
    struct snapshot grid = mirror_surroundings(controller->mirror);
    size_t cursor = 0, length = 0;
    const char *name = NULL;

    while (!controller->news_everywhere && map_next(controller->news_farms, &cursor, &name, NULL)) {
        const char **hosts = NULL;
        size_t hosts_length = planner_hosts_of(controller->planner, arena, name, &hosts);
        for (size_t n = 0; n < hosts_length; n++)
            note_host(controller, hosts[n]);
    }
    const char **all = arena_alloc_array(arena, grid.host_facts_length + 1, sizeof(*all));
    /* In the order of their names, and only those that were ever heard of. */
    for (size_t n = 0; n < grid.host_facts_length; n++)
        if (controller->news_everywhere || map_get(controller->news_hosts, grid.host_facts[n].name))
            all[length++] = grid.host_facts[n].name;
    return all;
}

void news_seen(struct controller *controller)
{
    map_free(controller->news_farms);
    map_free(controller->news_hosts);
    controller->news_farms = map_new();
    controller->news_hosts = map_new();
    controller->news_everywhere = false;
}

void news_again(struct controller *controller, const char *host)
{
    note_host(controller, host);
}

static void note_farm(struct controller *controller, const char *farm)
{
    map_put(controller->news_farms, farm, controller);
}

static void note_host(struct controller *controller, const char *host)
{
    if (host[0] != '\0') map_put(controller->news_hosts, host, controller);
}

/* What the documents of other hosts and the members of farms say of it. */
static bool is_news_to_others(const struct host_fact *was, const struct host_fact *is)
{
    if (was == NULL || is == NULL) return true;
    return was->underlay != is->underlay || was->fenced != is->fenced || was->given_up != is->given_up ||
           was->state != is->state || !text_equal(was->addresses[0], is->addresses[0]) ||
           !text_equal(was->addresses[1], is->addresses[1]);
}
