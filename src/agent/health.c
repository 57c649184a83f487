/* Health of instances: probes from the farm's gateway address, or commands inside. */
#include "agent/internal.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_BEAT_MS = 30 * 1000 }; /* as probes give what starts */

static void probed(void *ctx, bool good, const char *reason);
static void expect_beat(struct unit *unit);
static void beat_missed(void *ctx);
static void judge(struct unit *unit, enum instance_health health, const char *reason);

void unit_watch(struct unit *unit)
{
    struct agent *agent = unit->agent;
    const struct compute_driver *compute = agent->options.compute;
    const struct net_driver *network = agent->options.network;
    struct probe_options options = {.clock = agent->options.clock,
                                    .watch = agent->options.watch,
                                    .process = agent->options.process,
                                    .health = &unit->have->health,
                                    .address = unit->have->address,
                                    .net_ns_fd = -1};
    const struct compute_command command = {.argv = unit->have->health.command,
                                            .length = unit->have->health.command_length};
    struct vec argv = VEC_OF(char *);
    struct error err;
    bool good = true;

    unit_unwatch(unit);
    if (unit->frozen) {
        judge(unit, HEALTH_GOOD, ""); /* it was good when it was frozen, and cannot change while it is */
        return;
    }
    if (unit->have->health.kind == HEALTH_NONE) {
        judge(unit, HEALTH_GOOD, "");
        return;
    }
    if (unit->have->health.kind == HEALTH_HEARTBEAT) {
        expect_beat(unit);
        if (unit->beaten) judge(unit, HEALTH_GOOD, "");
        return;
    }
    if (unit->have->health.kind == HEALTH_EXEC)
        good = compute->exec_argv(compute->self, unit->name, &command, &argv, &err);
    else
        good = network->farm_ns(network->self, unit->have->farm, &options.net_ns_fd, &err);
    options.exec_argv = argv.items;
    unit->probe_ns_fd = options.net_ns_fd;
    if (good)
        unit->probe = agent->options.probe->start(agent->options.probe->self, &options, probed, unit);
    else
        judge(unit, HEALTH_BAD, err.message);
    for (size_t i = 0; i < argv.length; i++)
        mem_free(*(char **)vec_at(&argv, i));
    vec_free(&argv);
}

void unit_unwatch(struct unit *unit)
{
    const struct probe_driver *probe = unit->agent->options.probe;
    const struct clock_port *clock = unit->agent->options.clock;
    clock->cancel(clock->self, unit->beat_due);
    unit->beat_due = NULL;
    probe->stop(probe->self, unit->probe);
    unit->probe = NULL;
    if (unit->probe_ns_fd >= 0) close(unit->probe_ns_fd);
    unit->probe_ns_fd = -1;
}

/* One that comes before the word that it was started counts too. */
void unit_beat(struct unit *unit)
{
    unit->beaten = true;
    if (!unit->beat_due) return;
    expect_beat(unit);
    judge(unit, HEALTH_GOOD, "");
}

/* Of one that was let in from the door the next is due after the usual time, as if it had just spoken. */
static void expect_beat(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;
    int64_t within_ms = unit->have->health.within_ms;

    if (!unit->beaten && within_ms < FIRST_BEAT_MS) within_ms = FIRST_BEAT_MS;
    clock->cancel(clock->self, unit->beat_due);
    unit->beat_due = clock->after(clock->self, within_ms * 1000, beat_missed, unit);
}

static void beat_missed(void *ctx)
{
    struct unit *unit = ctx;
    char time[32], reason[64];
    int64_t within_ms = unit->have->health.within_ms;

    unit->beat_due = NULL;
    text_format_duration(time, unit->beaten || within_ms > FIRST_BEAT_MS ? within_ms : FIRST_BEAT_MS);
    snprintf(reason, sizeof(reason), "no heartbeat in %s", time);
    judge(unit, HEALTH_BAD, reason);
}

static void probed(void *ctx, bool good, const char *reason)
{
    judge(ctx, good ? HEALTH_GOOD : HEALTH_BAD, reason);
}

/* An instance that was good and turns bad is restarted; so is one that never became good in its time. */
static void judge(struct unit *unit, enum instance_health health, const char *reason)
{
    enum instance_health before = unit->health;

    if (before == health) return;
    unit->health = health;
    report_soon(unit->agent);
    if (health == HEALTH_GOOD) {
        unit->reason[0] = 0;
        units_step_soon(unit->agent);
    } else if (unit->state == UNIT_UP) {
        unit_fail(unit, "unhealthy: %s", reason);
    }
}
