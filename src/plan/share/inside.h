/* One decision of sharing while it is made. Only for files of this room. */
#ifndef CROFT_PLAN_SHARE_INSIDE_H
#define CROFT_PLAN_SHARE_INSIDE_H

#include "base/vec.h"
#include "plan/share/share.h"

/* What one tier becomes. */
struct seat {
    int64_t wanted, spare; /* spare: members that it does not call for any more, still to be given */
    int64_t lacks;         /* called for, and not to be had */
    int64_t door;          /* at its door, and nobody's yet */
    int64_t warm, idle;    /* given to it: from its door, from the idle pool */
    int64_t without;       /* members that have no place */
    int64_t unpaid;        /* members without a place that are in no quota either */
    int64_t released;      /* of spare: to the idle pool */
    const char *lacks_why;
    struct vec leave; /* const char *: members that go */
    struct vec seats; /* size_t: hosts on which it was given room */
};

/* So many units that a tier asks for at one level. */
struct segment {
    const struct share_tier *of;
    size_t tier;
    enum level level;
    int64_t units;
    int64_t granted; /* of units, the first so many are in `wanted` already: they only lack room */
};

/* What is known of one size: hosts before `host` have no room for it. Who asks first has most to say: where
 * it found nobody to take from, others do not either. */
struct size_class {
    int64_t of[SHARE_DIMENSIONS];
    size_t host;
    bool barren;
    const struct segment *first; /* who found that, and was told why */
    const char *why;
};

struct giver {
    const struct share_tier *of;
    size_t tier;
};

enum mercy { MERCY_SPARE, MERCY_WARM, MERCY_EXTENDED, MERCIES }; /* what may be taken, in this order */

/* Members of one tier whose room another gets. */
struct deal {
    size_t taker, giver;
    enum mercy mercy;
    int64_t count;
};

struct given {
    size_t instance, deal;
};

enum { GROUP_MAX = 16 }; /* members that move as one */

struct sharing {
    struct arena *arena;
    const struct share_input *input;
    struct seat *seats;
    struct vec segments; /* struct segment, who goes first first */
    struct vec classes;  /* struct size_class */
    struct vec deals;    /* struct deal */
    struct vec given;    /* struct given, in their order */
    int64_t (*free)[SHARE_DIMENSIONS];
    struct share_party *parties;
    /* Instances by tier and by host: those of tier t are members[member_first[t]] to [member_first[t + 1]].
     */
    size_t *members, *member_first;
    size_t *tenants, *tenant_first;
    bool *gone;           /* by instance */
    struct giver *givers; /* all tiers, who gives first first */
    int64_t moves;        /* from others that are left this time */
    /* Where one tier stands, if that matters: zones that have the generation. */
    size_t apart_tier, *stands, generation;
    bool is_patient, somebody_rests; /* takes after the dwell; could, if it had passed */
};

/* share.c */
/* The first usable host from this one on with so much free, wherever the tier may stand; hosts_length: none.
 */
size_t share_next_room(const struct sharing *sharing, const int64_t *size, size_t host);
/* To be called before share_may_stand() for a tier: whether one more of it may stand there. */
void share_look_apart(struct sharing *sharing, size_t tier);
bool share_may_stand(const struct sharing *sharing, size_t tier, size_t host);
/* One more of the tier has its room there; or, the other way, the last one has not. */
void share_stand(struct sharing *sharing, size_t tier, size_t host);
void share_unstand(struct sharing *sharing, size_t tier);
void share_occupy(struct sharing *sharing, size_t host, const int64_t *size, int sign);
/* Valid until a tier of a new size comes. */
struct size_class *share_class(struct sharing *sharing, size_t tier);
void share_size(const struct share_tier *tier, int64_t *ret_size);

/* take.c */
/* Room of others for one more of the segment; false: nothing was taken. */
bool share_take(struct sharing *sharing, const struct segment *segment);
/* Why share_take() found nothing: one sentence. */
const char *share_why_not(struct sharing *sharing, const struct segment *segment);
/* As if all that was given behind the first so many had not been. */
void share_take_back(struct sharing *sharing, size_t given_length);
/* The quota of one more of the tier; make: others of whoever pays may yield for it, and what they gave stays
 * given when even that is not enough. */
bool share_quota_take(struct sharing *sharing, size_t tier);
bool share_quota_make(struct sharing *sharing, const struct segment *segment);
void share_quota_return(struct sharing *sharing, size_t tier);

#endif
