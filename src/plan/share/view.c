#include "plan/share/view.h"

#include "base/text.h"
#include "plan/inside.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"

#include <string.h>

struct viewing {
    struct arena *arena;
    struct work *work;
    struct vec tiers; /* struct share_tier */
    struct share_instance *instances;
    size_t instances_length;
    /* By level of the spread, and the host's own behind them: each host's zone; NULL: nobody asked yet. */
    size_t *zones[ZONE_DEPTH_MAX + 1];
};

static const struct tier *tier_named(const struct farm *farm, const char *name);
static void add_ask(struct viewing *viewing, const struct share_ask *ask);
static void add_waiting(struct viewing *viewing, size_t farm, const struct share_ask *asks,
                        size_t asks_length);
static bool is_asked(const struct share_ask *asks, size_t asks_length, const char *farm, const char *tier);
static void add_tier(struct viewing *viewing, size_t farm, const struct tier *tier,
                     const struct share_ask *ask);
static size_t members_most(const struct viewing *viewing);
static void add_members(struct viewing *viewing, size_t seat);
static bool is_member(const struct work_instance *instance, const struct tier *tier);
static size_t host_number(const struct work *work, const struct work_instance *instance);
static struct share_host host_of(const struct work_host *host);
static const size_t *zones_of(struct viewing *viewing, const struct tier *tier);
static bool is_blocked(const struct work *work, const struct work_farm *farm, const struct tier *tier);
static bool waits_at_door(const struct work *work, const struct work_instance *instance);
static const void *kept(struct arena *arena, const struct vec *items);
static int compare_tiers(const void *a, const void *b);

struct share_input share_view(struct arena *arena, struct planner *planner, const struct share_ask *asks,
                              size_t asks_length, int64_t now_ms)
{
    struct work *work = &planner->work;
    struct viewing viewing = {.arena = arena, .work = work, .tiers = VEC_OF(struct share_tier)};
    struct share_host *hosts = arena_alloc_array(arena, work->hosts_length, sizeof(*hosts));
    struct share_input input = {.hosts = hosts,
                                .hosts_length = work->hosts_length,
                                .zones_length = work->zones_length > work->hosts_length ? work->zones_length
                                                                                        : work->hosts_length,
                                .now_ms = now_ms};

    for (size_t h = 0; h < work->hosts_length; h++)
        hosts[h] = host_of(&work->hosts[h]);
    for (size_t a = 0; a < asks_length; a++)
        add_ask(&viewing, &asks[a]);
    for (size_t n = 0; n < work->attention.length; n++)
        add_waiting(&viewing, work->attention.items[n], asks, asks_length);
    vec_sort(&viewing.tiers, compare_tiers);
    viewing.instances = arena_alloc_array(arena, members_most(&viewing), sizeof(*viewing.instances));
    for (size_t t = 0; t < viewing.tiers.length; t++)
        add_members(&viewing, t);
    quota_view(work, arena, &input.parties, &input.parties_length);
    input.tiers = kept(arena, &viewing.tiers);
    input.tiers_length = viewing.tiers.length;
    input.instances = viewing.instances;
    input.instances_length = viewing.instances_length;
    vec_free(&viewing.tiers);
    return input;
}

void share_count(const struct planner *planner, const char *farm, const char *tier, int64_t *ret_serving,
                 int64_t *ret_placed)
{
    const struct work *work = &planner->work;
    size_t number = work_farm(work, farm);
    const struct tier *intent = number == NONE ? NULL : tier_named(work->farms[number].intent, tier);

    *ret_serving = *ret_placed = 0;
    for (size_t n = 0; intent && n < work->farms[number].told_length; n++) {
        const struct work_instance *i = &work->instances[work->farms[number].instances.items[n]];
        if (!is_member(i, intent) || host_number(work, i) == SHARE_NONE) continue;
        ++*ret_placed;
        *ret_serving +=
            instance_healthy(i->told, intent) && work->hosts[i->told_host].standing != STANDING_DOWN;
    }
}

size_t share_members(const struct planner *planner, struct arena *arena, const char *farm, const char *tier,
                     const char *const **ret_names)
{
    const struct work *work = &planner->work;
    size_t number = work_farm(work, farm), length = 0;
    const struct tier *intent = number == NONE ? NULL : tier_named(work->farms[number].intent, tier);
    if (!intent) return 0;
    const struct work_farm *f = &work->farms[number];
    const char **names = arena_alloc_array(arena, f->told_length, sizeof(*names));

    for (size_t n = 0; n < f->told_length; n++) {
        const struct work_instance *i = &work->instances[f->instances.items[n]];
        if (is_member(i, intent)) names[length++] = i->told->name;
    }
    *ret_names = names;
    return length;
}

/* NULL: the farm (NULL: there is none) has none of the name. */
static const struct tier *tier_named(const struct farm *farm, const char *name)
{
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, name)) return &farm->tiers[t];
    return NULL;
}

static void add_ask(struct viewing *viewing, const struct share_ask *ask)
{
    size_t farm = work_farm(viewing->work, ask->farm);
    if (farm == NONE || viewing->work->farms[farm].intent == NULL) return;
    const struct work_farm *f = &viewing->work->farms[farm];
    const struct tier *tier = farm_runs(f->intent, f->told) ? tier_named(f->intent, ask->tier) : NULL;
    if (tier) add_tier(viewing, farm, tier, ask);
}

/* Farms in which something waits have the planner's attention. */
static void add_waiting(struct viewing *viewing, size_t farm, const struct share_ask *asks,
                        size_t asks_length)
{
    const struct work_farm *f = &viewing->work->farms[farm];
    if (f->intent == NULL || !farm_runs(f->intent, f->told)) return;
    for (size_t t = 0; t < f->intent->tiers_length; t++) {
        const struct tier *tier = &f->intent->tiers[t];
        bool waits = false;
        for (size_t n = 0; n < f->told_length; n++) {
            const struct work_instance *i = &viewing->work->instances[f->instances.items[n]];
            waits |= is_member(i, tier) && host_number(viewing->work, i) == SHARE_NONE;
        }
        if (waits && !is_blocked(viewing->work, f, tier) && !is_asked(asks, asks_length, f->name, tier->name))
            add_tier(viewing, farm, tier, NULL);
    }
}

static bool is_asked(const struct share_ask *asks, size_t asks_length, const char *farm, const char *tier)
{
    for (size_t a = 0; a < asks_length; a++)
        if (text_equal(asks[a].farm, farm) && text_equal(asks[a].tier, tier)) return true;
    return false;
}

/* ask NULL: it calls for what is committed, and cannot spare any of it. */
static void add_tier(struct viewing *viewing, size_t farm, const struct tier *tier,
                     const struct share_ask *ask)
{
    const struct work_farm *f = &viewing->work->farms[farm];
    struct share_tier *seat = vec_push(&viewing->tiers);
    int64_t wanted = plan_wanted(f->intent, f->told, tier);

    *seat = (struct share_tier){.farm = f->name,
                                .tier = tier->name,
                                .party = quota_number(viewing->work, f->intent->party),
                                .size = tier->size,
                                .count = tier->count,
                                .wanted = wanted,
                                .calls = wanted,
                                .priority = SLA_NORMAL,
                                .zones = zones_of(viewing, tier),
                                .apart = tier->spread.by,
                                .why = "what is committed has no place"};
    if (ask == NULL) return;
    /* Room is of no use to what waits for something else. */
    seat->calls = ask->calls > wanted && is_blocked(viewing->work, f, tier) ? wanted : ask->calls;
    seat->need = ask->need;
    seat->rate = ask->rate;
    seat->priority = ask->priority;
    seat->waits_since_ms = ask->waits_since_ms;
    seat->given_ms = ask->given_ms;
    seat->why = ask->why;
}

/* Tiers of one farm stand beside each other. */
static size_t members_most(const struct viewing *viewing)
{
    const char *last = NULL;
    size_t most = 0;

    for (size_t t = 0; t < viewing->tiers.length; t++) {
        const char *farm = ((const struct share_tier *)vec_at(&viewing->tiers, t))->farm;
        if (farm != last) most += viewing->work->farms[work_farm(viewing->work, farm)].told_length;
        last = farm;
    }
    return most;
}

static void add_members(struct viewing *viewing, size_t seat)
{
    struct share_tier *tier = vec_at(&viewing->tiers, seat);
    const struct work *work = viewing->work;
    const struct work_farm *f = &work->farms[work_farm(work, tier->farm)];
    bool blocked = is_blocked(work, f, tier_named(f->intent, tier->tier));

    for (size_t n = 0; n < f->told_length; n++) {
        const struct work_instance *i = &work->instances[f->instances.items[n]];
        const struct instance *record = i->told;
        if (record == NULL || !text_equal(record->tier, tier->tier)) continue;
        size_t host = host_number(work, i);
        bool warm = waits_at_door(work, i);
        if (!warm && (record->wanted != WANTED_RUN || (blocked && host == SHARE_NONE))) continue;
        viewing->instances[viewing->instances_length++] = (struct share_instance){
            .name = record->name, .tier = seat, .host = host, .unpaid = i->payer == NONE, .warm = warm};
    }
}

/* It serves soon when it is let in. */
static bool waits_at_door(const struct work *work, const struct work_instance *instance)
{
    size_t host = host_number(work, instance);
    return instance->told->wanted == WANTED_WARM && instance->told->state != INSTANCE_FAILED &&
           host != SHARE_NONE && work->hosts[host].standing == STANDING_USABLE;
}

/* Whatever room there is, no instance of the tier gets a place: as place_blocked() says of an open farm. */
static bool is_blocked(const struct work *work, const struct work_farm *farm, const struct tier *tier)
{
    if (farm->told == NULL || farm->told->vni == 0 || !work_image(work, farm->intent->party, tier->image))
        return true;
    for (size_t n = 0; n < tier->needs_length; n++) {
        const struct tier *needed = tier_named(farm->intent, tier->needs[n]);
        bool healthy = needed == NULL || plan_wanted(farm->intent, farm->told, needed) == 0;
        for (size_t m = 0; !healthy && m < farm->told_length; m++) {
            const struct work_instance *i = &work->instances[farm->instances.items[m]];
            healthy = is_member(i, needed) && i->told_host != NONE && instance_healthy(i->told, needed) &&
                      work->hosts[i->told_host].standing != STANDING_DOWN;
        }
        if (!healthy) return true;
    }
    return false;
}

/* Of tiers that are strictly spread. */
static const size_t *zones_of(struct viewing *viewing, const struct tier *tier)
{
    const struct work *work = viewing->work;
    int level = tier->spread.strict ? place_level(tier->spread.by) : LEVEL_NONE;

    if (level == LEVEL_NONE) return NULL;
    size_t **zones = &viewing->zones[level == LEVEL_HOST ? ZONE_DEPTH_MAX : level];
    if (*zones) return *zones;
    *zones = arena_alloc_array(viewing->arena, work->hosts_length, sizeof(**zones));
    for (size_t h = 0; h < work->hosts_length; h++)
        (*zones)[h] = level == LEVEL_HOST ? h : work->hosts[h].zones[place_zone(&work->hosts[h], level)];
    return *zones;
}

static bool is_member(const struct work_instance *instance, const struct tier *tier)
{
    return instance->told && instance->told->wanted == WANTED_RUN &&
           text_equal(instance->told->tier, tier->name);
}

/* Of one whose host is lost: it waits for another. */
static size_t host_number(const struct work *work, const struct work_instance *instance)
{
    size_t host = instance->told_host;
    return host == NONE || work->hosts[host].standing == STANDING_LOST ? SHARE_NONE : host;
}

/* What is promised to those that are on their way is theirs; what is on its way out is free soon. */
static struct share_host host_of(const struct work_host *host)
{
    struct share_host view = {.usable = host->standing == STANDING_USABLE};
    for (size_t d = 0; d < DIMENSIONS; d++)
        view.free[d] = host->total.of[d] - host->used.of[d] - host->promised.of[d] + host->coming.of[d];
    return view;
}

static const void *kept(struct arena *arena, const struct vec *items)
{
    void *copy = arena_alloc_array(arena, items->length, items->item_size);
    if (items->length) memcpy(copy, items->items, items->length * items->item_size);
    return copy;
}

static int compare_tiers(const void *a, const void *b)
{
    const struct share_tier *x = a, *y = b;
    int order = text_compare_natural(x->farm, y->farm);
    return order ? order : text_compare_natural(x->tier, y->tier);
}
