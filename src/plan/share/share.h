/* Sharing: who gets capacity, and from whom, when farms call for more or less of it than they have. Pure. */
#ifndef CROFT_PLAN_SHARE_SHARE_H
#define CROFT_PLAN_SHARE_SHARE_H

#include "base/mem.h"
#include "model/intent.h"

#define SHARE_NONE SIZE_MAX

enum {
    SHARE_DIMENSIONS = 4,             /* cpus, memory, disk, network: as struct resources */
    SHARE_DWELL_MS = 30 * 1000,       /* what a tier was given is not taken for another before */
    SHARE_MOVES_MIN = 16,             /* at most so many are taken from others at a time … */
    SHARE_MOVES_PER_MILLE_HOSTS = 50, /* … or so many for a thousand hosts, whichever is more */
};

/* What is free soon: nobody holds it, or who holds it is on the way out. In the units of struct resources. */
struct share_host {
    bool usable;
    int64_t free[SHARE_DIMENSIONS];
};

/* A member of a tier: it serves, or shall, or waits at the door. Not those on their way out. */
struct share_instance {
    const char *name; /* "acme/shop/web-3", or without what is before the last / */
    size_t tier;
    size_t host; /* SHARE_NONE: it waits for a place */
    bool unpaid; /* it is in no quota yet: what parties have left does not know of it */
    bool warm;   /* it waits at the door, and has a place */
};

/* What a party's quota leaves; -1: no limit. */
struct share_party {
    size_t parent; /* SHARE_NONE: the landlord */
    int64_t left[SHARE_DIMENSIONS];
    int64_t instances_left;
};

/* A tier that is sized by its load. */
struct share_tier {
    const char *farm, *tier; /* "acme/shop", "web" */
    size_t party;            /* SHARE_NONE: without a quota */
    struct resources size;
    struct count count;
    int64_t wanted; /* as decided last */
    int64_t calls;  /* how many its load calls for */
    double need;    /* -100 to 100 */
    double rate;    /* units a second: how much depends on it */
    enum sla_priority priority;
    int64_t waits_since_ms; /* wall clock since when it has called for more than it got; 0: it does not */
    int64_t given_ms;       /* when it was last given something */
    /* When room was last taken from others for members of it that had no place (0: never, as far as known),
     * and how many had none then. */
    int64_t took_ms, took_for;
    const size_t *zones; /* by host: no two of its instances stand in one; NULL: it may stand anywhere */
    const char *apart;   /* what such a zone is: "rack" */
    const char *why;     /* one sentence, of need.h */
};

struct share_input {
    const struct share_host *hosts;
    size_t hosts_length;
    const struct share_party *parties;
    size_t parties_length;
    const struct share_tier *tiers; /* sorted by farm and tier */
    size_t tiers_length;
    const struct share_instance *instances; /* all members of these tiers */
    size_t instances_length;
    size_t zones_length; /* zones of tiers are below it */
    int64_t now_ms;
};

/* A tier that has another number from now on. */
struct share_change {
    size_t tier;
    int64_t wanted;
    const char *const
        *leave; /* members whose room another tier gets, by short name, "web-3": they go first */
    size_t leave_length;
    const char *reason; /* one sentence: why, and from where or to whom */
};

/* A tier that calls for more than it gets. */
struct share_wait {
    size_t tier;
    int64_t lacks;
    const char *reason;
};

/* A tier for which room was taken from others. */
struct share_taker {
    size_t tier;
    int64_t without; /* members that have no place yet */
};

struct share_result {
    const struct share_change *changes; /* by tier */
    size_t changes_length;
    const struct share_wait *waits; /* by tier */
    size_t waits_length;
    const struct share_taker *takers; /* by tier */
    size_t takers_length;
};

/* Decides once for all. What holds afterwards, for the input as given:
 * - every tier has at least its committed count and at most max;
 * - nobody gives below what is committed, or below what it calls for within its guaranteed count;
 * - work is conserved: where a tier waits, its party has no quota left, or no host where it may stand has
 *   room, or as many as may be at a time were taken from others (what nobody has is given, and taken back, at
 *   once);
 * - nothing is taken in vain: what goes, together with what is free, is room that the taker may use; what
 *   only waits at another's door goes before what serves. Where it was in vain all the same, for the planner
 *   knows more of where a member may stand, nothing more is taken for it before SHARE_DWELL_MS are over;
 * - who goes first: committed before guaranteed before extended; then priority, then need times rate, then
 *   who has waited longest, then name.
 * Cost: O(hosts · sizes + tiers · log tiers + instances), and O(hosts + instances) for a group that has to
 * move as one. Allocated in arena; texts point into the input. */
struct share_result share_decide(struct arena *arena, const struct share_input *input);

#endif
