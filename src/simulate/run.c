/* The way of one run: the grid is drawn and started, its tenants move in; then storms, in which everything
 * goes wrong that the seed has drawn, and calms, at whose end all has to be well again. */
#include "base/text.h"
#include "simulate/inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    FOUND_MS = 120 * 1000,    /* that hosts and tenants may take to be there at first */
    AFTERMATH_MS = 20 * 1000, /* for what the storm had set going: doubts, switches, late messages */
    CALM_MS = 240 * 1000,
    MINUTE_MS = 60 * 1000,
};

static void start(struct run *run);
static void go(struct run *run, int64_t end_us);
static void pass(struct run *run, int64_t end_us);
static bool all_up(const struct run *run);
static void note_log(void *ctx, const char *line);
static void tell_progress(struct run *run);
static void finish(struct run *run);

void simulate(const struct simulate_options *options, struct simulate_report *report)
{
    struct run run = {.options = options,
                      .report = report,
                      .story = &report->story,
                      .chance = sim_random_new(options->seed),
                      .troubles = VEC_OF(struct trouble *)};

    report->seed = options->seed;
    report->story.hash = options->seed;
    if (options->about) snprintf(report->story.about, sizeof(report->story.about), "%s", options->about);
    run.swarm = swarm_new(run.chance, options->hosts, options->farms);
    struct sim_random *chance = sim_random_new(options->seed ^ 0x10ad);
    swarm_draw_levels(run.swarm, chance);
    sim_random_free(chance);
    chance = sim_random_new(options->seed ^ 0x3e4d);
    swarm_draw_mending(run.swarm, chance);
    sim_random_free(chance);
    const struct world_options world_options = {.seed = options->seed ^ 0x5eed,
                                                .hosts = run.swarm->hosts,
                                                .hosts_length = run.swarm->hosts_length,
                                                .log = note_log,
                                                .log_ctx = &run};
    run.world = world_new(&world_options);
    run.started_us = run_now(&run);
    faults_draw(&run);
    run.judges = judges_new(&run);
    run.clerk = clerk_new(&run);
    sim_net_weather(run.world->net, &run.swarm->weather);
    sim_clock_after_step(run.world->clock, judges_step, &run);
    start(&run);
    go(&run, run.started_us + options->virtual_ms * 1000);
    finish(&run);
}

int64_t run_now(const struct run *run)
{
    const struct clock_port *time = run->world->time;
    return time->steady_us(time->self);
}

int64_t run_draw(struct run *run, int64_t first, int64_t last)
{
    return sim_random_between(run->chance, first, last);
}

struct timer *run_after(struct run *run, int64_t ms, void (*fire)(void *ctx), void *ctx)
{
    const struct clock_port *time = run->world->time;
    return time->after(time->self, ms * 1000, fire, ctx);
}

void run_cancel(struct run *run, struct timer *timer)
{
    const struct clock_port *time = run->world->time;
    time->cancel(time->self, timer);
}

void run_violated(struct run *run, const char *invariant, const char *format, ...)
{
    struct simulate_report *report = run->report;
    va_list list;

    if (report->violated) return;
    report->violated = true;
    snprintf(report->invariant, sizeof(report->invariant), "%s", invariant);
    va_start(list, format);
    vsnprintf(report->message, sizeof(report->message), format, list);
    va_end(list);
    run->story->all = true;
    run_tell(run, "VIOLATED %s: %s", invariant, report->message);
}

static void start(struct run *run)
{
    struct world *world = run->world;
    struct error err;

    run_tell(run, "%zu hosts in %zu racks, %zu farms of %zu parties", run->swarm->hosts_length,
             run->swarm->zones_length, run->swarm->farms_length, run->swarm->parties_length);
    if (!world_start_controller(world, &err)) {
        run_violated(run, "converges", "the first controller does not start: %s", err.message);
        return;
    }
    judges_watch(run);
    for (size_t i = 0; i < world->boxes_length; i++)
        if (!box_boot(&world->boxes[i], &err))
            run_violated(run, "converges", "the first start of %s: %s", world->boxes[i].name, err.message);
    int64_t end_us = run_now(run) + FOUND_MS * 1000;
    while (!run->report->violated && !all_up(run) && run_now(run) < end_us)
        sim_clock_step(world->clock);
    if (run->report->violated) return;
    if (!all_up(run))
        run_violated(run, "converges", "not every host is up %d s after the start", FOUND_MS / 1000);
    else if (!clerk_found(run))
        run_violated(run, "converges", "the first documents were not taken in");
    callers_start(run);
}

/* Each storm is followed by a calm; the last calm ends with the run. */
static void go(struct run *run, int64_t end_us)
{
    while (!run->report->violated && run_now(run) < end_us) {
        int64_t storm_end_us =
            run_now(run) + run_draw(run, run->swarm->storm_ms / 2, run->swarm->storm_ms) * 1000;
        if (storm_end_us > end_us - (AFTERMATH_MS + CALM_MS) * 1000)
            storm_end_us = end_us - (AFTERMATH_MS + CALM_MS) * 1000;
        if (storm_end_us > run_now(run)) {
            run_tell(run, "a storm begins");
            run->storm = true;
            faults_begin(run);
            pass(run, storm_end_us);
        }
        if (run->report->violated) return;
        run->storm = false;
        run->calm_since_us = 0;
        faults_end(run);
        clerk_calm(run);
        pass(run, run_now(run) + AFTERMATH_MS * 1000);
        faults_end(run); /* a host that was switched off after a doubt of before */
        run_tell(run, "calm");
        run->calm_since_us = run_now(run);
        int64_t calm_end_us = run_now(run) + CALM_MS * 1000;
        pass(run, calm_end_us < end_us ? calm_end_us : end_us);
    }
}

static void pass(struct run *run, int64_t end_us)
{
    while (!run->report->violated && run_now(run) < end_us) {
        int64_t ms = (end_us - run_now(run) + 999) / 1000;
        int64_t minute_us = run_now(run) + (ms < MINUTE_MS ? ms : MINUTE_MS) * 1000;
        while (!run->report->violated && run_now(run) < minute_us)
            sim_clock_step(run->world->clock);
        tell_progress(run);
    }
}

static bool all_up(const struct run *run)
{
    const struct mirror *mirror = controller_mirror(run->world->controller);
    for (size_t i = 0; i < run->world->boxes_length; i++) {
        const struct record *record = mirror_get(mirror, RECORD_HOST_FACT, run->world->boxes[i].name);
        if (!record || ((const struct host_fact *)record->object)->state != HOST_UP) return false;
    }
    return true;
}

static void note_log(void *ctx, const char *line)
{
    struct run *run = ctx;
    story_note(run->story, run_now(run) - run->started_us, line);
}

static void tell_progress(struct run *run)
{
    char line[160];

    if (!run->options->progress) return;
    snprintf(line, sizeof(line), "seed %" PRIu64 ": minute %" PRId64 ", %" PRIu64 " steps, %s, troubles: %zu",
             run->options->seed, (run_now(run) - run->started_us) / 1000 / MINUTE_MS, run->report->steps,
             run->storm ? "storm" : "calm", run->troubles.length);
    run->options->progress(run->options->progress_ctx, line);
}

static void finish(struct run *run)
{
    sim_clock_after_step(run->world->clock, NULL, NULL);
    fake_world_watch(run->world->truth, NULL, NULL);
    faults_free(run);
    callers_free(run->callers);
    clerk_free(run->clerk);
    judges_free(run->judges);
    world_free(run->world);
    swarm_free(run->swarm);
    sim_random_free(run->chance);
    run->report->finished = true;
}
