/* Whether one further loss is survived is decided exactly, for each host, rack or site in turn. Trying all on
 * the planner would cost a plan each; most are decided by sums before, of what would run, of slots and of
 * room (README.md has the proofs), and only the others are tried. For more losses than one there are too many
 * orders to try: the least of two upper bounds is told. */
#include "plan/whatif/survive.h"

#include "base/buf.h"
#include "base/text.h"
#include "plan/whatif/losses.h"

enum {
    SIZES_MAX = 256,              /* different sizes to count slots of; units beyond are tried */
    LOSSES_MAX = 32,              /* in a row, for the bound */
    LOST_INSTANCES_MAX = 10000,   /* in all of these: a person waits */
    FLEET_INSTANCES_MAX = 100000, /* beyond, to make numbers of all costs more than the planner's tries */
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
    struct amount runs, used, total, room;
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
    double *loads;        /* of hosts, by the ledger's order; NULL: nobody asked yet */
    struct fleet **fleet; /* of all kinds; NULL there: nobody asked yet */
};

enum verdict { VERDICT_SAFE, VERDICT_DEADLY, VERDICT_OPEN };

static struct whatif_survival survive_kind(struct survey *survey, int kind);
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
static bool has_room(struct survey *survey, const struct unit *unit, const struct part *part);
static double room_on(const struct survey *survey, const struct ledger_host *host, const struct part *part);
static void find_loads(struct survey *survey);
static double load_of(const struct class_sum *class_sum, const struct amount *size);
static int64_t slots_all(struct survey *survey, size_t class_index, const struct amount *size);
static int64_t slots_on(const struct ledger_host *host, const struct amount *size);
static int64_t coarse(int64_t value);
static bool try_loss(struct survey *survey, const struct unit *unit);
static void lose(struct world *world, const struct survey *survey, const struct unit *unit);
static size_t bound_by_sums(const struct survey *survey);
static size_t bound_of(const struct survey *survey, size_t class_index, size_t dimension);
static int compare_down(const void *a, const void *b);
static bool fits_by_numbers(struct survey *survey, size_t count);
static size_t bound_by_losses(struct survey *survey);

void survive(struct planner *planner, const struct ledger *ledger, int64_t now_ms,
             struct whatif_survival ret_survives[WHATIF_KINDS])
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct fleet *fleet = NULL;

    for (int kind = 0; kind < WHATIF_KINDS; kind++) {
        CLEANUP(map_freep) struct map *units = map_new();
        CLEANUP(map_freep) struct map *classes = map_new();
        CLEANUP(map_freep) struct map *slots = map_new();
        struct survey survey = {.planner = planner,
                                .ledger = ledger,
                                .arena = arena,
                                .now_ms = now_ms,
                                .unit_by_name = units,
                                .class_by_name = classes,
                                .slots_by_size = slots,
                                .fleet = &fleet};
        ret_survives[kind] = survive_kind(&survey, kind);
    }
}

static struct whatif_survival survive_kind(struct survey *survey, int kind)
{
    gather(survey, kind);
    if (survey->ledger->running == 0) return (struct whatif_survival){survey->units_length, true};
    if (!survives_one(survey)) return (struct whatif_survival){0, true};
    size_t count = bound_by_sums(survey);
    if (count > 1 && !fits_by_numbers(survey, count)) {
        size_t tried = bound_by_losses(survey);
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
        class_sum->used.of[d] += host->used.of[d];
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
        if (part->instances == 0) continue;
        if (part->tied || (!has_slots(survey, unit, part) && !has_room(survey, unit, part)))
            verdict = VERDICT_OPEN;
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

/* What it holds is, all together, less than what it takes to leave every other host without room for the
 * largest of it. Rounding may not decide, so a part in a thousand million is left out of the room. */
static bool has_room(struct survey *survey, const struct unit *unit, const struct part *part)
{
    const struct class_sum *class_sum = &survey->classes[part->class_index];
    double load = 0, room = 0;

    if (survey->loads == NULL) find_loads(survey);
    for (size_t h = 0; h < unit->hosts.length; h++) {
        const struct ledger_host *host = &survey->ledger->hosts[unit->hosts.items[h]];
        if (!text_equal(host->host->class_name, class_sum->name)) continue;
        load += survey->loads[unit->hosts.items[h]];
        if (host->usable) room -= room_on(survey, host, part);
    }
    for (size_t h = 0; h < class_sum->hosts.length; h++)
        room += room_on(survey, &survey->ledger->hosts[class_sum->hosts.items[h]], part);
    return load < room * (1 - 1e-9);
}

/* The least load that leaves the host without room for the part's largest size. */
static double room_on(const struct survey *survey, const struct ledger_host *host, const struct part *part)
{
    const struct class_sum *class_sum = &survey->classes[part->class_index];
    double least = -1;

    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t size = part->largest.of[d], room = host->total.of[d] - host->used.of[d];
        if (size == 0 || host->total.of[d] == UNCOUNTED) continue;
        double load = room < size ? 0 : (double)(room - size + 1) / (double)class_sum->used.of[d];
        if (least < 0 || load < least) least = load;
    }
    return least < 0 ? 2 * DIMENSIONS : least; /* all loads of a class together are no more than DIMENSIONS */
}

static void find_loads(struct survey *survey)
{
    const struct instance *instance = NULL;
    size_t cursor = 0;

    survey->loads = arena_alloc_array(survey->arena, survey->ledger->hosts_length + 1, sizeof(double));
    while ((instance = planner_next(survey->planner, RECORD_INSTANCE, &cursor)) != NULL) {
        const struct ledger_host *host = ledger_host(survey->ledger, instance->host);
        if (host == NULL || !host->holds) continue;
        struct amount size = amount_of(&instance->size);
        survey->loads[host - survey->ledger->hosts] +=
            load_of(&survey->classes[class_get(survey, host->host->class_name)], &size);
    }
}

/* The largest of its shares of what the class's hosts hold. */
static double load_of(const struct class_sum *class_sum, const struct amount *size)
{
    double most = 0;

    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (size->of[d] == 0) continue;
        double share = (double)size->of[d] / (double)class_sum->used.of[d];
        if (share > most) most = share;
    }
    return most;
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

/* bound_by_losses() would find no loss among the first `count` that takes an instance: all find room one
 * after the other, where the planner would place them. Where more than room counts, and in very large grids,
 * only the planner is asked. */
static bool fits_by_numbers(struct survey *survey, size_t count)
{
    size_t instances = 0;
    bool good = true;

    if (survey->ledger->running > FLEET_INSTANCES_MAX) return false;
    for (size_t h = 0; h < survey->ledger->hosts_length; h++)
        if (survey->ledger->hosts[h].tied || survey->ledger->hosts[h].spared) return false;
    if (*survey->fleet == NULL) *survey->fleet = fleet_new_of(survey->arena, survey->planner);
    ASSERT((*survey->fleet)->hosts_length ==
           survey->ledger->hosts_length); /* both by name: the same places */
    struct losses *losses = losses_begin(survey->arena, *survey->fleet);
    for (size_t u = 0; good && u < count && u < LOSSES_MAX && instances < LOST_INSTANCES_MAX; u++) {
        const struct unit *unit = &survey->units[u];
        for (size_t p = 0; p < unit->parts_length; p++)
            instances += unit->parts[p].instances;
        good = losses_add(losses, unit->hosts.items, unit->hosts.length);
    }
    losses_end(losses);
    return good;
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
