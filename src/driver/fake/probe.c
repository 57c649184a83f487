/* Probes look at the script instead of a socket: an instance is well when it runs, is not frozen, and is not
 * scripted to be unhealthy. The paces are those of driver/probe. */
#include "driver/fake/inside.h"

#include "base/text.h"

struct probe {
    struct fake_host *host;
    struct timer *timer;
    uint32_t address; /* of the instance; 0: by name */
    char *name;
    int64_t every_ms, fails_max, fails;
    bool told, good;
    probe_changed changed;
    void *ctx;
};

static struct probe *start(void *self, const struct probe_options *options, probe_changed changed, void *ctx);
static void stop(void *self, struct probe *probe);
static void attempt(void *ctx);
static bool is_well(const struct probe *probe);

const struct probe_driver *fake_probe(struct fake_host *host)
{
    host->probe = (struct probe_driver){.self = host, .start = start, .stop = stop};
    return &host->probe;
}

static struct probe *start(void *self, const struct probe_options *options, probe_changed changed, void *ctx)
{
    struct fake_host *host = self;
    struct probe *probe = mem_alloc(sizeof(*probe));
    const struct health *health = options->health;

    probe->host = host;
    probe->address = health->kind == HEALTH_EXEC ? 0 : options->address;
    if (health->kind == HEALTH_EXEC) probe->name = mem_strdup(options->exec_argv[1]);
    probe->every_ms = health->every_ms > 0 ? health->every_ms : 1000;
    probe->fails_max = health->fails > 0 ? health->fails : 1;
    probe->changed = changed;
    probe->ctx = ctx;
    probe->timer = world_after(host->world, 1, attempt, probe);
    return probe;
}

static void stop(void *self, struct probe *probe)
{
    if (!probe) return;
    world_cancel(probe->host->world, probe->timer);
    mem_free(probe->name);
    mem_free(probe);
}

static void attempt(void *ctx)
{
    struct probe *probe = ctx;
    bool well = is_well(probe);

    probe->timer = world_after(probe->host->world, probe->every_ms, attempt, probe);
    probe->fails = well ? 0 : probe->fails + 1;
    if (!well && probe->fails < probe->fails_max) return;
    if (probe->told && probe->good == well) return;
    probe->told = true;
    probe->good = well;
    probe->changed(probe->ctx, well, well ? "" : "not well, as scripted"); /* may stop the probe */
}

static bool is_well(const struct probe *probe)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(probe->host->traces, &cursor, NULL, &value)) {
        const struct trace *trace = value;
        bool it = probe->name ? text_equal(probe->name, trace->name) : trace->address == probe->address;
        if (it)
            return trace->running && !trace->frozen && !trace->hangs &&
                   !script_of(probe->host->world, trace->name)->unhealthy;
    }
    return false;
}
