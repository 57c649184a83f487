#include "plan/whatif/fleet.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

/* What a fleet is made of; each in any order. */
struct given {
    const struct host **hosts;
    const struct host_fact **facts; /* of each host; NULL: none */
    const struct farm **farms;
    const struct instance **instances;
    size_t hosts_length, farms_length, instances_length;
};

static void allot(struct given *given, struct arena *arena, size_t hosts, size_t farms, size_t instances);
static struct fleet *make(struct arena *arena, const struct given *given);
static void add_hosts(struct fleet *fleet, struct arena *arena, const struct given *given,
                      struct map *by_name);
static bool is_usable(const struct host *host, const struct host_fact *fact);
static void number_zones(struct fleet *fleet, struct arena *arena);
static void add_tiers(struct fleet *fleet, struct arena *arena, const struct given *given,
                      struct map *by_farm);
static void add_instances(struct fleet *fleet, struct arena *arena, const struct given *given,
                          const struct map *hosts, const struct map *farms);
static size_t tier_of(const struct fleet *fleet, const struct map *farms, const struct instance *record);
static void list_all(struct fleet *fleet, struct arena *arena);
static void measure(struct fleet *fleet, const struct given *given);
static void add_groups(struct fleet *fleet, struct arena *arena);
static int compare_places(const struct fleet_host *a, const struct fleet_host *b);
static int compare_hosts(const void *a, const void *b);
static int compare_columns(const void *a, const void *b);
static int compare_instances(const void *a, const void *b);

struct fleet *fleet_new(struct arena *arena, const struct snapshot *s)
{
    CLEANUP(map_freep) struct map *facts = map_new();
    struct given given = {0};

    allot(&given, arena, s->hosts_length, s->farms_length, s->instances_length);
    for (size_t n = 0; n < s->host_facts_length; n++)
        map_put(facts, s->host_facts[n].name, (void *)(uintptr_t)&s->host_facts[n]);
    for (size_t n = 0; n < s->hosts_length; n++) {
        given.facts[given.hosts_length] = map_get(facts, s->hosts[n].name);
        given.hosts[given.hosts_length++] = &s->hosts[n];
    }
    for (size_t n = 0; n < s->farms_length; n++)
        given.farms[given.farms_length++] = &s->farms[n];
    for (size_t n = 0; n < s->instances_length; n++)
        given.instances[given.instances_length++] = &s->instances[n];
    return make(arena, &given);
}

struct fleet *fleet_new_of(struct arena *arena, const struct planner *planner)
{
    const struct host *host = NULL;
    const struct farm *farm = NULL;
    const struct instance *instance = NULL;
    struct given given = {0};
    size_t cursor = 0;

    allot(&given, arena, planner_length(planner, RECORD_HOST), planner_length(planner, RECORD_FARM),
          planner_length(planner, RECORD_INSTANCE));
    while ((host = planner_next(planner, RECORD_HOST, &cursor)) != NULL) {
        given.facts[given.hosts_length] = planner_get(planner, RECORD_HOST_FACT, host->name);
        given.hosts[given.hosts_length++] = host;
    }
    cursor = 0;
    while ((farm = planner_next(planner, RECORD_FARM, &cursor)) != NULL)
        given.farms[given.farms_length++] = farm;
    cursor = 0;
    while ((instance = planner_next(planner, RECORD_INSTANCE, &cursor)) != NULL)
        given.instances[given.instances_length++] = instance;
    return make(arena, &given);
}

static void allot(struct given *given, struct arena *arena, size_t hosts, size_t farms, size_t instances)
{
    given->hosts = arena_alloc_array(arena, hosts + 1, sizeof(*given->hosts));
    given->facts = arena_alloc_array(arena, hosts + 1, sizeof(*given->facts));
    given->farms = arena_alloc_array(arena, farms + 1, sizeof(*given->farms));
    given->instances = arena_alloc_array(arena, instances + 1, sizeof(*given->instances));
}

static struct fleet *make(struct arena *arena, const struct given *given)
{
    CLEANUP(map_freep) struct map *hosts = map_new(), *farms = map_new();
    struct fleet *fleet = arena_alloc(arena, sizeof(*fleet));

    add_hosts(fleet, arena, given, hosts);
    add_tiers(fleet, arena, given, farms);
    add_instances(fleet, arena, given, hosts, farms);
    list_all(fleet, arena);
    add_groups(fleet, arena);
    measure(fleet, given);
    return fleet;
}

const char *fleet_dimension_name(size_t dimension)
{
    static const char *const names[FLEET_DIMENSIONS] = {"cpus", "memory", "disk", "network"};
    ASSERT(dimension < FLEET_DIMENSIONS);
    return names[dimension];
}

struct fleet_size fleet_size_of(const struct resources *r)
{
    return (struct fleet_size){{r->cpus_millis, r->memory_bytes, r->disk_bytes, r->network_bits_per_s}};
}

/* Hosts that only an instance or a fact names have nothing and take nothing; what is there can be lost. */
static void add_hosts(struct fleet *fleet, struct arena *arena, const struct given *s, struct map *by_name)
{
    fleet->hosts = arena_alloc_array(arena, s->hosts_length + 1, sizeof(*fleet->hosts));
    for (size_t n = 0; n < s->hosts_length; n++) {
        const struct host *host = s->hosts[n];
        struct fleet_host *h = &fleet->hosts[fleet->hosts_length++];
        struct fleet_size capacity = fleet_size_of(&host->capacity), reserve = fleet_size_of(&host->reserve);
        *h = (struct fleet_host){.name = host->name,
                                 .zone = host->zone,
                                 .pool = host->pool,
                                 .class_name = host->class_name,
                                 .usable = is_usable(host, s->facts[n])};
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            h->total.of[d] = capacity.of[d] - reserve.of[d];
        if (capacity.of[3] == 0) h->total.of[3] = FLEET_UNCOUNTED;
        h->free = h->total;
        cost_invert(h->total.of, h->inverse);
    }
    bool sorted = true;
    for (size_t n = 1; sorted && n < fleet->hosts_length; n++)
        sorted = compare_hosts(&fleet->hosts[n - 1], &fleet->hosts[n]) <= 0;
    if (!sorted) array_sort(fleet->hosts, fleet->hosts_length, sizeof(*fleet->hosts), compare_hosts);
    for (size_t n = 0; n < fleet->hosts_length; n++)
        map_put(by_name, fleet->hosts[n].name, &fleet->hosts[n]);
    number_zones(fleet, arena);
}

static bool is_usable(const struct host *host, const struct host_fact *fact)
{
    return fact != NULL && host_is_active(host, fact) && fact->state == HOST_UP;
}

/* One number for every prefix of every zone path, so that "same zone at depth d" is one comparison. */
static void number_zones(struct fleet *fleet, struct arena *arena)
{
    CLEANUP(map_freep) struct map *numbers = map_new();
    CLEANUP_MEM char *prefix = NULL;
    const struct fleet_host *last = NULL;

    for (size_t n = 0; n < fleet->hosts_length; n++) {
        struct fleet_host *host = &fleet->hosts[n];
        if (last && text_equal(last->zone, host->zone)) {
            memcpy(host->zones, last->zones, sizeof(host->zones));
            host->depth = last->depth;
            continue;
        }
        size_t at = 0, size = strlen(host->zone);
        do {
            const char *slash = strchr(host->zone + at, '/');
            bool whole = slash == NULL || host->depth + 1 == FLEET_DEPTH_MAX;
            at = whole ? size : (size_t)(slash - host->zone) + 1;
            mem_free(prefix);
            prefix = mem_strndup(host->zone, whole ? at : at - 1);
            uintptr_t number = (uintptr_t)map_get(numbers, prefix);
            if (number == 0) {
                number = ++fleet->zones_length;
                map_put(numbers, prefix, (void *)number);
            }
            host->zones[host->depth++] = (uint32_t)(number - 1);
        } while (at < size);
        last = host;
    }
    fleet->zones_scratch = arena_alloc_array(arena, fleet->zones_length + 1, sizeof(*fleet->zones_scratch));
}

static void add_tiers(struct fleet *fleet, struct arena *arena, const struct given *s, struct map *by_farm)
{
    size_t length = 0;

    for (size_t f = 0; f < s->farms_length; f++)
        length += s->farms[f]->tiers_length;
    fleet->tiers = arena_alloc_array(arena, length + 1, sizeof(*fleet->tiers));
    for (size_t f = 0; f < s->farms_length; f++) {
        const struct farm *farm = s->farms[f];
        if (farm->tiers_length == 0) continue;
        map_put(by_farm, farm->full_name, &fleet->tiers[fleet->tiers_length]);
        for (size_t t = 0; t < farm->tiers_length; t++) {
            int level = fleet_level(farm->tiers[t].spread.by);
            fleet->tiers[fleet->tiers_length++] =
                (struct fleet_tier){.intent = &farm->tiers[t],
                                    .level = level,
                                    .strict = farm->tiers[t].spread.strict && level != FLEET_APART_NOT};
        }
    }
    /* Nobody's: ends the last farm's. */
    fleet->tiers[fleet->tiers_length] = (struct fleet_tier){.intent = NULL};
}

int fleet_level(const char *by)
{
    if (by == NULL || by[0] == '\0') return FLEET_APART_NOT;
    if (text_equal(by, "host")) return FLEET_APART_HOST;
    if (text_equal(by, "site")) return 0;
    if (by[0] >= '1' && by[0] <= '8' && by[1] == '\0') return by[0] - '1';
    return FLEET_DEPTH_MAX - 1; /* rack, zone: the whole path */
}

static void add_instances(struct fleet *fleet, struct arena *arena, const struct given *s,
                          const struct map *hosts, const struct map *farms)
{
    const struct fleet_size balancer = {
        {BALANCER_CPUS_MILLIS, BALANCER_MEMORY_BYTES, BALANCER_DISK_BYTES, 0}};
    bool sorted = true;

    fleet->instances = arena_alloc_array(arena, s->instances_length + 1, sizeof(*fleet->instances));
    for (size_t n = 0; n < s->instances_length; n++) {
        const struct instance *record = s->instances[n];
        const struct fleet_host *host = record->host[0] ? map_get(hosts, record->host) : NULL;
        struct fleet_instance *i = &fleet->instances[fleet->instances_length++];
        *i = (struct fleet_instance){.record = record,
                                     .size = fleet_size_of(&record->size),
                                     .tier = tier_of(fleet, farms, record),
                                     .host = host ? (size_t)(host - fleet->hosts) : FLEET_NONE};
        i->priority = i->tier == FLEET_NONE ? record->priority : fleet->tiers[i->tier].intent->priority;
        i->again = i->size;
        if (i->tier != FLEET_NONE) i->again = fleet_size_of(&fleet->tiers[i->tier].intent->size);
        if (text_equal(record->tier, TIER_BALANCE)) i->again = balancer;
        i->is_free = i->tier == FLEET_NONE || fleet->tiers[i->tier].level == FLEET_APART_NOT;
        sorted = sorted && (n == 0 || compare_instances(i - 1, i) <= 0);
    }
    if (!sorted)
        array_sort(fleet->instances, fleet->instances_length, sizeof(*fleet->instances), compare_instances);
}

static size_t tier_of(const struct fleet *fleet, const struct map *farms, const struct instance *record)
{
    const struct fleet_tier *tier = map_get(farms, record->farm);
    if (tier == NULL) return FLEET_NONE;
    const struct fleet_tier *end = fleet->tiers + fleet->tiers_length;
    for (const struct tier *first = tier->intent; tier < end && tier->intent == first; tier++, first++)
        if (text_equal(tier->intent->name, record->tier)) return (size_t)(tier - fleet->tiers);
    return FLEET_NONE;
}

/* Who is on each host and in each tier, by rank; and what is taken by it. */
static void list_all(struct fleet *fleet, struct arena *arena)
{
    for (size_t n = 0; n < fleet->instances_length; n++) {
        const struct fleet_instance *i = &fleet->instances[n];
        if (i->host == FLEET_NONE) continue;
        fleet->hosts[i->host].on.length++;
        if (i->tier != FLEET_NONE) fleet->tiers[i->tier].members.length++;
    }
    for (size_t h = 0; h < fleet->hosts_length; h++) {
        struct fleet_list *on = &fleet->hosts[h].on;
        *on = (struct fleet_list){arena_alloc_array(arena, on->length + 1, sizeof(*on->items)), 0};
    }
    for (size_t t = 0; t < fleet->tiers_length; t++) {
        struct fleet_list *members = &fleet->tiers[t].members;
        *members =
            (struct fleet_list){arena_alloc_array(arena, members->length + 1, sizeof(*members->items)), 0};
    }
    for (size_t n = 0; n < fleet->instances_length; n++) {
        const struct fleet_instance *i = &fleet->instances[n];
        if (i->host == FLEET_NONE) continue;
        struct fleet_host *host = &fleet->hosts[i->host];
        host->on.items[host->on.length++] = n;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            host->free.of[d] -= i->size.of[d];
        if (i->tier == FLEET_NONE) continue;
        struct fleet_list *members = &fleet->tiers[i->tier].members;
        members->items[members->length++] = n;
    }
}

/* As the planner does: room_demand(), room_enter(). */
static void measure(struct fleet *fleet, const struct given *s)
{
    for (size_t f = 0; f < s->farms_length; f++) {
        const struct farm *farm = s->farms[f];
        for (size_t t = 0; farm->state == FARM_RUNNING && t < farm->tiers_length; t++) {
            struct fleet_size size = fleet_size_of(&farm->tiers[t].size);
            fleet_demand(fleet, &size, farm->tiers[t].count.committed + farm->tiers[t].warm);
        }
    }
    for (size_t n = 0; n < fleet->columns_length; n++)
        cost_offer(&fleet->measure, fleet->hosts[fleet->columns[n]].total.of, 1);
    fleet_weigh(fleet);
}

static void add_groups(struct fleet *fleet, struct arena *arena)
{
    struct fleet_host **sorted =
        arena_alloc_array(arena, fleet->hosts_length + 1, sizeof(struct fleet_host *));

    for (size_t n = 0; n < fleet->hosts_length; n++) {
        fleet->hosts[n].group = FLEET_NONE;
        if (fleet->hosts[n].usable) sorted[fleet->columns_length++] = &fleet->hosts[n];
    }
    array_sort(sorted, fleet->columns_length, sizeof(struct fleet_host *), compare_columns);
    fleet->columns = arena_alloc_array(arena, fleet->columns_length + 1, sizeof(*fleet->columns));
    size_t groups = 0;
    for (size_t n = 0; n < fleet->columns_length; n++)
        groups += n == 0 || compare_places(sorted[n - 1], sorted[n]) != 0;
    fleet->groups = arena_alloc_array(arena, groups + 1, sizeof(*fleet->groups));
    for (size_t n = 0; n < fleet->columns_length; n++) {
        if (n == 0 || compare_places(sorted[n - 1], sorted[n]) != 0)
            fleet->groups[fleet->groups_length++] =
                (struct fleet_group){.first = n, .memos = arena_alloc(arena, sizeof(struct fleet_memos))};
        fleet->groups[fleet->groups_length - 1].length++;
        fleet->columns[n] = (size_t)(sorted[n] - fleet->hosts);
        sorted[n]->group = fleet->groups_length - 1;
    }
    fleet->saved_hosts = arena_alloc_array(arena, fleet->hosts_length + 1, sizeof(*fleet->saved_hosts));
    fleet->saved_groups = arena_alloc_array(arena, fleet->groups_length + 1, sizeof(*fleet->saved_groups));
}

static int compare_places(const struct fleet_host *a, const struct fleet_host *b)
{
    for (unsigned d = 0; d < a->depth && d < b->depth; d++)
        if (a->zones[d] != b->zones[d]) return a->zones[d] < b->zones[d] ? -1 : 1;
    if (a->depth != b->depth) return a->depth < b->depth ? -1 : 1;
    int order = strcmp(a->pool, b->pool);
    return order != 0 ? order : strcmp(a->class_name, b->class_name);
}

static int compare_hosts(const void *a, const void *b)
{
    return text_compare_natural(((const struct fleet_host *)a)->name, ((const struct fleet_host *)b)->name);
}

/* Hosts stand by name: places in that array say which name comes first. */
static int compare_columns(const void *a, const void *b)
{
    const struct fleet_host *x = *(const struct fleet_host *const *)a,
                            *y = *(const struct fleet_host *const *)b;
    int order = compare_places(x, y);
    return order != 0 ? order : (x > y) - (x < y);
}

static int compare_instances(const void *a, const void *b)
{
    const struct fleet_instance *x = a, *y = b;
    if (x->priority != y->priority) return x->priority > y->priority ? -1 : 1;
    if (x->is_free != y->is_free) return x->is_free < y->is_free ? -1 : 1;
    return text_compare_natural(x->record->name, y->record->name);
}
