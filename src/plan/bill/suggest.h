/* Which counts would have been cheapest for what a farm used. Pure. */
#ifndef CROFT_PLAN_BILL_SUGGEST_H
#define CROFT_PLAN_BILL_SUGGEST_H

#include "plan/bill/bill.h"

struct suggested_tier {
    const char *tier;
    struct count now, best;
    int64_t peak; /* so many served at most */
};

struct suggestion {
    const char *farm;
    const char *sla;
    int64_t from_ms, to_ms; /* the last period that is over, from its first use on; while there is none with
                               use, this one */
    const struct suggested_tier *tiers;
    size_t tiers_length;
    struct money cost_now, cost_best; /* of that time, with the counts and prices of now; with the best */
};

/* By the use of the last period of the farm's service level. Exact: no other counts that serve as many are
 * cheaper, fees included. Committed instances cost their rate always, others while they serve; of a level
 * without a rate there may be none. What serves because it is committed is taken for needed: whether fewer
 * would have done, the books do not tell.
 * ERROR_NOT_FOUND: there is no such farm or tier; ERROR_REFUSED: it has no service level, or nothing served.
 */
MUST_CHECK bool bill_suggest(struct arena *arena, const struct books *books, const char *farm, int64_t now_ms,
                             struct suggestion *ret_suggestion, struct error *err);
/* The books have to reach back to here. */
int64_t suggest_reads_from_ms(int64_t now_ms);

#endif
