/* The units of model.md. A quantity is a decimal number and a unit; what is meant must be a whole number of
 * the smallest unit, so that nothing is ever rounded. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 32u /* what text.h promises the outputs hold */
#define FRACTION_DIGITS_MAX 18u

struct unit {
    const char *name;
    int64_t scale;
};

/* Smallest first; formatters take the last that divides. */
static const struct unit byte_units[] = {
    {"", 1}, {"Ki", 1LL << 10}, {"Mi", 1LL << 20}, {"Gi", 1LL << 30}, {"Ti", 1LL << 40},
};
static const struct unit rate_units[] = {{"", 1}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};
static const struct unit cpu_units[] = {{"", 1000}};

static bool parse(const char *text, const struct unit *units, size_t length, int64_t *ret_value);
static bool parse_digits(const char *text, size_t length, int64_t *ret_value);
static bool scale_fraction(const char *digits, size_t length, int64_t scale, int64_t *ret_value);
static char *format(char *out, int64_t value, const struct unit *units, size_t length);
static uint64_t magnitude_of(int64_t value);
static void print(char *out, const char *sign, uint64_t number, const char *unit);
static int64_t floor_divide(int64_t value, int64_t by);

bool text_parse_cpus(const char *text, int64_t *ret_millicores)
{
    return parse(text, cpu_units, LENGTH(cpu_units), ret_millicores);
}

bool text_parse_bytes(const char *text, int64_t *ret_bytes)
{
    return parse(text, byte_units, LENGTH(byte_units), ret_bytes);
}

bool text_parse_rate(const char *text, int64_t *ret_bits_per_s)
{
    return parse(text, rate_units, LENGTH(rate_units), ret_bits_per_s);
}

bool text_parse_duration(const char *text, int64_t *ret_ms)
{
    return parse(text, duration_units, LENGTH(duration_units), ret_ms);
}

char *text_format_cpus(char *out, int64_t millicores)
{
    uint64_t magnitude = magnitude_of(millicores);
    const char *sign = millicores < 0 ? "-" : "";
    char fraction[8] = "";
    unsigned rest = (unsigned)(magnitude % 1000);
    if (rest != 0) {
        fraction[0] = '.';
        fraction[1] = (char)('0' + rest / 100);
        fraction[2] = (char)('0' + rest / 10 % 10);
        fraction[3] = (char)('0' + rest % 10);
        for (size_t end = 3; fraction[end] == '0'; end--)
            fraction[end] = '\0';
    }
    print(out, sign, magnitude / 1000, fraction);
    return out;
}

char *text_format_bytes(char *out, int64_t bytes)
{
    return format(out, bytes, byte_units, LENGTH(byte_units));
}

char *text_format_rate(char *out, int64_t bits_per_s)
{
    return format(out, bits_per_s, rate_units, LENGTH(rate_units));
}

char *text_format_duration(char *out, int64_t ms)
{
    if (ms != 0) return format(out, ms, duration_units, LENGTH(duration_units));
    print(out, "", 0, "s");
    return out;
}

/* The calendar is Howard Hinnant's civil_from_days ("chrono-Compatible Low-Level Date Algorithms"): years
 * begin in March, so that the leap day is the last, and 400 years are always 146,097 days. */
char *text_format_time(char *out, int64_t wall_ms)
{
    const int64_t day_ms = 86400000;
    int64_t days = floor_divide(wall_ms, day_ms);
    int64_t ms_of_day = wall_ms % day_ms < 0 ? wall_ms % day_ms + day_ms : wall_ms % day_ms;

    int64_t since_0000 = days + 719468;
    int64_t era = floor_divide(since_0000, 146097);
    int64_t day_of_era = since_0000 - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);

    int64_t second = ms_of_day / 1000;
    int length = snprintf(out, TEXT_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year,
                          (int)month, (int)day, (int)(second / 3600), (int)(second / 60 % 60),
                          (int)(second % 60), (int)(ms_of_day % 1000));
    ASSERT(length > 0 && (size_t)length < TEXT_SIZE);
    return out;
}

static bool parse(const char *text, const struct unit *units, size_t length, int64_t *ret_value)
{
    if (text == NULL) return false;
    size_t whole_length = strspn(text, "0123456789");
    if (whole_length == 0) return false;
    const char *fraction = text + whole_length;
    size_t fraction_length = 0;
    if (*fraction == '.') {
        fraction++;
        fraction_length = strspn(fraction, "0123456789");
        if (fraction_length == 0) return false;
    }
    const char *unit_name = fraction + fraction_length;
    const struct unit *unit = NULL;
    for (size_t i = 0; i < length; i++)
        if (strcmp(units[i].name, unit_name) == 0) unit = &units[i];
    if (unit == NULL) return false;

    int64_t whole;
    int64_t part;
    if (!parse_digits(text, whole_length, &whole)) return false;
    if (!scale_fraction(fraction, fraction_length, unit->scale, &part)) return false;
    int64_t value;
    if (__builtin_mul_overflow(whole, unit->scale, &value)) return false;
    if (__builtin_add_overflow(value, part, &value)) return false;
    *ret_value = value;
    return true;
}

static bool parse_digits(const char *text, size_t length, int64_t *ret_value)
{
    int64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, text[i] - '0', &value)) return false;
    }
    *ret_value = value;
    return true;
}

/* 0.DIGITS of scale, if that is a whole number. */
static bool scale_fraction(const char *digits, size_t length, int64_t scale, int64_t *ret_value)
{
    while (length > 0 && digits[length - 1] == '0')
        length--;
    if (length > FRACTION_DIGITS_MAX) return false;
    int64_t numerator;
    if (!parse_digits(digits, length, &numerator)) return false;
    int64_t denominator = 1;
    for (size_t i = 0; i < length; i++)
        denominator *= 10;
    int64_t product;
    if (__builtin_mul_overflow(numerator, scale, &product)) return false;
    if (product % denominator != 0) return false;
    *ret_value = product / denominator;
    return true;
}

static char *format(char *out, int64_t value, const struct unit *units, size_t length)
{
    size_t best = 0;
    for (size_t i = 1; i < length && value != 0; i++)
        if (value % units[i].scale == 0) best = i;
    print(out, value < 0 ? "-" : "", magnitude_of(value) / (uint64_t)units[best].scale, units[best].name);
    return out;
}

/* Differences may be negative, and are printed so, though no document holds one. */
static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* By hand: host documents are full of them. */
static void print(char *out, const char *sign, uint64_t number, const char *unit)
{
    char digits[20]; /* of 2^64 there are 20 */
    size_t at = sizeof(digits), sign_size = strlen(sign), unit_size = strlen(unit);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    size_t size = sizeof(digits) - at;
    ASSERT(sign_size + size + unit_size < TEXT_SIZE);
    memcpy(out, sign, sign_size);
    memcpy(out + sign_size, digits + at, size);
    memcpy(out + sign_size + size, unit, unit_size + 1);
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}
