/* Clocks: each machine has its own, and none is right. */
#include "simulate/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { JUMP_MS_MAX = 4 * 3600 * 1000, DRIFT_MAX = 50 * 1000 /* microseconds a second: 5 in a hundred */ };

static const char *draw_machine(struct run *run);
static struct sim_machine_clock *clock_of(struct run *run, const char *machine);

/* Of any size between a second and some hours, forwards or back. */
bool clock_jump(struct run *run, struct trouble *trouble)
{
    int64_t ms = 1000;

    while (ms * 2 < JUMP_MS_MAX && run_draw(run, 1, 8) > 1)
        ms *= 2;
    ms = run_draw(run, ms / 2, ms);
    if (run_draw(run, 0, 1)) ms = -ms;
    snprintf(trouble->what, sizeof(trouble->what), "%s", draw_machine(run));
    trouble->amount = ms;
    run_tell(run, "the wall clock of %s jumps by %" PRId64 " ms", trouble->what, ms);
    sim_machine_clock_jump(clock_of(run, trouble->what), ms);
    return true;
}

void clock_jump_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "the wall clock of %s jumps back by %" PRId64 " ms", trouble->what, trouble->amount);
    sim_machine_clock_jump(clock_of(run, trouble->what), -trouble->amount);
}

bool clock_drift(struct run *run, struct trouble *trouble)
{
    int64_t rate = run_draw(run, -DRIFT_MAX, DRIFT_MAX);

    snprintf(trouble->what, sizeof(trouble->what), "%s", draw_machine(run));
    run_tell(run, "the clocks of %s gain %" PRId64 " us a second", trouble->what, rate);
    sim_machine_clock_drift(clock_of(run, trouble->what), rate);
    return true;
}

void clock_drift_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "the clocks of %s do not drift any more", trouble->what);
    sim_machine_clock_drift(clock_of(run, trouble->what), 0);
}

static const char *draw_machine(struct run *run)
{
    const struct world *world = run->world;
    size_t n = (size_t)run_draw(run, 0, (int64_t)world->boxes_length);
    /* Decisions are the controller's: its clock is the one that matters most. */
    return n == world->boxes_length || run_draw(run, 0, 1) ? "controller" : world->boxes[n].name;
}

static struct sim_machine_clock *clock_of(struct run *run, const char *machine)
{
    struct box *box = world_box(run->world, machine);
    return box ? box->clock : run->world->controller_clock;
}
