#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/scale/scale.h"

static void roll(struct work *work, size_t tier);
static void keep_without_image(struct work *work, size_t tier);
static size_t stuck_new(const struct work *work, const struct work_tier *tier, bool *ret_waits);
static size_t next_old(const struct work *work, const struct work_tier *tier, bool *ret_healthy);
static bool can_surge(struct work *work, size_t tier, size_t old);
static const char *why_not_in_place(struct work *work, size_t tier, size_t old);
static bool fits_instead(struct work *work, const struct place_ask *ask);

void scale_roll(struct work *work)
{
    for (size_t k = 0; k < work->tier_list.length; k++) {
        const struct work_tier *tier = &work->tiers[work->tier_list.items[k]];
        if (tier->outdated > 0 && tier->want > 0) roll(work, work->tier_list.items[k]);
        if (tier->image == NULL && tier->want > 0) keep_without_image(work, work->tier_list.items[k]);
    }
}

/* Nobody knows today's form, but one that is made from another image has an older one. */
static void keep_without_image(struct work *work, size_t tier)
{
    const struct work_tier *t = &work->tiers[tier];
    for (size_t m = 0; m < t->members.length; m++) {
        const struct work_instance *i = &work->instances[t->members.items[m]];
        if (i->forgotten || !work_placed(work, i) || i->record->wanted != WANTED_RUN) continue;
        if (text_equal(i->record->image, t->intent->image)) continue;
        act_explain(work, t->members.items[m], i->record->state,
                    arena_printf(work->arena, "keeps its older form: %s", place_blocked(work, tier)),
                    i->record->move_to);
        return;
    }
}

/* One step: a new one first where there is room, else an old one goes first. Nothing while the last step is
 * not done, so that the tier never has fewer healthy members than wanted less one. */
static void roll(struct work *work, size_t tier)
{
    struct work_tier *t = &work->tiers[tier];
    bool waits = false, healthy = false;
    size_t stuck = stuck_new(work, t, &waits);
    size_t old = next_old(work, t, &healthy);
    int64_t there = t->current + t->outdated;
    const char *blocked = place_blocked(work, tier);

    if (old == NONE || t->dying > 0 || t->returning > 0 || waits) return;
    /* A balancer is followed where it is: while its host is silent nobody can be, and it serves. */
    if (t->is_balance && work->hosts[work->instances[old].host].standing == STANDING_SILENT) return;
    const struct instance *record = work->instances[old].record;
    if (blocked) {
        act_explain(work, old, record->state, arena_printf(work->arena, "keeps its older form: %s", blocked),
                    record->move_to);
        return;
    }
    if (stuck != NONE && (healthy || there <= t->want)) {
        const struct instance *new = work->instances[stuck].record;
        act_explain(work, old, record->state,
                    arena_printf(work->arena, "keeps its older form: the roll-out stopped because %s %s",
                                 new->name, new->state == INSTANCE_FAILED ? "failed" : "is not healthy"),
                    record->move_to);
        return;
    }
    if (healthy && there == t->want && can_surge(work, tier, old)) {
        size_t new =
            act_create(work, tier, WANTED_RUN,
                       arena_printf(work->arena, "tier %s gets a new form: one more before an old one goes",
                                    t->intent->name));
        t->current++;
        place_now(work, new); /* before anybody else takes the room */
        return;
    }
    if (healthy && t->healthy < t->want) return;
    /* What serves does not go when nothing may come in its stead. */
    const char *why = healthy ? quota_refusal(work, tier, old, true) : NULL;
    if (healthy && !why) why = keep_refuses_successor(work, tier, old);
    if (!why && there <= t->want) why = why_not_in_place(work, tier, old);
    if (why) {
        act_explain(work, old, record->state, arena_printf(work->arena, "keeps its older form: %s", why),
                    record->move_to);
        return;
    }
    t->outdated--;
    t->dying++;
    scale_remove(work, old, arena_printf(work->arena, "tier %s gets a new form", t->intent->name));
}

/* A new one that failed or is bad, or NONE; ret_waits: one is still on its way. */
static size_t stuck_new(const struct work *work, const struct work_tier *tier, bool *ret_waits)
{
    size_t stuck = NONE;
    for (size_t m = 0; m < tier->members.length; m++) {
        const struct work_instance *i = &work->instances[tier->members.items[m]];
        if (i->forgotten || i->outdated || i->record->wanted != WANTED_RUN) continue;
        if (i->record->state == INSTANCE_FAILED || i->record->health == HEALTH_BAD)
            stuck = stuck == NONE ? tier->members.items[m] : stuck;
        else if (work_placed(work, i) && !instance_healthy(i->record, tier->intent))
            *ret_waits = true;
    }
    return stuck;
}

/* The old one to replace next: one that is not healthy costs nothing; else the lowest number. */
static size_t next_old(const struct work *work, const struct work_tier *tier, bool *ret_healthy)
{
    size_t best = NONE;
    for (size_t m = 0; m < tier->members.length; m++) {
        const struct work_instance *i = &work->instances[tier->members.items[m]];
        if (i->forgotten || !i->outdated || i->record->wanted != WANTED_RUN) continue;
        if (work_is_down(work, i)) continue; /* it is placed again, in the new form, when its host is off */
        /* What its check was in the older form is not known any more: only what the check says counts. */
        bool healthy = i->record->state == INSTANCE_RUNNING && i->record->health != HEALTH_BAD;
        if (best == NONE || (!healthy && *ret_healthy)) {
            best = tier->members.items[m];
            *ret_healthy = healthy;
        }
    }
    return best;
}

/* Balancers can share the addresses that they publish on one host only. */
static bool can_surge(struct work *work, size_t tier, size_t old)
{
    struct place_ask ask = {.tier = tier, .instance = NONE, .near = NONE, .avoid = NONE, .only = NONE};
    if (work->tiers[tier].is_balance) ask.only = work->instances[old].host;
    return quota_refusal(work, tier, NONE, false) == NULL && place_find(work, &ask, NULL) != NONE;
}

/* Where a new one could start when the old one is gone: nowhere, so the old one is better than none. */
static const char *why_not_in_place(struct work *work, size_t tier, size_t old)
{
    struct place_ask ask = {.tier = tier, .instance = old, .near = NONE, .avoid = NONE, .only = NONE};
    if (fits_instead(work, &ask) || place_find(work, &ask, NULL) != NONE) return NULL;
    return place_why_not(work, &ask);
}

/* On its host, in its room. A host that says nothing gives none back. */
static bool fits_instead(struct work *work, const struct place_ask *ask)
{
    const struct work_instance *i = &work->instances[ask->instance];
    const struct work_host *host = &work->hosts[i->host];
    struct amount is = amount_of(&i->record->size), new = amount_of(&work->tiers[ask->tier].intent->size);
    if (host->standing != STANDING_USABLE || place_breaks_spread(work, ask, i->host)) return false;
    for (size_t d = 0; d < DIMENSIONS; d++)
        if (new.of[d] > 0 &&
            new.of[d] > host->total.of[d] - host->used.of[d] - host->promised.of[d] + is.of[d])
            return false;
    return true;
}
