/* Periods of bills and moments that people write. All in UTC. */
#ifndef CROFT_PLAN_BILL_CALENDAR_H
#define CROFT_PLAN_BILL_CALENDAR_H

#include "base/error.h"
#include "model/intent.h"

/* The day, ISO week or month that contains the moment (milliseconds since 1970): its first millisecond, and
 * the first of the next. */
int64_t period_begins_ms(enum sla_period period, int64_t ms);
int64_t period_ends_ms(enum sla_period period, int64_t ms);

/* "2026-11-21T10:00:00Z" (RFC 3339, with any offset), "2026-11-21", "2026-11": the first moment of it.
 * ERROR_USAGE, in one line, when it is not one: also of a month that has no such day. */
MUST_CHECK bool moment_parse(const char *text, int64_t *ret_ms, struct error *err);

#endif
