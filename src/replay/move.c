/* Who gets what room, and the way there. */
#include "plan/share/number.h"
#include "replay/inside.h"

#include <math.h>

static bool start(struct replay_world *world, struct replay_farm *farm);
static void drain(struct replay_world *world, struct replay_farm *farm);
static void let_go(struct replay_world *world, struct replay_farm *farm);
static int64_t fit_of(const struct resources *free, const struct resources *size);
static void take(struct resources *free, const struct resources *size, int64_t times);
static int64_t has(const struct replay_farm *farm);
static int64_t level_bound(const struct replay_farm *farm, enum level level);

/* Committed first, then guaranteed, then extended; inside a level the urgent first, then as the trace names
 * them. What somebody holds beyond that is given back. */
void replay_share(struct replay_world *world)
{
    struct resources *free = mem_alloc_array(world->hosts_length + 1, sizeof(*free));

    for (size_t h = 0; h < world->hosts_length; h++) {
        free[h] = world->hosts[h].free;
        for (size_t i = 0; i < world->length; i++)
            take(&free[h], &world->farms[i].tier->size, -world->farms[i].on[h]);
    }
    for (size_t i = 0; i < world->length; i++)
        world->farms[i].got = 0;
    for (int level = 0; level < LEVELS; level++) {
        for (int priority = SLA_URGENT; priority >= SLA_LOW; priority--) {
            for (size_t i = 0; i < world->length; i++) {
                struct replay_farm *farm = &world->farms[i];
                if ((int)farm->sla->priority != priority) continue;
                int64_t more = level_bound(farm, (enum level)level);
                if (more > farm->wanted) more = farm->wanted;
                more -= farm->got;
                for (size_t h = 0; h < world->hosts_length && more > 0; h++) {
                    int64_t fit = fit_of(&free[h], &farm->tier->size);
                    if (fit > more) fit = more;
                    take(&free[h], &farm->tier->size, fit);
                    farm->got += fit;
                    more -= fit;
                }
            }
        }
    }
    mem_free(free);
}

/* Drains first: what is wiped is free at the next tick. */
void replay_move(struct replay_world *world)
{
    int64_t sum = 0;

    for (size_t i = 0; i < world->length; i++)
        let_go(world, &world->farms[i]);
    for (size_t i = 0; i < world->length; i++)
        while (has(&world->farms[i]) > world->farms[i].got)
            drain(world, &world->farms[i]);
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        while (has(farm) < farm->got && start(world, farm))
            continue;
        if (has(farm) > farm->sums.peak) farm->sums.peak = has(farm);
        sum += has(farm);
    }
    if (sum > world->peak) world->peak = sum;
}

/* First fit. At the very beginning there is nothing to wait for. */
static bool start(struct replay_world *world, struct replay_farm *farm)
{
    size_t host = 0;
    while (host < world->hosts_length && fit_of(&world->hosts[host].free, &farm->tier->size) < 1)
        host++;
    if (host == world->hosts_length) return false;
    take(&world->hosts[host].free, &farm->tier->size, 1);
    farm->on[host]++;
    if (world->now_ms == 0) {
        station_set(&farm->station, farm->station.load.rate, farm->station.serving + 1);
        return true;
    }
    *(struct passing *)vec_push(&farm->coming) =
        (struct passing){world->now_ms + world->options->lead_ms, host};
    farm->sums.moves++;
    return true;
}

/* What is on its way first, then from the last host. It uses its room until it is wiped. */
static void drain(struct replay_world *world, struct replay_farm *farm)
{
    size_t host = world->hosts_length;

    if (farm->coming.length > 0) {
        host = ((struct passing *)vec_at(&farm->coming, farm->coming.length - 1))->host;
        vec_remove(&farm->coming, farm->coming.length - 1);
    } else {
        while (farm->on[--host] == 0)
            continue;
        station_set(&farm->station, farm->station.load.rate, farm->station.serving - 1);
    }
    farm->on[host]--;
    *(struct passing *)vec_push(&farm->leaving) =
        (struct passing){world->now_ms + world->options->lead_ms, host};
}

static void let_go(struct replay_world *world, struct replay_farm *farm)
{
    size_t gone = 0;
    for (; gone < farm->leaving.length; gone++) {
        const struct passing *passing = vec_at(&farm->leaving, gone);
        if (passing->until_ms > world->now_ms) break;
        take(&world->hosts[passing->host].free, &farm->tier->size, -1);
    }
    for (; gone > 0; gone--)
        vec_remove(&farm->leaving, 0);
}

static int64_t fit_of(const struct resources *free, const struct resources *size)
{
    const int64_t has_of[] = {free->cpus_millis, free->memory_bytes, free->disk_bytes,
                              free->network_bits_per_s};
    const int64_t asks[] = {size->cpus_millis, size->memory_bytes, size->disk_bytes,
                            size->network_bits_per_s};
    int64_t fit = INT64_MAX / 4;

    for (size_t i = 0; i < LENGTH(asks); i++) {
        if (asks[i] <= 0) continue;
        int64_t times = has_of[i] > 0 ? has_of[i] / asks[i] : 0;
        if (times < fit) fit = times;
    }
    return fit;
}

static void take(struct resources *free, const struct resources *size, int64_t times)
{
    free->cpus_millis -= size->cpus_millis * times;
    free->memory_bytes -= size->memory_bytes * times;
    free->disk_bytes -= size->disk_bytes * times;
    free->network_bits_per_s -= size->network_bits_per_s * times;
}

static int64_t has(const struct replay_farm *farm)
{
    return farm->station.serving + (int64_t)farm->coming.length;
}

static int64_t level_bound(const struct replay_farm *farm, enum level level)
{
    const struct count *count = &farm->tier->count;
    const int64_t bounds[LEVELS] = {count->committed, count->guaranteed, count->max};
    return bounds[level];
}
