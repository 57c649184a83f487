/* Actions: what the planner decides. Plain data, idempotent, each with its reason. Applying one changes
 * documents of the store (plan/apply.h); hosts learn of it by their host documents. */
#ifndef CROFT_MODEL_ACTION_H
#define CROFT_MODEL_ACTION_H

#include "model/state.h"

enum action_kind {
    ACTION_CREATE,   /* a new instance, placed (host != "") or waiting for a place */
    ACTION_PLACE,    /* gives an instance without a place, or whose host is lost, a host; incarnation + 1 */
    ACTION_ACTIVATE, /* a warm instance becomes a serving one */
    ACTION_DRAIN,    /* no new work for it */
    ACTION_STOP,     /* stop and wipe it where it is */
    ACTION_UNPLACE,  /* it is wiped where it was: take its host away (it will be placed again) */
    ACTION_FORGET,   /* it is wiped and not wanted: delete its record */
    ACTION_EXPLAIN,  /* only its reason (and pending or failed state) changes */
    ACTION_FENCE,    /* make sure that a host runs nothing any more */
    ACTION_FARM, /* gives a farm its fact: vni, endpoints; or takes it away when the last instance is gone */
    ACTION_MEND, /* a step of its tier's on_failure begins; or, with mend_step 0, its trouble is over */
    ACTION_HOST, /* what is done about a host's hardware: its fact, with steps taken, emptied or not any more
                  */
};

struct action {
    enum action_kind kind;
    const char *name;                /* of the instance, host (ACTION_FENCE) or farm (ACTION_FARM) */
    const char *host;                /* ACTION_CREATE, ACTION_PLACE: where to; "" waits */
    int step;                        /* ACTION_PLACE: recovery step of planning.md, 1 to 5; else 0 */
    const char *reason;              /* one sentence */
    const struct instance *instance; /* of an instance, unless forgotten: its whole record after the action */
    const struct host_fact *host_fact; /* ACTION_HOST: the new fact */
    const struct farm_fact *farm_fact; /* ACTION_FARM: the new fact; vni 0: delete it */
};

#endif
