#include "base/text.h"
#include "plan/recover/recover.h"

static bool follow(struct work *work, const struct work_farm *farm, struct work_tier *tier);
static bool needs(const struct work_tier *tier, const struct work_tier *other);

/* planning.md, Recovery:
 *
 *     rank(t) = max(priority(t), rank(d) + 1 for every tier d that needs t and lives)
 *
 * where d lives if a member of it runs and is healthy, or if a tier lives that needs d. A farm's balancer is
 * needed by the tiers that it balances: nobody reaches them without it. The ceiling is the same as if all
 * lived. Each round carries ranks one step further; the longest way has fewer steps than there are tiers, and
 * a circle (the spec refuses them) ends with it too. */
void recover_rank(struct work *work, size_t farm)
{
    const struct work_farm *f = &work->farms[farm];
    struct work_tier *tiers = f->tiers_length > 0 ? work->tiers + f->tier_first : NULL;
    bool changed = f->tiers_length > 1;

    for (size_t t = 0; t < f->tiers_length; t++) {
        tiers[t].rank = tiers[t].ceiling = (int32_t)tiers[t].intent->priority;
        tiers[t].lives = tiers[t].healthy > 0;
    }
    for (size_t round = 1; changed && round < f->tiers_length; round++) {
        changed = false;
        for (size_t t = 0; t < f->tiers_length; t++)
            changed |= follow(work, f, &tiers[t]);
    }
    for (size_t n = 0; n < f->instances.length; n++)
        if (!work->instances[f->instances.items[n]].forgotten) work_rank(work, f->instances.items[n]);
}

bool recover_related(const struct work *work, size_t tier, uint8_t *ret_related)
{
    enum { UPWARD = 1, DOWNWARD };
    const struct work_farm *farm = &work->farms[work->tiers[tier].farm];
    const struct work_tier *tiers = work->tiers + farm->tier_first;
    size_t length = farm->tiers_length, own = tier - farm->tier_first;
    bool any = false;

    memset(ret_related, 0, length);
    for (uint8_t way = UPWARD; way <= DOWNWARD; way++)
        for (bool changed = true; changed;) {
            changed = false;
            for (size_t from = 0; from < length; from++)
                for (size_t to = 0; to < length && (from == own || ret_related[from] == way); to++) {
                    const struct work_tier *above = &tiers[way == UPWARD ? to : from];
                    if (to == own || ret_related[to] || !needs(above, &tiers[way == UPWARD ? from : to]))
                        continue;
                    ret_related[to] = way;
                    changed = any = true;
                }
        }
    return any;
}

static bool follow(struct work *work, const struct work_farm *farm, struct work_tier *tier)
{
    bool changed = false;
    if (tier->intent->needs_length == 0 && !tier->is_balanced) return false;
    for (size_t t = farm->tier_first; t < farm->tier_first + farm->tiers_length; t++) {
        struct work_tier *other = &work->tiers[t];
        if (other == tier || !needs(tier, other)) continue;
        int32_t rank = tier->lives ? tier->rank + 1 : other->rank;
        bool better = other->ceiling <= tier->ceiling || other->rank < rank || other->lives < tier->lives;
        changed |= better;
        other->lives |= tier->lives;
        if (other->rank < rank) other->rank = rank;
        if (other->ceiling <= tier->ceiling) other->ceiling = tier->ceiling + 1;
    }
    return changed;
}

static bool needs(const struct work_tier *tier, const struct work_tier *other)
{
    if (tier->is_balanced && other->is_balance) return true;
    for (size_t n = 0; n < tier->intent->needs_length; n++)
        if (text_equal(tier->intent->needs[n], other->intent->name)) return true;
    return false;
}
