#include "plan/bill/calendar.h"

#include "base/moment.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static int64_t floor_div(int64_t a, int64_t b);

int64_t period_begins_ms(enum sla_period period, int64_t ms)
{
    int64_t days = floor_div(ms, DAY_MS);

    switch (period) {
    case PERIOD_DAY:
        return days * DAY_MS;
    case PERIOD_WEEK: /* 1970-01-01 was a Thursday: three days after a Monday */
        return (floor_div(days + 3, 7) * 7 - 3) * DAY_MS;
    case PERIOD_MONTH: {
        struct civil date = moment_civil(days);
        return moment_days(date.year, date.month, 1) * DAY_MS;
    }
    }
    UNREACHABLE();
}

int64_t period_ends_ms(enum sla_period period, int64_t ms)
{
    int64_t begins_ms = period_begins_ms(period, ms);

    if (period == PERIOD_DAY) return begins_ms + DAY_MS;
    if (period == PERIOD_WEEK) return begins_ms + 7 * DAY_MS;
    struct civil date = moment_civil(begins_ms / DAY_MS);
    return begins_ms + moment_month_length(date.year, date.month) * DAY_MS;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
