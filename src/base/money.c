#include "base/money.h"

#include "base/attr.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MICROS 1000000u
enum { MICROS_DECIMALS = 6, DECIMALS_MOST = 2 };

/* ISO 4217:2015, list one (current currencies), as amended to number 177 of 2024: those whose minor unit is
 * not a hundredth. */
static const struct {
    const char *currencies; /* each with a blank behind */
    int decimals;
} minor_units[] = {
    {"BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ", 0},
    {"BHD IQD JOD KWD LYD OMR TND ", 3},
    {"CLF UYW ", 4},
};

static void print(char *out, const struct money *money, uint64_t units, uint64_t scale);
static uint64_t magnitude_of(int64_t micros);

bool money_parse(const char *text, struct money *ret_money)
{
    struct money money = {0};
    char number[32];
    size_t size = strspn(text, "0123456789.");
    int64_t whole = 0, part = 0;

    if (text[0] == '\0') {
        *ret_money = money;
        return true;
    }
    if (size == 0 || size >= sizeof(number) || text[size] != ' ' || strlen(text + size + 1) != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        char letter = text[size + 1 + i];
        if (letter < 'A' || letter > 'Z') return false;
        money.currency[i] = letter;
    }
    size_t digits = strspn(text, "0123456789"), at = 0;
    if (digits == 0) return false;
    for (; at < digits; at++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, text[at] - '0', &whole))
            return false;
    int64_t scale = MICROS;
    if (at < size && ++at == size) return false; /* a point and nothing after it */
    for (; at < size; at++) {
        scale /= 10;
        if (text[at] == '.' || (scale == 0 && text[at] != '0')) return false;
        part += (text[at] - '0') * scale;
    }
    if (__builtin_mul_overflow(whole, (int64_t)MICROS, &whole) ||
        __builtin_add_overflow(whole, part, &money.micros))
        return false;
    *ret_money = money;
    return true;
}

char *money_format(char *out, const struct money *money)
{
    uint64_t units = magnitude_of(money->micros), scale = MICROS;

    while (scale > 1 && units % 10 == 0) {
        units /= 10;
        scale /= 10;
    }
    print(out, money, units, scale);
    return out;
}

int money_decimals(const char *currency)
{
    for (size_t i = 0; i < LENGTH(minor_units); i++)
        for (const char *at = minor_units[i].currencies; *at; at += 4)
            if (strncmp(at, currency, 3) == 0) return minor_units[i].decimals;
    return DECIMALS_MOST;
}

char *money_format_invoice(char *out, const struct money *money)
{
    uint64_t unit = 1;
    for (int i = money_decimals(money->currency); i < MICROS_DECIMALS; i++)
        unit *= 10;
    uint64_t magnitude = magnitude_of(money->micros), half = unit / 2;
    uint64_t units = magnitude / unit, rest = magnitude % unit;

    if (rest > half || (rest == half && units % 2 != 0)) units++;
    print(out, money, units, MICROS / unit);
    return out;
}

/* units / scale of the currency, all the decimals that the scale has. */
static void print(char *out, const struct money *money, uint64_t units, uint64_t scale)
{
    char decimals[8] = "";
    size_t length = 0;

    out[0] = '\0';
    if (money->currency[0] == '\0') return;
    if (scale > 1) decimals[length++] = '.';
    for (uint64_t digit = scale / 10; digit > 0; digit /= 10)
        decimals[length++] = (char)('0' + units / digit % 10);
    decimals[length] = '\0';
    int size = snprintf(out, MONEY_TEXT_SIZE, "%s%llu%s %s", money->micros < 0 ? "-" : "",
                        (unsigned long long)(units / scale), decimals, money->currency);
    ASSERT(size > 0 && size < MONEY_TEXT_SIZE);
}

static uint64_t magnitude_of(int64_t micros)
{
    return micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;
}
