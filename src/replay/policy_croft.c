/* The production code of plan/share on virtual time: what a controller does once a second for each tier. */
#include "plan/share/need.h"
#include "replay/inside.h"

enum { TICK_MS = 1000 };

struct mind {
    struct need_tier tier;
    struct forecast forecast;
    struct need_memory memory;
};

static void begin(struct replay_world *world);
static void decide(struct replay_world *world);

const struct policy policy_croft = {TICK_MS, -1, begin, decide, replay_share};

static void begin(struct replay_world *world)
{
    const struct scaling_rules *builtin = scaling_rules_builtin(world->arena);

    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        struct mind *mind = arena_alloc(world->arena, sizeof(*mind));
        mind->tier = need_tier_of(farm->sla, farm->rules ? farm->rules : builtin, farm->tier);
        forecast_set_lead(&mind->forecast, world->options->lead_ms);
        farm->got = farm->tier->count.committed;
        farm->seen_rate = replay_rate(farm, 0);
        farm->policy = mind;
    }
}

static void decide(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        struct mind *mind = farm->policy;
        int64_t now_ms = REPLAY_WALL_MS + world->now_ms;
        bool counted = forecast_observe(&mind->forecast, now_ms, TICK_MS, farm->seen_rate * TICK_MS / 1000);
        ASSERT(counted);
        struct need_load load = {
            .now_ms = now_ms,
            .lead_ms = world->options->lead_ms,
            .serving = farm->station.serving,
            .coming = (int64_t)farm->coming.length,
            .service_s = farm->station.load.service_s,
            .service_scv = farm->station.load.service_scv,
            .arrival_scv = farm->station.load.arrival_scv,
            .concurrency = farm->station.load.concurrency,
            .inside = farm->station.inside,
        };
        struct need need = need_of(&mind->tier, &mind->forecast, &load, &mind->memory);
        farm->wanted = need.wanted;
        farm->need = need.need;
        farm->provided = need.provided;
    }
}
