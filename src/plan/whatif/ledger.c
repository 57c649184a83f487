#include "plan/whatif/ledger.h"

#include "base/text.h"

/* What is the same for all members of a tier, and for all that have an image; they mostly come one after the
 * other. */
struct kin {
    const struct farm *farm;
    const char *tier; /* NULL: none yet */
    bool alive, tied, spared;
    struct amount again;       /* what a member asks for when it is placed again */
    const char *party, *image; /* NULL: none yet */
    bool has_image;
};

static void add_host(struct ledger *ledger, const struct planner *planner, const struct host *host);
static void find_alive(const struct planner *planner, struct map *alive);
static void add_instance(struct ledger *ledger, const struct planner *planner, const struct map *alive,
                         const struct instance *instance, struct kin *kin);
static bool is_tied(const struct planner *planner, const struct map *alive, const struct instance *instance,
                    const struct farm *farm, struct kin *kin);
static bool needs_any(const struct farm *farm);
static struct resources size_again(const struct farm *farm, const struct instance *instance);
static bool is_spared(const struct farm *farm, const char *tier);
static bool has_image(const struct planner *planner, const char *party, const char *image, struct kin *kin);
static const struct tier *tier_of(const struct farm *farm, const char *name);
static bool is_kin(const struct kin *kin, const struct farm *farm, const char *tier);
static int compare_hosts(const void *a, const void *b);

struct ledger *ledger_new(const struct planner *planner, struct arena *arena)
{
    struct ledger *ledger = arena_alloc(arena, sizeof(*ledger));
    CLEANUP(map_freep) struct map *alive = map_new();
    struct kin kin = {0};
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
    find_alive(planner, alive);
    cursor = 0;
    while ((instance = planner_next(planner, RECORD_INSTANCE, &cursor)) != NULL)
        add_instance(ledger, planner, alive, instance, &kin);
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
                               .usable = fact && host_is_active(host, fact) && fact->state == HOST_UP,
                               .holds = fact && fact->state != HOST_DOWN && fact->state != HOST_STATE_OFF};
    for (size_t d = 0; d < DIMENSIONS; d++)
        to->total.of[d] = capacity.of[d] - reserve.of[d];
    if (capacity.of[DIMENSIONS - 1] == 0) to->total.of[DIMENSIONS - 1] = UNCOUNTED; /* as work.c */
}

/* Tiers of which a member is well, "acme/shop/db", in farms where that matters to another tier. */
static void find_alive(const struct planner *planner, struct map *alive)
{
    const struct instance *instance = NULL;
    struct kin kin = {0};
    size_t cursor = 0;
    while ((instance = planner_next(planner, RECORD_INSTANCE, &cursor)) != NULL) {
        const struct farm *farm = planner_get(planner, RECORD_FARM, instance->farm);
        if (!is_kin(&kin, farm, instance->tier))
            kin = (struct kin){.farm = farm, .tier = instance->tier, .alive = !needs_any(farm)};
        if (farm == NULL || kin.alive || !ledger_runs(planner, instance)) continue;
        if (!instance_healthy(instance, tier_of(farm, instance->tier))) continue;
        CLEANUP_MEM char *name = mem_printf("%s/%s", farm->full_name, instance->tier);
        map_put(alive, name, alive);
        kin.alive = true;
    }
}

static void add_instance(struct ledger *ledger, const struct planner *planner, const struct map *alive,
                         const struct instance *instance, struct kin *kin)
{
    const struct farm *farm = planner_get(planner, RECORD_FARM, instance->farm);
    bool runs = ledger_runs(planner, instance);
    struct ledger_host *host = map_get(ledger->host_by_name, instance->host);
    struct amount size = amount_of(&instance->size);
    ledger->running += runs;
    ledger->waiting += !runs && instance->wanted == WANTED_RUN;
    if (host == NULL) return;
    if (!is_kin(kin, farm, instance->tier)) {
        struct resources again = size_again(farm, instance);
        kin->farm = farm;
        kin->tier = instance->tier;
        kin->tied = is_tied(planner, alive, instance, farm, kin);
        kin->spared = is_spared(farm, instance->tier);
        kin->again = amount_of(&again);
    }
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t least = size.of[d] < kin->again.of[d] ? size.of[d] : kin->again.of[d];
        host->used.of[d] += size.of[d];
        if (runs) host->runs.of[d] += least;
        if (size.of[d] > host->largest.of[d]) host->largest.of[d] = size.of[d];
        host->tied |= size.of[d] != kin->again.of[d]; /* it may need more than it has */
    }
    host->instances++;
    host->tied |= kin->tied;
    host->spared |= kin->spared;
}

/* Room alone may not do when one of its tier is to be placed again: spread is strict, its image is gone, or
 * it waits for a tier that does not run (place_blocked()). */
static bool is_tied(const struct planner *planner, const struct map *alive, const struct instance *instance,
                    const struct farm *farm, struct kin *kin)
{
    const struct tier *tier = tier_of(farm, instance->tier);
    if (farm == NULL || !has_image(planner, farm->party, tier ? tier->image : instance->image, kin))
        return true;
    if (tier == NULL) return false;
    for (size_t n = 0; n < tier->needs_length; n++) {
        CLEANUP_MEM char *name = mem_printf("%s/%s", farm->full_name, tier->needs[n]);
        if (!map_get(alive, name)) return true;
    }
    return tier->spread.strict;
}

/* What it asks for when it is placed again (place_renew()), whatever it has now. */
static struct resources size_again(const struct farm *farm, const struct instance *instance)
{
    const struct tier *tier = tier_of(farm, instance->tier);
    if (tier != NULL) return tier->size;
    if (farm == NULL || farm->balance_length == 0 || !text_equal(instance->tier, TIER_BALANCE))
        return instance->size;
    struct tier balancer = balance_tier_of(farm);
    return balancer.size;
}

static bool is_spared(const struct farm *farm, const char *tier)
{
    const struct tier *t = tier_of(farm, tier);
    return t != NULL && t->warm > 0;
}

static bool needs_any(const struct farm *farm)
{
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (farm->tiers[t].needs_length > 0) return true;
    return false;
}

static bool has_image(const struct planner *planner, const char *party, const char *image, struct kin *kin)
{
    if (kin->image && text_equal(kin->party, party) && text_equal(kin->image, image)) return kin->has_image;
    CLEANUP_MEM char *own = mem_printf("%s/%s", party, image);
    CLEANUP_MEM char *common = mem_printf("%s/%s", PARTY_LANDLORD, image);
    kin->party = party;
    kin->image = image;
    kin->has_image = planner_get(planner, RECORD_IMAGE, own) || planner_get(planner, RECORD_IMAGE, common);
    return kin->has_image;
}

/* NULL: the balancer's, or none. */
static const struct tier *tier_of(const struct farm *farm, const char *name)
{
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, name)) return &farm->tiers[t];
    return NULL;
}

static bool is_kin(const struct kin *kin, const struct farm *farm, const char *tier)
{
    return kin->tier && kin->farm == farm && text_equal(kin->tier, tier);
}

static int compare_hosts(const void *a, const void *b)
{
    return text_compare_natural(((const struct ledger_host *)a)->name, ((const struct ledger_host *)b)->name);
}
