#include "base/text.h"
#include "plan/order/act.h"
#include "plan/recover/recover.h"
#include "plan/scale/scale.h"

static void forget_wiped(struct work *work, size_t instance);
static void count_one(struct work *work, struct work_tier *tier, struct work_instance *i);
static void mark_leavers(struct work *work, struct work_tier *tier);
static bool in_motion(struct work *work, const struct work_tier *tier, const struct instance *record);

/* Of the members that serve or shall serve:
 *   current   wanted, today's personality (an instance without a place gets today's when it is placed)
 *   outdated  wanted, an older personality
 *   returning on the way out of its place, but the tier still needs it: it is placed again
 *   dying     on the way out for good */
void scale_census(struct work *work)
{
    for (size_t a = 0; a < work->active.length; a++)
        scale_census_farm(work, work->active.items[a]);
}

void scale_census_farm(struct work *work, size_t farm)
{
    const struct work_farm *f = &work->farms[farm];
    for (size_t n = 0; n < f->instances.length; n++) {
        struct work_instance *i = &work->instances[f->instances.items[n]];
        i->dies = i->tier == NONE;
    }
    for (size_t t = f->tier_first; t < f->tier_first + f->tiers_length; t++) {
        struct work_tier *tier = &work->tiers[t];
        size_t kept = 0;
        tier->current = tier->outdated = tier->returning = tier->dying = 0;
        tier->warm_now = tier->healthy = tier->motion = 0;
        if (tier->personality == NULL) scale_form(work, tier); /* opened in the middle of a pass */
        for (size_t m = 0; m < tier->members.length; m++) {
            size_t instance = tier->members.items[m];
            if (work->instances[instance].forgotten) continue;
            tier->members.items[kept++] = instance;
            count_one(work, tier, &work->instances[instance]);
        }
        tier->members.length = kept;
        mark_leavers(work, tier);
    }
    recover_rank(work, farm);
}

void scale_settle(struct work *work)
{
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->host == NONE) continue;
        const char *host = work->hosts[i->host].name;
        bool lost = work->hosts[i->host].standing == STANDING_LOST;
        bool wiped = i->record->wanted == WANTED_GONE && i->record->state == INSTANCE_STOPPED;
        if (lost && i->record->wanted == WANTED_WARM)
            act_forget(work, n,
                       arena_printf(work->arena, "%s is lost, and it only waited at the door", host));
        else if (lost && i->dies)
            act_forget(work, n, arena_printf(work->arena, "%s is lost, and it is not wanted any more", host));
        else if (wiped && i->dies)
            forget_wiped(work, n);
        else if (wiped && !lost)
            act_unplace(work, n, arena_printf(work->arena, "it is wiped on %s and goes elsewhere", host));
    }
}

static void forget_wiped(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    if (i->outdated) work->tiers[i->tier].rolled++;
    act_forget(work, instance, "it is wiped and not wanted any more");
}

static void count_one(struct work *work, struct work_tier *tier, struct work_instance *i)
{
    const struct instance *record = i->record;
    i->outdated = work_placed(work, i) && tier->personality && record->personality[0] != '\0' &&
                  !text_equal(record->personality, tier->personality);
    if (record->wanted == WANTED_WARM) {
        tier->warm_now++;
        return;
    }
    if (!instance_leaving(record) && i->host != NONE && !work_is_down(work, i) &&
        in_motion(work, tier, record))
        tier->motion++;
    if (record->wanted != WANTED_GONE && work_healthy(work, i)) tier->healthy++;
    if (!instance_leaving(record)) {
        if (i->outdated)
            tier->outdated++;
        else
            tier->current++;
        return;
    }
    tier->motion++;
    /* Who is to move, or on a host to be emptied, takes the new form where it goes: room is kept for it. */
    i->dies = i->outdated && record->move_to[0] == '\0' && work->hosts[i->host].standing != STANDING_LEAVING;
    if (i->dies)
        tier->dying++;
    else
        tier->returning++;
}

/* Too many: those that are on their way out already are the first that do not come back. While a new form
 * rolls out the tier may have one more than wanted. */
static void mark_leavers(struct work *work, struct work_tier *tier)
{
    int64_t spare = tier->outdated > 0 && tier->want > 0 ? 1 : 0;
    tier->surplus = tier->current + tier->outdated + tier->returning - tier->want - spare;
    for (size_t m = tier->members.length; m > 0 && tier->surplus > 0; m--) {
        struct work_instance *i = &work->instances[tier->members.items[m - 1]];
        if (i->dies || !instance_leaving(i->record)) continue;
        i->dies = true;
        tier->returning--;
        tier->dying++;
        tier->motion--; /* nobody has to wait for what comes to nothing */
        tier->surplus--;
    }
    if (tier->surplus < 0) tier->surplus = 0;
}

/* Placed and not yet what it will be. What is bad or failed for long is not on its way to anything. */
static bool in_motion(struct work *work, const struct work_tier *tier, const struct instance *record)
{
    if (record->state == INSTANCE_FAILED || instance_healthy(record, tier->intent)) return false;
    if (record->health != HEALTH_BAD || record->state != INSTANCE_RUNNING) return true;
    if (work->now_ms - record->since_ms >= BAD_MS_MAX) return false;
    work_again(work, tier->farm, record->since_ms + BAD_MS_MAX);
    return true;
}
