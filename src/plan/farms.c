/* The farms that a plan looks at: opened, worked on, closed. */
#include "plan/place/address.h"
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/place/room.h"
#include "plan/recover/recover.h"
#include "plan/scale/claims.h"
#include "plan/scale/scale.h"
#include "plan/work.h"

#include "base/planted.h"
#include "base/text.h"

static void open_farm(struct work *work, size_t farm);
static void open_tiers(struct work *work, size_t farm);
static void open_tier(struct work *work, size_t farm, const struct tier *tier, bool is_balance);
static size_t tier_find(const struct work *work, const struct work_farm *farm, const char *name, size_t hint);
static void close_farm(struct work *work, size_t farm);
static bool is_calm(const struct work *work, const struct work_farm *farm);
static bool is_tier_calm(const struct work_tier *tier);
static bool is_instance_calm(const struct work *work, const struct work_instance *i);
static bool release(struct work *work, size_t farm);
static int compare_farms(const struct work *work, size_t a, size_t b);
static void sort_active(struct work *work);

void work_begin(struct work *work, struct arena *arena, int64_t now_ms)
{
    work->arena = arena;
    work->now_ms = now_ms;
    work->actions_length = work->changes = 0;
    recover_hardware(work); /* opens farms: of hosts that are emptied, or not any more */
    room_weigh(work);
    quota_settle(work);
    keep_settle(work);
    whys_forget(work);
    for (size_t n = 0; n < work->attention.length; n++) {
        size_t f = work->attention.items[n];
        const struct work_farm *farm = &work->farms[f];
        if (farm->dirty || farm->stuck || (farm->again_ms != 0 && farm->again_ms <= now_ms)) {
            index_push(&work->active, f);
            open_farm(work, f);
        }
    }
    sort_active(work);
}

bool work_is_open(const struct work *work)
{
    return work->arena != NULL;
}

void work_flatten(struct work *work)
{
    work->list.length = work->tier_list.length = 0;
    for (size_t a = 0; a < work->active.length; a++) {
        struct work_farm *farm = &work->farms[work->active.items[a]];
        farm->again_ms = 0;
        farm->explained = false;
        for (size_t n = 0; n < farm->instances.length; n++)
            index_push(&work->list, farm->instances.items[n]);
        for (size_t t = 0; t < farm->tiers_length; t++)
            index_push(&work->tier_list, farm->tier_first + t);
    }
}

void work_end(struct work *work)
{
    size_t kept = 0;
    work_count_spread(work, NONE);
    for (size_t a = 0; a < work->active.length; a++) {
        struct work_farm *farm = &work->farms[work->active.items[a]];
        farm->dirty = farm->acted;
        farm->stuck = !PLANTED(stuck_forgotten) && !farm->acted && !is_calm(work, farm);
    }
    for (size_t a = 0; a < work->active.length; a++)
        close_farm(work, work->active.items[a]);
    for (size_t n = 0; n < work->attention.length; n++) {
        size_t f = work->attention.items[n];
        struct work_farm *farm = &work->farms[f];
        if (release(work, f)) continue;
        farm->listed = farm->dirty || farm->stuck || farm->again_ms != 0;
        if (farm->listed) work->attention.items[kept++] = f;
    }
    work->attention.length = kept;
    work->active.length = work->list.length = work->tier_list.length = 0;
    for (size_t n = 0; n < work->ailing.length; n++) {
        size_t h = work->ailing.items[n];
        const struct work_host *host = &work->hosts[h];
        if (host->fact_told) work_tell_host(work, h, host->intent, host->fact_told); /* as it was told */
    }
    for (size_t h = 0; h < work->down.length; h++)
        work->hosts[work->down.items[h]].fence_reason = NULL;
    if (work->actions_capacity > ACTIONS_KEPT) { /* a plan as large as that is rare */
        mem_free(work->actions);
        work->actions = NULL;
        work->actions_capacity = 0;
    }
    work->arena = NULL;
}

void work_touch(struct work *work, size_t farm)
{
    if (work->farms[farm].open) return;
    if (!work->farms[farm].listed) {
        work->farms[farm].listed = true;
        index_push(&work->attention, farm);
    }
    open_farm(work, farm);
    scale_census_farm(work, farm);
    size_t at = work->active.length;
    index_push(&work->active, farm);
    for (; at > 0 && compare_farms(work, work->active.items[at - 1], farm) > 0; at--)
        work->active.items[at] = work->active.items[at - 1];
    work->active.items[at] = farm;
}

size_t work_add(struct work *work, const struct instance *record, size_t farm, size_t tier)
{
    size_t instance = work->instances_length;
    if (work->instances_free.length > 0) {
        instance = work->instances_free.items[--work->instances_free.length];
    } else {
        if (work->instances_length == work->instances_capacity) {
            work->instances_capacity = work->instances_capacity ? 2 * work->instances_capacity : 16;
            work->instances =
                mem_realloc_array(work->instances, work->instances_capacity, sizeof(*work->instances));
        }
        work->instances_length++;
    }
    struct instance *copy = arena_alloc(work->arena, sizeof(*copy));
    *copy = *record;
    work->instances[instance] = (struct work_instance){.record = copy,
                                                       .farm = farm,
                                                       .tier = tier,
                                                       .told_host = NONE,
                                                       .host = NONE,
                                                       .from = NONE,
                                                       .promise = NONE,
                                                       .payer = NONE,
                                                       .asker = NONE,
                                                       .action = NONE};
    index_push(&work->farms[farm].instances, instance);
    index_push(&work->list, instance);
    if (tier != NONE) {
        struct work_tier *t = &work->tiers[tier];
        index_add(work->arena, &t->members, instance);
        if (t->number_next <= record->number) t->number_next = record->number + 1;
    }
    work->farms[farm].living++;
    work_rank(work, instance);
    return instance;
}

struct instance *work_edit(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    bool is_said = i->action != NONE && work->actions[i->action].instance == i->record;
    if (i->record == i->told || is_said) {
        struct instance *copy = arena_alloc(work->arena, sizeof(*copy));
        *copy = *i->record;
        i->record = copy;
    }
    return (struct instance *)(uintptr_t)i->record; /* the plan's own copy */
}

void work_again(struct work *work, size_t farm, int64_t at_ms)
{
    struct work_farm *f = &work->farms[farm];
    if (f->again_ms == 0 || at_ms < f->again_ms) f->again_ms = at_ms;
}

static void open_farm(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    size_t hint = NONE;

    f->open = true;
    f->acted = f->explained = f->fact_changed = false;
    f->again_ms = 0;
    f->fact = f->told ? *f->told : (struct farm_fact){0};
    f->conflict = f->fact_reason = NULL;
    f->counters = NULL;
    f->taken = NULL;
    f->taken_length = 0;
    f->living = f->told_length;
    open_tiers(work, farm);
    for (size_t n = 0; n < f->told_length; n++) {
        struct work_instance *i = &work->instances[f->instances.items[n]];
        i->tier = tier_find(work, f, i->record->tier, hint);
        if (i->tier == NONE) continue;
        hint = i->tier;
        struct work_tier *tier = &work->tiers[i->tier];
        index_add(work->arena, &tier->members, f->instances.items[n]);
        if (tier->number_next <= i->record->number) tier->number_next = i->record->number + 1;
    }
    address_open(work, farm);
    for (size_t n = 0; n < f->told_length; n++)
        address_take(work, f->instances.items[n]);
}

/* A farm keeps its place in the array of tiers; it gets a new one when it outgrows it. */
static void open_tiers(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    size_t wanted = f->intent ? f->intent->tiers_length + (f->intent->balance_length > 0) : 0;

    f->tiers_length = 0;
    if (wanted > f->tiers_capacity) {
        f->tier_first = work->tiers_length;
        f->tiers_capacity = wanted;
        work->tiers_length += wanted;
        if (work->tiers_length > work->tiers_capacity) {
            work->tiers_capacity = 2 * work->tiers_length;
            work->tiers = mem_realloc_array(work->tiers, work->tiers_capacity, sizeof(*work->tiers));
        }
    }
    if (f->intent == NULL) return;
    for (size_t t = 0; t < f->intent->tiers_length; t++)
        open_tier(work, farm, &f->intent->tiers[t], false);
    if (f->intent->balance_length > 0) {
        if (f->balance == NULL) f->balance = mem_alloc(sizeof(*f->balance));
        *f->balance = balance_tier_of(f->intent);
        open_tier(work, farm, f->balance, true);
    }
}

static void open_tier(struct work *work, size_t farm, const struct tier *tier, bool is_balance)
{
    struct work_farm *f = &work->farms[farm];
    struct work_tier *t = &work->tiers[f->tier_first + f->tiers_length++];
    bool runs = farm_runs(f->intent, &f->fact);
    *t = (struct work_tier){.farm = farm,
                            .intent = tier,
                            .is_balance = is_balance,
                            .want = is_balance ? runs : plan_wanted(f->intent, &f->fact, tier),
                            .warm = runs ? tier->warm : 0,
                            .number_next = 1};
    for (size_t b = 0; b < f->intent->balance_length; b++)
        t->is_balanced |= !is_balance && text_equal(f->intent->balance[b].to_tier, tier->name);
    for (size_t c = 0; c < f->fact.counters_length; c++)
        if (text_equal(f->fact.counters[c].tier, tier->name)) t->number_next = f->fact.counters[c].next;
    if (t->number_next < 1) t->number_next = 1;
    t->image = work_image(work, f->intent->party, tier->image);
    t->digest = t->image ? t->image->digest : NULL;
}

static size_t tier_find(const struct work *work, const struct work_farm *farm, const char *name, size_t hint)
{
    if (hint != NONE && text_equal(work->tiers[hint].intent->name, name)) return hint;
    for (size_t t = farm->tier_first; t < farm->tier_first + farm->tiers_length; t++)
        if (text_equal(work->tiers[t].intent->name, name)) return t;
    return NONE;
}

static void close_farm(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    for (size_t n = 0; n < f->instances.length; n++)
        work_settle_instance(work, f->instances.items[n]);
    f->instances.length = f->told_length;
    work_settle_claims(work, farm);
    f->open = false;
}

void work_settle_claims(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    struct farm_fact told = f->told ? *f->told : (struct farm_fact){0};
    if (!f->fact_changed) return;
    if (f->fact.vni == 0) told.vni = 0; /* a network's number is not returned in the middle of a plan */
    claims_return(work, farm, &f->fact);
    claims_take(work, farm, &told);
    f->fact_changed = false;
}

/* What was not taken of the plan is put back; what it made and nobody took is no more. */
void work_settle_instance(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];

    recover_break_promise(work, instance);
    if (i->record != i->told) quota_leave(work, instance);
    bool moved = i->host != i->told_host ||
                 (i->told && (instance_leaving(i->record) != instance_leaving(i->told) ||
                              memcmp(&i->record->size, &i->told->size, sizeof(i->record->size)) != 0));
    if (moved) work_set_host(work, instance, NONE);
    i->record = i->told;
    if (moved) work_set_host(work, instance, i->told_host);
    if (i->told == NULL) index_push(&work->instances_free, instance);
    i->from = i->action = NONE;
    i->forgotten = i->dies = i->outdated = i->succeeds = false;
    quota_enter(work, instance);
    i->made_for = i->why = i->why_move_to = NULL;
}

/* Nothing that happens elsewhere can make the planner want anything of it. */
static bool is_calm(const struct work *work, const struct work_farm *farm)
{
    if (farm->explained || farm->conflict || (farm->intent == NULL && farm->told)) return false;
    if (farm->intent != NULL && farm->told == NULL) return false;
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (!is_tier_calm(&work->tiers[farm->tier_first + t])) return false;
    for (size_t n = 0; n < farm->instances.length; n++)
        if (!is_instance_calm(work, &work->instances[farm->instances.items[n]])) return false;
    return true;
}

static bool is_tier_calm(const struct work_tier *tier)
{
    return tier->surplus == 0 && tier->outdated == 0 && tier->returning == 0 && tier->dying == 0 &&
           tier->current == tier->want && tier->warm_now == tier->warm;
}

static bool is_instance_calm(const struct work *work, const struct work_instance *i)
{
    if (i->forgotten || i->dies || i->outdated || i->tier == NONE || i->host == NONE) return false;
    enum standing standing = work->hosts[i->host].standing;
    if (standing != STANDING_USABLE && standing != STANDING_SILENT) return false;
    return !instance_leaving(i->record) && i->record->move_to[0] == '\0' &&
           i->record->state != INSTANCE_FAILED && i->record->health != HEALTH_BAD;
}

/* A farm of which nothing is left gives its place back. */
static bool release(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    if (f->intent || f->told || f->told_length > 0) return false;
    map_remove(work->farm_by_name, f->name);
    index_free(&f->instances);
    mem_free(f->balance);
    *f = (struct work_farm){.tier_first = f->tier_first, .tiers_capacity = f->tiers_capacity};
    index_push(&work->farms_free, farm);
    return true;
}

static int compare_farms(const struct work *work, size_t a, size_t b)
{
    return text_compare_natural(work->farms[a].name, work->farms[b].name);
}

struct named {
    const char *name;
    size_t farm;
};

static int compare_named(const void *a, const void *b)
{
    return text_compare_natural(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void sort_active(struct work *work)
{
    struct named *named = arena_alloc_array(work->arena, work->active.length + 1, sizeof(*named));
    bool sorted = true;
    for (size_t a = 1; sorted && a < work->active.length; a++)
        sorted = compare_farms(work, work->active.items[a - 1], work->active.items[a]) < 0;
    if (sorted) return;
    for (size_t a = 0; a < work->active.length; a++)
        named[a] = (struct named){work->farms[work->active.items[a]].name, work->active.items[a]};
    array_sort(named, work->active.length, sizeof(*named), compare_named);
    for (size_t a = 0; a < work->active.length; a++)
        work->active.items[a] = named[a].farm;
}
