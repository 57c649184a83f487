#include "simulate/swarm.h"

#include "model/schemas.h"

#include <inttypes.h>
#include <stdio.h>

enum { SIZED_MAX = 3 }; /* farms: what is measured is told every second */

static void draw_hosts(struct swarm *swarm, struct sim_random *chance, size_t hosts);
static void draw_farm(struct sim_random *chance, struct swarm_farm *farm, size_t number, size_t parties);
static void draw_tier(struct sim_random *chance, struct swarm_farm *farm, size_t number);
static void draw_steps(struct sim_random *chance, struct swarm_tier *tier);
static void write_step(const struct swarm_step *step, bool first, struct buf *ret_yaml);
static bool one_in(struct sim_random *chance, int64_t n);

static const char *const level_words[SWARM_LEVELS] = {"gold", "silver", "bronze"};

struct swarm *swarm_new(struct sim_random *chance, size_t hosts, size_t farms)
{
    struct swarm *swarm = mem_alloc(sizeof(*swarm));

    swarm->arena = arena_new();
    draw_hosts(swarm, chance, hosts ? hosts : (size_t)sim_random_between(chance, 3, 24));
    swarm->parties_length = (size_t)sim_random_between(chance, 1, 4);
    swarm->farms_length = farms ? farms : (size_t)sim_random_between(chance, 1, 8);
    swarm->farms = arena_alloc_array(swarm->arena, swarm->farms_length, sizeof(*swarm->farms));
    for (size_t i = 0; i < swarm->farms_length; i++)
        draw_farm(chance, &swarm->farms[i], i, swarm->parties_length);
    swarm->weather.latency_us_min = sim_random_between(chance, 50, 500);
    swarm->weather.latency_us_max = swarm->weather.latency_us_min + sim_random_between(chance, 0, 2000);
    swarm->storm_ms = sim_random_between(chance, 60, 900) * 1000;
    return swarm;
}

void swarm_free(struct swarm *swarm)
{
    if (!swarm) return;
    arena_free(swarm->arena);
    mem_free(swarm);
}

void swarm_write_farm(const struct swarm_farm *farm, struct buf *ret_yaml)
{
    static const char *const levels[] = {"", "host", "rack"};

    buf_printf(ret_yaml, "---\nkind: Farm\nname: %s\nparty: %s\nsubnet: 10.0.0.0/22\n", farm->name,
               farm->party);
    if (farm->sla) buf_printf(ret_yaml, "sla: %s\n", level_words[farm->sla - 1]);
    buf_add_text(ret_yaml, "tiers:\n");
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct swarm_tier *tier = &farm->tiers[i];
        buf_printf(ret_yaml,
                   "  - name: %s\n    image: \"hello:%d\"\n    count: {committed: %" PRId64
                   ", guaranteed: %" PRId64 ", max: %" PRId64 "}\n    size: {cpus: %" PRId64 ".%03" PRId64
                   ", memory: %" PRId64 "Mi, disk: 16Mi}\n    warm: %d\n    priority: %d\n"
                   "    env: {SETTING: \"%d\"}\n",
                   tier->name, tier->image, tier->count.committed, tier->count.guaranteed, tier->count.max,
                   tier->cpus_millis / 1000, tier->cpus_millis % 1000, tier->memory_mib, tier->warm,
                   tier->priority, tier->setting);
        if (i == 0 && farm->capacity) buf_printf(ret_yaml, "    capacity: %" PRId64 "\n", farm->capacity);
        if (tier->health) buf_add_text(ret_yaml, "    health: {exec: [health]}\n");
        if (tier->spread)
            buf_printf(ret_yaml, "    spread: {by: %s, strict: %s}\n", levels[tier->spread],
                       tier->strict ? "true" : "false");
        for (size_t s = 0; s < tier->steps_length; s++)
            write_step(&tier->steps[s], s == 0, ret_yaml);
        if (tier->needs >= 0) buf_printf(ret_yaml, "    needs: [%s]\n", farm->tiers[tier->needs].name);
    }
    if (farm->balance)
        buf_printf(ret_yaml,
                   "balance:\n  - {name: www, mode: http, port: 80, to: \"%s:8080\", publish: auto}\n",
                   farm->tiers[0].name);
}

/* A quarter more than what its farms are drawn to want, by their load too: the operator will find its end. */
void swarm_write_party(const struct swarm *swarm, size_t n, struct buf *ret_yaml)
{
    int64_t millis = 0, mib = 0;

    for (size_t i = 0; i < swarm->farms_length; i++) {
        const struct swarm_farm *farm = &swarm->farms[i];
        if (i % swarm->parties_length != n) continue;
        millis += BALANCER_CPUS_MILLIS;
        mib += BALANCER_MEMORY_BYTES >> 20;
        int64_t more = farm->capacity ? farm->tiers[0].count.guaranteed - farm->tiers[0].count.committed : 0;
        millis += more * farm->tiers[0].cpus_millis;
        mib += more * farm->tiers[0].memory_mib;
        for (size_t j = 0; j < farm->tiers_length; j++) {
            millis += (farm->tiers[j].count.committed + farm->tiers[j].warm) * farm->tiers[j].cpus_millis;
            mib += (farm->tiers[j].count.committed + farm->tiers[j].warm) * farm->tiers[j].memory_mib;
        }
    }
    buf_printf(ret_yaml,
               "---\nkind: Party\nname: p%zu\nquota: {cpus: %" PRId64 ", memory: %" PRId64
               "Mi, disk: 10Ti, instances: 1000, farms: 100}\n",
               n + 1, millis * 5 / 4 / 1000 + 1, mib * 5 / 4);
}

void swarm_change_farm(struct sim_random *chance, struct swarm_farm *farm)
{
    struct swarm_tier *tier = &farm->tiers[sim_random_between(chance, 0, (int64_t)farm->tiers_length - 1)];

    switch (sim_random_between(chance, 0, 4)) {
    case 0:
        tier->image = 3 - tier->image;
        return;
    case 1:
        tier->setting++;
        return;
    case 2:
        tier->warm = 1 - tier->warm;
        return;
    case 3:
        tier->priority = (int)sim_random_between(chance, 0, 100);
        return;
    default:
        tier->count.committed = sim_random_between(chance, 0, 6);
        tier->count.guaranteed = tier->count.committed;
        tier->count.max = tier->count.committed + sim_random_between(chance, 0, 3);
        return;
    }
}

void swarm_draw_levels(struct swarm *swarm, struct sim_random *chance)
{
    size_t sized = 0;

    for (size_t n = 0; n < SWARM_LEVELS; n++)
        swarm->levels[n] = swarm_draw_level(chance);
    swarm->callers = arena_alloc_array(swarm->arena, swarm->farms_length, sizeof(*swarm->callers));
    for (size_t i = 0; i < swarm->farms_length; i++) {
        struct swarm_farm *farm = &swarm->farms[i];
        struct count *count = &farm->tiers[0].count;
        if (!farm->balance || sized == SIZED_MAX || one_in(chance, 4)) continue;
        sized++;
        farm->sla = (int)sim_random_between(chance, 1, SWARM_LEVELS);
        farm->capacity = sim_random_between(chance, 20, 100);
        count->guaranteed = count->committed + sim_random_between(chance, 0, 3);
        count->max = count->guaranteed + sim_random_between(chance, 1, 4);
        int64_t all_millis = farm->capacity * count->max * 1000;
        struct swarm_callers *callers = &swarm->callers[i];
        callers->low_millis = all_millis / sim_random_between(chance, 4, 40);
        callers->high_millis = all_millis * sim_random_between(chance, 30, 120) / 100;
        callers->period_ms = sim_random_between(chance, 5, 120) * 60 * 1000;
        callers->phase_ms = sim_random_between(chance, 0, callers->period_ms);
        callers->jump_every_ms = sim_random_between(chance, 30, 600) * 1000;
    }
}

void swarm_draw_mending(struct swarm *swarm, struct sim_random *chance)
{
    if (one_in(chance, 2)) return;
    swarm->contacts = arena_alloc_array(swarm->arena, swarm->parties_length + 1, sizeof(*swarm->contacts));
    for (size_t n = 0; n <= swarm->parties_length; n++) {
        bool there = one_in(chance, 2);
        int64_t group_s = one_in(chance, 4) ? 0 : sim_random_between(chance, 1, 60);
        swarm->contacts[n] = (struct swarm_contact){.there = there || n == swarm->parties_length,
                                                    .group_s = group_s,
                                                    .hourly = sim_random_between(chance, 1, 12)};
    }
    for (size_t i = 0; i < swarm->farms_length; i++)
        for (size_t j = 0; j < swarm->farms[i].tiers_length; j++)
            draw_steps(chance, &swarm->farms[i].tiers[j]);
}

void swarm_write_contacts(const struct swarm *swarm, struct buf *ret_yaml)
{
    for (size_t n = 0; swarm->contacts && n <= swarm->parties_length; n++) {
        const struct swarm_contact *contact = &swarm->contacts[n];
        if (!contact->there) continue;
        buf_add_text(ret_yaml, "---\nkind: Contact\nname: ops\n");
        if (n < swarm->parties_length)
            buf_printf(ret_yaml, "party: p%zu\n", n + 1);
        else
            buf_add_text(ret_yaml, "party: landlord\n");
        buf_printf(ret_yaml, "webhook: https://example.com/hook\ngroup: %" PRId64 "s\nhourly: %" PRId64 "\n",
                   contact->group_s, contact->hourly);
    }
}

struct swarm_level swarm_draw_level(struct sim_random *chance)
{
    struct swarm_level level = {.priority = (enum sla_priority)sim_random_between(chance, 0, SLA_URGENT)};
    level.response_ms = sim_random_between(chance, 1, 10) * 50;
    return level;
}

void swarm_change_level(struct sim_random *chance, struct swarm_farm *farm)
{
    struct count *count = &farm->tiers[0].count;

    if (one_in(chance, 2)) {
        farm->sla = (int)sim_random_between(chance, 0, SWARM_LEVELS);
        return;
    }
    count->guaranteed = count->committed + sim_random_between(chance, 0, 2);
    count->max = count->guaranteed + sim_random_between(chance, 0, 4);
}

void swarm_write_level(const struct swarm_level *level, size_t n, struct buf *ret_yaml)
{
    buf_printf(
        ret_yaml,
        "---\nkind: SLA\nname: %s\npriority: %s\ntarget: {response: %" PRId64 "ms, percentile: 95}\n"
        "levels: {committed: {rate: 0.02 EUR}, guaranteed: {rate: 0.03 EUR}, extended: {rate: 0.06 EUR}}\n",
        level_words[n], sla_priority_names[level->priority], level->response_ms);
}

const char *swarm_level_name(size_t n)
{
    return level_words[n];
}

static void draw_hosts(struct swarm *swarm, struct sim_random *chance, size_t hosts)
{
    struct arena *arena = swarm->arena;
    int64_t sites = sim_random_between(chance, 1, 2), racks = sim_random_between(chance, 1, 4);
    int64_t cpus = sim_random_between(chance, 2, 8);
    bool alike = !one_in(chance, 3);

    swarm->hosts_length = hosts;
    swarm->hosts = arena_alloc_array(arena, hosts, sizeof(*swarm->hosts));
    swarm->zones_length = (size_t)(sites * racks);
    swarm->zones = arena_alloc_array(arena, swarm->zones_length, sizeof(*swarm->zones));
    for (size_t i = 0; i < swarm->zones_length; i++)
        swarm->zones[i] = arena_printf(arena, "s%zu/b1/r%zu", i % (size_t)sites + 1, i / (size_t)sites + 1);
    for (size_t i = 0; i < hosts; i++) {
        if (!alike) cpus = sim_random_between(chance, 1, 8);
        swarm->hosts[i] = (struct host){.name = arena_printf(arena, "h%zu", i + 1),
                                        .zone = swarm->zones[i % swarm->zones_length],
                                        .pool = "general",
                                        .class_name = "general",
                                        .capacity = {cpus * 1000, cpus << 31, 100LL << 30, 0},
                                        .reserve = {100, 128LL << 20, 0, 0}};
    }
}

static void draw_farm(struct sim_random *chance, struct swarm_farm *farm, size_t number, size_t parties)
{
    snprintf(farm->name, sizeof(farm->name), "f%zu", number + 1);
    snprintf(farm->party, sizeof(farm->party), "p%zu", number % parties + 1);
    farm->tiers_length = (size_t)sim_random_between(chance, 1, SWARM_TIERS_MAX);
    for (size_t i = 0; i < farm->tiers_length; i++)
        draw_tier(chance, farm, i);
    farm->balance = one_in(chance, 2);
}

static void draw_tier(struct sim_random *chance, struct swarm_farm *farm, size_t number)
{
    static const char *const names[SWARM_TIERS_MAX] = {"web", "app", "db"};
    struct swarm_tier *tier = &farm->tiers[number];

    snprintf(tier->name, sizeof(tier->name), "%s", names[number]);
    tier->count.committed = sim_random_between(chance, 1, 5);
    tier->count.guaranteed = tier->count.max = tier->count.committed;
    tier->cpus_millis = sim_random_between(chance, 1, 10) * 100;
    tier->memory_mib = sim_random_between(chance, 1, 8) * 64;
    tier->image = (int)sim_random_between(chance, 1, 2);
    tier->warm = one_in(chance, 3);
    tier->priority = one_in(chance, 2) ? 50 : (int)sim_random_between(chance, 0, 100);
    tier->spread = (int)sim_random_between(chance, 0, 2);
    tier->strict = one_in(chance, 4);
    tier->health = !one_in(chance, 3);
    tier->needs =
        number > 0 && one_in(chance, 3) ? (int)sim_random_between(chance, 0, (int64_t)number - 1) : -1;
}

/* One in four has none: the default. */
static void draw_steps(struct sim_random *chance, struct swarm_tier *tier)
{
    bool told = false;

    tier->steps_length = (size_t)sim_random_between(chance, 0, SWARM_STEPS_MAX);
    for (size_t s = 0; s < tier->steps_length; s++) {
        struct swarm_step *step = &tier->steps[s];
        step->what =
            (enum mend_what)sim_random_between(chance, MEND_RESTART, told ? MEND_REPLACE : MEND_NOTIFY);
        if (s > 0 && step->what == tier->steps[s - 1].what) /* such are one step */
            step->what = (enum mend_what)((step->what + 1) % MEND_NOTIFY);
        step->within_s = sim_random_between(chance, 1, 20);
        step->times = (int)sim_random_between(chance, 1, 3);
        if (step->what != MEND_NOTIFY) continue;
        told = true; /* nobody is told twice */
        step->times = 1;
        if (one_in(chance, 2)) step->within_s = 0;
    }
}

static void write_step(const struct swarm_step *step, bool first, struct buf *ret_yaml)
{
    buf_printf(ret_yaml, "%s      - {do: %s, within: %" PRId64 "s", first ? "    on_failure:\n" : "",
               mend_what_names[step->what], step->within_s);
    if (step->what == MEND_NOTIFY)
        buf_add_text(ret_yaml, ", to: ops}\n");
    else
        buf_printf(ret_yaml, ", times: %d}\n", step->times);
}

static bool one_in(struct sim_random *chance, int64_t n)
{
    return sim_random_between(chance, 1, n) == 1;
}
