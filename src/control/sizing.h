/* Farms that size themselves: once a second each tier's need by its load, and who gets and who gives. */
#ifndef CROFT_CONTROL_SIZING_H
#define CROFT_CONTROL_SIZING_H

#include "control/controller.h"
#include "plan/share/need.h"

/* A tier that is sized by its load, as it was seen last. */
struct sized {
    enum sla_metric metric; /* what was counted */
    struct forecast forecast;
    struct need_memory memory;
    struct need need;
    int64_t serving;
    int64_t observed_ms;    /* of the newest report that the forecast learned from; 0: none yet */
    int64_t waits_since_ms; /* it calls for more than it gets; 0: it does not */
    int64_t given_ms;       /* it was last given an instance; as far as known */
    char *lacks_why;        /* why; NULL: it does not wait */
    int64_t saved_ms;       /* the forecast, in the store */
    double provides;        /* of fuzzy_provides() … */
    uint64_t revisions[2];  /* … for these of the service level and the rules */
    bool seen;              /* this time */
};

/* NULL: it is not sized by its load. Valid until the next turn of the loop. */
const struct sized *sizing_get(const struct controller *controller, const char *farm, const char *tier);
/* Whether a tier of the farm is: the farm runs and has a service level, the tier says what an instance
 * serves, and may have more than is committed. */
bool sizing_applies(const struct controller *controller, const struct farm *farm, const struct tier *tier);

#endif
