/* What a tier's load will be one lead time ahead, and how surely: learned on line, from counts alone. The
 * README has the method and where it comes from. */
#ifndef CROFT_PLAN_SHARE_FORECAST_H
#define CROFT_PLAN_SHARE_FORECAST_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* A forecast is about the highest rate in a window; leads longer than FORECAST_AHEAD_MAX windows count as so
 * many. The season is of a week of half hours in UTC. */
enum {
    FORECAST_WINDOW_MS = 60 * 1000,
    FORECAST_SLOT_MS = 30 * 60 * 1000,
    FORECAST_SLOTS = 7 * 48,
    FORECAST_AHEAD_MAX = 15,
    FORECAST_UNKNOWN = 1000000, /* of a slot */
};

/* Ways to foresee: the last window's mean; smoothed quickly; smoothed slowly; with a damped trend; with the
 * season. Which of them is used follows from their errors of late. */
enum forecaster {
    FORECAST_LAST,
    FORECAST_QUICK,
    FORECAST_SLOW,
    FORECAST_TREND,
    FORECAST_SEASON,
    FORECASTERS
};
enum { FORECAST_BANDS = 6 };
/* The forecast errs by less than the n-th quantile with so much probability. */
extern const double forecast_coverage[FORECAST_BANDS];

/* Plain data; all zero is one that has seen nothing. Logarithms are natural, of units a second. */
struct forecast {
    int64_t seen_ms;             /* wall clock of the end of the newest count; 0: there was none */
    int64_t ahead;               /* windows: how far it looks, by the lead it was last asked for */
    double level, seconds;       /* the rate now: a mean since it last changed, of so many seconds */
    double drift_up, drift_down; /* evidence that it has changed since, in standard deviations */
    double dispersion;           /* variance of the counts over their mean; 1 of a Poisson process */
    /* The window under way. */
    int64_t window;           /* its number since 1970 */
    double sum, sum_ms, peak; /* rates times their time, and the time; the highest level */
    /* Of windows. */
    double windows; /* so many were learned from */
    double floor;   /* log of the least rate that counts, so that zero has one */
    double last, quick, slow, trended, trend,
        seasonal;                                 /* smoothed logs of means; `seasonal` less its season */
    double spread;                                /* mean absolute step of the log of the mean */
    int64_t expected_for[FORECAST_AHEAD_MAX + 1]; /* window, by its number modulo the length; and … */
    double expected[FORECAST_AHEAD_MAX + 1][FORECASTERS]; /* … what was foreseen of it */
    double error[FORECASTERS];                            /* mean absolute error of late */
    double band[FORECASTERS][FORECAST_BANDS];             /* quantiles of peak over what was foreseen */
    /* Of half hours. */
    double slot_sum, slot_windows, base, slots;
    int64_t season[FORECAST_SLOTS]; /* log of the slot over base, in ten-thousandths; or FORECAST_UNKNOWN */
};

/* `units` were counted in the `span_ms` before at_ms (wall clock). What is older than what was seen, no
 * number or negative is left out: false. Gaps need not be told. */
bool forecast_observe(struct forecast *forecast, int64_t at_ms, int64_t span_ms, double units);
/* From now on it learns how far off it is so long ahead (to whole windows). */
void forecast_set_lead(struct forecast *forecast, int64_t lead_ms);

/* The rate now; the true one is more than the margin above it once in forty times (two deviations). */
double forecast_now(const struct forecast *forecast, double *ret_margin);
/* The highest rate in the window that the lead ends in: it is more only with `probability` (0 to 1; above
 * one half counts as one half, below a hundredth as that). */
double forecast_rate(const struct forecast *forecast, double probability);
/* The same question the other way, with the same bounds: how probable it is that so much or more comes. */
double forecast_probability(const struct forecast *forecast, double rate);
/* Which one speaks. */
enum forecaster forecast_best(const struct forecast *forecast);

/* One JSON object, below 8 KiB; read back it is the same, bit for bit. */
void forecast_write(const struct forecast *forecast, struct buf *ret_json);
MUST_CHECK bool forecast_read(struct arena *arena, const char *json, size_t size,
                              struct forecast *ret_forecast, struct error *err);

#endif
