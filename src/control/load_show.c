/* What is known of load, for those who ask. */
#include "base/text.h"
#include "control/load_inside.h"

#include <stdlib.h>

#define PERCENT_MILLIS (100 * 1000)
#define PERCENTILE_MILLIS_DEFAULT (99 * 1000)

static void add_sources(const struct load_tier *tier, int64_t now_us, struct tier_load *shown);
static bool dispersion(const struct load_source *source, double *ret_scv);
static void add_times(struct controller *controller, const struct load_tier *tier, struct tier_load *shown);

const struct tier_load *load_get(struct controller *controller, const char *farm, const char *tier)
{
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, tier);
    struct load_tier *meter = map_get(controller->load->tiers, key);
    int64_t now_us = clock->steady_us(clock->self);

    if (!meter) return NULL;
    meter->shown =
        (struct tier_load){.farm = meter->farm,
                           .tier = meter->tier,
                           .age_us = INT64_MAX,
                           .units = meter->units,
                           .refused = meter->refused,
                           .service_us = meter->service_us > 0 ? meter->service_us : -1,
                           .service_scv_millis = meter->service_us > 0 ? meter->service_scv_millis : -1};
    add_sources(meter, now_us, &meter->shown);
    if (meter->shown.age_us >= LOAD_OLD_US) return NULL;
    add_times(controller, meter, &meter->shown);
    meter->shown.lead_ms = load_lead_ms(controller, farm, tier, &meter->shown.lead_measured);
    return &meter->shown;
}

bool load_of_instance(struct controller *controller, const char *instance, struct instance_load *ret_load)
{
    const struct clock_port *clock = controller->options.clock;
    const struct load_instance_meter *meter = map_get(controller->load->instances, instance);
    const struct record *record = mirror_get(controller->mirror, RECORD_INSTANCE, instance);
    int64_t now_us = clock->steady_us(clock->self);

    if (!meter || !record) return false;
    bool balancer_told = now_us - meter->heard_us < LOAD_OLD_US;
    bool host_told = now_us - meter->host_heard_us < LOAD_OLD_US;
    if (!balancer_told && !host_told) return false;
    const struct sla *sla = load_sla(controller, ((const struct instance *)record->object)->farm);
    *ret_load = (struct instance_load){.open = balancer_told ? meter->open : 0,
                                       .cpu_millis = host_told ? meter->cpu_millis : -1,
                                       .target_us = sla ? sla->target.response_ms * 1000 : 0};
    for (size_t i = 0; i < LOAD_MODULES; i++) {
        bool of_host = i == MODULE_RUN_QUEUE || i == MODULE_DISK;
        ret_load->means_us[i] = (of_host ? host_told : balancer_told) ? meter->means_us[i] : -1;
    }
    return true;
}

static void add_sources(const struct load_tier *tier, int64_t now_us, struct tier_load *shown)
{
    double scv_sum = 0, scv_rate = 0;
    bool is_rated = true;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(tier->sources, &cursor, NULL, &value)) {
        const struct load_source *source = value;
        int64_t age_us = now_us - source->heard_us;
        double scv;
        if (age_us >= LOAD_OLD_US) continue;
        if (age_us < shown->age_us) shown->age_us = age_us;
        is_rated = is_rated && source->rates_filled > 0;
        shown->rate_millis += source->rate_millis;
        shown->refused_millis += source->refused_millis;
        shown->failed_millis += source->failed_millis;
        shown->bytes_rate += source->bytes_rate;
        shown->open += source->last.open;
        shown->queued += source->last.queued;
        if (!dispersion(source, &scv)) continue;
        scv_sum += scv * (double)source->rate_millis;
        scv_rate += (double)source->rate_millis;
    }
    if (!is_rated) shown->rate_millis = shown->refused_millis = shown->failed_millis = shown->bytes_rate = -1;
    /* Streams that come together: the mean by their rates, W. Whitt, The Queueing Network Analyzer, 1983, the
     * asymptotic method. */
    shown->arrival_scv_millis = scv_rate > 0 ? (int64_t)(scv_sum / scv_rate * 1000 + 0.5) : -1;
}

/* In the long run the variance of counts over their mean is the SCV of the times between arrivals (of a
 * renewal process: D. R. Cox, Renewal Theory, 1962, 4.2). The variance is taken from the differences of
 * neighbours, which a trend hardly changes (J. von Neumann, 1941). */
static bool dispersion(const struct load_source *source, double *ret_scv)
{
    double sum = 0, squares = 0;
    size_t filled = source->rates_filled, oldest = filled < LOAD_COUNTS ? 0 : source->rates_next;

    if (filled < LOAD_COUNTS / 2) return false;
    for (size_t i = 0; i < filled; i++) {
        double rate = source->rates[(oldest + i) % LOAD_COUNTS];
        double before = i > 0 ? source->rates[(oldest + i - 1) % LOAD_COUNTS] : rate;
        sum += rate;
        squares += (rate - before) * (rate - before);
    }
    if (sum <= 0) return false;
    *ret_scv = squares / 2 / (double)(filled - 1) / (sum / (double)filled);
    return true;
}

static void add_times(struct controller *controller, const struct load_tier *tier, struct tier_load *shown)
{
    const struct sla *sla = load_sla(controller, tier->farm);
    int64_t now = control_now_ms(controller) / LOAD_SLOT_MS, units = 0, refused = 0;
    uint64_t sampled = 0, later = 0;
    struct histogram times = {0};

    shown->percentile_millis = sla ? sla->target.percentile_millis : PERCENTILE_MILLIS_DEFAULT;
    if (shown->percentile_millis <= 0) shown->percentile_millis = PERCENTILE_MILLIS_DEFAULT;
    shown->target_us = sla ? sla->target.response_ms * 1000 : 0;
    for (size_t i = 0; i < LOAD_SLOTS; i++) {
        const struct load_slot *slot = &tier->slots[i];
        if (slot->slot == 0 || now - slot->slot >= LOAD_SLOTS) continue;
        if (now - slot->slot < 2) histogram_merge(&times, &slot->times);
        units += slot->units;
        refused += slot->refused;
        sampled += slot->times.count;
        later += slot->later;
    }
    bool any = times.count > 0;
    shown->sampled = (int64_t)times.count;
    shown->mean_us = any ? histogram_mean_us(&times) : -1;
    shown->scv_millis = any ? histogram_scv_millis(&times) : -1;
    shown->percentile_us = any ? histogram_percentile_us(&times, shown->percentile_millis) : -1;
    shown->kept_millis = -1;
    if (shown->target_us == 0 || units <= 0) return;
    double part = sampled > 0 ? (double)later / (double)sampled : 0;
    double missed = (double)(units - refused) * part + (double)refused;
    shown->kept_millis = (int64_t)((1 - missed / (double)units) * PERCENT_MILLIS);
}
