/* Periods of bills. All in UTC. */
#ifndef CROFT_PLAN_BILL_CALENDAR_H
#define CROFT_PLAN_BILL_CALENDAR_H

#include "model/intent.h"

/* The day, ISO week or month that contains the moment (milliseconds since 1970): its first millisecond, and
 * the first of the next. */
int64_t period_begins_ms(enum sla_period period, int64_t ms);
int64_t period_ends_ms(enum sla_period period, int64_t ms);

#endif
