/* Whether one further loss is survived is decided exactly, for each host, rack or site in turn. Trying all on
 * the planner would cost a plan each; most are decided by sums before (README.md has the proofs): safe free
 * hosts of the class have at least as many slots of the largest size as there are instances deadly  what
 * would run is more than what the other hosts of the class offer and only the others are tried. For more
 * losses than one there are too many orders to try: the least of two upper bounds is told. */
#include "plan/whatif/survive.h"

#include "base/buf.h"
#include "base/text.h"

enum {
    SIZES_MAX = 256,            /* different sizes to count slots of; units beyond are tried */
    LOSSES_MAX = 32,            /* in a row, for the bound */
    LOST_INSTANCES_MAX = 10000, /* in all of these: a person waits */
    COARSE_BITS = 3, /* sizes are rounded up to so many leading bits, so that there are few of them */
};

/* The hosts of one class of one unit. */
struct part {
    size_t class_index;
    size_t instances;
    struct amount runs, largest, total, room; /* room: total less what runs, of usable hosts */
    bool tied, spared;
};

struct unit {
    const char *name;
    struct part *parts;
    size_t parts_length;
    struct index hosts; /* that are not lost yet */
    double weight;      /* the worst ones first */
};

struct class_sum {
    const char *name;
    struct amount runs, total, room;
    struct index hosts; /* usable ones */
    bool uncounted[DIMENSIONS];
};

struct slots { /* of one size on the usable hosts of a class */
    int64_t all;
};

struct survey {
    struct planner *planner;
    const struct ledger *ledger;
    struct arena *arena;
    int64_t now_ms;
    struct unit *units;
    size_t units_length;
    struct class_sum *classes;
    size_t classes_length;
    struct map *unit_by_name, *class_by_name, *slots_by_size;
};

enum verdict { VERDICT_SAFE, VERDICT_DEADLY, VERDICT_OPEN };

static void gather(struct survey *survey, int kind);
static void add_host(struct survey *survey, int kind, size_t h);
static const char *unit_name(struct arena *arena, const struct ledger_host *host, int kind);
static struct unit *unit_get(struct survey *survey, const char *name);
static size_t class_get(struct survey *survey, const char *name);
static struct part *part_get(struct survey *survey, struct unit *unit, size_t class_index);
static void weigh(struct survey *survey);
static int compare_units(const void *a, const void *b);
static bool survives_one(struct survey *survey);
static enum verdict judge(struct survey *survey, const struct unit *unit);
static bool has_slots(struct survey *survey, const struct unit *unit, const struct part *part);
static int64_t slots_all(struct survey *survey, size_t class_index, const struct amount *size);
static int64_t slots_on(const struct ledger_host *host, const struct amount *size);
static int64_t coarse(int64_t value);
static bool try_loss(struct survey *survey, const struct unit *unit);
static void lose(struct world *world, const struct survey *survey, const struct unit *unit);
static size_t bound_by_sums(const struct survey *survey);
static size_t bound_of(const struct survey *survey, size_t class_index, size_t dimension);
static int compare_down(const void *a, const void *b);
static size_t bound_by_losses(struct survey *survey);

struct whatif_survival survive(struct planner *planner, const struct ledger *ledger, int kind, int64_t now_ms)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(map_freep) struct map *units = map_new();
    CLEANUP(map_freep) struct map *classes = map_new();
    CLEANUP(map_freep) struct map *slots = map_new();
    struct survey survey = {.planner = planner,
                            .ledger = ledger,
                            .arena = arena,
                            .now_ms = now_ms,
                            .unit_by_name = units,
                            .class_by_name = classes,
                            .slots_by_size = slots};
    gather(&survey, kind);
    if (ledger->running == 0) return (struct whatif_survival){survey.units_length, true};
    if (!survives_one(&survey)) return (struct whatif_survival){0, true};
    size_t count = bound_by_sums(&survey);
    if (count > 1) {
        size_t tried = bound_by_losses(&survey);
        if (tried < count) count = tried;
    }
    if (count < 1) count = 1; /* it was tried */
    return (struct whatif_survival){count, count == 1};
}

bool survive_lost(const struct world *world, const struct planner *planner)
{
    const struct world_change *change = NULL;
    size_t cursor = 0;
    while ((change = world_next(world, RECORD_INSTANCE, &cursor)) != NULL) {
        const struct instance *before = change->before;
        const struct instance *after = planner_get(planner, RECORD_INSTANCE, change->name);
        if (before == NULL || after == NULL) continue;
        const struct world_change *host = world_change(world, RECORD_HOST_FACT, before->host);
        const struct host_fact *fact =
            host ? host->before : planner_get(planner, RECORD_HOST_FACT, before->host);
        if (ledger_runs_on(fact, before) && !ledger_runs(planner, after)) return true;
    }
    return false;
}

static void gather(struct survey *survey, int kind)
{
    size_t length = survey->ledger->hosts_length;
    survey->units = arena_alloc_array(survey->arena, length + 1, sizeof(*survey->units));
    survey->classes = arena_alloc_array(survey->arena, length + 1, sizeof(*survey->classes));
    for (size_t h = 0; h < length; h++)
        if (survey->ledger->hosts[h].holds) add_host(survey, kind, h);
    weigh(survey);
}

static void add_host(struct survey *survey, int kind, size_t h)
{
    const struct ledger_host *host = &survey->ledger->hosts[h];
    struct unit *unit = unit_get(survey, unit_name(survey->arena, host, kind));
    size_t class_index = class_get(survey, host->host->class_name);
    struct class_sum *class_sum = &survey->classes[class_index];
    struct part *part = part_get(survey, unit, class_index);

    index_add(survey->arena, &unit->hosts, h);
    if (host->usable) index_add(survey->arena, &class_sum->hosts, h);
    part->instances += host->instances;
    part->tied |= host->tied;
    part->spared |= host->spared;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t total = host->usable ? host->total.of[d] : 0;
        int64_t room = host->usable ? host->total.of[d] - host->runs.of[d] : 0;
        class_sum->uncounted[d] |= host->total.of[d] == UNCOUNTED;
        if (class_sum->uncounted[d]) total = room = 0;
        if (room < 0) room = 0;
        part->runs.of[d] += host->runs.of[d];
        part->total.of[d] += total;
        part->room.of[d] += room;
        class_sum->runs.of[d] += host->runs.of[d];
        class_sum->total.of[d] += total;
        class_sum->room.of[d] += room;
        if (host->largest.of[d] > part->largest.of[d]) part->largest.of[d] = host->largest.of[d];
    }
}

static const char *unit_name(struct arena *arena, const struct ledger_host *host, int kind)
{
    const char *slash = strchr(host->zone, '/');
    if (kind == WHATIF_HOST) return host->name;
    if (kind == WHATIF_RACK || slash == NULL) return host->zone;
    return arena_strndup(arena, host->zone, (size_t)(slash - host->zone));
}

static struct unit *unit_get(struct survey *survey, const char *name)
{
    struct unit *unit = map_get(survey->unit_by_name, name);
    if (unit != NULL) return unit;
    unit = &survey->units[survey->units_length++];
    unit->name = name;
    map_put(survey->unit_by_name, name, unit);
    return unit;
}

static size_t class_get(struct survey *survey, const char *name)
{
    struct class_sum *class_sum = map_get(survey->class_by_name, name);
    if (class_sum == NULL) {
        class_sum = &survey->classes[survey->classes_length++];
        class_sum->name = name;
        map_put(survey->class_by_name, name, class_sum);
    }
    return (size_t)(class_sum - survey->classes);
}

static struct part *part_get(struct survey *survey, struct unit *unit, size_t class_index)
{
    for (size_t p = 0; p < unit->parts_length; p++)
        if (unit->parts[p].class_index == class_index) return &unit->parts[p];
    struct part *parts = arena_alloc_array(survey->arena, unit->parts_length + 1, sizeof(*parts));
    if (unit->parts_length) memcpy(parts, unit->parts, unit->parts_length * sizeof(*parts));
    unit->parts = parts;
    parts[unit->parts_length].class_index = class_index;
    return &parts[unit->parts_length++];
}

/* Worst first: by the share of its class's room elsewhere that its instances would take. */
static void weigh(struct survey *survey)
{
    for (size_t u = 0; u < survey->units_length; u++)
        for (size_t p = 0; p < survey->units[u].parts_length; p++)
            for (size_t d = 0; d < DIMENSIONS; d++) {
                const struct part *part = &survey->units[u].parts[p];
                const struct class_sum *class_sum = &survey->classes[part->class_index];
                int64_t elsewhere = class_sum->room.of[d] - part->room.of[d] + 1;
                double weight = (double)part->runs.of[d] / (double)elsewhere;
                if (!class_sum->uncounted[d] && weight > survey->units[u].weight)
                    survey->units[u].weight = weight;
            }
    array_sort(survey->units, survey->units_length, sizeof(*survey->units), compare_units);
}

static int compare_units(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return text_compare_natural(x->name, y->name);
}

static bool survives_one(struct survey *survey)
{
    for (size_t u = 0; u < survey->units_length; u++)
        if (judge(survey, &survey->units[u]) == VERDICT_DEADLY) return false;
    for (size_t u = 0; u < survey->units_length; u++)
        if (judge(survey, &survey->units[u]) == VERDICT_OPEN && !try_loss(survey, &survey->units[u]))
            return false;
    return true;
}

static enum verdict judge(struct survey *survey, const struct unit *unit)
{
    enum verdict verdict = VERDICT_SAFE;
    for (size_t p = 0; p < unit->parts_length; p++) {
        const struct part *part = &unit->parts[p];
        const struct class_sum *class_sum = &survey->classes[part->class_index];
        for (size_t d = 0; d < DIMENSIONS; d++) {
            if (class_sum->uncounted[d] || part->runs.of[d] <= class_sum->room.of[d] - part->room.of[d])
                continue;
            if (!part->spared) return VERDICT_DEADLY;
            verdict = VERDICT_OPEN;
        }
        if (part->instances > 0 && (part->tied || !has_slots(survey, unit, part))) verdict = VERDICT_OPEN;
    }
    return verdict;
}

/* Each placement takes at most one slot of the largest size, so no order of them ends without one. */
static bool has_slots(struct survey *survey, const struct unit *unit, const struct part *part)
{
    struct amount size;
    for (size_t d = 0; d < DIMENSIONS; d++)
        size.of[d] = coarse(part->largest.of[d]);
    int64_t slots = slots_all(survey, part->class_index, &size);
    for (size_t h = 0; h < unit->hosts.length && slots >= (int64_t)part->instances; h++) {
        const struct ledger_host *host = &survey->ledger->hosts[unit->hosts.items[h]];
        if (host->usable && text_equal(host->host->class_name, survey->classes[part->class_index].name))
            slots -= slots_on(host, &size);
    }
    return slots >= (int64_t)part->instances;
}

/* On all usable hosts of the class; counted once for each size. 0 when there are too many sizes. */
static int64_t slots_all(struct survey *survey, size_t class_index, const struct amount *size)
{
    CLEANUP_BUF struct buf key = {0};
    buf_printf(&key, "%zu", class_index);
    for (size_t d = 0; d < DIMENSIONS; d++)
        buf_printf(&key, " %lld", (long long)size->of[d]);
    struct slots *slots = map_get(survey->slots_by_size, buf_text(&key));
    if (slots != NULL) return slots->all;
    if (map_length(survey->slots_by_size) == SIZES_MAX) return 0;
    slots = arena_alloc(survey->arena, sizeof(*slots));
    const struct index *hosts = &survey->classes[class_index].hosts;
    for (size_t h = 0; h < hosts->length; h++)
        slots->all += slots_on(&survey->ledger->hosts[hosts->items[h]], size);
    map_put(survey->slots_by_size, buf_text(&key), slots);
    return slots->all;
}

static int64_t slots_on(const struct ledger_host *host, const struct amount *size)
{
    int64_t slots = UINT32_MAX; /* of what takes nothing */
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (size->of[d] == 0) continue;
        int64_t room = host->total.of[d] - host->used.of[d];
        int64_t fits = room > 0 ? room / size->of[d] : 0;
        if (fits < slots) slots = fits;
    }
    return slots;
}

/* Rounded up. */
static int64_t coarse(int64_t value)
{
    int64_t unit = 1;
    while (value / unit >= 2 << COARSE_BITS)
        unit *= 2;
    return (value + unit - 1) / unit * unit;
}

/* True: no instance is lost. */
static bool try_loss(struct survey *survey, const struct unit *unit)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_WORLD struct world *world = whatif_world_new(survey->planner, arena, survey->now_ms);
    lose(world, survey, unit);
    world_settle(world);
    bool lost = survive_lost(world, survey->planner);
    world_undo(world);
    return !lost;
}

static void lose(struct world *world, const struct survey *survey, const struct unit *unit)
{
    for (size_t h = 0; h < unit->hosts.length; h++)
        world_lose_host(world, survey->ledger->hosts[unit->hosts.items[h]].name);
}

/* However it is packed, what runs needs its sum of what is left; the largest units may be lost first. */
static size_t bound_by_sums(const struct survey *survey)
{
    size_t least = survey->units_length - 1; /* something runs: without any unit it does not */
    for (size_t c = 0; c < survey->classes_length; c++)
        for (size_t d = 0; d < DIMENSIONS; d++) {
            if (survey->classes[c].uncounted[d]) continue;
            size_t bound = bound_of(survey, c, d);
            if (bound < least) least = bound;
        }
    return least;
}

static size_t bound_of(const struct survey *survey, size_t class_index, size_t dimension)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct class_sum *class_sum = &survey->classes[class_index];
    int64_t *totals = arena_alloc_array(arena, survey->units_length + 1, sizeof(*totals));
    int64_t left = class_sum->total.of[dimension];
    size_t count = 0;

    for (size_t u = 0; u < survey->units_length; u++)
        for (size_t p = 0; p < survey->units[u].parts_length; p++)
            if (survey->units[u].parts[p].class_index == class_index)
                totals[u] = survey->units[u].parts[p].total.of[dimension];
    array_sort(totals, survey->units_length, sizeof(*totals), compare_down);
    while (count < survey->units_length && left - totals[count] >= class_sum->runs.of[dimension])
        left -= totals[count++];
    return count;
}

static int compare_down(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Really loses one after the other, the worst first, until an instance is lost. SIZE_MAX: none was found. */
static size_t bound_by_losses(struct survey *survey)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_WORLD struct world *world = whatif_world_new(survey->planner, arena, survey->now_ms);
    size_t count = 0, instances = 0;
    bool lost = false;
    while (!lost && count < survey->units_length && count < LOSSES_MAX && instances < LOST_INSTANCES_MAX) {
        const struct unit *unit = &survey->units[count++];
        for (size_t p = 0; p < unit->parts_length; p++)
            instances += unit->parts[p].instances;
        lose(world, survey, unit);
        world_settle(world);
        lost = survive_lost(world, survey->planner);
    }
    world_undo(world);
    return lost ? count - 1 : SIZE_MAX;
}
