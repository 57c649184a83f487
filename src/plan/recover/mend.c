/* What is done about an instance that fails: the steps of its tier's policy, in order.
 *
 * Its host restarts it in any case, with growing rests; the steps say what more is done. Where a trouble
 * stands is in the record (failures, mend_*), so that neither a new controller nor a new agent begins anew.
 */
#include "base/planted.h"
#include "base/text.h"
#include "model/schemas.h"
#include "plan/order/act.h"
#include "plan/place/place.h"
#include "plan/recover/recover.h"
#include "plan/scale/scale.h"

enum { WELL_MS = 10 * 1000 }; /* so long without a failure, and the trouble is over */

static bool is_new_here(const struct work *work, const struct work_instance *i);
static bool is_well(const struct work *work, const struct work_instance *i);
static void heal(struct work *work, size_t instance);
static bool is_over(const struct work *work, const struct instance *record, const struct mend_step *step,
                    int64_t *ret_due_ms);
static void next(struct work *work, size_t instance, const struct tier *tier);
static const char *try(struct work *work, size_t instance, const struct mend_step *step, const char *reason);
static void try_again(struct work *work, size_t instance, const struct tier *tier, size_t step);
static const char *reload(struct work *work, size_t instance, const char *reason);
static const char *replace(struct work *work, size_t instance, const char *reason);
static void count_try(struct work *work, size_t instance);
static void note(struct work *work, size_t instance, size_t step);
static const char *reason_of(struct work *work, const struct tier *tier, size_t step, int64_t failures);
static bool has_replace(const struct tier *tier);
static void wander(struct work *work, size_t instance);
static int64_t wander_restarts(int64_t wanders);
static int64_t wander_ms(int64_t wanders);

void recover_mend(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    const struct instance *record = i->record;
    const struct tier *tier = work_tier_of(work, i);
    size_t step = (size_t)record->mend_step;
    int64_t due_ms = 0;

    if (tier == NULL) return;
    if (tier->on_failure_length == 0 && step == 0) {
        wander(work, instance);
        return;
    }
    if (record->failures == 0 || is_new_here(work, i)) return;
    if (is_well(work, i)) {
        heal(work, instance);
        return;
    }
    if (i->outdated || tier->on_failure_length == 0) return; /* outdated: the roll-out ends it */
    if (step == 0) {
        next(work, instance, tier);
        return;
    }
    if (step > tier->on_failure_length) step = tier->on_failure_length; /* the policy was longer */
    const struct mend_step *at = &tier->on_failure[step - 1];
    bool over = is_over(work, record, at, &due_ms);
    if (!over) work_again(work, i->farm, due_ms);
    if (!over && (at->what == MEND_RESTART || at->what == MEND_NOTIFY || record->mend_tries > 0)) return;
    if (!over || (at->what != MEND_RESTART && record->mend_tries > 0 && record->mend_tries < at->times))
        try_again(work, instance, tier, step);
    else if (step < tier->on_failure_length)
        next(work, instance, tier);
    else if (has_replace(tier))
        wander(work, instance);
}

void recover_mend_placed(struct work *work, size_t instance)
{
    const struct tier *tier = work_tier_of(work, &work->instances[instance]);
    size_t step = (size_t)work->instances[instance].record->mend_step;
    struct instance *record = NULL;

    if (step == 0 || tier == NULL || step > tier->on_failure_length) return;
    record = work_edit(work, instance);
    record->mend_since_ms = work->now_ms;
    record->mend_failures = record->failures;
    enum mend_what what = tier->on_failure[step - 1].what;
    if (record->mend_tries == 0 && (what == MEND_RELOAD || what == MEND_REPLACE)) record->mend_tries = 1;
}

/* Not well yet where it was placed since its failures, about which no step has begun: they were of where it
 * was, and that it has left already. A host counts restarts from zero. */
static bool is_new_here(const struct work *work, const struct work_instance *i)
{
    return i->record->mend_step == 0 && i->record->restarts == 0 && !is_well(work, i);
}

/* For now: whether it stays so is seen after a while. */
static bool is_well(const struct work *work, const struct work_instance *i)
{
    return instance_healthy(i->record, work_tier_of(work, i));
}

static void heal(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    int64_t from_ms = i->record->since_ms > i->record->failed_ms ? i->record->since_ms : i->record->failed_ms;
    int64_t failures = i->record->failures;

    if (work->now_ms < from_ms + WELL_MS) {
        work_again(work, i->farm, from_ms + WELL_MS);
        return;
    }
    struct instance *record = work_edit(work, instance);
    record->failures = record->failed_ms = record->wanders = 0;
    record->mend_step = record->mend_tries = record->mend_since_ms = record->mend_failures = 0;
    act_mend(work, instance,
             arena_printf(work->arena, "well for 10s after %lld failure%s", (long long)failures,
                          failures == 1 ? "" : "s"));
}

/* The step, or its present try, did not help: it failed again, or too much time went by. A host restarts by
 * itself, and how often is counted by the failures; of other steps one failure ends one try. */
static bool is_over(const struct work *work, const struct instance *record, const struct mend_step *step,
                    int64_t *ret_due_ms)
{
    int64_t failures = record->failures - record->mend_failures;
    int64_t tries = step->what == MEND_RESTART ? step->times : 1;

    *ret_due_ms = record->mend_since_ms + step->within_ms * tries;
    if (work->now_ms >= *ret_due_ms || PLANTED(step_too_soon)) return true;
    return step->what != MEND_NOTIFY && (step->what == MEND_RESTART || record->mend_tries > 0) &&
           failures >= tries;
}

/* The first step begins with the first failure, of which the host's first restart comes. */
static void next(struct work *work, size_t instance, const struct tier *tier)
{
    const struct instance *was = work->instances[instance].record;
    size_t step = (size_t)was->mend_step + 1;
    const struct mend_step *at = &tier->on_failure[step - 1];
    const char *reason = reason_of(work, tier, step, was->failures);

    note(work, instance, step);
    if (step == 1) work_edit(work, instance)->mend_failures = 1;
    if (at->what != MEND_RESTART && at->what != MEND_NOTIFY) reason = try(work, instance, at, reason);
    if (reason) act_mend(work, instance, reason);
}

/* What could not be tried yet, or is to be tried once more. While it waits its words stay. */
static void try_again(struct work *work, size_t instance, const struct tier *tier, size_t step)
{
    const struct instance *record = work->instances[instance].record;
    int64_t failures = record->mend_tries > 0 ? record->failures : record->mend_failures;
    const char *why = try(work, instance, &tier->on_failure[step - 1], reason_of(work, tier, step, failures));

    if (why) act_explain(work, instance, record->state, why, "");
}

static void note(struct work *work, size_t instance, size_t step)
{
    struct instance *record = work_edit(work, instance);
    record->mend_step = (int64_t)step;
    record->mend_tries = 0;
    record->mend_since_ms = work->now_ms;
    record->mend_failures = record->failures;
}

/* NULL: it is done; else what is said while it waits. */
static const char *try(struct work *work, size_t instance, const struct mend_step *step, const char *reason)
{
    const char *why =
        step->what == MEND_REPLACE ? replace(work, instance, reason) : reload(work, instance, reason);

    if (!why) return NULL;
    const struct work_instance *i = &work->instances[instance];
    work_again(work, i->farm, i->record->mend_since_ms + step->within_ms);
    return arena_printf(work->arena, "%s; it waits: %s", reason, why);
}

static void count_try(struct work *work, size_t instance)
{
    struct instance *record = work_edit(work, instance);
    record->mend_tries++;
    record->mend_since_ms = work->now_ms;
    record->mend_failures = record->failures;
}

/* NULL: it goes; else why not yet. */
static const char *reload(struct work *work, size_t instance, const char *reason)
{
    const char *why = place_blocked(work, work->instances[instance].tier);

    if (why) return why;
    count_try(work, instance);
    act_place(work, instance, work->instances[instance].host, 0, reason);
    return NULL;
}

/* As reload(). What is stopped there serves nobody: there is nothing to drain. */
static const char *replace(struct work *work, size_t instance, const char *reason)
{
    const struct work_instance *i = &work->instances[instance];
    struct place_ask ask = {
        .tier = i->tier, .instance = instance, .near = i->host, .avoid = i->host, .only = NONE};
    const char *why = place_blocked(work, i->tier);
    size_t to = NONE, farm = i->farm;

    if (!why) why = recover_busy(work, instance);
    if (why) return why;
    to = place_find(work, &ask, NULL);
    if (to == NONE) return place_why_not(work, &ask);
    count_try(work, instance);
    work_edit(work, instance)->wanders++;
    recover_promise_to(work, instance, to);
    act_stop(work, instance, reason);
    scale_census_farm(work, farm);
    return NULL;
}

static const char *reason_of(struct work *work, const struct tier *tier, size_t step, int64_t failures)
{
    const struct mend_step *at = &tier->on_failure[step - 1];

    return arena_printf(work->arena, "step %zu of on_failure, %s%s%s: %lld failure%s", step,
                        mend_what_names[at->what], at->to[0] ? " " : "", at->to, (long long)failures,
                        failures == 1 ? "" : "s");
}

static bool has_replace(const struct tier *tier)
{
    for (size_t n = 0; n < tier->on_failure_length; n++)
        if (tier->on_failure[n].what == MEND_REPLACE) return true;
    return false;
}

/* Its host gave up on it again and again: another host may do better. With a broken image none does, so the
 * wait doubles with every try. */
static void wander(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    bool bad = i->record->state == INSTANCE_FAILED ||
               (i->record->state == INSTANCE_RUNNING && i->record->health == HEALTH_BAD);
    if (!bad || i->outdated || i->record->restarts < RESTARTS_MAX)
        return; /* outdated: the roll-out ends it */
    int64_t due_ms = i->record->since_ms + wander_ms(i->record->wanders);
    if (work->now_ms < due_ms && i->record->restarts < wander_restarts(i->record->wanders)) {
        work_again(work, i->farm, due_ms);
        return;
    }
    struct place_ask ask = {
        .tier = i->tier, .instance = instance, .near = i->host, .avoid = i->host, .only = NONE};
    size_t to = place_find(work, &ask, NULL);
    if (to == NONE || place_blocked(work, i->tier) || recover_busy(work, instance)) return;
    work_edit(work, instance)->wanders++;
    recover_start(work, instance, to,
                  arena_printf(work->arena, "it did not come up on %s in %lld starts", i->record->host,
                               (long long)i->record->restarts));
}

/* The same wait, counted in starts: each of them begins a new state, so the time in one state alone is never
 * longer than its host's rest between two, which ends growing at a minute. */
static int64_t wander_restarts(int64_t wanders)
{
    int64_t minutes = wander_ms(wanders) / RESTART_MS_MAX;
    return RESTARTS_OF_HALF_A_MINUTE + minutes;
}

static int64_t wander_ms(int64_t wanders)
{
    int64_t wait_ms = WANDER_MS_FIRST;
    if (wanders == 0) return BAD_MS_MAX;
    for (int64_t n = 1; n < wanders && wait_ms < WANDER_MS_MAX; n++)
        wait_ms *= 2;
    return wait_ms < WANDER_MS_MAX ? wait_ms : WANDER_MS_MAX;
}
