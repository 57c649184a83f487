/* Whether instances have room on hosts, all of them at once: a packing, where one is found. */
#ifndef CROFT_PLAN_ADMIT_PACK_H
#define CROFT_PLAN_ADMIT_PACK_H

#include "plan/admit/left.h"

struct pack_item {
    struct fleet_size size;
    int64_t count;
    int apart;       /* level of spread at which no two may stand together; FLEET_APART_NOT: anywhere */
    const char *who; /* a farm's tier, for words */
};

/* What found no room in the try that came furthest. */
struct pack_rest {
    size_t item;
    int64_t count;
};

/* True: there is a packing. False: none was found by any of several first fits; there may be one all the same
 * (README.md). Deterministic. The groups become what they have as it were empty: only counts are read. */
MUST_CHECK bool pack_fits(struct arena *arena, const struct left *left, const struct left_group *groups,
                          const struct pack_item *items, size_t items_length, struct pack_rest *ret_rest);

#endif
