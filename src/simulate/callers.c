/* Who asks farms for something: a wave, as of days, and jumps over it. In calms they go on as they do, so
 * that what is judged there can come to rest. */
#include "base/text.h"
#include "simulate/inside.h"

enum { STEP_MS = 10 * 1000, STILL = 100, JUMP_MAX = 300 };

struct jump {
    int64_t percent, until_ms; /* of the wave; until when */
};

struct callers {
    struct run *run;
    struct sim_random *chance;
    struct timer *next;
    struct jump *farms;
};

static void step(void *ctx);
static int64_t wave_millis(const struct swarm_callers *callers, int64_t now_ms);

void callers_start(struct run *run)
{
    struct callers *callers = mem_alloc(sizeof(*callers));

    callers->run = run;
    callers->chance = sim_random_new(run->options->seed ^ 0xca11);
    callers->farms = arena_alloc_array(run->swarm->arena, run->swarm->farms_length, sizeof(*callers->farms));
    run->callers = callers;
    step(callers);
}

void callers_free(struct callers *callers)
{
    if (!callers) return;
    run_cancel(callers->run, callers->next);
    sim_random_free(callers->chance);
    mem_free(callers);
}

/* A jump lasts a tenth to all of the mean time between two; it is up to three times the wave, or nothing. */
static void step(void *ctx)
{
    struct callers *callers = ctx;
    struct run *run = callers->run;
    int64_t now_ms = (run_now(run) - run->started_us) / 1000;

    callers->next = run_after(run, STEP_MS, step, callers);
    for (size_t i = 0; i < run->swarm->farms_length; i++) {
        const struct swarm_farm *farm = &run->swarm->farms[i];
        const struct swarm_callers *drawn = &run->swarm->callers[i];
        struct jump *caller = &callers->farms[i];
        if (!farm->capacity || (!run->storm && caller->until_ms > 0)) continue;
        if (caller->until_ms <= now_ms) {
            bool jumps = caller->percent == STILL;
            caller->percent = jumps ? sim_random_between(callers->chance, 0, JUMP_MAX) : STILL;
            caller->until_ms =
                now_ms + sim_random_between(callers->chance, drawn->jump_every_ms / 10, drawn->jump_every_ms);
            run_tell(run, "callers of %s/%s: %lld %% of their wave", farm->party, farm->name,
                     (long long)caller->percent);
        }
        CLEANUP_MEM char *name = mem_printf("%s/%s", farm->party, farm->name);
        const struct fake_demand demand = {.rate_millis = wave_millis(drawn, now_ms) * caller->percent / 100,
                                           .service_us = 1000000 / farm->capacity,
                                           .concurrency = 1};
        fake_world_ask(run->world->truth, name, "www", &demand);
    }
}

/* Up for half of its period, and down again. */
static int64_t wave_millis(const struct swarm_callers *callers, int64_t now_ms)
{
    int64_t half_ms = callers->period_ms / 2, at_ms = (now_ms + callers->phase_ms) % callers->period_ms;
    int64_t up_ms = at_ms < half_ms ? at_ms : callers->period_ms - at_ms;
    return callers->low_millis + (callers->high_millis - callers->low_millis) * up_ms / half_ms;
}
