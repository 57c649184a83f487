/* How many more instances of one size a grid takes. */
#ifndef CROFT_PLAN_WHATIF_FIT_H
#define CROFT_PLAN_WHATIF_FIT_H

#include "base/mem.h"
#include "model/state.h"

enum fit_survive { FIT_SURVIVE_NONE, FIT_SURVIVE_HOST, FIT_SURVIVE_RACK, FIT_SURVIVE_SITE };

/* Hosts that can stand in for each other by recovery steps 1 to 3, directly or over others. */
struct fit_part {
    const char *pool, *class_name; /* of its first host by name */
    int64_t count;
};

struct fit {
    int64_t count;
    /* What is scarce: "cpus", "memory", "disk" or "network"; "hosts": none is usable, or would be left of
     * those that can stand in for the lost one; "spread": it is strict. */
    const char *limited_by;
    bool to_survive;    /* more would fit, and then a loss would not be survived */
    const char *reason; /* a sentence about it */
    const struct fit_part *parts;
    size_t parts_length;
};

enum { FIT_TRIED_MAX = 4 * 1000 * 1000 }; /* so many new ones a part are tried with a loss, and no more */

/* The snapshot is taken as it is: what waits for a host takes no room. With FIT_SURVIVE_NONE the count is
 * exact. Else, with so many of priority 50 and without spread in each part, placed there as the planner
 * places them, whatever one host, rack (whole zone path) or site is lost, the planner finds room for all that
 * ran there by recovery steps 1 to 3: the count itself was tried with each loss. With one more some loss is
 * not survived, as a rule; with many more it may be again, since they are placed otherwise: README.md says
 * how near to the most it is. The size asks for something. Texts are the arena's. */
struct fit fit_count(struct arena *arena, const struct snapshot *snapshot, const struct resources *size,
                     enum fit_survive survive);

#endif
