#include "observe/window.h"

#define TIME_MAX (INT64_MAX / WINDOW_LENGTH_MAX)

struct window window_new(size_t length)
{
    ASSERT(length >= 1 && length <= WINDOW_LENGTH_MAX);
    return (struct window){.length = length};
}

void window_add(struct window *window, int64_t time_us)
{
    if (time_us < 0) time_us = 0;
    window->times_us[window->next] = time_us < TIME_MAX ? time_us : TIME_MAX;
    window->next = (window->next + 1) % window->length;
    if (window->filled < window->length) window->filled++;
}

bool window_mean_us(const struct window *window, int64_t *ret_mean_us)
{
    int64_t sum = 0;

    if (window->filled == 0) return false;
    for (size_t i = 0; i < window->filled; i++)
        sum += window->times_us[i];
    *ret_mean_us = sum / (int64_t)window->filled;
    return true;
}

bool window_rate(int64_t mean_us, int64_t min_us, int64_t max_us, int64_t *ret_rate)
{
    int64_t above = 0, wide = 0, scaled = 0;

    if (max_us <= min_us || __builtin_sub_overflow(max_us, min_us, &wide)) return false;
    if (__builtin_sub_overflow(mean_us, min_us, &above) || __builtin_mul_overflow(above, 100, &scaled)) {
        *ret_rate = mean_us < min_us ? -WINDOW_RATE_MAX : WINDOW_RATE_MAX;
        return true;
    }
    int64_t rate = scaled / wide - (scaled % wide < 0) - 50;
    if (rate > WINDOW_RATE_MAX) rate = WINDOW_RATE_MAX;
    if (rate < -WINDOW_RATE_MAX) rate = -WINDOW_RATE_MAX;
    *ret_rate = rate;
    return true;
}
