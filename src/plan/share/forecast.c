#include "plan/share/forecast.h"

#include "base/attr.h"
#include "plan/share/number.h"

#include <math.h>

const double forecast_coverage[FORECAST_BANDS] = {0.5, 0.75, 0.9, 0.95, 0.98, 0.99};

/* Of the rate now: Page's test (E. Page, Continuous inspection schemes, 1954) with an allowance of half a
 * deviation; one count alone is a change when it is four deviations off. False alarms: once in 40 minutes. */
static const double drift_allowed = 0.5, drift_limit = 6, jump_limit = 4;
static const double seconds_max = 60, dispersion_gain = 0.005, dispersion_max = 100, dispersion_min = 0.25;
/* Smoothing of windows: Holt (1957) with Gardner and McKenzie's damping (1985). */
static const double quick_gain = 0.3, slow_gain = 0.06, trend_gain = 0.1, trend_kept = 0.9,
                    spread_gain = 0.05, error_gain = 1.0 / 45;
/* Gelper, Fried and Croux (2010) clip at 2 standard deviations; of a mean absolute step that is about 2.5. */
static const double clip = 2.5;
static const double season_gain = 0.3, season_clip = 0.7, season_unit = 10000;
enum { SLOT_WINDOWS = FORECAST_SLOT_MS / FORECAST_WINDOW_MS };
/* More than double what is expected is not held ready for what hardly ever comes. */
static const double band_max = 0.69;
static const double band_gain = 0.08, error_max = 2, outlier = 4;
static const double floor_least = 0.01, floor_part = 0.02;

static void begin(struct forecast *forecast, int64_t window);
static void learn_rate(struct forecast *forecast, double rate, double span_s);
static void end_window(struct forecast *forecast);
static void learn_errors(struct forecast *forecast, double peak);
static void learn_levels(struct forecast *forecast, double mean);
static void end_slot(struct forecast *forecast);
static double foresee_now(const struct forecast *forecast, enum forecaster by);
static double foresee(const struct forecast *forecast, enum forecaster by, int64_t ahead);
static double season_at(const struct forecast *forecast, int64_t window);
static double season_of(const struct forecast *forecast, int64_t slot);
static double clipped(double value, double limit);
static double log_of(const struct forecast *forecast, double rate);

bool forecast_observe(struct forecast *forecast, int64_t at_ms, int64_t span_ms, double units)
{
    if (!(units >= 0) || units > 1e15 || span_ms <= 0 || at_ms <= forecast->seen_ms) return false;
    double span_s = (double)span_ms / 1000, rate = units / span_s;
    int64_t window = (at_ms - 1) / FORECAST_WINDOW_MS;

    if (forecast->seen_ms == 0) begin(forecast, window);
    if (window != forecast->window) {
        end_window(forecast);
        if (window / SLOT_WINDOWS != forecast->window / SLOT_WINDOWS) end_slot(forecast);
        forecast->window = window;
    }
    learn_rate(forecast, rate, span_s);
    forecast->seen_ms = at_ms;
    forecast->sum += rate * (double)span_ms;
    forecast->sum_ms += (double)span_ms;
    double margin,
        sure = forecast_now(forecast, &margin) - margin / 2; /* the first count of a new level is noisy */
    if (sure > forecast->peak) forecast->peak = sure;
    return true;
}

void forecast_set_lead(struct forecast *forecast, int64_t lead_ms)
{
    int64_t ahead = lead_ms / FORECAST_WINDOW_MS + 1;
    forecast->ahead = ahead < 1 ? 1 : ahead > FORECAST_AHEAD_MAX ? FORECAST_AHEAD_MAX : ahead;
}

double forecast_now(const struct forecast *forecast, double *ret_margin)
{
    double seconds = number_max(forecast->seconds, 1e-3);
    *ret_margin = 2 * sqrt(number_max(forecast->dispersion, dispersion_min) * forecast->level / seconds);
    return forecast->level;
}

double forecast_rate(const struct forecast *forecast, double probability)
{
    enum forecaster best = forecast_best(forecast);
    const double *band = forecast->band[best];
    double coverage = 1 - probability, error = band[FORECAST_BANDS - 1];

    if (forecast->windows < 2) return forecast->level;
    if (coverage <= forecast_coverage[0]) error = band[0];
    for (int i = 1; i < FORECAST_BANDS && coverage > forecast_coverage[0]; i++) {
        double from = forecast_coverage[i - 1], to = forecast_coverage[i];
        if (coverage > to) continue;
        error = band[i - 1] + (band[i] - band[i - 1]) * (coverage - from) / (to - from);
        break;
    }
    return number_exp(foresee_now(forecast, best) + number_min(error, band[0] + band_max));
}

double forecast_probability(const struct forecast *forecast, double rate)
{
    enum forecaster best = forecast_best(forecast);
    const double *band = forecast->band[best];

    if (forecast->windows < 2) return forecast->level >= rate;
    double error = log_of(forecast, rate) - foresee_now(forecast, best);
    if (error <= band[0]) return 1 - forecast_coverage[0]; /* at least: the band begins at the median */
    for (int i = 1; i < FORECAST_BANDS; i++) {
        double from = forecast_coverage[i - 1], to = forecast_coverage[i];
        if (error > band[i]) continue;
        double part = band[i] > band[i - 1] ? (error - band[i - 1]) / (band[i] - band[i - 1]) : 1;
        return 1 - (from + part * (to - from));
    }
    return 1 - forecast_coverage[FORECAST_BANDS - 1];
}

/* The one whose errors were the least lately: a season that is none, a trend that
 * leads astray and a mean that lags each betray themselves. */
enum forecaster forecast_best(const struct forecast *forecast)
{
    enum forecaster best = FORECAST_LAST;
    for (int i = 1; i < FORECASTERS; i++)
        if (forecast->error[i] < forecast->error[best]) best = (enum forecaster)i;
    return best;
}

static void begin(struct forecast *forecast, int64_t window)
{
    int64_t ahead = forecast->ahead > 0 ? forecast->ahead : 1;

    *forecast = (struct forecast){.window = window, .dispersion = 1, .ahead = ahead};
    for (int i = 0; i < FORECAST_SLOTS; i++)
        forecast->season[i] = FORECAST_UNKNOWN;
    for (int i = 0; i <= FORECAST_AHEAD_MAX; i++)
        forecast->expected_for[i] = -1;
}

static void learn_rate(struct forecast *forecast, double rate, double span_s)
{
    double least = number_max(forecast->level, 1 / span_s);
    double variance = forecast->dispersion * least * (1 / span_s + 1 / number_max(forecast->seconds, span_s));
    double z = (rate - forecast->level) / sqrt(variance);

    forecast->drift_up = number_max(0, forecast->drift_up + z - drift_allowed);
    forecast->drift_down = number_max(0, forecast->drift_down - z - drift_allowed);
    if (forecast->seconds == 0 || z > jump_limit || z < -jump_limit || forecast->drift_up > drift_limit ||
        forecast->drift_down > drift_limit) {
        forecast->level = rate;
        forecast->seconds = span_s;
        forecast->drift_up = forecast->drift_down = 0;
        return;
    }
    forecast->dispersion += dispersion_gain * (z * z - 1) * forecast->dispersion;
    forecast->dispersion = number_min(number_max(forecast->dispersion, dispersion_min), dispersion_max);
    forecast->seconds = number_min(forecast->seconds + span_s, number_max(seconds_max, span_s));
    forecast->level += (rate - forecast->level) * span_s / forecast->seconds;
}

/* The floor follows the rates slowly: neither is a quiet night cut off, nor does an hour of nothing count as
 * a fall by orders of magnitude. */
static void end_window(struct forecast *forecast)
{
    double mean = forecast->sum / forecast->sum_ms;
    double least = number_log(number_max(floor_least, floor_part * mean));

    if (forecast->windows == 0) forecast->floor = number_log(floor_least);
    forecast->floor += spread_gain / 10 * (least - forecast->floor);
    learn_errors(forecast, log_of(forecast, number_max(forecast->peak, mean)));
    learn_levels(forecast, log_of(forecast, mean));
    forecast->slot_sum += log_of(forecast, mean);
    forecast->slot_windows += 1;
    forecast->sum = forecast->sum_ms = forecast->peak = 0;
    size_t at = (size_t)((forecast->window + forecast->ahead) % (FORECAST_AHEAD_MAX + 1));
    forecast->expected_for[at] = forecast->window + forecast->ahead;
    for (int i = 0; i < FORECASTERS; i++)
        forecast->expected[at][i] = foresee(forecast, (enum forecaster)i, forecast->ahead);
}

/* Quantiles move up when they were too low and down when they were not, in the proportion in which either
 * should happen (H. Robbins, S. Monro, 1951; I. Gibbs, E. Candès, Adaptive conformal inference under
 * distribution shift, 2021). They are of errors in parts of what they are on average lately (H. Papadopoulos,
 * A. Gammerman, V. Vovk, Normalized nonconformity measures, 2008), so that the rare ones do not take a day
 * to follow when demand becomes calm. No outlier moves either by more than a step. */
static void learn_errors(struct forecast *forecast, double peak)
{
    size_t at = (size_t)(forecast->window % (FORECAST_AHEAD_MAX + 1));
    double gain = number_max(band_gain, 1 / (1 + forecast->windows / 10));

    if (forecast->windows < 2 || forecast->expected_for[at] != forecast->window) return;
    for (int i = 0; i < FORECASTERS; i++) {
        double error = peak - forecast->expected[at][i], size = error < 0 ? -error : error;
        double *mean = &forecast->error[i], *band = forecast->band[i];
        bool knows = forecast->windows * error_gain >= 1; /* what is usual */
        double usual = number_max(*mean, 1e-3),
               most = knows ? number_min(error_max, outlier * usual) : error_max;
        *mean += (knows ? error_gain : 1 / forecast->windows) * (number_min(size, most) - *mean);
        double now = number_max(*mean, 1e-3), step = gain * now;
        for (int k = 0; k < FORECAST_BANDS && knows; k++)
            band[k] *= now / usual;
        for (int k = 0; k < FORECAST_BANDS; k++) {
            double coverage = forecast_coverage[k];
            band[k] += error > band[k] ? step * coverage : -step * (1 - coverage);
            if (k > 0 && band[k] < band[k - 1]) band[k] = band[k - 1];
        }
    }
}

static void learn_levels(struct forecast *forecast, double mean)
{
    double season = season_at(forecast, forecast->window);

    if (forecast->windows == 0) {
        forecast->last = forecast->quick = forecast->slow = forecast->trended = mean;
        forecast->seasonal = mean - season;
        forecast->spread = 0.05;
    }
    double step = mean - forecast->last, limit = clip * forecast->spread;
    forecast->windows += 1;
    forecast->spread += spread_gain * (number_min(step < 0 ? -step : step, 2 * limit) - forecast->spread);
    forecast->spread = number_max(forecast->spread, 0.005);
    forecast->last = mean;
    forecast->quick += quick_gain * (mean - forecast->quick);
    forecast->slow += slow_gain * clipped(mean - forecast->slow, limit);
    double ahead = forecast->trended + trend_kept * forecast->trend;
    double off = mean - ahead;
    forecast->trended = ahead + quick_gain * off;
    forecast->trend = trend_kept * forecast->trend + quick_gain * trend_gain * clipped(off, limit);
    forecast->seasonal += quick_gain * (mean - season - forecast->seasonal);
}

/* The mean of a half hour's logs, which a few minutes of a crowd hardly move, and that clipped once it is
 * known what is usual. Base is the mean of a week. */
static void end_slot(struct forecast *forecast)
{
    int64_t slot = forecast->window / SLOT_WINDOWS % FORECAST_SLOTS, *season = &forecast->season[slot];

    if (forecast->slot_windows >= SLOT_WINDOWS / 3) {
        double mean = forecast->slot_sum / forecast->slot_windows;
        double usual = season_of(forecast, slot);
        forecast->slots = number_min(forecast->slots + 1, FORECAST_SLOTS);
        forecast->base += (mean - forecast->base) / forecast->slots;
        double off = mean - forecast->base - usual;
        if (forecast->slots > FORECAST_SLOTS / 7) off = clipped(off, season_clip);
        if (*season != FORECAST_UNKNOWN) off *= season_gain;
        *season = (int64_t)number_floor((usual + off) * season_unit + 0.5);
        if (*season > FORECAST_UNKNOWN - 1) *season = FORECAST_UNKNOWN - 1;
    }
    forecast->slot_sum = forecast->slot_windows = 0;
}

/* As if the window under way ended with the rate that is now: what just fell or rose is known already. */
static double foresee_now(const struct forecast *forecast, enum forecaster by)
{
    struct forecast ended = *forecast;
    learn_levels(&ended, log_of(forecast, forecast->level));
    return foresee(&ended, by, forecast->ahead);
}

/* The log of the rate so many windows after the last that ended; without the band. */
static double foresee(const struct forecast *forecast, enum forecaster by, int64_t ahead)
{
    switch (by) {
    case FORECAST_LAST:
        return forecast->last;
    case FORECAST_QUICK:
        return forecast->quick;
    case FORECAST_SLOW:
        return forecast->slow;
    case FORECAST_TREND:
        return forecast->trended +
               forecast->trend * trend_kept * (1 - number_pow(trend_kept, (double)ahead)) / (1 - trend_kept);
    case FORECAST_SEASON:
        return forecast->seasonal + season_at(forecast, forecast->window + ahead);
    case FORECASTERS:
        break;
    }
    UNREACHABLE();
}

/* Straight between the middles of half hours. */
static double season_at(const struct forecast *forecast, int64_t window)
{
    int64_t twice = 2 * window + 1 - SLOT_WINDOWS; /* from the middle of slot 0, in half windows */
    int64_t slot = twice / (2 * SLOT_WINDOWS);
    double part = (double)(twice % (2 * SLOT_WINDOWS)) / (2 * SLOT_WINDOWS);
    double from = season_of(forecast, slot % FORECAST_SLOTS);
    return from + (season_of(forecast, (slot + 1) % FORECAST_SLOTS) - from) * part;
}

/* A half hour that was never seen is like the same one of the other days: two seasons, as J. Taylor,
 * Short-term electricity demand forecasting using double seasonal exponential smoothing, 2003. */
static double season_of(const struct forecast *forecast, int64_t slot)
{
    enum { DAY = FORECAST_SLOTS / 7 };
    int64_t sum = 0, known = 0;

    if (forecast->season[slot] != FORECAST_UNKNOWN) return (double)forecast->season[slot] / season_unit;
    for (int64_t day = 0; day < 7; day++) {
        int64_t other = forecast->season[(slot + day * DAY) % FORECAST_SLOTS];
        if (other == FORECAST_UNKNOWN) continue;
        sum += other;
        known++;
    }
    return known > 0 ? (double)sum / (double)known / season_unit : 0;
}

static double clipped(double value, double limit)
{
    return number_max(-limit, number_min(limit, value));
}

static double log_of(const struct forecast *forecast, double rate)
{
    double least = number_exp(forecast->floor);
    return number_log(number_max(rate, number_max(least, floor_least)));
}
