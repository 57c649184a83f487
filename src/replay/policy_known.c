/* Policies that know the demand: `static` its peak, `oracle` each moment's. */
#include "plan/share/number.h"
#include "replay/inside.h"

enum { ORACLE_TICK_MS = 1000, STATIC_TICK_MS = 60000 };

static void begin_static(struct replay_world *world);
static void begin_oracle(struct replay_world *world);
static void decide_static(struct replay_world *world);
static void decide_oracle(struct replay_world *world);
static void plan_each(struct replay_world *world, double price);
static int64_t worth(const struct replay_farm *farm, double rate, double price, int64_t from);
static double late_of(const struct replay_world *world);
static int64_t fewest(const struct replay_farm *farm, double rate);
static double later(const struct replay_farm *farm, double rate, int64_t instances);

const struct policy policy_static = {STATIC_TICK_MS, -1, begin_static, decide_static, replay_share_simply};
/* Without a lead: it would begin that much earlier, and pay for it. */
const struct policy policy_oracle = {ORACLE_TICK_MS, 0, begin_oracle, decide_oracle, replay_share_simply};

static void begin_static(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        double peak = 0;
        for (size_t k = 0; k < farm->trace->length; k++)
            peak = number_max(peak, farm->trace->rates[k]);
        farm->wanted = fewest(farm, peak);
    }
}

static void decide_static(struct replay_world *world)
{
    (void)world;
}

/* As the targets say, the fewest in each step that keep it. With so many late requests in all: those where an
 * instance more would spare more late ones than any instance is worth; a price for all, found by halving. */
static void begin_oracle(struct replay_world *world)
{
    double wanted = world->options->oracle_late, low = 1e-9, high = 1e9;

    for (size_t i = 0; i < world->length; i++)
        world->farms[i].policy = arena_alloc_array(world->arena, world->trace->rows, sizeof(int64_t));
    plan_each(world, -1);
    for (int i = 0; wanted >= 0 && i < 60 && high / low > 1.001; i++) {
        double middle = low * 1000 < high ? low * number_pow(high / low, 0.5) : (low + high) / 2;
        plan_each(world, middle);
        if (late_of(world) > wanted)
            high = middle;
        else
            low = middle;
    }
    if (wanted >= 0) plan_each(world, low);
}

static void decide_oracle(struct replay_world *world)
{
    size_t nth = (size_t)(world->now_ms / world->trace->step_ms);
    for (size_t i = 0; i < world->length; i++)
        world->farms[i].wanted = ((const int64_t *)world->farms[i].policy)[nth];
}

/* price: so many late requests a second an instance has to spare; < 0: as the targets say. */
static void plan_each(struct replay_world *world, double price)
{
    for (size_t i = 0; i < world->length; i++) {
        const struct replay_farm *farm = &world->farms[i];
        int64_t *plan = farm->policy;
        for (size_t k = 0; k < world->trace->rows; k++)
            plan[k] = price < 0 ? fewest(farm, farm->trace->rates[k])
                                : worth(farm, farm->trace->rates[k], price, farm->tier->count.committed);
    }
}

/* Each instance spares less than the one before it. */
static int64_t worth(const struct replay_farm *farm, double rate, double price, int64_t from)
{
    int64_t instances = (int64_t)number_floor(rate / farm->capacity) + 1;

    if (instances < from) instances = from;
    while (instances < farm->tier->count.max &&
           rate * (later(farm, rate, instances) - later(farm, rate, instances + 1)) > price)
        instances++;
    return instances < farm->tier->count.max ? instances : farm->tier->count.max;
}

static double late_of(const struct replay_world *world)
{
    double sum = 0;
    for (size_t i = 0; i < world->length; i++) {
        const struct replay_farm *farm = &world->farms[i];
        const int64_t *plan = farm->policy;
        for (size_t k = 0; k < world->trace->rows; k++)
            sum += farm->trace->rates[k] * later(farm, farm->trace->rates[k], plan[k]);
    }
    return sum * (double)world->trace->step_ms / 1000;
}

/* Without a target, enough to serve all. */
static int64_t fewest(const struct replay_farm *farm, double rate)
{
    const struct count *count = &farm->tier->count;
    struct queue_load load = farm->station.load;

    load.rate = rate;
    if (farm->station.target_s > 0)
        return queue_fewest(&load, farm->station.target_s, farm->late_max, count->committed, count->max);
    int64_t instances = (int64_t)number_floor(rate / farm->capacity) + 1;
    if (instances < count->committed) instances = count->committed;
    return instances < count->max ? instances : count->max;
}

static double later(const struct replay_farm *farm, double rate, int64_t instances)
{
    struct queue_load load = farm->station.load;
    load.rate = rate;
    struct queue queue = queue_of(&load, instances);
    return queue_later(&queue, farm->station.target_s > 0 ? farm->station.target_s : 1);
}
