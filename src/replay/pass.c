/* A farm through time: what its instances do, minute by minute, and what they cost. */
#include "base/text.h"
#include "plan/share/number.h"
#include "replay/inside.h"

#include <math.h>

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000, CURVE = 12 };
static const int64_t period_ms[] = {
    [PERIOD_DAY] = DAY_MS, [PERIOD_WEEK] = 7LL * DAY_MS, [PERIOD_MONTH] = 30LL * DAY_MS};

static int64_t next_event(const struct replay_world *world, const struct replay_farm *farm, int64_t now_ms);
static void account(struct replay_farm *farm, int64_t now_ms, int64_t ms);
static void end_minute(struct replay_farm *farm);
static double counted(const struct replay_farm *farm, double mean, int64_t now_ms);
static uint64_t mix(uint64_t z);

void replay_pass(struct replay_world *world, struct replay_farm *farm, int64_t ms)
{
    int64_t now_ms = world->now_ms, end_ms = now_ms + ms;

    farm->since_tick = (struct station_done){0};
    while (now_ms < end_ms) {
        struct station_done done = {0};
        while (farm->coming.length > 0 && ((struct passing *)vec_at(&farm->coming, 0))->until_ms <= now_ms) {
            vec_remove(&farm->coming, 0);
            station_set(&farm->station, farm->station.load.rate, farm->station.serving + 1);
        }
        station_set(&farm->station, replay_rate(farm, (size_t)(now_ms / world->trace->step_ms)),
                    farm->station.serving);
        int64_t next_ms = next_event(world, farm, now_ms);
        if (next_ms > end_ms) next_ms = end_ms;
        account(farm, now_ms, next_ms - now_ms);
        station_pass(&farm->station, next_ms - now_ms, &done);
        farm->since_tick.arrived += done.arrived;
        farm->since_minute.arrived += done.arrived;
        farm->since_minute.late += done.late;
        farm->since_minute.refused += done.refused;
        now_ms = next_ms;
        if (now_ms % MINUTE_MS == 0) end_minute(farm);
    }
    farm->seen_rate = counted(farm, farm->since_tick.arrived, now_ms) * 1000 / (double)ms;
}

/* Rates once, on the invoice of the whole, halves to even as money_format_invoice() does. */
void replay_end(struct replay_farm *farm)
{
    struct money cost = {0};

    if (farm->since_minute.arrived > 0 || farm->instance_ms_minute > 0) end_minute(farm);
    for (int i = 0; i < LEVELS; i++) {
        const struct sla_level *level = &farm->sla->levels[i];
        const struct money *amounts[] = {&level->rate, &level->fee};
        double times[] = {farm->level_ms[i] / HOUR_MS, (double)farm->entries[i]};
        for (size_t k = 0; k < LENGTH(times); k++) {
            if (amounts[k]->currency[0] == '\0') continue;
            int64_t before = cost.micros;
            cost = *amounts[k];
            cost.micros = before + (int64_t)(times[k] * (double)amounts[k]->micros + 0.5);
            farm->cost = cost;
            farm->sums.costs = &farm->cost;
            farm->sums.costs_length = 1;
        }
    }
}

static int64_t next_event(const struct replay_world *world, const struct replay_farm *farm, int64_t now_ms)
{
    int64_t step_ms = world->trace->step_ms;
    int64_t next = (now_ms / step_ms + 1) * step_ms, minute = (now_ms / MINUTE_MS + 1) * MINUTE_MS;

    if (minute < next) next = minute;
    if (farm->coming.length > 0) {
        int64_t ready = ((struct passing *)vec_at(&farm->coming, 0))->until_ms;
        if (ready < next) next = ready;
    }
    for (size_t i = 0; i < farm->leaving.length; i++) {
        int64_t gone = ((struct passing *)vec_at(&farm->leaving, i))->until_ms;
        if (gone > now_ms && gone < next) next = gone;
    }
    return next;
}

/* By rank: the first are committed, then guaranteed, then extended; what leaves counts until it is gone. */
static void account(struct replay_farm *farm, int64_t now_ms, int64_t ms)
{
    const struct count *count = &farm->tier->count;
    const int64_t bounds[LEVELS + 1] = {0, count->committed, count->guaranteed, INT64_MAX};
    int64_t instances = farm->station.serving + (int64_t)farm->coming.length;
    int64_t period = now_ms / period_ms[farm->sla->period];

    for (size_t i = 0; i < farm->leaving.length; i++)
        instances += ((struct passing *)vec_at(&farm->leaving, i))->until_ms > now_ms;
    if (period != farm->period)
        for (int i = 0; i < LEVELS; i++)
            farm->entered[i] = false;
    farm->period = period;
    for (int i = 0; i < LEVELS && instances > bounds[i]; i++) {
        int64_t of_level = (instances < bounds[i + 1] ? instances : bounds[i + 1]) - bounds[i];
        if (of_level <= 0) continue;
        farm->level_ms[i] += (double)(of_level * ms);
        if (farm->entered[i]) continue;
        farm->entered[i] = true;
        farm->entries[i]++;
    }
    farm->instance_ms_minute += (double)(instances * ms);
}

static void end_minute(struct replay_farm *farm)
{
    const struct station_done *done = &farm->since_minute;
    double bad = done->late + done->refused, arrived = number_max(done->arrived, 1e-9);

    farm->sums.requests += done->arrived;
    farm->sums.late += done->late;
    farm->sums.refused += done->refused;
    farm->sums.server_s += farm->instance_ms_minute / 1000;
    if (bad > farm->late_max * done->arrived * (1 + 1e-9) + 1e-9) {
        farm->sums.violation_minutes++;
        farm->sums.violating += bad;
    }
    farm->minutes[farm->minutes_length++] = (struct replay_minute){
        (float)(done->arrived * 1000 / MINUTE_MS), (float)(done->late / arrived),
        (float)(done->refused / arrived), (float)(farm->instance_ms_minute / MINUTE_MS)};
    farm->since_minute = (struct station_done){0};
    farm->instance_ms_minute = 0;
}

/* What a counter shows: arrivals are a Poisson process, so it is off by the root of the mean. Drawn from the
 * farm's name and the time alone: every policy sees the same. Near enough to normal: the sum of twelve even
 * draws. */
static double counted(const struct replay_farm *farm, double mean, int64_t now_ms)
{
    uint64_t seed = mix(text_hash(text_hash(TEXT_HASH_SEED, farm->name, __builtin_strlen(farm->name)),
                                  &now_ms, sizeof(now_ms)));
    double sum = -CURVE / 2;

    for (int i = 0; i < CURVE; i++) {
        seed = mix(seed);
        sum += (double)(seed >> 11) / 9007199254740992.0;
    }
    return number_max(0, number_floor(mean + sqrt(mean) * sum + 0.5));
}

/* SplitMix64 (G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, 2014). */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}
