/* Takes what agents report of load. */
#include "base/text.h"
#include "control/load_inside.h"

#include <string.h>

enum { TICK_US = 1000 * 1000, SERVICE_LEAST = 20, SERVICE_SLOWER = 256, MINUTE_MS = 60 * 1000 };
#define COUNT_MAX (1LL << 40) /* in one report: more is no count */
#define PERCENT_MILLIS (100 * 1000)

static const struct instance *spoken_for(struct controller *controller, const struct session *session,
                                         const char *name);
static void take_balancer(struct session *session, const struct load_report *report,
                          const struct load_balancer *balancer, const struct instance *instance);
static struct load_tier *tier_of(struct load *load, const char *farm, const char *tier);
static struct load_source *source_of(struct load_tier *tier, const char *balancer, const char *frontend);
static void take_frontend(struct controller *controller, struct load_tier *tier, struct load_source *source,
                          const struct load_frontend *frontend, bool fresh);
static void take_rates(struct load_source *source, const struct load_frontend *frontend, int64_t passed_us);
static int64_t grown(int64_t now, int64_t before);
static void take_servers(struct controller *controller, const char *farm,
                         const struct load_frontend *frontend);
static void take_instance(struct session *session, const struct load_instance *instance, int64_t sent_us);
static struct load_instance_meter *instance_meter(struct load *load, const char *name);
static struct load_slot *slot_now(struct controller *controller, struct load_tier *tier);
static void learn_service(struct load_tier *tier, const struct histogram *times);
static void end_minute(struct controller *controller, struct load_tier *tier, int64_t minute);
static void forget_gone(struct controller *controller, struct load_tier *tier);
static bool is_there(struct controller *controller, const struct load_tier *tier);
static void tier_free(struct load_tier *tier);
static void source_free(struct load_source *source);

struct load *load_new(void)
{
    struct load *load = mem_alloc(sizeof(*load));
    load->tiers = map_new();
    load->instances = map_new();
    load->leads = map_new();
    load->decided = map_new();
    return load;
}

void load_free(struct load *load)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!load) return;
    while (map_next(load->tiers, &cursor, NULL, &value))
        tier_free(value);
    struct map *const plain[] = {load->instances, load->leads, load->decided};
    for (size_t i = 0; i < LENGTH(plain); i++) {
        for (cursor = 0; map_next(plain[i], &cursor, NULL, &value);)
            mem_free(value);
        map_free(plain[i]);
    }
    map_free(load->tiers);
    mem_free(load);
}

void load_on_minute(struct controller *controller,
                    void (*minute)(void *ctx, const char *farm, const char *tier, int64_t minute_ms,
                                   bool good),
                    void *ctx)
{
    controller->load->minute = minute;
    controller->load->minute_ctx = ctx;
}

const struct sla *load_sla(struct controller *controller, const char *farm)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, farm);
    const struct farm *document = record ? record->object : NULL;

    if (!document || !document->sla[0]) return NULL;
    record = mirror_get(controller->mirror, RECORD_SLA, document->sla);
    return record ? record->object : NULL;
}

/* What a host says of others' instances, or of earlier ones, is passed over: it may be late. */
void load_take(struct session *session, const struct load_report *report)
{
    struct controller *controller = session->controller;

    for (size_t i = 0; i < report->balancers_length; i++) {
        const struct load_balancer *balancer = &report->balancers[i];
        const struct instance *instance = spoken_for(controller, session, balancer->instance);
        if (instance && text_equal(instance->tier, TIER_BALANCE) &&
            instance->incarnation == balancer->incarnation)
            take_balancer(session, report, balancer, instance);
    }
    for (size_t i = 0; i < report->instances_length; i++)
        if (spoken_for(controller, session, report->instances[i].name))
            take_instance(session, &report->instances[i], report->sent_us);
}

void load_tick(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    struct load *load = controller->load;
    int64_t now_us = clock->steady_us(clock->self), minute = control_now_ms(controller) / MINUTE_MS;
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;

    if (load->ticked_us && now_us - load->ticked_us < TICK_US) return;
    load->ticked_us = now_us;
    while (map_next(load->tiers, &cursor, &key, &value)) {
        struct load_tier *tier = value;
        end_minute(controller, tier, minute);
        forget_gone(controller, tier);
        if (map_length(tier->sources) > 0 || is_there(controller, tier)) continue;
        map_remove(load->tiers, key);
        tier_free(tier);
    }
    for (cursor = 0; map_next(load->instances, &cursor, &key, &value);) {
        const struct load_instance_meter *meter = value;
        if (now_us - meter->heard_us < LOAD_OLD_US || now_us - meter->host_heard_us < LOAD_OLD_US) continue;
        map_remove(load->instances, key);
        mem_free(value);
    }
}

void load_farm_gone(struct controller *controller, const char *farm)
{
    struct load *load = controller->load;
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;

    while (map_next(load->tiers, &cursor, &key, &value)) {
        struct load_tier *tier = value;
        if (!text_equal(tier->farm, farm)) continue;
        mem_free(map_remove(load->leads, key));
        map_remove(load->tiers, key);
        tier_free(tier);
    }
}

static const struct instance *spoken_for(struct controller *controller, const struct session *session,
                                         const char *name)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_INSTANCE, name);
    const struct instance *instance = record ? record->object : NULL;
    return instance && text_equal(instance->host, session->host) ? instance : NULL;
}

/* Which tier a frontend leads to stands in the farm's document. */
static void take_balancer(struct session *session, const struct load_report *report,
                          const struct load_balancer *balancer, const struct instance *instance)
{
    struct controller *controller = session->controller;
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, instance->farm);
    const struct farm *farm = record ? record->object : NULL;
    /* A balancer that this controller saw start has counted from zero; of one that was there before nobody
     * knows since when. */
    bool seen = instance->since_ms >= controller->load_since_ms;

    for (size_t i = 0; farm && i < balancer->frontends_length; i++) {
        const struct load_frontend *frontend = &balancer->frontends[i];
        const char *to_tier = NULL;
        for (size_t k = 0; k < farm->balance_length && !to_tier; k++)
            if (text_equal(farm->balance[k].name, frontend->name)) to_tier = farm->balance[k].to_tier;
        if (!to_tier) continue;
        struct load_tier *tier = tier_of(controller->load, instance->farm, to_tier);
        struct load_source *source = source_of(tier, instance->name, frontend->name);
        bool fresh = source->boot == NULL;
        if (!text_equal(source->boot, report->boot) || source->incarnation != balancer->incarnation) {
            /* Another run of it: it counts from zero, and what an earlier one counted last is lost. */
            mem_free(source->boot);
            source->boot = mem_strdup(report->boot);
            source->incarnation = balancer->incarnation;
            source->last = (struct load_frontend){0};
        }
        take_frontend(controller, tier, source, frontend, fresh && !seen);
        take_servers(controller, instance->farm, frontend);
    }
}

static struct load_tier *tier_of(struct load *load, const char *farm, const char *tier)
{
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, tier);
    struct load_tier *meter = map_get(load->tiers, key);

    if (meter) return meter;
    meter = mem_alloc(sizeof(*meter));
    meter->farm = mem_strdup(farm);
    meter->tier = mem_strdup(tier);
    meter->sources = map_new();
    map_put(load->tiers, key, meter);
    return meter;
}

static struct load_source *source_of(struct load_tier *tier, const char *balancer, const char *frontend)
{
    CLEANUP_MEM char *key = mem_printf("%s %s", balancer, frontend);
    struct load_source *source = map_get(tier->sources, key);

    if (source) return source;
    source = mem_alloc(sizeof(*source));
    map_put(tier->sources, key, source);
    return source;
}

/* fresh: its totals are of a time before this controller's. */
static void take_frontend(struct controller *controller, struct load_tier *tier, struct load_source *source,
                          const struct load_frontend *frontend, bool fresh)
{
    const struct clock_port *clock = controller->options.clock;
    const struct sla *sla = load_sla(controller, tier->farm);
    struct load_slot *slot = slot_now(controller, tier);
    struct load_minute *minute = &tier->minute;
    struct histogram times;

    source->heard_us = clock->steady_us(clock->self);
    end_minute(controller, tier, control_now_ms(controller) / MINUTE_MS); /* before the tick came to it */
    minute->minute = control_now_ms(controller) / MINUTE_MS;
    if (histogram_read(frontend->times, &times) && times.count > 0) {
        uint64_t later =
            sla && sla->target.response_ms > 0 ? histogram_later(&times, sla->target.response_ms * 1000) : 0;
        histogram_merge(&slot->times, &times);
        slot->later += later;
        minute->sampled += times.count;
        minute->later += later;
    }
    int64_t passed_us = frontend->taken_us - source->last.taken_us;
    bool known = source->last.taken_us > 0 && passed_us > 0;
    if (!fresh && (known || source->last.taken_us == 0)) {
        int64_t units = grown(frontend->units, source->last.units);
        int64_t refused = grown(frontend->refused, source->last.refused);
        tier->units += units;
        tier->refused += refused;
        slot->units += units;
        slot->refused += refused;
        minute->units += units;
        minute->refused += refused;
    }
    if (known) take_rates(source, frontend, passed_us);
    if (source->last.taken_us > 0 && !known) return; /* told twice */
    source->last = *frontend;
    source->last.name = source->last.times = NULL;
    source->last.servers = NULL;
    source->last.servers_length = 0;
}

static void take_rates(struct load_source *source, const struct load_frontend *frontend, int64_t passed_us)
{
    const struct load_frontend *last = &source->last;
    const double per_s = 1000000.0 / (double)passed_us;
    double rate = (double)grown(frontend->units, last->units) * per_s;

    source->rate_millis = (int64_t)(rate * 1000 + 0.5);
    source->refused_millis = (int64_t)((double)grown(frontend->refused, last->refused) * per_s * 1000 + 0.5);
    source->failed_millis = (int64_t)((double)grown(frontend->failed, last->failed) * per_s * 1000 + 0.5);
    source->bytes_rate = (int64_t)((double)grown(frontend->bytes, last->bytes) * per_s + 0.5);
    source->rates[source->rates_next] = rate;
    source->rates_next = (source->rates_next + 1) % LOAD_COUNTS;
    if (source->rates_filled < LOAD_COUNTS) source->rates_filled++;
}

/* Less than before: its program was started anew, and counts from zero. */
static int64_t grown(int64_t now, int64_t before)
{
    int64_t more = now >= before ? now - before : now;
    return more < COUNT_MAX ? more : COUNT_MAX;
}

static void take_servers(struct controller *controller, const char *farm,
                         const struct load_frontend *frontend)
{
    const struct clock_port *clock = controller->options.clock;

    for (size_t i = 0; i < frontend->servers_length; i++) {
        const struct load_server *server = &frontend->servers[i];
        CLEANUP_MEM char *name = mem_printf("%s/%s", farm, server->instance);
        if (!mirror_get(controller->mirror, RECORD_INSTANCE, name)) continue;
        struct load_instance_meter *meter = instance_meter(controller->load, name);
        meter->heard_us = clock->steady_us(clock->self);
        meter->means_us[MODULE_REQUESTS] = server->requests_us;
        meter->means_us[MODULE_CONNECTIONS] = server->connections_us;
        meter->open = server->open;
    }
}

static void take_instance(struct session *session, const struct load_instance *instance, int64_t sent_us)
{
    struct controller *controller = session->controller;
    const struct clock_port *clock = controller->options.clock;
    struct load_instance_meter *meter = instance_meter(controller->load, instance->name);
    int64_t passed_us = sent_us - meter->cpu_taken_us;

    if (meter->cpu_taken_us > 0 && passed_us > 0)
        meter->cpu_millis =
            (int64_t)((double)grown(instance->cpu_us, meter->cpu_us) * 1000 / (double)passed_us);
    meter->cpu_us = instance->cpu_us;
    meter->cpu_taken_us = sent_us;
    meter->host_heard_us = clock->steady_us(clock->self);
    meter->means_us[MODULE_RUN_QUEUE] = instance->run_queue_us;
    meter->means_us[MODULE_DISK] = instance->disk_us;
}

static struct load_instance_meter *instance_meter(struct load *load, const char *name)
{
    struct load_instance_meter *meter = map_get(load->instances, name);

    if (meter) return meter;
    meter = mem_alloc(sizeof(*meter));
    *meter = (struct load_instance_meter){
        .cpu_millis = -1, .heard_us = -LOAD_OLD_US, .host_heard_us = -LOAD_OLD_US};
    for (size_t i = 0; i < LOAD_MODULES; i++)
        meter->means_us[i] = -1;
    map_put(load->instances, name, meter);
    return meter;
}

static struct load_slot *slot_now(struct controller *controller, struct load_tier *tier)
{
    int64_t now = control_now_ms(controller) / LOAD_SLOT_MS;
    struct load_slot *slot = &tier->slots[now % LOAD_SLOTS];

    if (slot->slot == now) return slot;
    /* It begins; the one before is whole. */
    const struct load_slot *before = &tier->slots[(now - 1) % LOAD_SLOTS];
    if (before->slot == now - 1) learn_service(tier, &before->times);
    *slot = (struct load_slot){.slot = now};
    return slot;
}

/* What a request takes when none waits for another: the least mean of ten seconds. It rises slowly, so that a
 * tier that became slower is known as such within an hour. */
static void learn_service(struct load_tier *tier, const struct histogram *times)
{
    int64_t mean_us = histogram_mean_us(times);

    if (times->count < SERVICE_LEAST) return;
    if (tier->service_us == 0 || mean_us < tier->service_us) {
        tier->service_us = mean_us > 0 ? mean_us : 1;
        tier->service_scv_millis = histogram_scv_millis(times);
    } else {
        tier->service_us += (mean_us - tier->service_us) / SERVICE_SLOWER;
    }
}

/* Late is estimated from the sample, refused is counted: together they must not be more than the service
 * level lets pass. A minute without a request meets every target. */
static void end_minute(struct controller *controller, struct load_tier *tier, int64_t minute)
{
    struct load *load = controller->load;
    struct load_minute *over = &tier->minute;
    const struct sla *sla = load_sla(controller, tier->farm);

    if (over->minute == 0 || over->minute == minute) return;
    if (sla && sla->target.response_ms > 0 && load->minute) {
        double answered = (double)(over->units - over->refused);
        double part = over->sampled > 0 ? (double)over->later / (double)over->sampled : 0;
        double missed = answered * part + (double)over->refused;
        double allowed = (double)over->units * (double)(PERCENT_MILLIS - sla->target.percentile_millis);
        load->minute(load->minute_ctx, tier->farm, tier->tier, over->minute * MINUTE_MS,
                     missed * PERCENT_MILLIS <= allowed);
    }
    *over = (struct load_minute){0};
}

/* A balancer that is silent counts on: what it says next is more of the same. */
static void forget_gone(struct controller *controller, struct load_tier *tier)
{
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;

    while (map_next(tier->sources, &cursor, &key, &value)) {
        CLEANUP_MEM char *balancer = mem_strndup(key, (size_t)(strchr(key, ' ') - key));
        if (mirror_get(controller->mirror, RECORD_INSTANCE, balancer)) continue;
        map_remove(tier->sources, key);
        source_free(value);
    }
}

/* Its farm's document has it. */
static bool is_there(struct controller *controller, const struct load_tier *tier)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, tier->farm);
    const struct farm *farm = record ? record->object : NULL;

    for (size_t i = 0; farm && i < farm->tiers_length; i++)
        if (text_equal(farm->tiers[i].name, tier->tier)) return true;
    return false;
}

static void tier_free(struct load_tier *tier)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(tier->sources, &cursor, NULL, &value))
        source_free(value);
    map_free(tier->sources);
    mem_free(tier->farm);
    mem_free(tier->tier);
    mem_free(tier);
}

static void source_free(struct load_source *source)
{
    mem_free(source->boot);
    mem_free(source);
}
