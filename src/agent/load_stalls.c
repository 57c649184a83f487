/* How long the instances here have to wait for a processor and for the disk: what the kernel has counted
 * since the last look, as time of each second. */
#include "agent/internal.h"
#include "observe/load.h"
#include "observe/window.h"

struct stall_meter {
    int64_t incarnation;
    struct compute_stalls last;
    int64_t taken_us; /* 0: nothing yet */
    struct window run_queue, disk;
};

static bool measure(struct agent *agent, const struct unit *unit, struct load_instance *ret_shown);
static struct stall_meter *meter_of(struct agent *agent, const struct unit *unit);
static void note(struct window *window, int64_t now, int64_t before, int64_t passed_us);
static void forget_gone(struct agent *agent);

const struct load_instance *stalls_measure(struct agent *agent, struct arena *arena, size_t *ret_length)
{
    struct load_instance *list = arena_alloc_array(arena, map_length(agent->units), sizeof(*list));
    size_t cursor = 0, length = 0;
    void *value = NULL;

    forget_gone(agent);
    while (map_next(agent->units, &cursor, NULL, &value))
        if (measure(agent, value, &list[length])) length++;
    *ret_length = length;
    return list;
}

void stalls_free(struct agent *agent)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->stalls, &cursor, NULL, &value))
        mem_free(value);
    map_free(agent->stalls);
    agent->stalls = NULL;
}

/* One that is frozen waits for nothing. */
static bool measure(struct agent *agent, const struct unit *unit, struct load_instance *ret_shown)
{
    const struct compute_driver *compute = agent->options.compute;
    const struct clock_port *clock = agent->options.clock;
    struct compute_stalls stalls;
    struct error err;

    if (unit->state != UNIT_UP || unit->frozen) return false;
    if (!compute->stalls(compute->self, unit->name, &stalls, &err)) return false; /* it ends just now */
    struct stall_meter *meter = meter_of(agent, unit);
    int64_t now_us = clock->steady_us(clock->self), passed_us = now_us - meter->taken_us;
    if (meter->taken_us > 0 && passed_us > 0) {
        note(&meter->run_queue, stalls.run_queue_us, meter->last.run_queue_us, passed_us);
        note(&meter->disk, stalls.disk_us, meter->last.disk_us, passed_us);
    }
    meter->last = stalls;
    meter->taken_us = now_us;
    *ret_shown = (struct load_instance){.name = unit->name, .cpu_us = stalls.cpu_us};
    if (!window_mean_us(&meter->run_queue, &ret_shown->run_queue_us)) ret_shown->run_queue_us = -1;
    if (!window_mean_us(&meter->disk, &ret_shown->disk_us)) ret_shown->disk_us = -1;
    return true;
}

static struct stall_meter *meter_of(struct agent *agent, const struct unit *unit)
{
    struct stall_meter *meter = map_get(agent->stalls, unit->name);
    bool other = meter && meter->incarnation != unit->have->incarnation;

    if (meter && !other) return meter;
    if (!meter) {
        meter = mem_alloc(sizeof(*meter));
        map_put(agent->stalls, unit->name, meter);
    }
    *meter = (struct stall_meter){.incarnation = unit->have->incarnation,
                                  .run_queue = window_new(load_limits[MODULE_RUN_QUEUE].window),
                                  .disk = window_new(load_limits[MODULE_DISK].window)};
    return meter;
}

/* A total that is not known, or went back, says nothing. */
static void note(struct window *window, int64_t now, int64_t before, int64_t passed_us)
{
    if (now < 0 || before < 0 || now < before) return;
    window_add(window, (int64_t)((double)(now - before) * 1000000 / (double)passed_us));
}

static void forget_gone(struct agent *agent)
{
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    while (map_next(agent->stalls, &cursor, &name, &value)) {
        const struct unit *unit = map_get(agent->units, name);
        if (unit && unit->state == UNIT_UP) continue;
        map_remove(agent->stalls, name);
        mem_free(value);
    }
}
