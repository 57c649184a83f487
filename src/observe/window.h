/* The window of a measurement module: its last times, and how good they are on a scale that is the same for
 * all modules. Plain data: copied by assignment. */
#ifndef CROFT_OBSERVE_WINDOW_H
#define CROFT_OBSERVE_WINDOW_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_LENGTH_MAX = 16 };

struct window {
    size_t length; /* w: of the last so many times; 1 to WINDOW_LENGTH_MAX */
    size_t filled, next;
    int64_t times_us[WINDOW_LENGTH_MAX];
};

struct window window_new(size_t length);
void window_add(struct window *window, int64_t time_us); /* below 0: as 0 */
/* The mean of what is in it, rounded down; false: nothing is. */
MUST_CHECK bool window_mean_us(const struct window *window, int64_t *ret_mean_us);

/* The balanced rate B = (mean - min) * 100 / (max - min) - 50, rounded towards minus infinity: -50 at the
 * least time that is expected, +50 at the most that is tolerated. It is not cut there: 250 is three times the
 * way from the least to the most, and below -50 it went better than was thought possible; only beyond
 * WINDOW_RATE_MAX it stays there. False when max <= min: then there is no scale. */
enum { WINDOW_RATE_MAX = 9999 };
MUST_CHECK bool window_rate(int64_t mean_us, int64_t min_us, int64_t max_us, int64_t *ret_rate);

#endif
