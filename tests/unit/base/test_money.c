#include "base/money.h"

#include "base/attr.h"
#include "check.h"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t micros;
        const char *canonical, *cents;
    } rows[] = {
        {"0.020 EUR", 20000, "0.02 EUR", "0.02 EUR"},
        {"5.00 EUR", 5000000, "5 EUR", "5.00 EUR"},
        {"0 USD", 0, "0 USD", "0.00 USD"},
        {"0.000001 CHF", 1, "0.000001 CHF", "0.00 CHF"},
        {"12.3456000 EUR", 12345600, "12.3456 EUR", "12.35 EUR"},
        {"0.005 EUR", 5000, "0.005 EUR", "0.00 EUR"},
        {"0.015 EUR", 15000, "0.015 EUR", "0.02 EUR"},
        {"0.0150001 EUR", -1, NULL, NULL},
        {"9223372036854.775807 EUR", INT64_MAX, "9223372036854.775807 EUR", "9223372036854.78 EUR"},
        {"9223372036854.775808 EUR", -1, NULL, NULL},
        {"1", -1, NULL, NULL},
        {"1EUR", -1, NULL, NULL},
        {"1 eur", -1, NULL, NULL},
        {"1 EURO", -1, NULL, NULL},
        {"1  EUR", -1, NULL, NULL},
        {"-1 EUR", -1, NULL, NULL},
        {"1. EUR", -1, NULL, NULL},
        {".5 EUR", -1, NULL, NULL},
        {"1.2.3 EUR", -1, NULL, NULL},
        {"EUR", -1, NULL, NULL},
    };
    char out[MONEY_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct money money = {.micros = -7};
        bool good = money_parse(rows[i].text, &money);
        if (good != (rows[i].canonical != NULL)) fail_msg("%s", rows[i].text);
        if (!good) {
            assert_int_equal(money.micros, -7);
            continue;
        }
        assert_int_equal(money.micros, rows[i].micros);
        assert_string_equal(money_format(out, &money), rows[i].canonical);
        assert_string_equal(money_format_invoice(out, &money), rows[i].cents);
    }
}

static void test_none_and_negative(void **state)
{
    struct money money = {.micros = 1, .currency = "EUR"};
    char out[MONEY_TEXT_SIZE];

    (void)state;
    assert_true(money_parse("", &money));
    assert_int_equal(money.micros, 0);
    assert_string_equal(money_format(out, &money), "");
    money = (struct money){.micros = -15000, .currency = "EUR"};
    assert_string_equal(money_format(out, &money), "-0.015 EUR");
    assert_string_equal(money_format_invoice(out, &money), "-0.02 EUR");
    /* In the minor unit of the currency: whole yen, thousandths of a dinar. */
    assert_string_equal(money_format_invoice(out, &(struct money){1500000, "JPY"}), "2 JPY");
    assert_string_equal(money_format_invoice(out, &(struct money){-2500000, "KRW"}), "-2 KRW");
    assert_string_equal(money_format_invoice(out, &(struct money){1234500, "KWD"}), "1.234 KWD");
    assert_string_equal(money_format_invoice(out, &(struct money){1234560, "CLF"}), "1.2346 CLF");
    assert_int_equal(money_decimals("EUR"), 2);
    assert_int_equal(money_decimals("QQQ"), 2);
    assert_int_equal(money_decimals("XPF"), 0);
    money.micros = INT64_MIN;
    assert_string_equal(money_format(out, &money), "-9223372036854.775808 EUR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_none_and_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
