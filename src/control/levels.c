/* Which levels of service farms enter and leave, told as events in the transaction of what makes it so. */
#include "base/text.h"
#include "control/internal.h"

#include <inttypes.h>

static void note_tier(struct change *change, int64_t wall_ms, const struct levels_of *before,
                      const struct tier *old, const struct levels_of *after, const struct tier *new);
static bool holds_nobody(const struct tier *tier);
static const struct tier *tier_of(const struct farm *farm, const char *name);
static enum level level_of(const struct levels_of *of, const struct tier *tier);

void levels_note(struct change *change, int64_t wall_ms, const struct levels_of *before,
                 const struct levels_of *after)
{
    for (size_t t = 0; before->farm != NULL && t < before->farm->tiers_length; t++) {
        const struct tier *tier = &before->farm->tiers[t];
        if (after->farm == NULL || tier_of(after->farm, tier->name) == NULL)
            note_tier(change, wall_ms, before, tier, &(struct levels_of){NULL, NULL}, NULL);
    }
    for (size_t t = 0; after->farm != NULL && t < after->farm->tiers_length; t++) {
        const struct tier *tier = &after->farm->tiers[t];
        const struct tier *old = before->farm ? tier_of(before->farm, tier->name) : NULL;
        note_tier(change, wall_ms, before, old, after, tier);
    }
}

/* One event a level that holds somebody: each has its own rate, and a fee for being entered. A tier that is
 * not there is NULL. */
static void note_tier(struct change *change, int64_t wall_ms, const struct levels_of *before,
                      const struct tier *old, const struct levels_of *after, const struct tier *new)
{
    enum level was = level_of(before, old), is = level_of(after, new);
    const struct tier *tier = new ? new : old;
    const struct tier_scale *scale = new ? plan_scale(after->fact, new->name) : NULL;
    CLEANUP_BUF struct buf text = {0};

    while (was != is) {
        bool up = was < is;
        enum level passed = up ? was + 1 : was;
        was = up ? was + 1 : was - 1;
        if (passed == LEVEL_GUARANTEED && holds_nobody(up ? new : old)) continue;
        buf_clear(&text);
        buf_printf(&text, "tier %s: %s; ", tier->name, level_names[passed]);
        if (new)
            buf_printf(&text,
                       "wanted are %" PRId64 ", committed %" PRId64 ", guaranteed %" PRId64
                       ", at most %" PRId64,
                       plan_wanted(after->farm, after->fact, new), new->count.committed,
                       new->count.guaranteed, new->count.max);
        else
            buf_add_text(&text, "it is deleted");
        if (scale && scale->reason[0] != '\0') buf_printf(&text, "; %s", scale->reason);
        change_event(change, wall_ms, "croft", "farm",
                     after->farm ? after->farm->full_name : before->farm->full_name,
                     up ? "level entered" : "level left", buf_text(&text));
    }
}

static bool holds_nobody(const struct tier *tier)
{
    return tier->count.guaranteed == tier->count.committed;
}

static const struct tier *tier_of(const struct farm *farm, const char *name)
{
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, name)) return &farm->tiers[t];
    return NULL;
}

static enum level level_of(const struct levels_of *of, const struct tier *tier)
{
    return tier ? plan_level(&tier->count, plan_wanted(of->farm, of->fact, tier)) : LEVEL_COMMITTED;
}
