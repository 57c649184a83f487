#include "plan/planner.h"

static void put_all(struct planner *planner, enum record_kind kind, const void *items, size_t length,
                    size_t size);

struct plan plan_make(struct arena *arena, const struct snapshot *s, int64_t now_ms)
{
    struct planner *planner = planner_new_in(arena);
    planner_put_all(planner, s);
    struct plan plan = planner_plan(planner, arena, now_ms);
    planner_free(planner);
    return plan;
}

void planner_put_all(struct planner *planner, const struct snapshot *s)
{
    put_all(planner, RECORD_HOST, s->hosts, s->hosts_length, sizeof(*s->hosts));
    put_all(planner, RECORD_HOST_FACT, s->host_facts, s->host_facts_length, sizeof(*s->host_facts));
    put_all(planner, RECORD_PARTY, s->parties, s->parties_length, sizeof(*s->parties));
    put_all(planner, RECORD_IMAGE, s->images, s->images_length, sizeof(*s->images));
    put_all(planner, RECORD_LEASE, s->leases, s->leases_length, sizeof(*s->leases));
    put_all(planner, RECORD_FILTER, s->filters, s->filters_length, sizeof(*s->filters));
    put_all(planner, RECORD_POOL, s->pools, s->pools_length, sizeof(*s->pools));
    put_all(planner, RECORD_FARM, s->farms, s->farms_length, sizeof(*s->farms));
    put_all(planner, RECORD_FARM_FACT, s->farm_facts, s->farm_facts_length, sizeof(*s->farm_facts));
    put_all(planner, RECORD_INSTANCE, s->instances, s->instances_length, sizeof(*s->instances));
}

static void put_all(struct planner *planner, enum record_kind kind, const void *items, size_t length,
                    size_t size)
{
    for (size_t n = 0; n < length; n++)
        planner_put(planner, kind, (const char *)items + n * size);
}
