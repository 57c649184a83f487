/* What is known of the load of tiers and instances, as people see it. What is not known has no member. */
#include "control/load.h"
#include "api/internal.h"
#include "base/text.h"
#include "observe/load.h"
#include "observe/window.h"

#include <inttypes.h>

static const struct tier_load *tightest(struct controller *controller, const struct farm *farm);
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

void load_write_instance(struct controller *controller, const char *name, struct buf *ret_json)
{
    struct instance_load load;
    const char *between = "";

    if (!load_of_instance(controller, name, &load)) return;
    buf_add_text(ret_json, ",\"balanced\":{");
    for (size_t i = 0; i < LOAD_MODULES; i++) {
        const struct load_limits *limits = &load_limits[i];
        int64_t max_us = i == MODULE_REQUESTS && load.target_us > 0 ? load.target_us : limits->max_us, rate;
        if (load.means_us[i] < 0 || !window_rate(load.means_us[i], limits->min_us, max_us, &rate)) continue;
        buf_printf(ret_json, "%s\"%s\":%" PRId64, between, load_module_names[i], rate);
        between = ",";
    }
    buf_add_char(ret_json, '}');
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
