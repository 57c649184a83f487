/* Dates, and moments as people write them. All in UTC. */
#ifndef CROFT_BASE_MOMENT_H
#define CROFT_BASE_MOMENT_H

#include "base/error.h"

#include <stdint.h>

struct civil {
    int64_t year, month, day;
};

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar, and back. */
struct civil moment_civil(int64_t days);
int64_t moment_days(int64_t year, int64_t month, int64_t day);
int64_t moment_month_length(int64_t year, int64_t month);

/* "2026-11-21T10:00:00Z" (RFC 3339, with any offset), "2026-11-21", "2026-11": the first moment of it, in
 * milliseconds since 1970. ERROR_USAGE, in one line, when it is not one: also of a month that has no such
 * day.
 */
MUST_CHECK bool moment_parse(const char *text, int64_t *ret_ms, struct error *err);

#endif
