/* Internal to plan/filter/. */
#ifndef CROFT_PLAN_FILTER_CLAMP_H
#define CROFT_PLAN_FILTER_CLAMP_H

#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/intent.h"

/* Adds rules (struct filter_rule) that deny exactly what the filter does not let pass of this protocol,
 * whatever its `on`. FILTER_PROTOCOL_ANY: of those that none of its rules names, said as "any". None of its
 * rules names an end. ERROR_TOO_LARGE when that would be more than FILTER_RULES_MAX. */
MUST_CHECK bool clamp_deny_stopped(struct arena *arena, const struct filter *filter, int64_t protocol,
                                   struct vec *rules, struct error *err);
bool clamp_names_protocol(const struct filter *filter, int64_t protocol);

#endif
