#include "plan/work.h"

#include "base/text.h"
#include "plan/place/address.h"
#include "plan/place/room.h"
#include "plan/scale/personality.h"

static void add_hosts(struct work *work);
static size_t host_get(struct work *work, const char *name);
static void host_finish(struct work *work, struct work_host *host);
static enum standing standing_of(const struct work_host *host);
static void number_zones(struct work *work);
static void add_farms(struct work *work);
static size_t farm_get(struct work *work, const char *name);
static void add_tiers(struct work *work, size_t farm);
static void add_tier(struct work *work, size_t farm, const struct tier *tier, bool is_balance);
static void add_instances(struct work *work);
static size_t tier_find(const struct work *work, size_t farm, const char *name, size_t hint);
static void account(struct work *work, size_t instance, int sign);

struct work *work_new(struct arena *arena, const struct snapshot *snapshot, int64_t now_ms)
{
    struct work *work = arena_alloc(arena, sizeof(*work));
    work->arena = arena;
    work->snapshot = snapshot;
    work->now_ms = now_ms;
    work->spread_tier = NONE;
    work->host_by_name = map_new();
    work->farm_by_name = map_new();
    add_hosts(work);
    add_farms(work);
    add_instances(work);
    room_open(work);
    return work;
}

void work_end(struct work *work)
{
    map_free(work->host_by_name);
    map_free(work->farm_by_name);
    work->host_by_name = work->farm_by_name = NULL;
}

size_t work_host(const struct work *work, const char *name)
{
    const struct work_host *host = map_get(work->host_by_name, name);
    return host ? (size_t)(host - work->hosts) : NONE;
}

void work_set_host(struct work *work, size_t instance, size_t host)
{
    struct work_instance *i = &work->instances[instance];
    account(work, instance, -1);
    i->host = host;
    i->record.host = host == NONE ? "" : work->hosts[host].name;
    account(work, instance, 1);
}

size_t work_add(struct work *work, const struct instance *record, size_t farm, size_t tier)
{
    if (work->instances_length == work->instances_capacity) {
        size_t capacity = work->instances_capacity ? 2 * work->instances_capacity : 16;
        struct work_instance *items = arena_alloc_array(work->arena, capacity, sizeof(*items));
        if (work->instances_length) memcpy(items, work->instances, work->instances_length * sizeof(*items));
        work->instances = items;
        work->instances_capacity = capacity;
    }
    size_t instance = work->instances_length++;
    work->instances[instance] = (struct work_instance){.record = *record,
                                                       .farm = farm,
                                                       .tier = tier,
                                                       .host = NONE,
                                                       .from = NONE,
                                                       .promise = NONE,
                                                       .action = NONE};
    if (tier != NONE) {
        struct work_tier *t = &work->tiers[tier];
        index_add(work->arena, &t->members, instance);
        if (t->number_next <= record->number) t->number_next = record->number + 1;
    }
    work->farms[farm].living++;
    return instance;
}

void work_again(struct work *work, int64_t at_ms)
{
    if (work->again_ms == 0 || at_ms < work->again_ms) work->again_ms = at_ms;
}

void index_add(struct arena *arena, struct index *index, size_t item)
{
    if (index->length == index->capacity) {
        size_t capacity = index->capacity ? 2 * index->capacity : 4;
        size_t *items = arena_alloc_array(arena, capacity, sizeof(*items));
        if (index->length) memcpy(items, index->items, index->length * sizeof(*items));
        index->items = items;
        index->capacity = capacity;
    }
    index->items[index->length++] = item;
}

struct ranked {
    int64_t priority;
    const char *name;
    size_t instance;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->priority != y->priority) return x->priority > y->priority ? -1 : 1;
    return text_compare_natural(x->name, y->name);
}

void work_sort_by_priority(const struct work *work, size_t *items, size_t length)
{
    struct ranked *ranked = arena_alloc_array(work->arena, length + 1, sizeof(*ranked));
    for (size_t n = 0; n < length; n++)
        ranked[n] = (struct ranked){work_priority(work, &work->instances[items[n]]),
                                    work->instances[items[n]].record.name, items[n]};
    array_sort(ranked, length, sizeof(*ranked), compare_ranked);
    for (size_t n = 0; n < length; n++)
        items[n] = ranked[n].instance;
}

const struct tier *balance_tier(struct arena *arena, const struct farm *farm)
{
    struct tier *tier = arena_alloc(arena, sizeof(*tier));
    *tier = (struct tier){
        .name = TIER_BALANCE,
        .image = "croft-balancer:1",
        .driver = COMPUTE_CONTAINER,
        .count = {1, 1, 1},
        .size = {BALANCER_CPUS_MILLIS, BALANCER_MEMORY_BYTES, BALANCER_DISK_BYTES, 0},
        .health = {.kind = HEALTH_TCP, .path = "", .every_ms = 1000, .timeout_ms = 500, .fails = 3},
        .spread = {.by = ""},
        .priority = 60,
    };
    ASSERT(farm->balance_length > 0);
    tier->health.port = farm->balance[0].port;
    return tier;
}

/* Hosts of intent, of fact and those that only an instance names. The array is made large enough before, so
 * that pointers into it hold. */
static void add_hosts(struct work *work)
{
    const struct snapshot *s = work->snapshot;
    size_t capacity = s->hosts_length + s->host_facts_length + s->instances_length + 1;
    work->hosts = arena_alloc_array(work->arena, capacity, sizeof(*work->hosts));
    for (size_t n = 0; n < s->hosts_length; n++)
        work->hosts[host_get(work, s->hosts[n].name)].intent = &s->hosts[n];
    for (size_t n = 0; n < s->host_facts_length; n++)
        work->hosts[host_get(work, s->host_facts[n].name)].fact = &s->host_facts[n];
    for (size_t n = 0; n < s->instances_length; n++)
        if (s->instances[n].host[0] != '\0') host_get(work, s->instances[n].host);
    for (size_t n = 0; n < work->hosts_length; n++)
        host_finish(work, &work->hosts[n]);
    number_zones(work);
    work->on_host = arena_alloc_array(work->arena, work->hosts_length + 1, sizeof(*work->on_host));
    work->in_zone = arena_alloc_array(work->arena, work->zones_length + 1, sizeof(*work->in_zone));
}

static size_t host_get(struct work *work, const char *name)
{
    struct work_host *host = map_get(work->host_by_name, name);
    if (host == NULL) {
        host = &work->hosts[work->hosts_length++];
        *host = (struct work_host){.name = name, .zone = "", .pool = "", .class_name = ""};
        map_put(work->host_by_name, name, host);
    }
    return (size_t)(host - work->hosts);
}

static void host_finish(struct work *work, struct work_host *host)
{
    if (host->intent) {
        struct amount capacity = amount_of(&host->intent->capacity);
        struct amount reserve = amount_of(&host->intent->reserve);
        host->zone = host->intent->zone;
        host->pool = host->intent->pool;
        host->class_name = host->intent->class_name;
        for (size_t d = 0; d < DIMENSIONS; d++)
            host->total.of[d] = capacity.of[d] - reserve.of[d];
        /* Nobody says what the network can carry: it is not counted. */
        if (capacity.of[3] == 0) host->total.of[3] = UNCOUNTED;
    }
    host->standing = standing_of(host);
}

static enum standing standing_of(const struct work_host *host)
{
    if (host->fact == NULL) return STANDING_SILENT;
    bool active = host->intent && host->intent->state == HOST_ACTIVE;
    switch (host->fact->state) {
    case HOST_UP:
        return active ? STANDING_USABLE : STANDING_LEAVING;
    case HOST_STATE_DRAINING:
        return STANDING_LEAVING;
    case HOST_SUSPECT:
        return STANDING_SILENT;
    case HOST_DOWN:
    case HOST_STATE_OFF:
        return host->fact->fenced ? STANDING_LOST : STANDING_DOWN;
    }
    UNREACHABLE();
}

/* One number for every prefix of every zone path, so that "same zone at depth d" is one comparison. */
static void number_zones(struct work *work)
{
    CLEANUP(map_freep) struct map *numbers = map_new();
    for (size_t n = 0; n < work->hosts_length; n++) {
        struct work_host *host = &work->hosts[n];
        size_t at = 0, size = strlen(host->zone);
        do {
            const char *slash = strchr(host->zone + at, '/');
            bool last = slash == NULL || host->depth + 1 == ZONE_DEPTH_MAX;
            at = last ? size : (size_t)(slash - host->zone) + 1;
            const char *prefix = arena_printf(work->arena, "%.*s", (int)(last ? at : at - 1), host->zone);
            uintptr_t number = (uintptr_t)map_get(numbers, prefix);
            if (number == 0) {
                number = ++work->zones_length;
                map_put(numbers, prefix, (void *)number);
            }
            host->zones[host->depth++] = (uint32_t)(number - 1);
        } while (at < size);
    }
}

static void add_farms(struct work *work)
{
    const struct snapshot *s = work->snapshot;
    size_t tiers = 0;
    work->farms = arena_alloc_array(
        work->arena, s->farms_length + s->farm_facts_length + s->instances_length + 1, sizeof(*work->farms));
    for (size_t n = 0; n < s->farms_length; n++) {
        work->farms[farm_get(work, s->farms[n].full_name)].intent = &s->farms[n];
        tiers += s->farms[n].tiers_length + 1;
    }
    for (size_t n = 0; n < s->farm_facts_length; n++)
        work->farms[farm_get(work, s->farm_facts[n].name)].fact = s->farm_facts[n];
    for (size_t n = 0; n < s->instances_length; n++)
        farm_get(work, s->instances[n].farm);
    work->tiers = arena_alloc_array(work->arena, tiers + 1, sizeof(*work->tiers));
    for (size_t f = 0; f < work->farms_length; f++)
        if (work->farms[f].intent) add_tiers(work, f);
}

static size_t farm_get(struct work *work, const char *name)
{
    struct work_farm *farm = map_get(work->farm_by_name, name);
    if (farm == NULL) {
        farm = &work->farms[work->farms_length++];
        *farm = (struct work_farm){.name = name};
        map_put(work->farm_by_name, name, farm);
    }
    return (size_t)(farm - work->farms);
}

static void add_tiers(struct work *work, size_t farm)
{
    const struct farm *intent = work->farms[farm].intent;
    work->farms[farm].tier_first = work->tiers_length;
    for (size_t t = 0; t < intent->tiers_length; t++)
        add_tier(work, farm, &intent->tiers[t], false);
    if (intent->balance_length > 0) add_tier(work, farm, balance_tier(work->arena, intent), true);
    work->farms[farm].tiers_length = work->tiers_length - work->farms[farm].tier_first;
}

static void add_tier(struct work *work, size_t farm, const struct tier *tier, bool is_balance)
{
    const struct work_farm *f = &work->farms[farm];
    struct work_tier *t = &work->tiers[work->tiers_length++];
    bool runs = f->intent->state == FARM_RUNNING;
    *t = (struct work_tier){.farm = farm,
                            .intent = tier,
                            .is_balance = is_balance,
                            .want = runs ? tier->count.committed : 0,
                            .warm = runs ? tier->warm : 0,
                            .number_next = 1};
    for (size_t b = 0; b < f->intent->balance_length; b++)
        t->is_balanced |= !is_balance && text_equal(f->intent->balance[b].to_tier, tier->name);
    for (size_t c = 0; c < f->fact.counters_length; c++)
        if (text_equal(f->fact.counters[c].tier, tier->name)) t->number_next = f->fact.counters[c].next;
    if (t->number_next < 1) t->number_next = 1;
    t->image = personality_image(work->snapshot, f->intent->party, tier->image);
    t->digest = t->image ? t->image->digest : NULL;
}

static void add_instances(struct work *work)
{
    const struct snapshot *s = work->snapshot;
    size_t hint = 0;
    work->instances_capacity = s->instances_length + 16;
    work->instances = arena_alloc_array(work->arena, work->instances_capacity, sizeof(*work->instances));
    for (size_t n = 0; n < s->instances_length; n++) {
        const struct instance *record = &s->instances[n];
        size_t farm = farm_get(work, record->farm);
        size_t tier = tier_find(work, farm, record->tier, hint);
        size_t instance = work_add(work, record, farm, tier);
        hint = tier == NONE ? hint : tier;
        if (record->host[0] != '\0') work_set_host(work, instance, work_host(work, record->host));
    }
    for (size_t f = 0; f < work->farms_length; f++)
        address_open(work, f);
    for (size_t n = 0; n < work->instances_length; n++)
        address_take(work, n);
}

static size_t tier_find(const struct work *work, size_t farm, const char *name, size_t hint)
{
    const struct work_farm *f = &work->farms[farm];
    size_t end = f->tier_first + f->tiers_length;
    if (hint >= f->tier_first && hint < end && text_equal(work->tiers[hint].intent->name, name)) return hint;
    for (size_t t = f->tier_first; t < end; t++)
        if (text_equal(work->tiers[t].intent->name, name)) return t;
    return NONE;
}

static void account(struct work *work, size_t instance, int sign)
{
    const struct work_instance *i = &work->instances[instance];
    if (i->host == NONE) return;
    struct work_host *host = &work->hosts[i->host];
    struct amount size = amount_of(&i->record.size);
    for (size_t d = 0; d < DIMENSIONS; d++)
        host->used.of[d] += sign * size.of[d];
    room_change(work, i->host);
    if (i->tier == NONE || i->tier != work->spread_tier) return;
    work->on_host[i->host] = (uint32_t)((int64_t)work->on_host[i->host] + sign);
    for (unsigned d = 0; d < host->depth; d++)
        work->in_zone[host->zones[d]] = (uint32_t)((int64_t)work->in_zone[host->zones[d]] + sign);
}
