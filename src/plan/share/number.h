/* Exponential, logarithm and power by + - * / alone: IEEE 754 rounds these correctly, so a decision that
 * depends on them is the same on every machine and with every compiler. libm's are not. */
#ifndef CROFT_PLAN_SHARE_NUMBER_H
#define CROFT_PLAN_SHARE_NUMBER_H

/* e to the x. Relative error below 4e-16 times (1 + |x| / 700); 0 below -708, 3e307 above 708. */
double number_exp(double x);
/* Natural logarithm of x > 0, a normal number (asserted): relative error below 4e-16. */
double number_log(double x);
/* base to the exponent, base >= 0: exp(exponent · log(base)); 0 to anything but 0 is 0. Relative error below
 * 4e-16 times (1 + |exponent · log(base)|). */
double number_pow(double base, double exponent);
/* The smallest and the largest whole number on that side of x; |x| < 2^62, asserted. */
double number_ceil(double x);
double number_floor(double x);
static inline double number_min(double a, double b)
{
    return a < b ? a : b;
}
static inline double number_max(double a, double b)
{
    return a > b ? a : b;
}

#endif
