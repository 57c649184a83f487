/* The table of invariants, and what calls them. */
#include "simulate/judges.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_US = 1000 * 1000, STEPS_NOW_MAX = 200 * 1000 };

static void acknowledged_changed(struct run *run, const struct fake_change *change);
static void acknowledged_stored(struct run *run, const struct store_item *item);
static void acknowledged_step(struct run *run);
static bool look_is_due(const struct run *run);
static void one_leader_step(struct run *run);
static void no_leak_step(struct run *run);
static void quota_step(struct run *run);
static void committed_step(struct run *run);
static void conserved_step(struct run *run);
static void repossessed_step(struct run *run);
static void told_and_look_step(struct run *run);
static void converges_step(struct run *run);
static void changed(void *ctx, const struct fake_change *change);
static void stored(void *ctx, const struct store_item *item);
static void tell_change(struct run *run, const struct fake_change *change);
static void held_free(struct held *held);

static const struct invariant invariants[] = {
    {"one-and-only-one", NULL, NULL, one_and_only_one_step},
    {"boundary", boundary_changed, NULL, NULL},
    {"no-leak", no_leak_changed, no_leak_stored, no_leak_step},
    {"quota", quota_changed, NULL, quota_step},
    {"committed", NULL, NULL, committed_step},
    {"acknowledged", acknowledged_changed, acknowledged_stored, acknowledged_step},
    {"one-leader", NULL, NULL, one_leader_step},
    {"drains", NULL, NULL, NULL}, /* with what the store says of instances: judge_leak.c reads it */
    {"believed", NULL, believed_stored, NULL},
    {"spared", NULL, NULL, spared_step},    /* with what the store says of hosts */
    {"entitled", NULL, share_stored, NULL}, /* and no-flapping: both follow from decisions */
    {"no-flapping", NULL, NULL, NULL},
    {"conserved", NULL, NULL, conserved_step},
    {"repossessed", NULL, NULL, repossessed_step},
    {"patient", NULL, NULL, NULL}, /* with what judge_leak.c reads of instances */
    {"told", NULL, told_stored, told_and_look_step},
    {"converges", NULL, NULL, converges_step},
};

const char *simulate_invariant_name(size_t n)
{
    return n < LENGTH(invariants) ? invariants[n].name : NULL;
}

struct judges *judges_new(struct run *run)
{
    struct judges *judges = mem_alloc(sizeof(*judges));

    judges->run = run;
    judges->held = map_new();
    judges->wires = map_new();
    judges->believed = map_new();
    judges->emptied = map_new();
    judges->images = map_new();
    judges->scales = map_new();
    judges->mend = mend_judge_new();
    for (size_t i = 0; i < run->world->boxes_length; i++) {
        struct held *held = mem_alloc(sizeof(*held));
        held->box = &run->world->boxes[i];
        held->traces = map_new();
        believed_watch(held);
        map_put(judges->held, held->box->name, held);
    }
    fake_world_watch(run->world->truth, changed, run);
    return judges;
}

void judges_free(struct judges *judges)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!judges) return;
    store_watch_stop(judges->run->world->store, judges->watch);
    while (map_next(judges->held, &cursor, NULL, &value))
        held_free(value);
    for (cursor = 0; map_next(judges->wires, &cursor, NULL, &value);) {
        map_free(((struct wire *)value)->farms);
        mem_free(value);
    }
    for (cursor = 0; map_next(judges->believed, &cursor, NULL, &value);) {
        mem_free(((struct believed *)value)->host);
        mem_free(value);
    }
    map_free(judges->held);
    map_free(judges->wires);
    map_free(judges->believed);
    map_free(judges->emptied);
    audit_free(judges->audit);
    map_free(judges->images);
    share_forget(judges);
    mend_judge_free(judges->mend);
    mem_free(judges);
}

void judges_watch(struct run *run)
{
    struct error err;
    if (!store_watch_start(run->world->store, "", store_revision(run->world->store), stored, run,
                           &run->judges->watch, &err) ||
        !audit_new(run->world->store, &run->judges->audit, &err))
        run_violated(run, "acknowledged", "the store cannot be watched: %s", err.message);
    run->judges->revision = store_revision(run->world->store);
}

void judges_step(void *ctx)
{
    struct run *run = ctx;
    int64_t now_us = run_now(run);

    run->report->steps++;
    run->judges->steps_now = now_us == run->judges->now_us ? run->judges->steps_now + 1 : 0;
    run->judges->now_us = now_us;
    if (run->judges->steps_now == STEPS_NOW_MAX)
        run_violated(run, "converges", "%d steps in one moment: something asks for itself for ever",
                     STEPS_NOW_MAX);
    run->report->virtual_ms = (now_us - run->started_us) / 1000;
    story_mix(run->story, (uint64_t)now_us);
    for (size_t i = 0; i < LENGTH(invariants); i++)
        if (invariants[i].step) invariants[i].step(run);
    run->judges->revision = store_revision(run->world->store);
    run->report->checks += LENGTH(invariants);
}

struct held *held_get(struct judges *judges, const char *host)
{
    return map_get(judges->held, host);
}

/* What runs is in the books. It is told after the step: what may not run at all breaks another invariant. */
static void acknowledged_changed(struct run *run, const struct fake_change *change)
{
    struct judges *judges = run->judges;
    if (judges->audit && change->kind == FAKE_STARTED &&
        !audit_is_on(judges->audit, change->instance, change->host))
        snprintf(judges->unbilled, sizeof(judges->unbilled), "%s starts on %s, and no bill will have it",
                 change->instance, change->host);
}

static void acknowledged_stored(struct run *run, const struct store_item *item)
{
    clerk_stored(run, item);
    if (run->judges->audit) audit_take(run->judges->audit, item);
}

/* No promise is broken, and no second of a bill lost or counted twice. */
static void acknowledged_step(struct run *run)
{
    struct error err;

    clerk_judge(run);
    if (run->judges->audit && !audit_check(run->judges->audit, &err))
        run_violated(run, "acknowledged", "the books: %s", err.message);
    if (run->judges->unbilled[0]) run_violated(run, "acknowledged", "%s", run->judges->unbilled);
}

/* One process writes the store: while none is there it stays as it is, and it never goes back. */
static void one_leader_step(struct run *run)
{
    uint64_t revision = store_revision(run->world->store);

    if (revision < run->judges->revision)
        run_violated(run, "one-leader", "the store went back from revision %" PRIu64 " to %" PRIu64,
                     run->judges->revision, revision);
    if (revision > run->judges->revision && !run->world->controller && run->judges->watch)
        run_violated(run, "one-leader", "revision %" PRIu64 " was written while no controller was there",
                     revision);
}

static bool look_is_due(const struct run *run)
{
    return run->judges->now_us - run->judges->look_us >= LOOK_US;
}

/* What takes its time is looked at once a second. */
static void no_leak_step(struct run *run)
{
    if (!look_is_due(run)) return;
    no_leak_look(run);
}

static void quota_step(struct run *run)
{
    if (!look_is_due(run)) return;
    if (!run->storm && run->calm_since_us) quota_look(run);
}

static void committed_step(struct run *run)
{
    if (!look_is_due(run)) return;
    if (!run->storm && run->calm_since_us) committed_look(run);
}

static void conserved_step(struct run *run)
{
    if (!look_is_due(run)) return;
    if (!run->storm && run->calm_since_us) conserved_look(run);
}

static void repossessed_step(struct run *run)
{
    if (!look_is_due(run)) return;
    if (!run->storm && run->calm_since_us) repossessed_look(run);
}

static void told_and_look_step(struct run *run)
{
    told_step(run);
    if (!look_is_due(run)) return;
    if (!run->storm && run->calm_since_us) told_look(run);
}

/* The last of the table: the second is over with it. */
static void converges_step(struct run *run)
{
    if (!look_is_due(run)) return;
    run->judges->look_us = run->judges->now_us;
    if (run->storm)
        run->judges->converged = false;
    else if (run->calm_since_us)
        converges_look(run);
}

static void changed(void *ctx, const struct fake_change *change)
{
    struct run *run = ctx;

    tell_change(run, change);
    for (size_t i = 0; i < LENGTH(invariants); i++)
        if (invariants[i].changed) invariants[i].changed(run, change);
}

static void stored(void *ctx, const struct store_item *item)
{
    struct run *run = ctx;

    story_mix(run->story, item->revision);
    story_mix(run->story, text_hash(TEXT_HASH_SEED, item->key, strlen(item->key)));
    if (item->value) story_mix(run->story, text_hash(TEXT_HASH_SEED, item->value, strlen(item->value)));
    for (size_t i = 0; i < LENGTH(invariants); i++)
        if (invariants[i].stored) invariants[i].stored(run, item);
}

static void tell_change(struct run *run, const struct fake_change *change)
{
    const char *kind = fake_change_names[change->kind];

    if (change->instance[0] && change->incarnation)
        run_tell(run, "%s: %s (%" PRId64 ") %s", change->host, change->instance, change->incarnation, kind);
    else if (change->instance[0])
        run_tell(run, "%s: %s of %s", change->host, kind, change->instance);
    else if (change->as)
        run_tell(run, "%s: %s of %s, number %" PRId64 ", %zu members", change->host, kind, change->farm,
                 change->vni, change->as->members_length);
    else
        run_tell(run, "%s: %s %s", change->host, kind, change->farm);
}

static void held_free(struct held *held)
{
    size_t cursor = 0;
    void *value = NULL;

    sim_bad_disk_watch(held->box->bad_disk, NULL, NULL);
    while (map_next(held->traces, &cursor, NULL, &value)) {
        mem_free(((struct trace_seen *)value)->party);
        mem_free(value);
    }
    map_free(held->traces);
    mem_free(held);
}
