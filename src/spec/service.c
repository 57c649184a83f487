#include "spec/service.h"

#include "base/text.h"
#include "model/schemas.h"

static const char *level_fault(struct arena *arena, const struct sla *sla, const struct tier *tier,
                               enum level *ret_level);
static bool is_sized_by_load(const struct tier *tier);
static const char *metric_fault(struct arena *arena, const struct sla *sla, const struct farm *farm,
                                const struct tier *tier);
static bool is_balanced(const struct farm *farm, const struct tier *tier, enum balance_mode mode);

bool service_find_fault(struct arena *arena, const struct sla *sla, const struct farm *farm,
                        struct service_fault *ret_fault)
{
    for (size_t t = 0; t < farm->tiers_length; t++) {
        const struct tier *tier = &farm->tiers[t];
        struct service_fault fault = {.tier = t, .level = LEVELS};
        fault.why = level_fault(arena, sla, tier, &fault.level);
        if (fault.why == NULL && is_sized_by_load(tier)) fault.why = metric_fault(arena, sla, farm, tier);
        if (fault.why == NULL) continue;
        *ret_fault = fault;
        return true;
    }
    return false;
}

/* A level is offered when it has a rate. */
static const char *level_fault(struct arena *arena, const struct sla *sla, const struct tier *tier,
                               enum level *ret_level)
{
    static const char *const counts[] = {"committed", "guaranteed", "max"};
    const int64_t upto[LEVELS] = {tier->count.committed, tier->count.guaranteed, tier->count.max};

    for (enum level level = LEVEL_GUARANTEED; level < LEVELS; level++) {
        if (upto[level] == upto[level - 1] || sla->levels[level].rate.currency[0] != '\0') continue;
        *ret_level = level;
        return arena_printf(
            arena, "%s does not offer the level %s: make %s %lld, as %s, or ask the landlord for a rate",
            sla->name, level_names[level], counts[level], (long long)upto[level - 1], counts[level - 1]);
    }
    return NULL;
}

/* As plan/share does: more than committed is called for by load. */
static bool is_sized_by_load(const struct tier *tier)
{
    return tier->capacity > 0 && tier->count.max > tier->count.committed;
}

/* What is counted by the farm's balancer is known only of tiers to which it leads. */
static const char *metric_fault(struct arena *arena, const struct sla *sla, const struct farm *farm,
                                const struct tier *tier)
{
    bool http = is_balanced(farm, tier, BALANCE_HTTP), tcp = is_balanced(farm, tier, BALANCE_TCP);
    const char *mode = "";

    switch (sla->metric) {
    case METRIC_CPU:
        return NULL;
    case METRIC_CUSTOM:
        return arena_printf(
            arena,
            "%s counts a metric of its own, which nothing here measures: leave capacity out, or "
            "ask the landlord for another metric",
            sla->name);
    case METRIC_REQUESTS:
        if (http) return NULL;
        mode = " of mode http";
        break;
    case METRIC_TRANSACTIONS:
        if (tcp) return NULL;
        mode = " of mode tcp";
        break;
    case METRIC_CONNECTIONS:
    case METRIC_BYTES:
        if (http || tcp) return NULL;
        break;
    }
    return arena_printf(arena, "%s counts %s, and no balancer%s leads to %s: add one, or leave capacity out",
                        sla->name, sla_metric_names[sla->metric], mode, tier->name);
}

static bool is_balanced(const struct farm *farm, const struct tier *tier, enum balance_mode mode)
{
    for (size_t b = 0; b < farm->balance_length; b++)
        if (farm->balance[b].mode == mode && text_equal(farm->balance[b].to_tier, tier->name)) return true;
    return false;
}
