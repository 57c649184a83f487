/* The way to what was shared. */
#include "plan/share/number.h"
#include "replay/inside.h"

#include <math.h>

static bool start(struct replay_world *world, struct replay_farm *farm);
static size_t last_host(const struct replay_world *world, const struct replay_farm *farm);
static void let_go(const struct replay_world *world, struct replay_farm *farm);

/* Drains first. The room of who goes is his who comes: the lead is from a decision to a serving instance also
 * where another has to be drained and wiped before. */
void replay_move(struct replay_world *world)
{
    int64_t sum = 0;

    for (size_t i = 0; i < world->length; i++)
        let_go(world, &world->farms[i]);
    for (size_t i = 0; i < world->length; i++)
        while (replay_has(&world->farms[i]) > world->farms[i].got)
            replay_drain(world, &world->farms[i], last_host(world, &world->farms[i]));
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        while (replay_has(farm) < farm->got && start(world, farm))
            continue;
        if (replay_has(farm) > farm->sums.peak) farm->sums.peak = replay_has(farm);
        sum += replay_has(farm);
    }
    if (sum > world->peak) world->peak = sum;
}

/* First fit. At the very beginning there is nothing to wait for. */
static bool start(struct replay_world *world, struct replay_farm *farm)
{
    size_t host = 0;
    while (host < world->hosts_length && replay_fit(&world->hosts[host].free, &farm->tier->size) < 1)
        host++;
    if (host == world->hosts_length) return false;
    replay_take(&world->hosts[host].free, &farm->tier->size, 1);
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

/* Who is on the way there first. */
void replay_drain(struct replay_world *world, struct replay_farm *farm, size_t host)
{
    size_t coming = farm->coming.length;

    while (coming > 0 && ((struct passing *)vec_at(&farm->coming, coming - 1))->host != host)
        coming--;
    if (coming > 0)
        vec_remove(&farm->coming, coming - 1);
    else
        station_set(&farm->station, farm->station.load.rate, farm->station.serving - 1);
    farm->on[host]--;
    replay_take(&world->hosts[host].free, &farm->tier->size, -1);
    *(struct passing *)vec_push(&farm->leaving) =
        (struct passing){world->now_ms + world->options->lead_ms, host};
}

/* Of who came last, or else the last one. */
static size_t last_host(const struct replay_world *world, const struct replay_farm *farm)
{
    size_t host = world->hosts_length;

    if (farm->coming.length > 0)
        return ((const struct passing *)vec_at(&farm->coming, farm->coming.length - 1))->host;
    while (farm->on[--host] == 0)
        continue;
    return host;
}

static void let_go(const struct replay_world *world, struct replay_farm *farm)
{
    while (farm->leaving.length > 0 &&
           ((struct passing *)vec_at(&farm->leaving, 0))->until_ms <= world->now_ms)
        vec_remove(&farm->leaving, 0);
}

int64_t replay_fit(const struct resources *free, const struct resources *size)
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

void replay_take(struct resources *free, const struct resources *size, int64_t times)
{
    free->cpus_millis -= size->cpus_millis * times;
    free->memory_bytes -= size->memory_bytes * times;
    free->disk_bytes -= size->disk_bytes * times;
    free->network_bits_per_s -= size->network_bits_per_s * times;
}

int64_t replay_has(const struct replay_farm *farm)
{
    return farm->station.serving + (int64_t)farm->coming.length;
}
