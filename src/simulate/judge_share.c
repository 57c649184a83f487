/* Of tiers that are sized by their load: each decision, as it comes into the store, and who waits in calms.
 */
#include "base/text.h"
#include "control/sizing.h"
#include "plan/plan.h"
#include "plan/share/share.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <string.h>

enum {
    CONSERVED_US = 120 * 1000 * 1000, /* of calm: then nobody waits for what is there … */
    WAITS_US = 10 * 1000 * 1000,      /* … for so long */
    /* A count that rose falls by its own offer at most once in 10 s (plan/share/README.md), and each minute
     * may begin anew with a controller that forgot since when. */
    TURNS = 8,
    TURNS_US = 60 * 1000 * 1000,
};

/* What was decided last of a tier. */
struct scaled {
    int64_t wanted, since_ms;
    int64_t raised_ms;    /* by the controller's clock; 0: it never was */
    bool rose;            /* last */
    int64_t turns[TURNS]; /* when its count turned from rising to falling */
    size_t turned;
    int64_t waits_since_us; /* 0: it does not */
};

static void judge_scale(struct run *run, const struct farm *farm, const struct tier *tier,
                        const struct tier_scale *scale);
static void judge_fall(struct run *run, const struct farm *farm, const struct tier *tier,
                       const struct tier_scale *scale, const struct scaled *before);
static void note_turn(struct run *run, struct scaled *scaled, const char *name);
static bool is_promise_open(const struct run *run, const struct snapshot *snapshot);

void share_forget(struct judges *judges)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(judges->scales, &cursor, NULL, &value))
        mem_free(value);
    map_free(judges->scales);
}

void share_stored(struct run *run, const struct store_item *item)
{
    static const char prefix[] = "farm-fact/";
    struct farm_fact fact = {0};
    struct error err;

    if (!text_starts(item->key, prefix) || !run->world->controller) return;
    const char *name = item->key + strlen(prefix);
    const struct record *record = mirror_get(controller_mirror(run->world->controller), RECORD_FARM, name);
    const struct farm *farm = record ? record->object : NULL;
    CLEANUP_ARENA struct arena *arena = arena_new();
    if (item->value &&
        !model_read_json(&schema_farm_fact, arena, item->value, strlen(item->value), &fact, &err))
        run_violated(run, "acknowledged", "%s in the store cannot be read: %s", item->key, err.message);
    for (size_t t = 0; farm && t < farm->tiers_length; t++) {
        const struct tier *tier = &farm->tiers[t];
        const struct tier_scale *scale = plan_scale(&fact, tier->name);
        if (scale && sizing_applies(run->world->controller, farm, tier))
            judge_scale(run, farm, tier, scale);
        else
            mem_free(map_remove(run->judges->scales, arena_printf(arena, "%s/%s", name, tier->name)));
    }
}

/* A fact is written for other reasons as well: what it says of a tier is judged when that is new. */
static void judge_scale(struct run *run, const struct farm *farm, const struct tier *tier,
                        const struct tier_scale *scale)
{
    CLEANUP_MEM char *name = mem_printf("%s/%s", farm->full_name, tier->name);
    struct scaled *scaled = map_get(run->judges->scales, name);
    int64_t before = scaled ? scaled->wanted : tier->count.committed;

    if (scaled && scaled->since_ms == scale->since_ms && scaled->wanted == scale->wanted) return;
    if (!scaled) {
        scaled = mem_alloc(sizeof(*scaled));
        map_put(run->judges->scales, name, scaled);
    }
    run_tell(run, "%s is given %" PRId64 ", not %" PRId64 ": %s", name, scale->wanted, before, scale->reason);
    if (scale->wanted < tier->count.committed || scale->wanted > tier->count.max)
        run_violated(run, "entitled",
                     "%s is given %" PRId64 ", not what is committed, %" PRId64 ", up to its max of %" PRId64,
                     name, scale->wanted, tier->count.committed, tier->count.max);
    if (scale->wanted < before) {
        judge_fall(run, farm, tier, scale, scaled);
        /* What goes to a promise that is open may go again and again: as long as that has no place. */
        if (scaled->rose && !is_promise_open(run, mirror_snapshot(controller_mirror(run->world->controller))))
            note_turn(run, scaled, name);
    } else if (scale->wanted > before) {
        scaled->raised_ms = scale->since_ms;
    }
    if (scale->wanted != before) scaled->rose = scale->wanted > before;
    scaled->wanted = scale->wanted;
    scaled->since_ms = scale->since_ms;
}

/* Less than it calls for is what others took: nothing of what is guaranteed, and nothing that was given to it
 * just now, unless somebody has not even what is committed. */
static void judge_fall(struct run *run, const struct farm *farm, const struct tier *tier,
                       const struct tier_scale *scale, const struct scaled *before)
{
    struct controller *controller = run->world->controller;
    const struct sized *sized = sizing_get(controller, farm->full_name, tier->name);
    int64_t calls = sized ? sized->need.wanted : 0;

    if (calls > tier->count.max) calls = tier->count.max;
    if (scale->wanted >= calls) return;
    if (scale->wanted < tier->count.guaranteed)
        run_violated(run, "entitled",
                     "%s of %s has %" PRId64 " left, and calls for %" PRId64
                     " within its guaranteed %" PRId64,
                     tier->name, farm->full_name, scale->wanted, calls, tier->count.guaranteed);
    int64_t rest_ms = scale->since_ms - before->raised_ms;
    if (before->raised_ms && rest_ms < SHARE_DWELL_MS &&
        !is_promise_open(run, mirror_snapshot(controller_mirror(controller))))
        run_violated(run, "no-flapping",
                     "%s of %s loses to another what it was given %" PRId64 " ms before, not %d", tier->name,
                     farm->full_name, rest_ms, SHARE_DWELL_MS);
}

static void note_turn(struct run *run, struct scaled *scaled, const char *name)
{
    int64_t now_us = run_now(run), *oldest_us = &scaled->turns[scaled->turned % TURNS];

    if (scaled->turned >= TURNS && now_us - *oldest_us < TURNS_US)
        run_violated(run, "no-flapping", "%s turned from more to fewer %d times in %" PRId64 " ms", name,
                     TURNS + 1, (now_us - *oldest_us) / 1000);
    *oldest_us = now_us;
    scaled->turned++;
}

/* Somebody has no place for a member that is committed. */
static bool is_promise_open(const struct run *run, const struct snapshot *snapshot)
{
    for (size_t f = 0; f < snapshot->farms_length; f++) {
        const struct farm *farm = &snapshot->farms[f];
        for (size_t t = 0; runs_at_all(run, farm) && t < farm->tiers_length; t++) {
            int64_t placed = 0;
            for (size_t i = 0; i < snapshot->instances_length; i++) {
                const struct instance *instance = &snapshot->instances[i];
                placed += text_equal(instance->farm, farm->full_name) &&
                          text_equal(instance->tier, farm->tiers[t].name) && instance->wanted == WANTED_RUN &&
                          instance->state == INSTANCE_RUNNING;
            }
            if (placed < farm->tiers[t].count.committed) return true;
        }
    }
    return false;
}

/* Strict spread is left to the planner, as in judge_calm.c: of its own members that find no place the sharing
 * knows only that the host has room. */
void conserved_look(struct run *run)
{
    struct controller *controller = run->world->controller;
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    if (run_now(run) - run->calm_since_us < CONSERVED_US || !controller) return;
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(controller));
    while (map_next(run->judges->scales, &cursor, &name, &value)) {
        struct scaled *scaled = value;
        CLEANUP_MEM char *farm_name = mem_strndup(name, (size_t)(strrchr(name, '/') - name));
        const char *tier_name = strrchr(name, '/') + 1, *host = NULL;
        const struct sized *sized = sizing_get(controller, farm_name, tier_name);
        const struct record *record = mirror_get(controller_mirror(controller), RECORD_FARM, farm_name);
        const struct farm *farm = record ? record->object : NULL;
        const struct tier *tier = NULL;
        for (size_t t = 0; farm && t < farm->tiers_length; t++)
            if (text_equal(farm->tiers[t].name, tier_name)) tier = &farm->tiers[t];
        bool waits = sized && sized->lacks_why && tier && !tier->spread.strict &&
                     sizing_applies(controller, farm, tier) && has_quota(snapshot, farm, tier, true) &&
                     (host = host_with_room(run, snapshot, &tier->size));
        if (!waits) scaled->waits_since_us = 0;
        if (!waits) continue;
        if (scaled->waits_since_us == 0) scaled->waits_since_us = run_now(run);
        if (run_now(run) - scaled->waits_since_us >= WAITS_US)
            run_violated(run, "conserved", "%s waits, for '%s', while %s has room and its party has quota",
                         name, sized->lacks_why, host);
    }
}

/* What never had a place takes nothing of it yet. */
bool has_quota(const struct snapshot *snapshot, const struct farm *farm, const struct tier *tier,
               bool others_first)
{
    for (size_t p = 0; p < snapshot->parties_length; p++) {
        const struct party *party = &snapshot->parties[p];
        struct resources used = tier->size;
        int64_t instances = 1;
        if (!text_equal(party->name, farm->party)) continue;
        for (size_t i = 0; i < snapshot->instances_length; i++) {
            const struct instance *instance = &snapshot->instances[i];
            if (!text_equal(instance->party, party->name)) continue;
            bool waits = instance->host[0] == '\0' && instance->incarnation == 0;
            bool is_own =
                text_equal(instance->farm, farm->full_name) && text_equal(instance->tier, tier->name);
            if (waits && (!others_first || is_own || instance->wanted != WANTED_RUN)) continue;
            used.cpus_millis += instance->size.cpus_millis;
            used.memory_bytes += instance->size.memory_bytes;
            used.disk_bytes += instance->size.disk_bytes;
            instances++;
        }
        if (!resources_fit(&used, &party->quota.resources)) return false;
        return party->quota.instances < 0 || instances <= party->quota.instances;
    }
    return false;
}
