/* What lower ranks hold of the usable hosts: who would have to go so that a request finds room. Remembered
 * from plan to plan for a few requests; whatever changes on a host has to be told here. */
#ifndef CROFT_PLAN_PLACE_HELD_H
#define CROFT_PLAN_PLACE_HELD_H

#include "plan/work.h"

/* A rank that asks for what is free or on its way out, and for nobody to go. */
#define HELD_NOBODY INT32_MIN
/* Instead of a rank in a price: it cannot be had there. */
#define HELD_IMPOSSIBLE INT32_MAX

struct held;

/* What it costs to make room on a host. Smaller is better, field by field. */
struct held_price {
    int32_t highest; /* rank of those that go; HELD_NOBODY when none has to */
    uint32_t count;  /* of those that go */
    int64_t size;    /* of all of them, in parts of the largest host; of nobody: what is left, in the same */
};

struct held *held_new(void);
void held_free(struct held *held);
/* Anything of the host changed: its means, room, instances, their ranks. */
void held_change(struct work *work, size_t host);
void held_forget(struct held *held); /* everything: the measure changed */

struct held_ask {
    struct amount size;
    int32_t rank;    /* only those below it go, or HELD_NOBODY */
    int32_t ceiling; /* and only those whose ceiling is below this one */
    /* Who goes of this farm: only warm ones of the tiers that are marked here, by their place in it. NULL:
     * all may.
     */
    size_t farm;
    const uint8_t *spared;
};

/* The host of the group with the least price, ties by name; NONE: it cannot be had on any. Does not know of
 * `spared`: prices can only be higher. */
size_t held_best(struct work *work, size_t group, const struct held_ask *ask, struct held_price *ret_price);
struct held_price held_price(struct work *work, size_t host, const struct held_ask *ask);
/* Whether it has to spare somebody there. */
bool held_spares(const struct work *work, size_t host, const struct held_ask *ask);
/* Who has to go from the host, least rank first, none that goes already. Added to ret_victims, whose items
 * belong to the plan's arena. */
void held_victims(struct work *work, size_t host, const struct held_ask *ask, struct index *ret_victims);
int held_compare(const struct held_price *a, const struct held_price *b);

#endif
