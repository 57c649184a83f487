#include "base/money.h"

#include "base/attr.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MICROS 1000000u
#define MICROS_A_CENT (MICROS / 100)

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

char *money_format_cents(char *out, const struct money *money)
{
    uint64_t magnitude = magnitude_of(money->micros), half = MICROS_A_CENT / 2;
    uint64_t cents = magnitude / MICROS_A_CENT, rest = magnitude % MICROS_A_CENT;

    if (rest > half || (rest == half && cents % 2 != 0)) cents++;
    print(out, money, cents, MICROS / MICROS_A_CENT);
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
