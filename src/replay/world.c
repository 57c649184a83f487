#include "base/text.h"
#include "replay/inside.h"

#include <stdio.h>

/* What `hosts` without documents are: the example of model.md. */
static const struct resources host_default = {8000, 32LL << 30, 400LL << 30, 10000000000};
/* What is known of the times of service before anything was measured, and what the model takes: README.md. */
static const double service_scv = 0.25, arrival_scv = 1;

static bool is_sized(const struct tier *tier);
static bool find_farm(struct replay_world *world, const struct documents *documents,
                      const struct trace_farm *trace, struct error *err);
static bool fill_farm(struct replay_world *world, const struct documents *documents,
                      const struct farm *document, const struct trace_farm *trace, struct error *err);
static const struct document *find(const struct documents *documents, enum document_kind kind,
                                   const char *name);
static void make_hosts(struct replay_world *world, const struct documents *documents);
static bool wrong(const struct replay_world *world, const struct trace_farm *trace, struct error *err);

bool replay_make(struct replay_world *world, const struct documents *documents, struct error *err)
{
    const struct trace *trace = world->trace;

    world->farms = arena_alloc_array(world->arena, trace->length, sizeof(*world->farms));
    make_hosts(world, documents);
    for (size_t i = 0; i < trace->length; i++)
        if (!find_farm(world, documents, &trace->farms[i], err)) return false;
    return true;
}

void replay_free(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        vec_free(&world->farms[i].coming);
        vec_free(&world->farms[i].leaving);
    }
}

const char *replay_left_out(const struct replay_world *world, const struct documents *documents)
{
    CLEANUP_BUF struct buf text = {0};

    for (size_t i = 0; i < documents->length; i++) {
        const struct farm *farm = documents->items[i].farm;
        const struct tier *with_demand = NULL;
        if (documents->items[i].kind->kind != KIND_FARM || farm->sla[0] == '\0') continue;
        for (size_t k = 0; k < world->length; k++)
            if (world->farms[k].farm == farm) with_demand = world->farms[k].tier;
        for (size_t k = 0; k < farm->tiers_length; k++)
            if (is_sized(&farm->tiers[k]) && &farm->tiers[k] != with_demand)
                buf_printf(&text, "%s%s/%s%s", text.size ? ", " : "", documents->items[i].name,
                           farm->tiers[k].name, with_demand ? "" : " (no rows)");
    }
    return arena_strndup(world->arena, buf_text(&text), text.size);
}

double replay_rate(const struct replay_farm *farm, size_t nth)
{
    return nth < farm->trace->length ? farm->trace->rates[nth] : 0;
}

static bool find_farm(struct replay_world *world, const struct documents *documents,
                      const struct trace_farm *trace, struct error *err)
{
    const char **names = arena_alloc_array(world->arena, documents->length + 1, sizeof(*names));
    size_t length = 0;

    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind != KIND_FARM) continue;
        if (text_equal(document->name, trace->name))
            return fill_farm(world, documents, document->farm, trace, err);
        names[length++] = document->name;
    }
    const char *nearest = text_nearest(trace->name, names, length);
    error_set(err, ERROR_INVALID, "no farm \"%s\" in %s%s%s%s", trace->name, world->options->file,
              nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return wrong(world, trace, err);
}

static bool is_sized(const struct tier *tier)
{
    return tier->capacity > 0 && tier->count.max > tier->count.committed;
}

static bool fill_farm(struct replay_world *world, const struct documents *documents,
                      const struct farm *document, const struct trace_farm *trace, struct error *err)
{
    const struct document *sla = find(documents, KIND_SLA, document->sla);
    const struct tier *tier = NULL;

    for (size_t i = 0; i < document->tiers_length && tier == NULL; i++)
        if (is_sized(&document->tiers[i])) tier = &document->tiers[i];
    if (sla == NULL || tier == NULL) {
        error_set(err, ERROR_INVALID, "%s is not sized by load: in %s give it %s", trace->name,
                  world->options->file,
                  sla == NULL ? "a service level (sla:) that stands there too"
                              : "a tier with a capacity and a count with max above committed");
        return wrong(world, trace, err);
    }
    const struct document *rules = find(documents, KIND_SCALING_RULES, sla->sla->rules);
    struct replay_farm *farm = &world->farms[world->length++];
    *farm = (struct replay_farm){.name = trace->name,
                                 .farm = document,
                                 .tier = tier,
                                 .sla = sla->sla,
                                 .rules = rules ? rules->scaling_rules : NULL,
                                 .trace = trace,
                                 .capacity = (double)tier->capacity,
                                 .coming = VEC_OF(struct passing),
                                 .leaving = VEC_OF(struct passing)};
    int64_t end_ms = (int64_t)world->trace->rows * world->trace->step_ms;
    farm->minutes_length = (size_t)(end_ms / 60000) + 1;
    farm->minutes = arena_alloc_array(world->arena, farm->minutes_length, sizeof(*farm->minutes));
    farm->minutes_length = 0;
    farm->on = arena_alloc_array(world->arena, world->hosts_length + 1, sizeof(*farm->on));
    farm->late_max = 1 - (double)farm->sla->target.percentile_millis / 100000;
    farm->station.target_s = (double)farm->sla->target.response_ms / 1000;
    farm->station.load = (struct queue_load){.arrival_scv = arrival_scv,
                                             .service_s = 1 / farm->capacity,
                                             .service_scv = service_scv,
                                             .concurrency = 1};
    return true;
}

static const struct document *find(const struct documents *documents, enum document_kind kind,
                                   const char *name)
{
    for (size_t i = 0; i < documents->length; i++)
        if (documents->items[i].kind->kind == kind && text_equal(documents->items[i].name, name))
            return &documents->items[i];
    return NULL;
}

static void make_hosts(struct replay_world *world, const struct documents *documents)
{
    size_t length = 0;

    for (size_t i = 0; i < documents->length; i++)
        length += documents->items[i].kind->kind == KIND_HOST;
    bool told = length > 0;
    if (!told) length = (size_t)world->options->hosts;
    world->hosts = arena_alloc_array(world->arena, length + 1, sizeof(*world->hosts));
    for (size_t i = 0; i < length && !told; i++)
        world->hosts[world->hosts_length++] =
            (struct replay_host){arena_printf(world->arena, "h%zu", i + 1), host_default};
    for (size_t i = 0; i < documents->length && told; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind != KIND_HOST) continue;
        struct resources free = document->host->capacity;
        free.cpus_millis -= document->host->reserve.cpus_millis;
        free.memory_bytes -= document->host->reserve.memory_bytes;
        free.disk_bytes -= document->host->reserve.disk_bytes;
        free.network_bits_per_s -= document->host->reserve.network_bits_per_s;
        world->hosts[world->hosts_length++] = (struct replay_host){document->name, free};
    }
}

static bool wrong(const struct replay_world *world, const struct trace_farm *trace, struct error *err)
{
    snprintf(err->file, sizeof(err->file), "%s", world->options->trace_file);
    snprintf(err->field, sizeof(err->field), "farm");
    err->line = trace->line;
    err->column = trace->column;
    return false;
}
