/* The connectivity matrix of a farm: who can open what to whom, by all filters and by what the farm allows.
 * Pure. */
#ifndef CROFT_PLAN_REACH_MATRIX_H
#define CROFT_PLAN_REACH_MATRIX_H

#include "plan/reach/judge.h"

/* Protocols that no rule names. */
enum { REACH_OTHERS = -2 };

struct reach_row {
    const char *from, *to; /* full name of a tier, of an instance where the tier's differ, or "internet" */
    int64_t protocol;      /* FILTER_PROTOCOL_ANY: every one, with all ports; or REACH_OTHERS */
    const struct port_range *ports; /* of TCP and UDP, ascending; length 0: it has none, or all of them */
    size_t ports_length;
    bool partly; /* only from some ports, or with some of the addresses outside */
};

/* Ends that nothing tells apart count as one, so the cost follows the rules and not the instances. from, to:
 * only rows of this tier or instance (full name, or "internet"); NULL: all. *questions grows by the single
 * rules that were looked at; ERROR_TOO_LARGE when it would pass REACH_QUESTIONS_MAX: ask for less. */
enum { REACH_QUESTIONS_MAX = 5 * 1000 * 1000 };
MUST_CHECK bool reach_matrix(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm,
                             const char *from, const char *to, uint64_t *questions,
                             const struct reach_row **ret_rows, size_t *ret_length, struct error *err);

#endif
