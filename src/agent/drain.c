/* Which draining members have no connection left at the balancers here, and which balancers have none. */
#include "agent/internal.h"
#include "base/planted.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool all_noted(const struct agent *agent, const char *member);
static bool still_draining(const struct agent *agent, const char *member);

/* Noted as "MEMBER BALANCER": while one balancer takes over from another, both have to have let go. */
void drain_noted(void *ctx, const char *balancer, const char *server)
{
    struct agent *agent = ctx;
    struct unit *unit = map_get(agent->units, balancer);

    if (!unit || !unit->wanted) return;
    CLEANUP_MEM char *key = mem_printf("%s/%s %s", unit->wanted->farm, server, balancer);
    map_put(agent->drained, key, agent);
    report_soon(agent);
}

void drained_trim(struct agent *agent)
{
    size_t cursor = 0;
    const char *key = NULL;

    while (map_next(agent->drained, &cursor, &key, NULL)) {
        CLEANUP_MEM char *member = mem_strndup(key, strcspn(key, " "));
        if (!still_draining(agent, member) && !PLANTED(drain_remembered)) map_remove(agent->drained, key);
    }
}

const char *const *drained_list(const struct agent *agent, struct arena *arena, size_t *ret_length)
{
    const char **list =
        arena_alloc_array(arena, map_length(agent->drained) + map_length(agent->units) + 1, sizeof(*list));
    size_t cursor = 0, length = 0;
    const char *key = NULL;
    void *value = NULL;

    while (map_next(agent->drained, &cursor, &key, NULL)) {
        const char *member = arena_printf(arena, "%.*s", (int)strcspn(key, " "), key);
        bool listed = false;
        for (size_t i = 0; i < length; i++)
            listed |= text_equal(list[i], member);
        if (!listed && all_noted(agent, member)) list[length++] = member;
    }
    cursor = 0;
    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (unit->last == LAST_ENDED) list[length++] = unit->name;
    }
    *ret_length = length;
    return list;
}

/* A balancer serves from its start, before it has been told anything, to the end of its last connection. */
static bool all_noted(const struct agent *agent, const char *member)
{
    size_t farm_length = (size_t)(unit_farm_short(member) - member), cursor = 0;
    void *value = NULL;

    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (!unit->have || unit->have->frontends_length == 0 || unit->last == LAST_ENDED ||
            strncmp(unit->name, member, farm_length) != 0)
            continue;
        CLEANUP_MEM char *key = mem_printf("%s %s", member, unit->name);
        if (!map_get(agent->drained, key)) return false;
    }
    return true;
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
