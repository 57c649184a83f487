/* Looks after this host's own hardware: twice a minute, when the look before was answered. A sensor that does
 * not answer holds nobody up. */
#include "agent/internal.h"
#include "base/text.h"

enum {
    FIRST_US = 1000 * 1000,
    EVERY_US = 30 * 1000 * 1000,
    LATE_US = 5 * 60 * 1000 * 1000, /* an answer that is missing for so long is told of */
};

static void look(void *ctx);
static void looked(void *ctx, const struct hardware_reading *readings, size_t length, const char *note);
static void late(void *ctx);
static bool note_is(struct agent *agent, const char *note);

void hardware_start(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;

    if (!agent->options.hardware) return;
    agent->hardware = hardware_watch_new();
    agent->hardware_next = clock->after(clock->self, FIRST_US, look, agent);
}

void hardware_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    const struct hardware_port *port = agent->options.hardware;

    if (!agent->hardware) return;
    clock->cancel(clock->self, agent->hardware_next);
    port->cancel(port->self, agent->hardware_look);
    hardware_watch_free(agent->hardware);
    mem_free(agent->hardware_note);
}

void hardware_report(const struct agent *agent, struct host_report *report)
{
    report->hardware_note = agent->hardware_note ? agent->hardware_note : "";
    report->hardware_seen = agent->hardware_note != NULL;
    if (agent->hardware)
        report->findings = hardware_watch_findings(agent->hardware, &report->findings_length);
}

static void look(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    const struct hardware_port *port = agent->options.hardware;

    agent->hardware_next = clock->after(clock->self, LATE_US, late, agent);
    agent->hardware_look = port->look(port->self, looked, agent);
}

static void looked(void *ctx, const struct hardware_reading *readings, size_t length, const char *note)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    int64_t now_us = clock->steady_us(clock->self);

    agent->hardware_look = NULL;
    clock->cancel(clock->self, agent->hardware_next);
    agent->hardware_next = clock->after(clock->self, EVERY_US, look, agent);
    bool news = readings && hardware_watch_take(agent->hardware, readings, length, now_us);
    if (note_is(agent, note) || news) report_soon(agent);
}

/* What was found stays as it was found. */
static void late(void *ctx)
{
    struct agent *agent = ctx;

    agent->hardware_next = NULL;
    if (note_is(agent, "a sensor does not answer: nothing is looked at until it does")) report_soon(agent);
}

/* True: that is new. */
static bool note_is(struct agent *agent, const char *note)
{
    if (agent->hardware_note && text_equal(agent->hardware_note, note)) return false;
    mem_free(agent->hardware_note);
    agent->hardware_note = mem_strdup(note);
    return true;
}
