#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/place/room.h"
#include "plan/recover/recover.h"
#include "plan/scale/scale.h"

#define NOT_MOVED "not moved to " /* a refusal: what is drained already comes back with it */

static bool is_traveller(struct work *work, size_t instance);
static void leave_host(struct work *work, size_t instance);
static void move_asked(struct work *work, size_t instance);
static const char *move_refusal(struct work *work, const struct place_ask *ask, size_t to);
static const char *needed(struct work *work, size_t tier);
static const char *to_be_emptied(struct work *work, size_t host);
static bool nothing_sends_away(const struct work *work, const struct work_instance *i);

void recover_promise(struct work *work)
{
    for (size_t k = 0; k < work->list.length; k++)
        recover_break_promise(work, work->list.items[k]);
    yield_keep(work);
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        struct work_instance *i = &work->instances[n];
        if (!is_traveller(work, n)) continue;
        size_t was = i->host != NONE ? i->host : i->from;
        struct place_ask ask = {.tier = i->tier, .instance = n, .near = was, .avoid = was, .only = NONE};
        if (i->record->move_to[0] != '\0') ask.only = work_host(work, i->record->move_to);
        size_t host = place_find(work, &ask, NULL);
        if (host != NONE) recover_promise_to(work, n, host);
    }
}

void recover_leave(struct work *work)
{
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        const struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->dies || i->tier == NONE || i->host == NONE) continue;
        enum standing standing = work->hosts[i->host].standing;
        if (standing != STANDING_USABLE && standing != STANDING_LEAVING) continue;
        if (instance_leaving(i->record)) {
            if (i->record->wanted == WANTED_DRAIN && i->record->move_to[0] != '\0') move_asked(work, n);
        } else if (i->record->wanted == WANTED_WARM && standing == STANDING_LEAVING) {
            act_stop(work, n, to_be_emptied(work, i->host));
        } else if (i->record->wanted == WANTED_WARM && i->record->move_to[0] != '\0') {
            act_explain(
                work, n, i->record->state,
                arena_printf(work->arena, NOT_MOVED "%s: it only waits at the door", i->record->move_to), "");
        } else if (i->record->wanted == WANTED_RUN) {
            if (i->record->move_to[0] != '\0')
                move_asked(work, n);
            else if (standing == STANDING_LEAVING)
                leave_host(work, n);
            else
                recover_mend(work, n);
        }
    }
}

void recover_drained(struct work *work)
{
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        const struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->record->wanted != WANTED_DRAIN || !work_placed(work, i)) continue;
        int64_t until_ms = i->record->since_ms + DRAIN_MS_MAX;
        bool running = i->record->state == INSTANCE_RUNNING || i->record->state == INSTANCE_DRAINING;
        if (nothing_sends_away(work, i) && !yield_goes_on(work, n))
            act_activate(work, n,
                         text_starts(i->record->reason, NOT_MOVED) ? i->record->reason
                                                                   : "nothing sends it away any more");
        else if (i->record->drained)
            act_stop(work, n, "it has no connections left");
        else if (!running || !scale_balancer_runs(work, i->farm))
            act_stop(work, n, "nobody uses it");
        else if (work->now_ms >= until_ms)
            act_stop(work, n, "its connections did not end within 30s");
        else
            work_again(work, i->farm, until_ms);
    }
}

/* On its way out of its host, to be placed again; or just wiped there: what it was sent away for has to be
 * kept until it is placed, or one that comes before it by rank would take it, and it would have lost its
 * place for nothing. */
static bool is_traveller(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    if (i->forgotten || i->dies || i->tier == NONE) return false;
    if (i->host == NONE)
        return i->from != NONE && !instance_yields(i->record) && !place_blocked(work, i->tier) &&
               !quota_refusal(work, i->tier, instance, false);
    return work_placed(work, i) && instance_leaving(i->record);
}

void recover_promise_to(struct work *work, size_t instance, size_t host)
{
    struct work_instance *i = &work->instances[instance];
    struct amount size = amount_of(&work->tiers[i->tier].intent->size);
    i->promise = host;
    for (size_t d = 0; d < DIMENSIONS; d++)
        work->hosts[host].promised.of[d] += size.of[d];
    room_change(work, host);
}

void recover_break_promise(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    if (i->promise == NONE) return;
    struct work_host *host = &work->hosts[i->promise];
    struct amount size = amount_of(&work->tiers[i->tier].intent->size);
    for (size_t d = 0; d < DIMENSIONS; d++)
        (i->owed ? &host->owed : &host->promised)->of[d] -= size.of[d];
    room_change(work, i->promise);
    i->promise = NONE;
    i->owed = false;
}

static void leave_host(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    struct place_ask ask = {
        .tier = i->tier, .instance = instance, .near = i->host, .avoid = i->host, .only = NONE};
    const char *why = place_blocked(work, i->tier);
    size_t to = NONE;
    if (!why) why = recover_busy(work, instance);
    if (!why && i->outdated) why = quota_refusal(work, i->tier, instance, false);
    if (!why) {
        to = place_find(work, &ask, NULL);
        if (to == NONE) why = place_why_not(work, &ask);
    }
    if (why)
        act_explain(work, instance, i->record->state,
                    arena_printf(work->arena, "%s, but: %s", to_be_emptied(work, i->host), why), "");
    else
        recover_start(work, instance, to, to_be_emptied(work, i->host));
}

/* By whom it is, when it was no person. */
static const char *to_be_emptied(struct work *work, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    bool by_policy = h->intent && h->intent->state == HOST_ACTIVE && host_is_emptied(h->fact);
    return by_policy ? arena_printf(work->arena, "%s is to be emptied (%s)", h->name, h->fact->emptied)
                     : arena_printf(work->arena, "%s is to be emptied", h->name);
}

static void move_asked(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    size_t to = work_host(work, i->record->move_to);
    struct place_ask ask = {
        .tier = i->tier, .instance = instance, .near = NONE, .avoid = i->host, .only = to};
    const char *refusal = move_refusal(work, &ask, to);
    if (refusal) {
        act_explain(work, instance, i->record->state,
                    arena_printf(work->arena, NOT_MOVED "%s: %s", i->record->move_to, refusal), "");
        return;
    }
    if (i->record->wanted != WANTED_RUN) return;
    const char *why = recover_busy(work, instance);
    if (!why) why = place_blocked(work, i->tier);
    if (!why && i->outdated) why = quota_refusal(work, i->tier, instance, false);
    if (why)
        act_explain(work, instance, i->record->state,
                    arena_printf(work->arena, "its move to %s waits: %s", i->record->move_to, why),
                    i->record->move_to);
    else
        recover_start(work, instance, to,
                      arena_printf(work->arena, "it is to move to %s", i->record->move_to));
}

static const char *move_refusal(struct work *work, const struct place_ask *ask, size_t to)
{
    size_t lacking = 0;
    if (to == NONE || !work->hosts[to].intent) return "there is no such host";
    if (to == ask->avoid) return "it is there already";
    if (work->hosts[to].standing != STANDING_USABLE) return "that host is not up and active";
    if (!place_fits(work, ask, to, &lacking))
        return arena_printf(work->arena, "that host lacks %s", place_dimension(lacking));
    const char *kept = keep_refusal(work, ask, to);
    if (kept) return kept;
    if (place_breaks_spread(work, ask, to)) return "spread is strict, and a member is there already";
    return NULL;
}

/* Another member of the tier is on the move: never more than one at once. */
const char *recover_busy(struct work *work, size_t instance)
{
    const struct work_tier *tier = &work->tiers[work->instances[instance].tier];
    const struct instance *record = work->instances[instance].record;
    bool self = record->state != INSTANCE_FAILED && !instance_healthy(record, tier->intent) &&
                !(record->health == HEALTH_BAD && record->state == INSTANCE_RUNNING &&
                  work->now_ms - record->since_ms >= BAD_MS_MAX);
    if (tier->motion - (self ? 1 : 0) > 0)
        return arena_printf(work->arena, "another member of tier %s is on the move", tier->intent->name);
    return work_healthy(work, &work->instances[instance]) && tier->healthy == 1
               ? needed(work, work->instances[instance].tier)
               : NULL;
}

/* By a member of another tier that is on its way: it would wait for this one to come back. */
static const char *needed(struct work *work, size_t tier)
{
    const struct work_farm *farm = &work->farms[work->tiers[tier].farm];
    for (size_t o = farm->tier_first; o < farm->tier_first + farm->tiers_length; o++) {
        const struct work_tier *other = &work->tiers[o];
        for (size_t n = 0; other->motion > 0 && n < other->intent->needs_length; n++)
            if (text_equal(other->intent->needs[n], work->tiers[tier].intent->name))
                return arena_printf(work->arena, "a member of tier %s, which needs it, is on the move",
                                    other->intent->name);
    }
    return NULL;
}

void recover_start(struct work *work, size_t instance, size_t to, const char *reason)
{
    recover_promise_to(work, instance, to);
    scale_remove(work, instance, reason);
    scale_census_farm(work,
                      work->instances[instance].farm); /* one of its tier moves, and it serves no more */
}

static bool nothing_sends_away(const struct work *work, const struct work_instance *i)
{
    return !i->dies && !i->outdated && i->record->move_to[0] == '\0' &&
           work->hosts[i->host].standing == STANDING_USABLE;
}
