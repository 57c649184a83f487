/* Amounts of money: integers, exact, never mixed between currencies. */
#ifndef CROFT_BASE_MONEY_H
#define CROFT_BASE_MONEY_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* Millionths of the currency, three capital letters (as ISO 4217 names them). Currency "": no amount, which
 * is zero of any. */
struct money {
    int64_t micros;
    char currency[4];
};

enum { MONEY_TEXT_SIZE = 32 };

/* "0.020 EUR"; "" is no amount. False when it is not one, is negative, or is finer than a millionth. */
MUST_CHECK bool money_parse(const char *text, struct money *ret_money);
/* The one canonical form, which parses back to the same: no more decimals than it takes. Into `out`, at least
 * MONEY_TEXT_SIZE bytes; returns out. A negative amount (a credit) has a sign in front. */
char *money_format(char *out, const struct money *money);
/* Decimals of the currency's minor unit, in which invoices are: 2 of EUR, 0 of JPY, 3 of KWD; 2 of one that
 * is not in the list of ISO 4217. */
int money_decimals(const char *currency);
/* With the decimals of invoices: "12.34 EUR". Rounds halves to even, as IEEE 754 and accountants do. */
char *money_format_invoice(char *out, const struct money *money);

#endif
