#include "plan/share/number.h"

#include "base/attr.h"

#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the high one has 33 bits, so that its product with an exponent is exact (W. Cody and
 * W. Waite, Software Manual for the Elementary Functions, 1980). */
static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
static const double exp_max = 708, whole_max = 4611686018427387904.0;
enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023 };

static double power_of_two(int64_t exponent);

/* x = k ln 2 + r with |r| <= ln 2 / 2; the series of e^r ends where its rest, r^14 / 14!, is 4e-18. */
double number_exp(double x)
{
    static const double inverse_factorials[] = {1,
                                                1,
                                                1.0 / 2,
                                                1.0 / 6,
                                                1.0 / 24,
                                                1.0 / 120,
                                                1.0 / 720,
                                                1.0 / 5040,
                                                1.0 / 40320,
                                                1.0 / 362880,
                                                1.0 / 3628800,
                                                1.0 / 39916800,
                                                1.0 / 479001600,
                                                1.0 / 6227020800.0};
    double sum = inverse_factorials[LENGTH(inverse_factorials) - 1];

    if (x < -exp_max) return 0;
    if (x > exp_max) x = exp_max;
    double whole = number_floor(x * 1.44269504088896338700 + 0.5);
    double rest = (x - whole * ln2_high) - whole * ln2_low;
    for (size_t n = LENGTH(inverse_factorials) - 1; n-- > 0;)
        sum = sum * rest + inverse_factorials[n];
    return sum * power_of_two((int64_t)whole);
}

/* x = 2^k m with m between sqrt(1/2) and sqrt(2); ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172. */
double number_log(double x)
{
    enum { TERMS = 11 }; /* s^22 / 23 is 7e-19 */
    uint64_t bits;
    double m, sum = 0;

    memcpy(&bits, &x, sizeof(bits));
    int64_t exponent = (int64_t)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
    ASSERT(x > 0 && exponent > -EXPONENT_BIAS && exponent <= EXPONENT_BIAS);
    bits = (bits & ((1ULL << MANTISSA_BITS) - 1)) | ((uint64_t)EXPONENT_BIAS << MANTISSA_BITS);
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.41421356237309504880) {
        m /= 2;
        exponent++;
    }
    double s = (m - 1) / (m + 1), square = s * s;
    for (int n = TERMS; n >= 1; n--)
        sum = (sum + 1.0 / (2 * n + 1)) * square;
    return (double)exponent * ln2_high + (2 * s + (2 * s * sum + (double)exponent * ln2_low));
}

double number_pow(double base, double exponent)
{
    if (exponent == 0) return 1;
    return base > 0 ? number_exp(exponent * number_log(base)) : 0;
}

double number_ceil(double x)
{
    return -number_floor(-x);
}

double number_floor(double x)
{
    ASSERT(x < whole_max && x > -whole_max);
    double whole = (double)(int64_t)x;
    return whole > x ? whole - 1 : whole;
}

/* -1,022 to 1,023 */
static double power_of_two(int64_t exponent)
{
    uint64_t bits = (uint64_t)(exponent + EXPONENT_BIAS) << MANTISSA_BITS;
    double power;
    memcpy(&power, &bits, sizeof(power));
    return power;
}
