#include "plan/share/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static double apart(double a, double b)
{
    double size = b < 0 ? -b : b;
    return size > 0 ? (a > b ? a - b : b - a) / size : a < 0 ? -a : a;
}

static void exp_is_as_near_as_stated(void **state)
{
    for (double x = -700; x <= 700; x += 0.0137)
        if (apart(number_exp(x), exp(x)) > 4e-16 * (1 + fabs(x) / 700)) fail_msg("exp(%.17g)", x);
    for (double x = 1e-18; x < 1; x *= 1.7) {
        assert_true(apart(number_exp(x), exp(x)) <= 4.1e-16);
        assert_true(apart(number_exp(-x), exp(-x)) <= 4.1e-16);
    }
    assert_true(number_exp(0) == 1 && number_exp(-1e6) == 0 && number_exp(1e6) > 3e307);
}

static void log_is_as_near_as_stated(void **state)
{
    for (double x = 1e-300; x < 1e300; x *= 1.00731)
        if (apart(number_log(x), log(x)) > 4e-16)
            fail_msg("log(%.17g): %.17g, %.17g", x, number_log(x), log(x));
    for (double x = 0.5; x < 2; x += 0.00037)
        if (apart(number_log(x), log(x)) > 4e-16) fail_msg("log(%.17g)", x);
    assert_true(number_log(1) == 0);
}

static void pow_is_as_near_as_stated(void **state)
{
    for (double base = 1e-6; base < 1e6; base *= 1.37)
        for (double exponent = -20; exponent <= 20; exponent += 0.37) {
            double size = fabs(exponent * log(base));
            if (apart(number_pow(base, exponent), pow(base, exponent)) > 4e-16 * (1 + size))
                fail_msg("pow(%.17g, %.17g)", base, exponent);
        }
    assert_true(number_pow(0, 3) == 0 && number_pow(0, 0) == 1);
}

static void whole_numbers_are_exact(void **state)
{
    for (double x = -1e5; x <= 1e5; x += 0.1) {
        assert_true(number_floor(x) == floor(x));
        assert_true(number_ceil(x) == ceil(x));
    }
    assert_true(number_floor(-3) == -3 && number_ceil(-3) == -3);
}

/* The bits themselves: they are the same with every compiler, or a decision is not. */
static void bits_never_change(void **state)
{
    uint64_t hash = 1469598103934665603ULL;
    for (double x = -30; x < 30; x += 0.37) {
        const double values[] = {number_exp(x), number_log(number_exp(x)), number_pow(2.5, x)};
        for (int i = 0; i < 3; i++) {
            uint64_t bits;
            memcpy(&bits, &values[i], sizeof(bits));
            hash = (hash ^ bits) * 1099511628211ULL;
        }
    }
    assert_int_equal(hash, 0xcf4eeaae9424bc45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_as_near_as_stated), cmocka_unit_test(log_is_as_near_as_stated),
        cmocka_unit_test(pow_is_as_near_as_stated), cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(bits_never_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
