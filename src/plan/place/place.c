#include "plan/place/place.h"

#include "base/planted.h"
#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/address.h"
#include "plan/place/quota.h"
#include "plan/recover/recover.h"

static void place_waiting(struct work *work, bool warm);
static bool place_one(struct work *work, size_t instance);
static void say_no_room(struct work *work, size_t instance);
static size_t find_host(struct work *work, struct place_ask *ask, int *ret_step);
static size_t with_sockets(const struct work *work, size_t tier);
static void wait_for_place(struct work *work, size_t instance, const char *why);
static const char *how(struct work *work, const struct work_instance *i, size_t host, int step);
static const char *waits_for_need(struct work *work, size_t tier);

void place_all(struct work *work)
{
    place_waiting(work, false);
}

void place_warm(struct work *work)
{
    place_waiting(work, true);
}

void place_now(struct work *work, size_t instance)
{
    if (!place_one(work, instance)) say_no_room(work, instance);
}

static void place_waiting(struct work *work, bool warm)
{
    struct index waiting = {0};
    for (size_t k = 0; k < work->list.length; k++) {
        const struct work_instance *i = &work->instances[work->list.items[k]];
        if (place_waits(work, i) && (i->record->wanted == WANTED_WARM) == warm)
            index_add(work->arena, &waiting, work->list.items[k]);
    }
    work_sort_by_rank(work, waiting.items, waiting.length);
    size_t left = 0;
    for (size_t n = 0; n < waiting.length; n++)
        if (!place_one(work, waiting.items[n])) waiting.items[left++] = waiting.items[n];
    /* Said when all is placed: until then every placement changes the figures. */
    for (size_t n = 0; n < left; n++)
        say_no_room(work, waiting.items[n]);
}

const char *place_blocked(struct work *work, size_t tier)
{
    const struct work_tier *t = &work->tiers[tier];
    const struct work_farm *farm = &work->farms[t->farm];
    if (farm->fact.vni == 0) return "waits for the farm's network: all network numbers are given out";
    if (t->image == NULL)
        return arena_printf(work->arena,
                            "image %s is not in the library: import it with 'croft image import'",
                            t->intent->image);
    if (t->is_balance && farm->conflict) return farm->conflict;
    return waits_for_need(work, tier);
}

void place_renew(const struct work *work, size_t tier, struct instance *record)
{
    const struct work_tier *t = &work->tiers[tier];
    record->driver = t->intent->driver;
    record->image = t->intent->image;
    record->digest = t->digest ? t->digest : "";
    record->personality = t->personality ? t->personality : "";
    record->size = t->intent->size;
    record->priority = t->intent->priority;
}

bool place_waits(const struct work *work, const struct work_instance *i)
{
    if (i->forgotten || i->dies || i->tier == NONE) return false;
    return i->host == NONE || work->hosts[i->host].standing == STANDING_LOST;
}

size_t place_was(const struct work *work, const struct work_instance *i)
{
    if (i->host != NONE) return i->host;
    return i->from == NONE && instance_yields(i->record) ? work_host(work, i->record->last_host) : i->from;
}

/* False: no host was found. */
static bool place_one(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    size_t was = place_was(work, i);
    bool again = yield_may(work, instance); /* by the steps of recovery */
    struct place_ask ask = {.tier = i->tier, .instance = instance, .near = was, .avoid = was, .only = NONE};
    int step = 0;

    const char *blocked = place_blocked(work, i->tier);
    if (blocked) {
        wait_for_place(work, instance, blocked);
        return true;
    }
    const char *over = quota_refusal(work, i->tier, instance, false);
    if (over) {
        wait_for_place(work, instance, over);
        return true;
    }
    if (i->record->address == 0 && !address_give(work, instance)) {
        wait_for_place(work, instance, "waits for an address: the farm's subnet is full");
        return true;
    }
    if (instance_yields(i->record)) ask.avoid = NONE; /* maybe there is room again */
    size_t host = find_host(work, &ask, &step);
    if (host == NONE && was != NONE && !again) {
        ask.avoid = NONE; /* better back where it was than nowhere */
        host = place_find(work, &ask, &step);
    }
    if (host != NONE) {
        act_place(work, instance, host, again ? step : 0, how(work, i, host, again ? step : 0));
        return true;
    }
    if (again && (i->owed || yield_find(work, &ask))) {
        wait_for_place(work, instance, yield_waits_for(work, instance));
        return true;
    }
    return false;
}

static size_t find_host(struct work *work, struct place_ask *ask, int *ret_step)
{
    const struct work_instance *i = &work->instances[ask->instance];
    struct place_rating rating;
    size_t host = NONE;

    if (i->record->move_to[0] != '\0') {
        ask->only = work_host(work, i->record->move_to);
        if (ask->only != NONE) host = place_find(work, ask, ret_step);
    }
    if (host == NONE && i->promise != NONE) {
        ask->only = i->promise;
        host = place_find(work, ask, ret_step);
    }
    if (host == NONE && work->tiers[i->tier].is_balance) {
        ask->only = with_sockets(work, i->tier);
        if (ask->only != NONE) host = place_find(work, ask, ret_step);
    }
    ask->only = NONE;
    if (host == NONE) host = place_find(work, ask, ret_step);
    if (host != NONE && i->owed && host == i->promise && place_rate(work, ask, host, &rating))
        *ret_step = rating.distance == 0 ? 4 : 5;
    return host;
}

static void say_no_room(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    struct place_ask ask = {
        .tier = i->tier, .instance = instance, .near = place_was(work, i), .avoid = NONE, .only = NONE};
    wait_for_place(work, instance, place_why_not(work, &ask));
}

/* Where the balancer runs that this one is to follow: there it shares the published sockets. */
static size_t with_sockets(const struct work *work, size_t tier)
{
    const struct index *members = &work->tiers[tier].members;
    for (size_t m = 0; m < members->length; m++) {
        const struct work_instance *i = &work->instances[members->items[m]];
        if (!i->forgotten && work_placed(work, i) && !instance_leaving(i->record)) return i->host;
    }
    return NONE;
}

static void wait_for_place(struct work *work, size_t instance, const char *why)
{
    struct work_instance *i = &work->instances[instance];
    act_explain(work, instance, INSTANCE_PENDING, PLANTED(reason_forgotten) ? "" : why, i->record->move_to);
}

static const char *how(struct work *work, const struct work_instance *i, size_t host, int step)
{
    const char *to = work->hosts[host].name, *pool = work->hosts[host].pool;
    size_t was = place_was(work, i);
    const char *from = was == NONE ? "" : work->hosts[was].name;
    const char *cause = i->host == NONE && instance_yields(i->record)
                            ? arena_printf(work->arena, "it yielded its place on %s", from)
                            : arena_printf(work->arena, "%s is lost", from);
    bool is_forgotten = i->host != NONE && work->hosts[i->host].intent == NULL; /* and its pool with it */
    if (step > 0 && text_equal(i->record->move_to, to))
        return arena_printf(work->arena, "step %d: %s; it was to move to %s", step, cause, to);
    if (step > 0 && step < 4 && is_forgotten)
        return arena_printf(work->arena, "step %d: %s and deleted; %s has room", step, cause, to);
    switch (step) {
    case 1:
        return arena_printf(work->arena, "step 1: %s; %s in the same zone and pool has room", cause, to);
    case 2:
        return arena_printf(work->arena, "step 2: %s; %s is the nearest of pool %s with room", cause, to,
                            pool);
    case 3:
        return arena_printf(work->arena, "step 3: %s and its pool is full; %s of pool %s has room", cause, to,
                            pool);
    case 4:
        return arena_printf(work->arena, "step 4: %s; room was made for it on %s in the same zone", cause,
                            to);
    case 5:
        return arena_printf(work->arena, "step 5: %s; %s is the nearest where room was made for it", cause,
                            to);
    default:
        if (text_equal(from, to)) return arena_printf(work->arena, "starts again on %s", to);
        if (from[0] != '\0') return arena_printf(work->arena, "moves from %s to %s", from, to);
        return arena_printf(work->arena, "%s has room and fits best", to);
    }
}

/* A needed tier that should run and has no member that does, or NULL. */
static const char *waits_for_need(struct work *work, size_t tier)
{
    const struct work_tier *t = &work->tiers[tier];
    const struct work_farm *farm = &work->farms[t->farm];
    for (size_t n = 0; n < t->intent->needs_length; n++)
        for (size_t o = farm->tier_first; o < farm->tier_first + farm->tiers_length; o++) {
            const struct work_tier *other = &work->tiers[o];
            if (!text_equal(other->intent->name, t->intent->needs[n])) continue;
            if (other->want > 0 && other->healthy == 0)
                return arena_printf(work->arena, "waits for tier %s", other->intent->name);
        }
    return NULL;
}
