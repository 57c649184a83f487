/* The planner: one pure function that makes every decision. Same input, same bytes out. */
#ifndef CROFT_PLAN_PLAN_H
#define CROFT_PLAN_PLAN_H

#include "base/mem.h"
#include "model/action.h"
#include "model/host_document.h"

struct plan {
    const struct action *actions; /* in an order in which they can be applied one after the other */
    size_t actions_length;
    size_t urgent_length; /* the first so many; what comes after may as well be left to the next plan */
    int64_t again_ms;     /* wall clock at which a plan may differ without any other change; 0: never */
};

/* What is decided for the snapshot at now_ms (wall clock). Allocated in arena; names and texts may point into
 * the snapshot. Never fails: what cannot be done is an action that says so. */
struct plan plan_make(struct arena *arena, const struct snapshot *snapshot, int64_t now_ms);

/* The snapshot after the actions; shares what does not change. Pure, also used for what-if and golden tests.
 */
struct snapshot plan_apply(struct arena *arena, const struct snapshot *snapshot, const struct plan *plan);

/* The document of one host that follows from the snapshot; version is left 0 for the caller to count. */
struct host_document plan_host_document(struct arena *arena, const struct snapshot *snapshot,
                                        const char *host);

/* How many members a tier is to have: what its load calls for by the farm's fact (NULL: none), within what
 * the document says; what is committed when nothing is said. A stopped farm's none. */
int64_t plan_wanted(const struct farm *farm, const struct farm_fact *fact, const struct tier *tier);
/* The highest level at which so many instances of a tier are held; those beyond max are held at none. */
enum level plan_level(const struct count *count, int64_t instances);
/* What the farm's fact says of the tier, or NULL. */
const struct tier_scale *plan_scale(const struct farm_fact *fact, const char *tier);

/* State of a farm as `get farms` shows it: "ready", "changing", "degraded", "stopped"; with a sentence. */
const char *plan_farm_state(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm,
                            const char **ret_reason);

#endif
