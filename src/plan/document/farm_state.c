#include "base/text.h"
#include "plan/document/find.h"
#include "plan/document/frontend.h"
#include "plan/scale/personality.h"
#include "plan/work.h"

struct tally {
    int64_t want, healthy;
    bool moving;        /* something is on its way */
    const char *behind; /* a balancer that is well but does not have all of its members yet, or NULL */
    const char *broken; /* what is wrong, or NULL */
    const char *older;  /* who keeps an older form, and why, or NULL */
};

static void tally_tier(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                       const struct tier *tier, struct tally *ret_tally);
static const char *no_way_out(struct arena *arena, const struct snapshot *s, const struct farm *farm);
static bool goes_out(const struct farm *farm, const char *tier);
static void tally_one(struct arena *arena, const struct snapshot *s, const struct instance *instance,
                      const struct tier *tier, const char *personality, const char *frontends,
                      struct tally *tally);

const char *plan_farm_state(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm,
                            const char **ret_reason)
{
    size_t length = 0, tiers = farm->tiers_length + (farm->balance_length > 0 ? 1 : 0);
    find_instances(arena, snapshot, farm->full_name, &length);
    const char *state = "ready", *reason = "every tier has what it wants", *older = NULL;
    const struct farm_fact *fact = find_farm_fact(snapshot, farm->full_name);
    if (farm->state == FARM_STOPPED) {
        *ret_reason = length == 0 ? "it is stopped on request" : "it is being stopped and wiped";
        return length == 0 ? "stopped" : "changing";
    }
    if (farm_is_repossessed(fact)) {
        *ret_reason = length == 0
                          ? fact->repossessed
                          : arena_printf(arena, "it is being stopped and wiped: %s", fact->repossessed);
        return length == 0 ? "stopped" : "changing";
    }
    for (size_t t = 0; t < tiers; t++) {
        const struct tier *tier = t < farm->tiers_length ? &farm->tiers[t] : balance_tier(arena, farm);
        struct tally tally = {0};
        tally_tier(arena, snapshot, farm, tier, &tally);
        bool whole = tally.healthy >= tally.want;
        tally.moving |= tally.healthy > tally.want; /* the next plan lets some go */
        if (older == NULL) older = tally.older;
        if (!whole && tally.broken) {
            *ret_reason = arena_printf(arena, "tier %s has %lld of %lld: %s", tier->name,
                                       (long long)tally.healthy, (long long)tally.want, tally.broken);
            return "degraded";
        }
        if (!text_equal(state, "ready") || (whole && !tally.moving)) continue;
        state = "changing";
        if (tally.broken)
            reason = tally.broken;
        else if (whole && tally.behind)
            reason = arena_printf(arena, "%s does not serve all members yet", tally.behind);
        else if (whole && tally.older)
            reason = tally.older;
        else
            reason = arena_printf(arena, "tier %s has %lld of %lld and is on its way", tier->name,
                                  (long long)tally.healthy, (long long)tally.want);
    }
    *ret_reason = reason;
    if (!text_equal(state, "ready")) return state;
    const char *shut = no_way_out(arena, snapshot, farm);
    if (shut)
        *ret_reason = shut;
    else if (older)
        *ret_reason = arena_printf(arena, "%s, but %s", reason, older);
    return state;
}

int64_t plan_wanted(const struct farm *farm, const struct farm_fact *fact, const struct tier *tier)
{
    const struct tier_scale *scale = plan_scale(fact, tier->name);
    if (!farm_runs(farm, fact)) return 0;
    if (scale == NULL || scale->wanted < tier->count.committed) return tier->count.committed;
    return scale->wanted > tier->count.max ? tier->count.max : scale->wanted;
}

enum level plan_level(const struct count *count, int64_t instances)
{
    if (instances > count->max) instances = count->max;
    if (instances > count->guaranteed) return LEVEL_EXTENDED;
    return instances > count->committed ? LEVEL_GUARANTEED : LEVEL_COMMITTED;
}

const struct tier_scale *plan_scale(const struct farm_fact *fact, const char *tier)
{
    for (size_t n = 0; fact && n < fact->scales_length; n++)
        if (text_equal(fact->scales[n].tier, tier)) return &fact->scales[n];
    return NULL;
}

/* A rule that leads nowhere is told, not kept silent; the farm serves all the same. */
static const char *no_way_out(struct arena *arena, const struct snapshot *s, const struct farm *farm)
{
    size_t length = 0;
    const struct instance *instances = find_instances(arena, s, farm->full_name, &length);
    for (size_t n = 0; n < length; n++) {
        const struct host_fact *fact = find_host_fact(s, instances[n].host);
        if (!goes_out(farm, instances[n].tier) || fact == NULL || (fact->outside && fact->outside[0]))
            continue;
        return arena_printf(arena,
                            "every tier has what it wants, but %s does not reach the internet: its host %s "
                            "has no outside device (croft agent --outside)",
                            instances[n].name, fact->name);
    }
    return NULL;
}

static bool goes_out(const struct farm *farm, const char *tier)
{
    for (size_t n = 0; n < farm->allow_length; n++)
        if (text_equal(farm->allow[n].from, tier) && text_equal(farm->allow[n].to, TIER_INTERNET))
            return true;
    return false;
}

static void tally_tier(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                       const struct tier *tier, struct tally *ret_tally)
{
    size_t length = 0;
    const struct instance *instances = find_instances(arena, s, farm->full_name, &length);
    const struct image *image = personality_image(s, farm->party, tier->image);
    const struct farm_fact *fact = find_farm_fact(s, farm->full_name);
    bool is_balance = personality_tier(farm, tier->name) == NULL;
    const char *personality =
        image && fact ? plan_personality_hash(arena, farm, tier, is_balance, image->digest, fact) : NULL;
    const char *frontends = NULL;
    if (is_balance) {
        size_t frontends_length = 0;
        const struct balance_frontend *list = frontends_of(arena, s, farm, &frontends_length);
        frontends = frontends_hash(arena, list, frontends_length);
    }

    ret_tally->want = is_balance ? 1 : plan_wanted(farm, fact, tier);
    for (size_t n = 0; n < length; n++)
        if (text_equal(instances[n].tier, tier->name))
            tally_one(arena, s, &instances[n], tier, personality, frontends, ret_tally);
}

static void tally_one(struct arena *arena, const struct snapshot *s, const struct instance *instance,
                      const struct tier *tier, const char *personality, const char *frontends,
                      struct tally *tally)
{
    if (instance->wanted == WANTED_WARM) return;
    bool healthy = instance_healthy(instance, tier) && !find_is_lost(s, instance);
    if (instance_leaving(instance)) {
        tally->moving = true;
        return;
    }
    tally->healthy += healthy;
    /* Of what somebody else wrote down nobody knows the form: the planner takes it as it is (scale/census.c).
     */
    bool is_older = instance->host[0] != '\0' && personality && instance->personality[0] != '\0' &&
                    !text_equal(instance->personality, personality);
    tally->moving |= is_older;
    if (tally->older == NULL && text_starts(instance->reason, "keeps its older form: "))
        tally->older = arena_printf(arena, "%s %s", instance->name, instance->reason);
    if (tally->older == NULL && is_older && strstr(instance->reason, " is to be emptied, but: "))
        tally->older = arena_printf(arena, "%s keeps its older form: %s", instance->name, instance->reason);
    /* Who is told "ready" asks at once: what a balancer has to serve, its host must have said that it does.
     */
    if (healthy && frontends && !text_equal(instance->frontends_hash, frontends)) {
        tally->moving = true;
        tally->behind = instance->name;
    }
    if (healthy) return;
    tally->moving = true;
    bool waits = instance->state == INSTANCE_PENDING && instance->host[0] == '\0' &&
                 !text_starts(instance->reason, "waits for tier");
    bool lost = find_is_lost(s, instance);
    if (tally->broken == NULL &&
        (waits || lost || instance->state == INSTANCE_FAILED || instance->health == HEALTH_BAD))
        tally->broken = arena_printf(arena, "%s: %s", instance->name,
                                     instance->reason[0] != '\0' ? instance->reason : "is not healthy");
}
