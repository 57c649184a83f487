/* The production code of plan/share on virtual time. */
#include "plan/share/number.h"
#include "replay/inside.h"

enum { TICK_MS = 1000 };

static void begin(struct replay_world *world);
static void decide(struct replay_world *world);

const struct policy policy_croft = {TICK_MS, -1, begin, decide};

static void begin(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++)
        world->farms[i].seen_rate = replay_rate(&world->farms[i], 0);
}

static void decide(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        struct queue_load load = farm->station.load;
        load.rate = farm->seen_rate * 1.1;
        farm->wanted = queue_fewest(&load, farm->station.target_s, farm->late_max,
                                    farm->tier->count.committed, farm->tier->count.max);
    }
}
