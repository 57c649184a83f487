#include "control/sizing.h"

#include "base/text.h"
#include "control/internal.h"
#include "control/load.h"
#include "control/usage.h"
#include "plan/share/view.h"

#include <string.h>

enum {
    TICK_US = 1000 * 1000,
    TICK_STEP_US = 1000 * 1000,
    REPORT_US_MAX = 3 * 1000 * 1000, /* an older report says nothing of now */
    SPAN_MS_MAX = 5 * 1000,          /* of what a rate is taken to have held for, when reports were missing */
    AT_ONCE = 500,            /* farms, or minutes, of a transaction: each is a few of its operations */
    SAVE_MS = 10 * 60 * 1000, /* a restart forgets no more of the forecast */
};

/* One time. */
struct sizing {
    struct controller *controller;
    struct arena *arena;
    int64_t now_ms;
    struct vec asks; /* struct share_ask, by farm and tier */
    struct change *change;
};

/* Room was taken from others for members of a tier that had no place. */
struct took {
    int64_t at_ms, without;
};

/* A whole minute of a tier that has a target: did it meet it? */
struct minute {
    char *farm, *tier;
    int64_t at_ms; /* in it, by the ledger's clock */
    bool good;
};

static void arm(struct controller *controller);
static void tick(void *ctx);
static void note_minute(void *ctx, const char *farm, const char *tier, int64_t minute_ms, bool good);
static void minute_free(struct minute *minute);
static void flush(struct sizing *sizing);
static void forget_told(struct controller *controller);
static void write_minutes(struct controller *controller);
static void size_all(struct controller *controller);
static void size_farm(struct sizing *sizing, const struct farm *farm, const struct sla *sla,
                      uint64_t revision);
static void size_tier(struct sizing *sizing, const struct farm *farm, const struct tier *tier,
                      const struct sla *sla, uint64_t revision);
static struct need_tier need_tier(struct sizing *sizing, struct sized *sized, const struct tier *tier,
                                  const struct sla *sla, uint64_t revision);
static struct need_load load_of(struct sizing *sizing, const struct farm *farm, const struct tier *tier,
                                const struct sla *sla, struct sized *sized);
static void observe(struct sizing *sizing, struct sized *sized, const struct tier_load *load,
                    const struct sla *sla, double cpus);
static double cpus_of(struct sizing *sizing, const struct farm *farm, const struct tier *tier);
static void share(struct sizing *sizing);
static void tell_takers(struct sizing *sizing, struct share_input *input);
static void note_takers(struct sizing *sizing, const struct share_input *input,
                        const struct share_result *result);
static void take_changes(struct sizing *sizing, const struct share_input *input,
                         const struct share_result *result);
static void take_waits(struct sizing *sizing, const struct share_input *input,
                       const struct share_result *result);
static struct tier_scale *scales_with(struct sizing *sizing, const struct farm_fact *fact,
                                      const struct share_tier *tier, const struct share_change *change,
                                      size_t *ret_length);
static void drop_scales(struct sizing *sizing, const struct farm *farm);
static void put_fact(struct sizing *sizing, const char *name, const struct farm_fact *before,
                     const struct farm_fact *fact);
static struct sized *sized_get(struct sizing *sizing, const char *farm, const char *tier,
                               enum sla_metric metric);
static void count_anew(struct sizing *sizing, const char *name, struct sized *sized, enum sla_metric metric);
static void save(struct sizing *sizing, const char *name, struct sized *sized);
static void forget_unseen(struct sizing *sizing);
static void sized_free(struct sized *sized);
static const char *key_of(struct arena *arena, const char *name);

void sizing_start(struct controller *controller)
{
    controller->sized = map_new();
    controller->took = map_new();
    controller->rules_arena = arena_new();
    controller->minutes = VEC_OF(struct minute);
    load_on_minute(controller, note_minute, controller);
    arm(controller);
}

void sizing_stop(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    size_t cursor = 0;
    void *sized = NULL, *took = NULL;

    clock->cancel(clock->self, controller->sizing);
    while (controller->sized && map_next(controller->sized, &cursor, NULL, &sized))
        sized_free(sized);
    map_free(controller->sized);
    for (cursor = 0; controller->took && map_next(controller->took, &cursor, NULL, &took);)
        mem_free(took);
    map_free(controller->took);
    for (size_t i = 0; i < controller->minutes.length; i++)
        minute_free(vec_at(&controller->minutes, i));
    vec_free(&controller->minutes);
    arena_free(controller->rules_arena);
}

const struct sized *sizing_get(const struct controller *controller, const char *farm, const char *tier)
{
    CLEANUP_MEM char *name = mem_printf("%s/%s", farm, tier);
    return map_get(controller->sized, name);
}

bool sizing_applies(const struct controller *controller, const struct farm *farm, const struct tier *tier)
{
    const struct record *fact = mirror_get(controller->mirror, RECORD_FARM_FACT, farm->full_name);

    return farm->sla[0] && farm_runs(farm, fact ? fact->object : NULL) && tier->capacity > 0 &&
           tier->count.max > tier->count.committed;
}

static void arm(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    controller->sizing = clock->after_together(clock->self, TICK_US, TICK_STEP_US, tick, controller);
}

static void tick(void *ctx)
{
    struct controller *controller = ctx;
    arm(controller);
    size_all(controller);
}

/* The books go by a clock of their own. */
static void note_minute(void *ctx, const char *farm, const char *tier, int64_t minute_ms, bool good)
{
    struct controller *controller = ctx;
    int64_t age_ms = control_now_ms(controller) - minute_ms;
    *(struct minute *)vec_push(&controller->minutes) =
        (struct minute){mem_strdup(farm), mem_strdup(tier), usage_now_ms(controller) - age_ms, good};
}

static void minute_free(struct minute *minute)
{
    mem_free(minute->farm);
    mem_free(minute->tier);
}

static void size_all(struct controller *controller)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct sizing sizing = {.controller = controller,
                            .arena = arena,
                            .now_ms = control_now_ms(controller),
                            .asks = VEC_OF(struct share_ask),
                            .change = control_change(controller)};
    size_t length = 0;
    const struct record *const *farms = mirror_list(controller->mirror, RECORD_FARM, &length);

    for (size_t f = 0; f < length; f++) {
        const struct farm *farm = farms[f]->object;
        const struct record *sla =
            farm->sla[0] ? mirror_get(controller->mirror, RECORD_SLA, farm->sla) : NULL;
        if (sla) size_farm(&sizing, farm, sla->object, sla->revision);
        drop_scales(&sizing, farm);
    }
    if (sizing.asks.length > 0) share(&sizing);
    forget_unseen(&sizing);
    vec_free(&sizing.asks);
    flush(&sizing);
    change_free(sizing.change);
    write_minutes(controller);
    control_dispatch(controller);
}

/* What was noted so far is written; a grid may have more of it than a transaction. What fails is decided, and
 * told, again the next time, from what is then. */
static void flush(struct sizing *sizing)
{
    struct error err;

    if (!change_is_empty(sizing->change) && !change_commit(sizing->change, NULL, &err)) {
        control_log(sizing->controller, "writing down how many instances tiers have", &err);
        forget_told(sizing->controller);
    }
    change_free(sizing->change);
    sizing->change = control_change(sizing->controller);
}

/* Nobody was given anything, nor told that it waits. */
static void forget_told(struct controller *controller)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(controller->sized, &cursor, NULL, &value)) {
        struct sized *sized = value;
        mem_free(sized->lacks_why);
        sized->lacks_why = NULL;
        sized->given_ms = 0;
    }
}

/* The oldest; they stay until they are in the store. One that is told twice counts once. */
static void write_minutes(struct controller *controller)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    struct vec *minutes = &controller->minutes;
    size_t length = minutes->length < AT_ONCE ? minutes->length : AT_ONCE;
    struct error err;

    for (size_t i = 0; i < length; i++) {
        const struct minute *minute = vec_at(minutes, i);
        if (usage_note_service(controller, change, minute->farm, minute->tier, minute->at_ms, minute->good,
                               &err))
            continue;
        control_log(controller, "reading which minutes met their target", &err);
        return;
    }
    if (length == 0) return;
    if (!change_commit(change, NULL, &err)) {
        control_log(controller, "writing down which minutes met their target", &err);
        return;
    }
    for (size_t i = 0; i < length; i++)
        minute_free(vec_at(minutes, i));
    memmove(minutes->items, (char *)minutes->items + length * minutes->item_size,
            (minutes->length - length) * minutes->item_size);
    minutes->length -= length;
}

static void size_farm(struct sizing *sizing, const struct farm *farm, const struct sla *sla,
                      uint64_t revision)
{
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (sizing_applies(sizing->controller, farm, &farm->tiers[t]))
            size_tier(sizing, farm, &farm->tiers[t], sla, revision);
}

static void size_tier(struct sizing *sizing, const struct farm *farm, const struct tier *tier,
                      const struct sla *sla, uint64_t revision)
{
    struct sized *sized = sized_get(sizing, farm->full_name, tier->name, sla->metric);
    struct need_load load = load_of(sizing, farm, tier, sla, sized);
    const struct record *record = mirror_get(sizing->controller->mirror, RECORD_FARM_FACT, farm->full_name);
    const struct tier_scale *scale = plan_scale(record ? record->object : NULL, tier->name);
    CLEANUP_BUF struct buf why = {0};

    /* Not known: with the last change at the latest. */
    if (sized->given_ms == 0 && scale) sized->given_ms = scale->since_ms;
    if (sized->observed_ms == 0) return; /* of a load that was never seen nothing follows */
    struct need_tier of = need_tier(sizing, sized, tier, sla, revision);
    sized->need = need_of(&of, &sized->forecast, &load, &sized->memory);
    sized->serving = load.serving;
    need_say(&of, &sized->need, &why);
    *(struct share_ask *)vec_push(&sizing->asks) =
        (struct share_ask){.farm = farm->full_name,
                           .tier = tier->name,
                           .calls = sized->need.wanted,
                           .need = sized->need.need,
                           .rate = sized->need.provided,
                           .priority = sla->priority,
                           .waits_since_ms = sized->waits_since_ms,
                           .given_ms = sized->given_ms,
                           .why = arena_strdup(sizing->arena, buf_text(&why))};
}

/* What the rules provide for is worked out again only when they, or the service level, changed. */
static struct need_tier need_tier(struct sizing *sizing, struct sized *sized, const struct tier *tier,
                                  const struct sla *sla, uint64_t revision)
{
    struct controller *controller = sizing->controller;
    const struct record *record =
        sla->rules[0] ? mirror_get(controller->mirror, RECORD_SCALING_RULES, sla->rules) : NULL;
    uint64_t rules_revision = record ? record->revision : 0;

    if (!record && !controller->builtin) controller->builtin = scaling_rules_builtin(controller->rules_arena);
    struct need_tier of = {.sla = sla,
                           .rules = record ? record->object : controller->builtin,
                           .provides = sized->provides,
                           .capacity = (double)tier->capacity,
                           .committed = tier->count.committed,
                           .max = tier->count.max};
    if (sized->provides == 0 || sized->revisions[0] != revision || sized->revisions[1] != rules_revision)
        of = need_tier_of(sla, of.rules, tier);
    sized->provides = of.provides;
    sized->revisions[0] = revision;
    sized->revisions[1] = rules_revision;
    return of;
}

static struct need_load load_of(struct sizing *sizing, const struct farm *farm, const struct tier *tier,
                                const struct sla *sla, struct sized *sized)
{
    struct controller *controller = sizing->controller;
    const struct tier_load *load = load_get(controller, farm->full_name, tier->name);
    bool measured = false; /* the default does, too */
    struct need_load of = {.now_ms = sizing->now_ms,
                           .lead_ms = load_lead_ms(controller, farm->full_name, tier->name, &measured),
                           .service_scv = -1,
                           .arrival_scv = -1,
                           .inside = -1};
    int64_t placed = 0;

    share_count(controller->planner, farm->full_name, tier->name, &of.serving, &placed);
    of.coming = placed - of.serving;
    forecast_set_lead(&sized->forecast, of.lead_ms);
    if (sla->metric == METRIC_CPU) observe(sizing, sized, NULL, sla, cpus_of(sizing, farm, tier));
    if (!load || load->age_us > REPORT_US_MAX) return of;
    if (sla->metric != METRIC_CPU) observe(sizing, sized, load, sla, 0);
    if (load->service_us > 0) of.service_s = (double)load->service_us / 1e6;
    if (load->service_scv_millis >= 0) of.service_scv = (double)load->service_scv_millis / 1e3;
    if (load->arrival_scv_millis >= 0) of.arrival_scv = (double)load->arrival_scv_millis / 1e3;
    /* Requests under way are work that is to be done besides what comes; nothing else is counted in them. */
    if (sla->metric == METRIC_REQUESTS || sla->metric == METRIC_TRANSACTIONS)
        of.inside = (double)(load->open + load->queued);
    return of;
}

/* A report is learned from once; its rate held since the one before. */
static void observe(struct sizing *sizing, struct sized *sized, const struct tier_load *load,
                    const struct sla *sla, double cpus)
{
    int64_t at_ms = sizing->now_ms - (load ? load->age_us / 1000 : 0), span_ms = at_ms - sized->observed_ms;
    double rate = 0;

    switch (sla->metric) {
    case METRIC_REQUESTS:
    case METRIC_TRANSACTIONS:
        rate = (double)load->rate_millis / 1e3;
        break;
    case METRIC_CONNECTIONS:
        rate = (double)(load->open + load->queued);
        break;
    case METRIC_BYTES:
        rate = (double)load->bytes_rate;
        break;
    case METRIC_CPU:
        rate = cpus;
        break;
    case METRIC_CUSTOM:
        return; /* nobody measures it: documents that ask for it are refused */
    }
    if (rate < 0 || span_ms <= 0) return; /* not known yet is not zero */
    if (span_ms > SPAN_MS_MAX) span_ms = TICK_US / 1000;
    if (forecast_observe(&sized->forecast, at_ms, span_ms, rate * (double)span_ms / 1e3))
        sized->observed_ms = at_ms;
}

/* Below 0: no instance of it said anything. */
static double cpus_of(struct sizing *sizing, const struct farm *farm, const struct tier *tier)
{
    const char *const *names = NULL;
    size_t length =
        share_members(sizing->controller->planner, sizing->arena, farm->full_name, tier->name, &names);
    double cpus = -1;

    for (size_t i = 0; i < length; i++) {
        struct instance_load load;
        if (!load_of_instance(sizing->controller, names[i], &load) || load.cpu_millis < 0) continue;
        cpus = (cpus < 0 ? 0 : cpus) + (double)load.cpu_millis / 1e3;
    }
    return cpus;
}

static void share(struct sizing *sizing)
{
    struct share_input input = share_view(sizing->arena, sizing->controller->planner, sizing->asks.items,
                                          sizing->asks.length, sizing->now_ms);
    tell_takers(sizing, &input);
    struct share_result result = share_decide(sizing->arena, &input);
    note_takers(sizing, &input, &result);
    take_changes(sizing, &input, &result);
    take_waits(sizing, &input, &result);
}

/* What sharing took a moment ago, and for whom. */
static void tell_takers(struct sizing *sizing, struct share_input *input)
{
    struct map *takers = sizing->controller->took;
    struct share_tier *tiers = NULL;
    const char *name = NULL;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(takers, &cursor, &name, &value)) {
        if (sizing->now_ms - ((struct took *)value)->at_ms < SHARE_DWELL_MS) continue;
        mem_free(value);
        map_remove(takers, arena_strdup(sizing->arena, name));
    }
    if (map_length(takers) == 0) return;
    tiers = arena_alloc_array(sizing->arena, input->tiers_length, sizeof(*tiers));
    memcpy(tiers, input->tiers, input->tiers_length * sizeof(*tiers));
    for (size_t i = 0; i < input->tiers_length; i++) {
        const struct took *took =
            map_get(takers, arena_printf(sizing->arena, "%s/%s", tiers[i].farm, tiers[i].tier));
        if (!took) continue;
        tiers[i].took_ms = took->at_ms;
        tiers[i].took_for = took->without;
    }
    input->tiers = tiers;
}

static void note_takers(struct sizing *sizing, const struct share_input *input,
                        const struct share_result *result)
{
    for (size_t i = 0; i < result->takers_length; i++) {
        const struct share_tier *tier = &input->tiers[result->takers[i].tier];
        struct took *took = mem_alloc(sizeof(*took));
        *took = (struct took){sizing->now_ms, result->takers[i].without};
        mem_free(map_put(sizing->controller->took,
                         arena_printf(sizing->arena, "%s/%s", tier->farm, tier->tier), took));
    }
}

/* Tiers of one farm stand beside each other: its fact is written once. */
static void take_changes(struct sizing *sizing, const struct share_input *input,
                         const struct share_result *result)
{
    for (size_t c = 0, farms = 0; c < result->changes_length;) {
        const char *farm = input->tiers[result->changes[c].tier].farm;
        const struct record *record = mirror_get(sizing->controller->mirror, RECORD_FARM_FACT, farm);
        struct farm_fact fact = record ? *(const struct farm_fact *)record->object : (struct farm_fact){0};
        bool any = false;
        for (; c < result->changes_length; c++) {
            const struct share_change *change = &result->changes[c];
            const struct share_tier *tier = &input->tiers[change->tier];
            if (!text_equal(tier->farm, farm)) break;
            if (!record) continue; /* it has no network yet, so no instances either */
            CLEANUP_MEM char *name = mem_printf("%s/%s", farm, tier->tier);
            struct sized *sized = map_get(sizing->controller->sized, name);
            /* Who has given may give again at once: only what was given stays a while. */
            if (sized && change->wanted > tier->wanted) sized->given_ms = sizing->now_ms;
            fact.scales = scales_with(sizing, &fact, tier, change, &fact.scales_length);
            const char *what =
                change->wanted == tier->wanted
                    ? arena_printf(sizing->arena, "tier %s gives up what waits", tier->tier)
                    : arena_printf(sizing->arena, "tier %s scaled from %lld to %lld", tier->tier,
                                   (long long)tier->wanted, (long long)change->wanted);
            change_event(sizing->change, sizing->now_ms, "croft", "farm", farm, what, change->reason);
            any = true;
        }
        if (any) put_fact(sizing, farm, record->object, &fact);
        if (any && ++farms % AT_ONCE == 0) flush(sizing);
    }
}

static struct tier_scale *scales_with(struct sizing *sizing, const struct farm_fact *fact,
                                      const struct share_tier *tier, const struct share_change *change,
                                      size_t *ret_length)
{
    struct tier_scale *scales = arena_alloc_array(sizing->arena, fact->scales_length + 1, sizeof(*scales));
    size_t length = 0, at = 0;

    for (; length < fact->scales_length; length++)
        scales[length] = fact->scales[length];
    while (at < length && !text_equal(scales[at].tier, tier->tier))
        at++;
    if (at == length) length++;
    scales[at] = (struct tier_scale){.tier = tier->tier,
                                     .wanted = change->wanted,
                                     .since_ms = sizing->now_ms,
                                     .leave = change->leave,
                                     .leave_length = change->leave_length,
                                     .reason = change->reason};
    *ret_length = length;
    return scales;
}

/* That a tier waits is told once, and again when the reason is another. */
static void take_waits(struct sizing *sizing, const struct share_input *input,
                       const struct share_result *result)
{
    for (size_t t = 0, w = 0; t < input->tiers_length; t++) {
        const struct share_tier *tier = &input->tiers[t];
        const struct share_wait *wait =
            w < result->waits_length && result->waits[w].tier == t ? &result->waits[w++] : NULL;
        CLEANUP_MEM char *name = mem_printf("%s/%s", tier->farm, tier->tier);
        struct sized *sized = map_get(sizing->controller->sized, name);
        if (!sized) continue; /* only its committed members wait: the planner tells */
        if (wait && sized->waits_since_ms == 0) sized->waits_since_ms = sizing->now_ms;
        if (!wait) sized->waits_since_ms = 0;
        if (wait ? sized->lacks_why && text_equal(sized->lacks_why, wait->reason) : !sized->lacks_why)
            continue;
        mem_free(sized->lacks_why);
        sized->lacks_why = wait ? mem_strdup(wait->reason) : NULL;
        if (!wait) continue;
        change_event(
            sizing->change, sizing->now_ms, "croft", "farm", tier->farm,
            arena_printf(sizing->arena, "tier %s waits for %lld more", tier->tier, (long long)wait->lacks),
            arena_printf(sizing->arena, "%s; %s", tier->why, wait->reason));
    }
}

/* What was decided for tiers that are not sized by their load any more. */
static void drop_scales(struct sizing *sizing, const struct farm *farm)
{
    const struct record *record = mirror_get(sizing->controller->mirror, RECORD_FARM_FACT, farm->full_name);
    if (!record) return;
    struct farm_fact fact = *(const struct farm_fact *)record->object;
    struct tier_scale *kept = arena_alloc_array(sizing->arena, fact.scales_length, sizeof(*kept));
    size_t length = 0;

    for (size_t n = 0; n < fact.scales_length; n++)
        for (size_t t = 0; t < farm->tiers_length; t++)
            if (text_equal(farm->tiers[t].name, fact.scales[n].tier) && farm->sla[0] &&
                farm->tiers[t].capacity > 0 && farm->tiers[t].count.max > farm->tiers[t].count.committed)
                kept[length++] = fact.scales[n];
    if (length == fact.scales_length) return;
    fact.scales = kept;
    fact.scales_length = length;
    put_fact(sizing, farm->full_name, record->object, &fact);
}

/* With the levels that the farm enters and leaves by it. */
static void put_fact(struct sizing *sizing, const char *name, const struct farm_fact *before,
                     const struct farm_fact *fact)
{
    const struct record *record = mirror_get(sizing->controller->mirror, RECORD_FARM, name);
    const struct farm *farm = record ? record->object : NULL;

    change_put(sizing->change, RECORD_FARM_FACT, name, fact);
    levels_note(sizing->change, sizing->now_ms, &(struct levels_of){farm, before},
                &(struct levels_of){farm, fact});
}

/* With what was learned before, when the store has it. What is damaged there is told, and learned anew. */
static struct sized *sized_get(struct sizing *sizing, const char *farm, const char *tier,
                               enum sla_metric metric)
{
    struct controller *controller = sizing->controller;
    char *name = arena_printf(sizing->arena, "%s/%s", farm, tier);
    struct sized *sized = map_get(controller->sized, name);
    struct store_item item;
    struct error err;

    if (!sized) {
        sized = mem_alloc(sizeof(*sized));
        map_put(controller->sized, name, sized);
        sized->metric = metric;
        /* Not all are written at once. */
        sized->saved_ms = sizing->now_ms - (int64_t)(text_hash(TEXT_HASH_SEED, name, strlen(name)) % SAVE_MS);
        if (store_get(controller->options.store, key_of(sizing->arena, name), &item, &err)) {
            if (!forecast_read(sizing->arena, item.value, strlen(item.value), &sized->forecast, &err))
                control_log(controller, "reading what was learned of a tier's load", &err);
            store_item_free(&item);
        }
    }
    if (sized->metric != metric) count_anew(sizing, name, sized, metric);
    sized->seen = true;
    if (sizing->now_ms - sized->saved_ms >= SAVE_MS && sized->observed_ms > 0) save(sizing, name, sized);
    return sized;
}

/* Of requests a second nothing follows for processors in use. */
static void count_anew(struct sizing *sizing, const char *name, struct sized *sized, enum sla_metric metric)
{
    sized->metric = metric;
    sized->forecast = (struct forecast){0};
    sized->memory = (struct need_memory){0};
    sized->observed_ms = 0;
    save(sizing, name, sized);
}

static void save(struct sizing *sizing, const char *name, struct sized *sized)
{
    CLEANUP_BUF struct buf json = {0};
    forecast_write(&sized->forecast, &json);
    change_put_text(sizing->change, key_of(sizing->arena, name), buf_text(&json));
    sized->saved_ms = sizing->now_ms;
}

/* Tiers that are gone, or not sized any more. */
static void forget_unseen(struct sizing *sizing)
{
    struct map *map = sizing->controller->sized;
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    while (map_next(map, &cursor, &name, &value)) {
        struct sized *sized = value;
        if (sized->seen) {
            sized->seen = false;
            continue;
        }
        change_delete_key(sizing->change, key_of(sizing->arena, name));
        map_remove(map, name);
        sized_free(sized);
    }
}

static void sized_free(struct sized *sized)
{
    mem_free(sized->lacks_why);
    mem_free(sized);
}

static const char *key_of(struct arena *arena, const char *name)
{
    return arena_printf(arena, "forecast/%s", name);
}
