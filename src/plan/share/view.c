#include "plan/share/view.h"

#include "base/text.h"
#include "plan/inside.h"
#include "plan/place/quota.h"

#include <string.h>

struct viewing {
    struct arena *arena;
    struct work *work;
    struct vec tiers;     /* struct share_tier */
    struct vec instances; /* struct share_instance */
};

static const struct tier *tier_named(const struct farm *farm, const char *name);
static void add_ask(struct viewing *viewing, const struct share_ask *ask);
static void add_waiting(struct viewing *viewing, size_t farm, const struct share_ask *asks,
                        size_t asks_length);
static bool is_asked(const struct share_ask *asks, size_t asks_length, const char *farm, const char *tier);
static void add_tier(struct viewing *viewing, size_t farm, const struct tier *tier,
                     const struct share_ask *ask);
static void add_members(struct viewing *viewing, size_t seat);
static bool is_member(const struct work_instance *instance, const struct tier *tier);
static size_t host_number(const struct work *work, const struct work_instance *instance);
static struct share_host host_of(const struct work_host *host);
static const void *kept(struct arena *arena, const struct vec *items);
static int compare_tiers(const void *a, const void *b);

struct share_input share_view(struct arena *arena, struct planner *planner, const struct share_ask *asks,
                              size_t asks_length, int64_t now_ms)
{
    struct work *work = &planner->work;
    struct viewing viewing = {.arena = arena,
                              .work = work,
                              .tiers = VEC_OF(struct share_tier),
                              .instances = VEC_OF(struct share_instance)};
    struct share_host *hosts = arena_alloc_array(arena, work->hosts_length, sizeof(*hosts));
    struct share_input input = {.hosts = hosts, .hosts_length = work->hosts_length, .now_ms = now_ms};

    for (size_t h = 0; h < work->hosts_length; h++)
        hosts[h] = host_of(&work->hosts[h]);
    for (size_t a = 0; a < asks_length; a++)
        add_ask(&viewing, &asks[a]);
    for (size_t n = 0; n < work->attention.length; n++)
        add_waiting(&viewing, work->attention.items[n], asks, asks_length);
    vec_sort(&viewing.tiers, compare_tiers);
    for (size_t t = 0; t < viewing.tiers.length; t++)
        add_members(&viewing, t);
    quota_view(work, arena, &input.parties, &input.parties_length);
    input.tiers = kept(arena, &viewing.tiers);
    input.tiers_length = viewing.tiers.length;
    input.instances = kept(arena, &viewing.instances);
    input.instances_length = viewing.instances.length;
    vec_free(&viewing.tiers);
    vec_free(&viewing.instances);
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
        if (waits && !is_asked(asks, asks_length, f->name, tier->name)) add_tier(viewing, farm, tier, NULL);
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
                                .why = "what is committed has no place"};
    if (ask == NULL) return;
    seat->calls = ask->calls;
    seat->need = ask->need;
    seat->rate = ask->rate;
    seat->priority = ask->priority;
    seat->waits_since_ms = ask->waits_since_ms;
    seat->given_ms = ask->given_ms;
    seat->why = ask->why;
}

static void add_members(struct viewing *viewing, size_t seat)
{
    struct share_tier *tier = vec_at(&viewing->tiers, seat);
    const struct work *work = viewing->work;
    const struct work_farm *f = &work->farms[work_farm(work, tier->farm)];

    for (size_t n = 0; n < f->told_length; n++) {
        const struct work_instance *i = &work->instances[f->instances.items[n]];
        const struct instance *record = i->told;
        if (record == NULL || !text_equal(record->tier, tier->tier)) continue;
        if (record->wanted == WANTED_WARM && record->state == INSTANCE_RUNNING) tier->warm++;
        if (record->wanted != WANTED_RUN) continue;
        *(struct share_instance *)vec_push(&viewing->instances) = (struct share_instance){
            .name = strrchr(record->name, '/') + 1, .tier = seat, .host = host_number(work, i)};
    }
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
static size_t host_number(const struct work *work, const struct work_instance *instance);
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
