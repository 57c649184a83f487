#include "plan/whatif/ledger.h"

#include "base/text.h"

static void add_host(struct ledger *ledger, const struct planner *planner, const struct host *host);
static void add_instance(struct ledger *ledger, const struct planner *planner,
                         const struct instance *instance);
static bool is_strict(const struct planner *planner, const struct instance *instance);
static int compare_hosts(const void *a, const void *b);

struct ledger *ledger_new(const struct planner *planner, struct arena *arena)
{
    struct ledger *ledger = arena_alloc(arena, sizeof(*ledger));
    const struct host *host = NULL;
    const struct instance *instance = NULL;
    size_t cursor = 0;

    ledger->hosts =
        arena_alloc_array(arena, planner_length(planner, RECORD_HOST) + 1, sizeof(*ledger->hosts));
    while ((host = planner_next(planner, RECORD_HOST, &cursor)) != NULL)
        add_host(ledger, planner, host);
    array_sort(ledger->hosts, ledger->hosts_length, sizeof(*ledger->hosts), compare_hosts);
    ledger->host_by_name = map_new();
    for (size_t h = 0; h < ledger->hosts_length; h++)
        map_put(ledger->host_by_name, ledger->hosts[h].name, &ledger->hosts[h]);
    cursor = 0;
    while ((instance = planner_next(planner, RECORD_INSTANCE, &cursor)) != NULL)
        add_instance(ledger, planner, instance);
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    if (ledger) map_free(ledger->host_by_name);
}

struct ledger_host *ledger_host(const struct ledger *ledger, const char *name)
{
    return map_get(ledger->host_by_name, name);
}

bool ledger_runs(const struct planner *planner, const struct instance *instance)
{
    return ledger_runs_on(planner_get(planner, RECORD_HOST_FACT, instance->host), instance);
}

bool ledger_runs_on(const struct host_fact *fact, const struct instance *instance)
{
    return instance->wanted == WANTED_RUN && fact != NULL && fact->state != HOST_DOWN &&
           fact->state != HOST_STATE_OFF;
}

static void add_host(struct ledger *ledger, const struct planner *planner, const struct host *host)
{
    const struct host_fact *fact = planner_get(planner, RECORD_HOST_FACT, host->name);
    struct ledger_host *to = &ledger->hosts[ledger->hosts_length++];
    struct amount capacity = amount_of(&host->capacity), reserve = amount_of(&host->reserve);
    *to = (struct ledger_host){.host = host,
                               .name = host->name,
                               .zone = host->zone,
                               .usable = host->state == HOST_ACTIVE && fact && fact->state == HOST_UP,
                               .holds = fact && fact->state != HOST_DOWN && fact->state != HOST_STATE_OFF};
    for (size_t d = 0; d < DIMENSIONS; d++)
        to->total.of[d] = capacity.of[d] - reserve.of[d];
    if (capacity.of[DIMENSIONS - 1] == 0) to->total.of[DIMENSIONS - 1] = UNCOUNTED; /* as work.c */
}

static void add_instance(struct ledger *ledger, const struct planner *planner,
                         const struct instance *instance)
{
    bool runs = ledger_runs(planner, instance);
    struct ledger_host *host = map_get(ledger->host_by_name, instance->host);
    struct amount size = amount_of(&instance->size);
    ledger->running += runs;
    ledger->waiting += !runs && instance->wanted == WANTED_RUN;
    if (host == NULL) return;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        host->used.of[d] += size.of[d];
        if (runs) host->runs.of[d] += size.of[d];
        if (size.of[d] > host->largest.of[d]) host->largest.of[d] = size.of[d];
    }
    host->instances++;
    host->strict |= is_strict(planner, instance);
}

static bool is_strict(const struct planner *planner, const struct instance *instance)
{
    const struct farm *farm = planner_get(planner, RECORD_FARM, instance->farm);
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, instance->tier)) return farm->tiers[t].spread.strict;
    return false;
}

static int compare_hosts(const void *a, const void *b)
{
    return text_compare_natural(((const struct ledger_host *)a)->name, ((const struct ledger_host *)b)->name);
}
