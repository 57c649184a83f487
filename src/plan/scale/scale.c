#include "plan/scale/scale.h"

#include "base/planted.h"
#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/quota.h"

/* How gladly a member is given up: what is sure to serve, and can stay, goes last. */
enum worth {
    WORTH_NOWHERE, /* it has no place */
    WORTH_DOWN,    /* its host is down */
    WORTH_BOOTS,
    WORTH_BAD,
    WORTH_SILENT, /* its host says nothing */
    WORTH_LEAVES, /* its host is to be emptied */
    WORTH_OLDER,
    WORTH_SERVES,
};

/* Sorted, the first goes first. */
struct victim {
    enum worth worth;
    bool named;      /* the sharing asked for its room */
    size_t zone_nth; /* it is its zone's so manieth member: the highest is in the most crowded */
    size_t host_nth;
    int64_t number;
    size_t instance;
    size_t host, zone; /* number + 1; 0: it has no place */
};

static bool has_successor(const struct work *work, const struct work_instance *i);
static void fewer(struct work *work, size_t tier);
static void replace_lost(struct work *work, size_t tier);
static void more(struct work *work, size_t tier);
static void warm_level(struct work *work, size_t tier);
static size_t best_warm(const struct work *work, const struct work_tier *tier);
static struct victim victim_of(const struct work *work, size_t instance);
static bool is_named(const struct work *work, const struct work_instance *i);
static const char *wants(const struct work *work, const struct work_tier *tier);
static enum worth worth_of(const struct work *work, const struct work_instance *i);
static void count_crowds(const struct work *work, struct victim *victims, size_t length);
static int compare_victims(const void *a, const void *b);
static int compare_hosts(const void *a, const void *b);
static int compare_zones(const void *a, const void *b);

void scale_counts(struct work *work)
{
    for (size_t k = 0; k < work->tier_list.length; k++) {
        size_t t = work->tier_list.items[k];
        if (work->tiers[t].surplus > 0 && !PLANTED(surplus_kept)) fewer(work, t);
        replace_lost(work, t);
        more(work, t);
    }
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        const struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->tier != NONE) continue;
        bool deleted = work->farms[i->farm].intent == NULL;
        scale_remove(work, n, deleted ? "its farm is deleted" : "its tier is not in the farm any more");
    }
}

void scale_warm(struct work *work)
{
    for (size_t k = 0; k < work->tier_list.length; k++)
        warm_level(work, work->tier_list.items[k]);
}

void scale_remove(struct work *work, size_t instance, const char *reason)
{
    const struct work_instance *i = &work->instances[instance];
    if (!work_placed(work, i)) {
        act_forget(work, instance, reason);
        return;
    }
    if (i->record->wanted == WANTED_GONE) return;
    const struct work_farm *farm = &work->farms[i->farm];
    bool serves = i->tier != NONE && work->tiers[i->tier].is_balanced &&
                  i->record->state == INSTANCE_RUNNING && i->record->wanted == WANTED_RUN &&
                  !work_is_down(work, i) && farm_runs(farm->intent, &farm->fact);
    if ((serves && scale_balancer_runs(work, i->farm)) || has_successor(work, i))
        act_drain(work, instance, reason);
    else if (i->record->wanted != WANTED_DRAIN || i->tier == NONE)
        act_stop(work, instance, reason);
}

/* A balancer whose sockets another one serves too: it goes with its last connection, known to its farm until
 * then. */
static bool has_successor(const struct work *work, const struct work_instance *i)
{
    if (i->tier == NONE || !work->tiers[i->tier].is_balance || i->record->wanted != WANTED_RUN ||
        i->record->state != INSTANCE_RUNNING)
        return false;
    const struct work_tier *t = &work->tiers[i->tier];
    for (size_t m = 0; m < t->members.length; m++) {
        const struct work_instance *other = &work->instances[t->members.items[m]];
        if (other != i && !other->forgotten && other->host == i->host &&
            other->record->wanted == WANTED_RUN && work_healthy(work, other))
            return t->want > 0;
    }
    return false;
}

bool scale_balancer_runs(const struct work *work, size_t farm)
{
    const struct work_farm *f = &work->farms[farm];
    for (size_t t = f->tier_first; t < f->tier_first + f->tiers_length; t++)
        if (work->tiers[t].is_balance) return work->tiers[t].healthy > 0;
    return false;
}

static void fewer(struct work *work, size_t tier)
{
    struct work_tier *t = &work->tiers[tier];
    struct victim *victims = arena_alloc_array(work->arena, t->members.length, sizeof(*victims));
    size_t length = 0;
    for (size_t m = 0; m < t->members.length; m++) {
        const struct work_instance *i = &work->instances[t->members.items[m]];
        if (i->forgotten || i->record->wanted != WANTED_RUN) continue;
        victims[length++] = victim_of(work, t->members.items[m]);
    }
    count_crowds(work, victims, length);
    array_sort(victims, length, sizeof(*victims), compare_victims);
    const struct work_farm *farm = &work->farms[t->farm];
    const char *reason = farm->intent->state == FARM_STOPPED ? "the farm is stopped"
                         : farm_is_repossessed(&farm->fact)  ? farm->fact.repossessed
                                                             : wants(work, t);
    for (size_t v = 0; v < length && t->surplus > 0; v++, t->surplus--) {
        if (PLANTED(one_left_behind) && v + 1 == length && farm_is_repossessed(&farm->fact)) break;
        if (work->instances[victims[v].instance].outdated)
            t->outdated--;
        else
            t->current--;
        work->instances[victims[v].instance].dies = true;
        scale_remove(work, victims[v].instance, reason);
    }
}

/* A warm one serves at once for a member whose host is down, which therefore is not wanted any more: it
 * starts nowhere else, so nobody has to know that its host is off. */
static void replace_lost(struct work *work, size_t tier)
{
    struct work_tier *t = &work->tiers[tier];
    for (size_t m = 0; m < t->members.length && t->warm_now > 0; m++) {
        struct work_instance *i = &work->instances[t->members.items[m]];
        if (i->forgotten || i->record->wanted != WANTED_RUN || !work_is_down(work, i)) continue;
        size_t warm = best_warm(work, t);
        if (warm == NONE) return;
        const char *host = work->hosts[i->host].name;
        act_activate(work, warm,
                     arena_printf(work->arena, "%s is down: it serves for %s", host, i->record->name));
        t->warm_now--;
        t->current++;
        if (i->outdated)
            t->outdated--;
        else
            t->current--;
        i->dies = true;
        scale_remove(work, t->members.items[m],
                     arena_printf(work->arena, "%s is down, and %s serves for it", host,
                                  work->instances[warm].record->name));
    }
}

static void more(struct work *work, size_t tier)
{
    struct work_tier *t = &work->tiers[tier];
    int64_t there = t->current + t->outdated + t->returning + t->dying;
    const char *reason = NULL;
    for (; there < t->want; there++) {
        if (reason == NULL) reason = wants(work, t);
        size_t instance = t->warm_now > 0 ? best_warm(work, t) : NONE;
        if (instance != NONE) {
            act_activate(work, instance, reason);
            t->warm_now--;
        } else {
            instance = act_create(work, tier, WANTED_RUN, reason);
            if (instance == NONE) break;
            work->instances[instance].succeeds = t->rolled-- > 0;
        }
        t->current++;
    }
    t->rolled = 0;
}

static void warm_level(struct work *work, size_t tier)
{
    struct work_tier *t = &work->tiers[tier];
    for (size_t m = t->members.length; m > 0; m--) {
        size_t instance = t->members.items[m - 1];
        const struct work_instance *i = &work->instances[instance];
        if (i->forgotten || i->record->wanted != WANTED_WARM) continue;
        bool recalled = quota_recalls(work, instance);
        bool named = is_named(work, i);
        if (!i->outdated && !recalled && !named && t->warm_now <= t->warm) continue;
        scale_remove(work, instance,
                     named         ? "its room goes to another farm"
                     : recalled    ? "its share of the quota is promised to others"
                     : i->outdated ? "its form is not today's"
                                   : arena_printf(work->arena, "tier %s wants %lld warm", t->intent->name,
                                                  (long long)t->warm));
        t->warm_now--;
    }
    for (; t->warm_now < t->warm; t->warm_now++) {
        const char *reason =
            arena_printf(work->arena, "tier %s wants %lld warm", t->intent->name, (long long)t->warm);
        if (act_create(work, tier, WANTED_WARM, reason) == NONE) return;
    }
}

/* The warm member that serves soonest; what failed or has no place saves nothing. */
static size_t best_warm(const struct work *work, const struct work_tier *tier)
{
    size_t best = NONE;
    for (size_t m = 0; m < tier->members.length; m++) {
        size_t instance = tier->members.items[m];
        const struct work_instance *i = &work->instances[instance];
        if (i->forgotten || i->outdated || i->record->wanted != WANTED_WARM) continue;
        if (!work_placed(work, i) || work->hosts[i->host].standing != STANDING_USABLE) continue;
        if (i->record->state == INSTANCE_RUNNING) return instance;
        if (best == NONE && i->record->state != INSTANCE_FAILED) best = instance;
    }
    return best;
}

static struct victim victim_of(const struct work *work, size_t instance)
{
    return (struct victim){.worth = worth_of(work, &work->instances[instance]),
                           .named = is_named(work, &work->instances[instance]),
                           .number = work->instances[instance].record->number,
                           .instance = instance};
}

static bool is_named(const struct work *work, const struct work_instance *i)
{
    const struct work_tier *tier = &work->tiers[i->tier];
    const struct tier_scale *scale = plan_scale(&work->farms[i->farm].fact, tier->intent->name);
    for (size_t n = 0; scale && n < scale->leave_length; n++)
        if (text_equal(scale->leave[n], strrchr(i->record->name, '/') + 1)) return true;
    return false;
}

/* With why it is another number than the document's. */
static const char *wants(const struct work *work, const struct work_tier *tier)
{
    const struct tier_scale *scale = plan_scale(&work->farms[tier->farm].fact, tier->intent->name);
    bool scaled = scale && tier->want > tier->intent->count.committed;
    return arena_printf(work->arena, "tier %s wants %lld%s%s", tier->intent->name, (long long)tier->want,
                        scaled ? ": " : "", scaled ? scale->reason : "");
}

static enum worth worth_of(const struct work *work, const struct work_instance *i)
{
    const struct instance *record = i->record;
    if (!work_placed(work, i)) return WORTH_NOWHERE;
    enum standing standing = work->hosts[i->host].standing;
    if (standing == STANDING_DOWN) return WORTH_DOWN;
    if (record->state != INSTANCE_RUNNING && record->state != INSTANCE_FAILED) return WORTH_BOOTS;
    if (!work_healthy(work, i)) return WORTH_BAD;
    if (standing == STANDING_SILENT) return WORTH_SILENT;
    if (standing == STANDING_LEAVING) return WORTH_LEAVES;
    return i->outdated ? WORTH_OLDER : WORTH_SERVES;
}

/* Numbers the members of each host and zone. Taking those with the highest numbers first is the same as
 * taking one from the most crowded place again and again, without counting again. */
static void count_crowds(const struct work *work, struct victim *victims, size_t length)
{
    for (size_t v = 0; v < length; v++) {
        size_t host = work->instances[victims[v].instance].host;
        if (host == NONE) continue;
        victims[v].host = host + 1;
        victims[v].zone = (size_t)work->hosts[host].zones[work->hosts[host].depth - 1] + 1;
    }
    array_sort(victims, length, sizeof(*victims), compare_hosts);
    for (size_t v = 0; v < length; v++)
        if (victims[v].host)
            victims[v].host_nth =
                v > 0 && victims[v].host == victims[v - 1].host ? victims[v - 1].host_nth + 1 : 1;
    array_sort(victims, length, sizeof(*victims), compare_zones);
    for (size_t v = 0; v < length; v++)
        if (victims[v].zone)
            victims[v].zone_nth =
                v > 0 && victims[v].zone == victims[v - 1].zone ? victims[v - 1].zone_nth + 1 : 1;
}

static int compare_victims(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->named != y->named) return x->named ? -1 : 1;
    if (x->worth != y->worth) return x->worth < y->worth ? -1 : 1;
    if (x->host_nth != y->host_nth) return x->host_nth > y->host_nth ? -1 : 1;
    if (x->zone_nth != y->zone_nth) return x->zone_nth > y->zone_nth ? -1 : 1;
    return x->number > y->number ? -1 : x->number < y->number;
}

static int compare_hosts(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->host != y->host) return x->host < y->host ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_zones(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->zone != y->zone) return x->zone < y->zone ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}
