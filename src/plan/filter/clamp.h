/* Internal to plan/filter/. */
#ifndef CROFT_PLAN_FILTER_CLAMP_H
#define CROFT_PLAN_FILTER_CLAMP_H

#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/intent.h"

/* Adds rules (struct filter_rule) that deny, of what `limit` matches, all that the filter does not let pass,
 * whatever its `on`, and nothing that it does let pass. None of the filter's rules, nor `limit`, names an
 * end. *ret_passes false: it lets nothing of that pass; then no rule is added. Where limit is of any
 * protocol, this is about those that the filter does not name. ERROR_TOO_LARGE when there would be more than
 * FILTER_RULES_MAX rules. */
MUST_CHECK bool clamp_deny_stopped(struct arena *arena, const struct filter *filter,
                                   const struct filter_rule *limit, struct vec *rules, bool *ret_passes,
                                   struct error *err);
bool clamp_names_protocol(const struct filter *filter, int64_t protocol);

#endif
