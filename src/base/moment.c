#include "base/moment.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static int64_t floor_div(int64_t a, int64_t b);
static bool digits(const char **at, size_t count, int64_t *ret_number);
static bool parse_date(const char *text, const char **ret_rest, struct civil *ret_date, bool *ret_has_day);
static bool parse_clock(const char *text, int64_t *ret_ms);
static bool parse_zone(const char *at, int64_t *ret_ms);

bool moment_parse(const char *text, int64_t *ret_ms, struct error *err)
{
    struct civil date = {.day = 1};
    const char *rest = NULL;
    bool has_day = false;
    int64_t clock_ms = 0;

    if (!parse_date(text, &rest, &date, &has_day) ||
        (*rest &&
         (!has_day || (*rest != 'T' && *rest != 't' && *rest != ' ') || !parse_clock(rest + 1, &clock_ms))))
        return error_set(err, ERROR_USAGE,
                         "\"%s\" is no time: write 2026-11-21T10:00:00Z, 2026-11-21 or 2026-11", text);
    if (date.month < 1 || date.month > 12)
        return error_set(err, ERROR_USAGE, "\"%s\": a year has no month %02d", text, (int)date.month);
    if (date.day < 1 || date.day > moment_month_length(date.year, date.month))
        return error_set(err, ERROR_USAGE, "\"%s\": %04d-%02d has no day %02d, it has 1 to %d", text,
                         (int)date.year, (int)date.month, (int)date.day,
                         (int)moment_month_length(date.year, date.month));
    *ret_ms = moment_days(date.year, date.month, date.day) * DAY_MS + clock_ms;
    return true;
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar, and back: Howard Hinnant,
 * chrono-Compatible Low-Level Date Algorithms (civil_from_days, days_from_civil), 2014. Years begin in March,
 * so that the day that is not always there is the last; 400 of them have 146,097 days. */
struct civil moment_civil(int64_t days)
{
    days += 719468;
    int64_t era = floor_div(days, 146097), day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil date = {year + era * 400, month < 10 ? month + 3 : month - 9,
                         of_year - (153 * month + 2) / 5 + 1};
    if (date.month <= 2) date.year++;
    return date;
}

int64_t moment_days(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2) year--;
    int64_t era = floor_div(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t moment_month_length(int64_t year, int64_t month)
{
    return month == 12 ? 31 : moment_days(year, month + 1, 1) - moment_days(year, month, 1);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool digits(const char **at, size_t count, int64_t *ret_number)
{
    int64_t number = 0;

    for (size_t i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        number = number * 10 + (**at - '0');
    }
    *ret_number = number;
    return true;
}

static bool parse_date(const char *text, const char **ret_rest, struct civil *ret_date, bool *ret_has_day)
{
    if (!digits(&text, 4, &ret_date->year) || *text++ != '-' || !digits(&text, 2, &ret_date->month))
        return false;
    *ret_has_day = *text == '-';
    if (*ret_has_day) {
        text++;
        if (!digits(&text, 2, &ret_date->day)) return false;
    }
    *ret_rest = text;
    return true;
}

/* "10:00:00.5Z": milliseconds since the day began. A leap second counts as the one before it. */
static bool parse_clock(const char *at, int64_t *ret_ms)
{
    int64_t hour = 0, minute = 0, second = 0, scale = 100, part_ms = 0, zone_ms = 0;

    if (!digits(&at, 2, &hour) || *at++ != ':' || !digits(&at, 2, &minute) || *at++ != ':' ||
        !digits(&at, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (*at == '.') {
        if (at[1] < '0' || at[1] > '9') return false;
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
            part_ms += (*at - '0') * scale;
    }
    if (!parse_zone(at, &zone_ms)) return false;
    if (second == 60) second = 59;
    *ret_ms = ((hour * 60 + minute) * 60 + second) * 1000 + part_ms - zone_ms;
    return true;
}

static bool parse_zone(const char *at, int64_t *ret_ms)
{
    int64_t hour = 0, minute = 0;
    char sign = *at++;

    if (sign == 'Z' || sign == 'z') {
        *ret_ms = 0;
        return *at == '\0';
    }
    if ((sign != '+' && sign != '-') || !digits(&at, 2, &hour) || *at++ != ':' || !digits(&at, 2, &minute) ||
        *at || hour > 23 || minute > 59)
        return false;
    *ret_ms = (sign == '-' ? -1 : 1) * (hour * 60 + minute) * 60 * 1000;
    return true;
}
