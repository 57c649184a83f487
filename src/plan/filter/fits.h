/* Does a party's filter stay inside those of the parties above it? Pure. */
#ifndef CROFT_PLAN_FILTER_FITS_H
#define CROFT_PLAN_FILTER_FITS_H

#include "model/state.h"
#include "plan/filter/filter.h"

struct filter_fit {
    const struct filter
        *outer;     /* the first, outermost party first, that it does not stay inside of; NULL: none */
    const char *at; /* of which farms: a party, where the filter is on a party; else its own `on` */
    struct filter_judgement judgement; /* unless outer is NULL */
};

/* Against all filters of the parties above in the snapshot, wherever both govern. work, and ERROR_TOO_LARGE,
 * as of filter_is_inside(); who must not be held up for long begins with FIT_WORK_BEGINS, which leaves a
 * fifth of it: some hundred milliseconds at most, or forty lists of a thousand rules each. */
#define FIT_WORK_BEGINS (FILTER_WORK_MAX / 5 * 4)
MUST_CHECK bool filter_fits(struct arena *arena, const struct snapshot *snapshot, const struct filter *filter,
                            uint64_t *work, struct filter_fit *ret_fit, struct error *err);

/* "lets pass what landlord/outer does not: in tcp 10.0.0.9:40000 > 10.0.1.4:22, by rule 3, and there by the
 * default" */
const char *filter_fit_words(struct arena *arena, const struct filter_fit *fit);

#endif
