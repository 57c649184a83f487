#include "replay/station.h"

#include "base/attr.h"
#include "plan/share/number.h"

/* Steps of the clock while a queue grows or shrinks: short against what people wait for, and doubled as long
 * as little happens. */
enum { STEP_MS_MIN = 5, STEP_MS_MAX = 80 };
static const double steady_part = 1e-4;
/* While a queue grows or shrinks it wavers as one does at this use: by trying, against simulated queues. */
static const double wavers = 0.95;

static void step(struct station *station, double seconds, struct station_done *ret_done);
static double used_at(const struct station *station, double inside, double passes);
static double late_now(const struct station *station);
static double inside_max(const struct station *station);

void station_set(struct station *station, double rate, int64_t serving)
{
    if (rate == station->load.rate && serving == station->serving) return;
    station->load.rate = rate;
    station->serving = serving;
    station->steady = false;
}

void station_pass(struct station *station, int64_t ms, struct station_done *ret_done)
{
    int64_t step_ms = STEP_MS_MIN;

    while (ms > 0 && !station->steady) {
        double before = station->inside;
        if (step_ms > ms) step_ms = ms;
        step(station, (double)step_ms / 1000, ret_done);
        ms -= step_ms;
        double moved = station->inside - before, scale = station->inside + before;
        if (moved < 0) moved = -moved;
        if (moved > scale * 0.05)
            step_ms = STEP_MS_MIN;
        else if (step_ms < STEP_MS_MAX)
            step_ms *= 2;
        station->steady = moved <= scale * steady_part;
        if (!station->steady) continue;
        station->late = late_now(station);
        if (station->inside < inside_max(station)) station->calm = station->used;
    }
    if (ms <= 0) return;
    double arrived = station->load.rate * (double)ms / 1000, refused = 0;
    if (station->serving == 0)
        refused = arrived;
    else if (station->inside >= inside_max(station))
        refused = arrived - number_min(arrived, station->used * (double)station->serving *
                                                    (double)station->load.concurrency /
                                                    station->load.service_s * (double)ms / 1000);
    ret_done->arrived += arrived;
    ret_done->refused += refused;
    ret_done->late += (arrived - refused) * station->late;
}

/* Pointwise stationary fluid flow (W. Wang, D. Tipper, S. Banerjee, A simple approximation for modeling
 * nonstationary queues, INFOCOM 1996): the number inside changes by what arrives less what is served, and
 * what is served is what a steady queue of that length serves. Implicit, so that any step is stable: the new
 * `used` is that at which inside(used) + served(used) is what was there and what came. */
static void step(struct station *station, double seconds, struct station_done *ret_done)
{
    double arrived = station->load.rate * seconds, refused = 0;

    if (station->serving == 0) {
        ret_done->arrived += arrived;
        ret_done->refused += arrived + station->inside;
        station->inside = station->used = 0;
        return;
    }
    double servers = (double)station->serving * (double)station->load.concurrency;
    double serves = servers * seconds / station->load.service_s, most = inside_max(station);
    double used = used_at(station, station->inside + arrived, serves);
    double inside = station->inside + arrived - used * serves;
    if (inside > most) {
        refused = inside - most;
        inside = most;
    }
    station->used = used;
    station->inside = number_max(inside, 0);
    ret_done->arrived += arrived;
    ret_done->refused += refused;
    ret_done->late += number_max(arrived - refused, 0) * late_now(station);
}

/* The part of those who come now that will be late. What steady load piles up wavers as in a steady queue;
 * what a jump piled up on top of that is a wait that all have alike, and so is what is left of it afterwards.
 */
static double late_now(const struct station *station)
{
    double servers = (double)station->serving * (double)station->load.concurrency;
    double offered = station->load.rate * station->load.service_s / servers;
    double steady = number_min(station->used, number_max(wavers, offered < 1 ? offered : station->calm));

    if (station->target_s <= 0) return 0;
    struct queue queue = queue_at(&station->load, station->serving, steady);
    double piled_s = (station->inside - queue_length(&queue)) * station->load.service_s / servers;
    return queue_later(&queue, station->target_s - number_max(piled_s, 0));
}

/* The use at which a steady queue's length and what it serves meanwhile (`passes` at full use) are so many:
 * by halving, both grow with it. */
static double used_at(const struct station *station, double sum, double passes)
{
    double low = 0, high = 1 - 1e-9;

    for (int i = 0; i < 60 && high - low > 1e-7 * (1 - low); i++) {
        double middle = (low + high) / 2;
        struct queue queue = queue_at(&station->load, station->serving, middle);
        if (queue_length(&queue) + middle * passes > sum)
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* All servers busy, and so much work waiting as they do in STATION_QUEUE_MS. */
static double inside_max(const struct station *station)
{
    double servers = (double)station->serving * (double)station->load.concurrency;
    return servers + servers / station->load.service_s * STATION_QUEUE_MS / 1000;
}
