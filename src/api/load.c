/* What is known of the load of tiers and instances, as people see it. What is not known has no member. */
#include "control/load.h"
#include "api/internal.h"
#include "base/text.h"
#include "control/sizing.h"
#include "control/usage.h"
#include "observe/load.h"
#include "observe/window.h"

#include <inttypes.h>

static const struct tier_load *tightest(struct controller *controller, const struct farm *farm);
/* A series of tiers: a number out of struct tier_load, divided by `scale`; below 0: not known. */
struct series {
    const char *name, *help, *type;
    size_t offset;
    double scale;
};

static const struct series tier_series[] = {
    {"croft_tier_requests_total", "Requests (tcp: connections) to the tier.", "counter",
     offsetof(struct tier_load, units), 1},
    {"croft_tier_refused_total", "Of them answered by the balancer, for nobody could serve.", "counter",
     offsetof(struct tier_load, refused), 1},
    {"croft_tier_requests_per_second", "Requests (tcp: connections) a second, now.", "gauge",
     offsetof(struct tier_load, rate_millis), 1e3},
    {"croft_tier_bytes_per_second", "Bytes a second through the balancer, both ways.", "gauge",
     offsetof(struct tier_load, bytes_rate), 1},
    {"croft_tier_open", "Requests (tcp: connections) under way.", "gauge", offsetof(struct tier_load, open),
     1},
    {"croft_tier_queued", "Requests that wait for a server.", "gauge", offsetof(struct tier_load, queued), 1},
    {"croft_tier_response_mean_seconds", "Mean time to the head of the answer, by a sample.", "gauge",
     offsetof(struct tier_load, mean_us), 1e6},
    {"croft_tier_response_percentile_seconds", "The same at the service level's percentile, or the 99th.",
     "gauge", offsetof(struct tier_load, percentile_us), 1e6},
    {"croft_tier_in_time_ratio", "Part of the last minute's requests that met the target.", "gauge",
     offsetof(struct tier_load, kept_millis), 1e5},
    {"croft_tier_lead_seconds", "From the decision for an instance until it serves.", "gauge",
     offsetof(struct tier_load, lead_ms), 1e3},
};

static void tier_metric(struct controller *controller, const struct series *series, struct buf *ret_text);
static void instance_metric(struct controller *controller, enum load_module module, struct buf *ret_text);
static bool balanced(const struct instance_load *load, enum load_module module, int64_t *ret_rate);
static void write_sized(const struct sized *sized, struct buf *ret_json);
static void write_times(const struct tier_load *load, struct buf *ret_json);
static void write_millis(struct buf *ret_json, const char *key, int64_t millis);

const char *load_level(const struct farm *farm, const struct farm_fact *fact)
{
    enum level level = LEVEL_COMMITTED;

    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier *tier = &farm->tiers[i];
        enum level of_tier = plan_level(&tier->count, plan_wanted(farm, fact, tier));
        if (of_tier > level) level = of_tier;
    }
    return level_names[level];
}

void load_write_tier(struct controller *controller, const char *farm, const char *tier, struct buf *ret_json)
{
    const struct tier_load *load = load_get(controller, farm, tier);

    write_sized(sizing_get(controller, farm, tier), ret_json);
    if (!load) return;
    write_millis(ret_json, "rate", load->rate_millis);
    write_millis(ret_json, "refused_rate", load->refused_millis);
    write_millis(ret_json, "failed_rate", load->failed_millis);
    buf_printf(ret_json, ",\"bytes_rate\":%" PRId64 ",\"open\":%" PRId64 ",\"queued\":%" PRId64,
               load->bytes_rate, load->open, load->queued);
    write_times(load, ret_json);
}

void load_write_farm(struct controller *controller, const char *name, struct buf *ret_json)
{
    const struct record *record = mirror_get(controller_mirror(controller), RECORD_FARM, name);
    const struct record *fact = mirror_get(controller_mirror(controller), RECORD_FARM_FACT, name);
    const struct farm *farm = record ? record->object : NULL;
    int64_t rate_millis = 0;
    bool known = false;

    if (!farm) return;
    buf_add_text(ret_json, ",\"level\":");
    buf_add_json_string(ret_json, load_level(farm, fact ? fact->object : NULL));
    const struct sized *neediest = NULL;
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct sized *sized = sizing_get(controller, name, farm->tiers[i].name);
        if (sized && (!neediest || sized->need.need > neediest->need.need)) neediest = sized;
    }
    write_sized(neediest, ret_json);
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier_load *load = load_get(controller, name, farm->tiers[i].name);
        if (!load) continue;
        known = true;
        rate_millis += load->rate_millis;
    }
    if (!known) return;
    write_millis(ret_json, "rate", rate_millis);
    const struct tier_load *load = tightest(controller, farm);
    if (load) write_times(load, ret_json);
}

void load_write_target(struct controller *controller, const struct farm *farm, struct buf *ret_json)
{
    const struct record *record =
        farm->sla[0] ? mirror_get(controller_mirror(controller), RECORD_SLA, farm->sla) : NULL;
    const struct sla *sla = record ? record->object : NULL;
    struct usage_kept kept;

    if (!sla || sla->target.response_ms == 0) {
        buf_add_text(ret_json, ",\"target_ms\":null,\"percentile\":null,\"target_kept_percent\":null,"
                               "\"target_minutes\":null");
        return;
    }
    buf_printf(ret_json, ",\"target_ms\":%" PRId64, sla->target.response_ms);
    write_millis(ret_json, "percentile", sla->target.percentile_millis);
    if (usage_kept(controller, farm, &kept)) {
        write_millis(ret_json, "target_kept_percent", kept.good * 100000 / kept.seen);
        buf_printf(ret_json, ",\"target_minutes\":%" PRId64, kept.seen);
    } else {
        buf_add_text(ret_json, ",\"target_kept_percent\":null,\"target_minutes\":0");
    }
}

void load_write_instance(struct controller *controller, const char *name, struct buf *ret_json)
{
    struct instance_load load;
    const char *between = "";

    if (!load_of_instance(controller, name, &load)) return;
    buf_add_text(ret_json, ",\"balanced\":{");
    for (size_t i = 0; i < LOAD_MODULES; i++) {
        int64_t rate;
        if (!balanced(&load, (enum load_module)i, &rate)) continue;
        buf_printf(ret_json, "%s\"%s\":%" PRId64, between, load_module_names[i], rate);
        between = ",";
    }
    buf_add_char(ret_json, '}');
}

void load_metrics(struct controller *controller, struct buf *ret_text)
{
    for (size_t i = 0; i < LENGTH(tier_series); i++) {
        const struct series *series = &tier_series[i];
        buf_printf(ret_text, "# HELP %s %s\n# TYPE %s %s\n", series->name, series->help, series->name,
                   series->type);
        tier_metric(controller, series, ret_text);
    }
    buf_add_text(ret_text,
                 "# HELP croft_instance_balanced_rate How good a module's times are: -50 ideal, 50 the "
                 "limit.\n# TYPE croft_instance_balanced_rate gauge\n");
    for (size_t i = 0; i < LOAD_MODULES; i++)
        instance_metric(controller, (enum load_module)i, ret_text);
}

static void tier_metric(struct controller *controller, const struct series *series, struct buf *ret_text)
{
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(controller));

    for (size_t i = 0; i < snapshot->farms_length; i++) {
        const struct farm *farm = &snapshot->farms[i];
        for (size_t k = 0; k < farm->tiers_length; k++) {
            const struct tier_load *load = load_get(controller, farm->full_name, farm->tiers[k].name);
            if (!load) continue;
            int64_t value = *(const int64_t *)(const void *)((const char *)load + series->offset);
            if (value < 0) continue;
            buf_printf(ret_text, "%s{farm=\"%s\",tier=\"%s\"} %.10g\n", series->name, farm->full_name,
                       farm->tiers[k].name, (double)value / series->scale);
        }
    }
}

static void instance_metric(struct controller *controller, enum load_module module, struct buf *ret_text)
{
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(controller));

    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        struct instance_load load;
        int64_t rate;
        if (!load_of_instance(controller, instance->name, &load) || !balanced(&load, module, &rate)) continue;
        buf_printf(ret_text, "croft_instance_balanced_rate{instance=\"%s\",module=\"%s\"} %" PRId64 "\n",
                   instance->name, load_module_names[module], rate);
    }
}

/* What the service level tolerates is the most that requests may take. */
static bool balanced(const struct instance_load *load, enum load_module module, int64_t *ret_rate)
{
    const struct load_limits *limits = &load_limits[module];
    int64_t max_us = module == MODULE_REQUESTS && load->target_us > 0 ? load->target_us : limits->max_us;
    return load->means_us[module] >= 0 &&
           window_rate(load->means_us[module], limits->min_us, max_us, ret_rate);
}

/* Of a farm's tiers that are asked something: the one whose response is nearest to its target, or over it.
 * All tiers of a farm have the same target. */
static const struct tier_load *tightest(struct controller *controller, const struct farm *farm)
{
    const char *slowest = NULL;
    int64_t most_us = -1;

    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier_load *load = load_get(controller, farm->full_name, farm->tiers[i].name);
        if (!load || load->percentile_us <= most_us) continue;
        most_us = load->percentile_us;
        slowest = farm->tiers[i].name;
    }
    return slowest ? load_get(controller, farm->full_name, slowest) : NULL;
}

/* Need as it was decided last, and where the load goes: per cent in an hour, if it went on as in the last
 * minutes. NULL: the tier is not sized by its load. */
static void write_sized(const struct sized *sized, struct buf *ret_json)
{
    enum { MINUTES = 60, TREND_MAX = 999 };

    if (!sized || sized->observed_ms == 0) return;
    double trend = sized->forecast.trend * MINUTES * 100;
    if (trend > TREND_MAX) trend = TREND_MAX;
    if (trend < -TREND_MAX) trend = -TREND_MAX;
    buf_printf(ret_json, ",\"need\":%.0f,\"trend_percent_an_hour\":%.0f", sized->need.need, trend);
    if (!sized->lacks_why) return;
    buf_add_text(ret_json, ",\"waits\":");
    buf_add_json_string(ret_json, sized->lacks_why);
}

static void write_times(const struct tier_load *load, struct buf *ret_json)
{
    if (load->sampled > 0) {
        write_millis(ret_json, "response_ms", load->percentile_us);
        write_millis(ret_json, "response_mean_ms", load->mean_us);
        write_millis(ret_json, "percentile", load->percentile_millis);
    }
    if (load->target_us > 0) write_millis(ret_json, "target_ms", load->target_us);
    if (load->kept_millis >= 0) write_millis(ret_json, "in_time_percent", load->kept_millis);
}

/* Microseconds are thousandths of a millisecond. */
static void write_millis(struct buf *ret_json, const char *key, int64_t millis)
{
    char text[32];
    buf_printf(ret_json, ",\"%s\":%s", key, text_format_cpus(text, millis));
}
