#include "plan/work.h"

#include "base/buf.h"
#include "base/planted.h"
#include "base/text.h"
#include "base/vec.h"
#include "plan/place/held.h"
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/place/room.h"
#include "plan/scale/claims.h"

static void free_lists(struct map *lists);
static void *grow(void *items, size_t length, size_t *capacity, size_t size);
static void host_means(struct work_host *host);
static enum standing standing_of(const struct work_host *host);
static void number_zones(struct work *work, struct work_host *host);
static uint32_t zone_number(struct work *work, const char *prefix);
static size_t adopt(struct work *work, size_t farm, const struct instance *record);
static bool instance_at(const struct work *work, const struct work_farm *farm, const char *name,
                        size_t *ret_at);
static void account(struct work *work, size_t instance, int sign);
static void count_spread(struct work *work, size_t host, int sign);

void work_open(struct work *work, struct arena *names)
{
    *work = (struct work){.names = names, .spread_tier = NONE};
    work->host_by_name = map_new();
    work->farm_by_name = map_new();
    work->party_by_name = map_new();
    work->pool_by_name = map_new();
    work->filter_by_name = map_new();
    work->filters_by_key = map_new();
    work->lease_by_name = map_new();
    work->leases_by_party = map_new();
    work->image_by_name = map_new();
    work->zone_numbers = map_new();
    work->room = room_new();
    work->held = held_new();
    work->quotas = quotas_new();
    work->keeps = keeps_new();
    work->whys = whys_new();
    work->claims = claims_new();
}

void work_close(struct work *work)
{
    for (size_t h = 0; h < work->hosts_length; h++)
        index_free(&work->hosts[h].instances);
    for (size_t f = 0; f < work->farms_length; f++) {
        index_free(&work->farms[f].instances);
        mem_free(work->farms[f].balance);
    }
    mem_free(work->hosts);
    mem_free(work->farms);
    mem_free(work->tiers);
    mem_free(work->instances);
    mem_free(work->actions);
    mem_free(work->on_host);
    mem_free(work->in_zone);
    index_free(&work->farms_free);
    index_free(&work->instances_free);
    index_free(&work->attention);
    index_free(&work->down);
    index_free(&work->ailing);
    index_free(&work->doubtful);
    index_free(&work->spread_hosts);
    index_free(&work->active);
    index_free(&work->list);
    index_free(&work->tier_list);
    map_free(work->host_by_name);
    map_free(work->farm_by_name);
    map_free(work->party_by_name);
    map_free(work->pool_by_name);
    map_free(work->filter_by_name);
    free_lists(work->filters_by_key);
    map_free(work->lease_by_name);
    free_lists(work->leases_by_party);
    map_free(work->image_by_name);
    map_free(work->zone_numbers);
    room_free(work->room);
    held_free(work->held);
    mem_free(work->views);
    mem_free(work->spared);
    quotas_free(work->quotas);
    keeps_free(work->keeps);
    whys_free(work->whys);
    claims_free(work->claims);
}

size_t work_host(const struct work *work, const char *name)
{
    return (uintptr_t)map_get(work->host_by_name, name) - 1;
}

size_t work_host_get(struct work *work, const char *name)
{
    size_t host = work_host(work, name);
    if (host != NONE) return host;
    size_t capacity = work->hosts_capacity;
    host = work->hosts_length++;
    work->hosts = grow(work->hosts, host, &work->hosts_capacity, sizeof(*work->hosts));
    if (capacity != work->hosts_capacity) {
        work->on_host = mem_realloc_array(work->on_host, work->hosts_capacity, sizeof(*work->on_host));
        memset(work->on_host + capacity, 0, (work->hosts_capacity - capacity) * sizeof(*work->on_host));
    }
    work->hosts[host] = (struct work_host){
        .name = arena_strdup(work->names, name), .standing = STANDING_SILENT, .group = NONE, .column = NONE};
    host_means(&work->hosts[host]);
    number_zones(work, &work->hosts[host]);
    map_put(work->host_by_name, name, (void *)(host + 1));
    return host;
}

size_t work_farm(const struct work *work, const char *name)
{
    return (uintptr_t)map_get(work->farm_by_name, name) - 1;
}

/* What is told comes farm by farm, so the last one is asked first. */
size_t work_farm_get(struct work *work, const char *name)
{
    if (work->farm_last < work->farms_length && work->farms[work->farm_last].name &&
        text_equal(work->farms[work->farm_last].name, name))
        return work->farm_last;
    size_t farm = work_farm(work, name);
    work->farm_last = farm;
    if (farm != NONE) return farm;
    if (work->farms_free.length > 0) {
        farm = work->farms_free.items[--work->farms_free.length];
    } else {
        farm = work->farms_length++;
        work->farms = grow(work->farms, farm, &work->farms_capacity, sizeof(*work->farms));
        work->farms[farm] = (struct work_farm){0};
    }
    work->farms[farm].name = arena_strdup(work->names, name);
    map_put(work->farm_by_name, name, (void *)(farm + 1));
    work->farm_last = farm;
    return farm;
}

size_t work_instance(const struct work *work, size_t farm, const char *name)
{
    const struct work_farm *f = &work->farms[farm];
    size_t at = 0;
    return instance_at(work, f, name, &at) ? f->instances.items[at] : NONE;
}

size_t work_tell(struct work *work, size_t farm, const struct instance *record)
{
    struct work_farm *f = &work->farms[farm];
    size_t at = 0, instance = 0;
    if (f->open) return adopt(work, farm, record);
    bool is_known = instance_at(work, f, record->name, &at);
    ASSERT(!is_known);
    if (work->instances_free.length > 0) {
        instance = work->instances_free.items[--work->instances_free.length];
    } else {
        instance = work->instances_length++;
        work->instances =
            grow(work->instances, instance, &work->instances_capacity, sizeof(*work->instances));
    }
    work->instances[instance] = (struct work_instance){.record = record,
                                                       .told = record,
                                                       .farm = farm,
                                                       .tier = NONE,
                                                       .host = NONE,
                                                       .from = NONE,
                                                       .promise = NONE,
                                                       .payer = NONE,
                                                       .asker = NONE,
                                                       .action = NONE};
    index_push(&f->instances, instance);
    memmove(f->instances.items + at + 1, f->instances.items + at,
            (f->told_length - at) * sizeof(*f->instances.items));
    f->instances.items[at] = instance;
    f->told_length++;
    if (record->host[0] != '\0') work_set_host(work, instance, work_host_get(work, record->host));
    work->instances[instance].told_host = work->instances[instance].host;
    if (instance_yields(record)) (void)work_host_get(work, record->last_host);
    quota_enter(work, instance);
    return instance;
}

/* Actions are taken in the order in which they were decided, so that it is mostly the first. */
static size_t adopt(struct work *work, size_t farm, const struct instance *record)
{
    struct index *all = &work->farms[farm].instances;
    size_t at = 0, made = work->farms[farm].told_length;
    bool is_known = instance_at(work, &work->farms[farm], record->name, &at);
    while (made < all->length && !text_equal(work->instances[all->items[made]].record->name, record->name))
        made++;
    ASSERT(!is_known && made < all->length);
    size_t instance = all->items[made];
    memmove(all->items + at + 1, all->items + at, (made - at) * sizeof(*all->items));
    all->items[at] = instance;
    work->farms[farm].told_length++;
    work_tell_again(work, instance, record);
    return instance;
}

void work_tell_again(struct work *work, size_t instance, const struct instance *record)
{
    struct work_instance *i = &work->instances[instance];
    size_t host = record->host[0] == '\0' ? NONE : work_host_get(work, record->host);
    bool same = host == i->host && memcmp(&i->record->size, &record->size, sizeof(record->size)) == 0 &&
                instance_leaving(i->record) == instance_leaving(record);
    quota_leave(work, instance);
    if (!same) work_set_host(work, instance, NONE);
    i->record = i->told = record;
    if (!same) work_set_host(work, instance, host);
    quota_enter(work, instance);
    i->told_host = host;
    if (instance_yields(record)) (void)work_host_get(work, record->last_host);
}

void work_untell(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    struct work_farm *f = &work->farms[i->farm];
    size_t at = 0;
    if (f->open) work_settle_instance(work, instance);
    bool is_known = instance_at(work, f, i->told->name, &at);
    ASSERT(is_known);
    quota_leave(work, instance);
    work_set_host(work, instance, NONE);
    f->told_length--;
    f->instances.length--;
    memmove(f->instances.items + at, f->instances.items + at + 1,
            (f->instances.length - at) * sizeof(*f->instances.items));
    i->record = i->told = NULL;
    index_push(&work->instances_free, instance);
}

void work_tell_host(struct work *work, size_t host, const struct host *intent, const struct host_fact *fact)
{
    struct work_host *h = &work->hosts[host];
    struct work_host was = *h;

    h->intent = intent;
    h->fact = fact;
    h->fact_told = NULL;
    host_means(h);
    if (fact && !h->ails &&
        (fact->findings_length > 0 || host_is_emptied(fact) || (fact->spared && fact->spared[0]))) {
        h->ails = true;
        index_push(&work->ailing, host);
    }
    bool same = was.standing == h->standing && was.depth > 0 && text_equal(was.zone, h->zone) &&
                text_equal(was.pool, h->pool) && text_equal(was.class_name, h->class_name) &&
                memcmp(&was.total, &h->total, sizeof(h->total)) == 0;
    if (same) return;
    struct amount total = h->total;
    h->total = was.total;
    room_leave(work, host);
    h->total = total;
    number_zones(work, h);
    if (h->standing == STANDING_USABLE) room_enter(work, host);
    if (was.standing != STANDING_DOWN && h->standing == STANDING_DOWN) index_push(&work->down, host);
    for (size_t n = 0; n < h->instances.length; n++)
        work_dirty(work, work->instances[h->instances.items[n]].farm);
}

void work_dirty(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    f->dirty = true;
    if (f->listed) return;
    f->listed = true;
    index_push(&work->attention, farm);
}

void work_set_host(struct work *work, size_t instance, size_t host)
{
    struct work_instance *i = &work->instances[instance];
    if (i->host != NONE) {
        struct work_host *was = &work->hosts[i->host];
        size_t last = was->instances.items[--was->instances.length];
        was->instances.items[i->host_at] = last;
        work->instances[last].host_at = i->host_at;
        account(work, instance, -1);
    }
    i->host = host;
    if (host == NONE) return;
    i->host_at = work->hosts[host].instances.length;
    index_push(&work->hosts[host].instances, instance);
    account(work, instance, 1);
}

void work_want(struct work *work, size_t instance, enum instance_wanted wanted)
{
    struct work_instance *i = &work->instances[instance];
    if (i->host != NONE) account(work, instance, -1);
    work_edit(work, instance)->wanted = wanted;
    if (i->host != NONE) account(work, instance, 1);
    work_rank(work, instance);
}

void work_rank(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    const struct work_tier *tier = i->tier == NONE ? NULL : &work->tiers[i->tier];
    bool warm = i->record->wanted == WANTED_WARM;
    int32_t own = (int32_t)i->record->priority;
    int32_t rank = warm ? RANK_WARM : tier ? tier->rank : own;
    int32_t ceiling = warm ? RANK_WARM : tier ? tier->ceiling : own;
    if (rank == i->rank && ceiling == i->ceiling) return;
    i->rank = rank;
    i->ceiling = ceiling;
    if (i->host != NONE) held_change(work, i->host);
}

void work_count_spread(struct work *work, size_t tier)
{
    if (work->spread_tier == tier) return;
    for (size_t n = 0; n < work->spread_hosts.length; n++) {
        const struct work_host *host = &work->hosts[work->spread_hosts.items[n]];
        work->on_host[work->spread_hosts.items[n]] = 0;
        for (unsigned d = 0; d < host->depth; d++)
            work->in_zone[host->zones[d]] = 0;
    }
    work->spread_hosts.length = 0;
    work->spread_tier = tier;
    room_forget_apart(work->room);
    if (tier == NONE) return;
    const struct index *members = &work->tiers[tier].members;
    for (size_t m = 0; m < members->length; m++) {
        const struct work_instance *i = &work->instances[members->items[m]];
        if (i->host != NONE) count_spread(work, i->host, 1);
    }
}

const struct image *work_image(const struct work *work, const char *party, const char *name)
{
    CLEANUP_BUF struct buf key = {0};
    buf_printf(&key, "%s/%s", PLANTED(anothers_image) ? "p1" : party, name);
    const struct image *image = map_get(work->image_by_name, buf_text(&key));
    if (image != NULL) return image;
    buf_clear(&key);
    buf_printf(&key, PARTY_LANDLORD "/%s", name);
    return map_get(work->image_by_name, buf_text(&key));
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

void index_push(struct index *index, size_t item)
{
    if (index->length == index->capacity) {
        index->capacity = index->capacity ? 2 * index->capacity : 2;
        index->items = mem_realloc_array(index->items, index->capacity, sizeof(*index->items));
    }
    index->items[index->length++] = item;
}

void index_free(struct index *index)
{
    mem_free(index->items);
    *index = (struct index){0};
}

struct ranked {
    int32_t rank;
    int turn;  /* 0 its room was made for it, 1 had a place, 2 never had one */
    bool free; /* may stand beside others of its tier: it fills what those leave that may not */
    const char *name;
    size_t instance;
};

static int compare_names(const void *a, const void *b)
{
    return text_compare_natural(((const struct ranked *)a)->name, ((const struct ranked *)b)->name);
}

static int compare_ranks(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank) return x->rank > y->rank ? -1 : 1;
    if (x->turn != y->turn) return x->turn < y->turn ? -1 : 1;
    return (x->free > y->free) - (x->free < y->free);
}

void work_sort_by_rank(const struct work *work, size_t *items, size_t length)
{
    struct ranked *ranked = arena_alloc_array(work->arena, length + 1, sizeof(*ranked));
    for (size_t n = 0; n < length; n++) {
        const struct work_instance *i = &work->instances[items[n]];
        int turn = i->succeeds ? 0 : i->host != NONE || i->record->incarnation > 0 ? 1 : 2;
        const struct tier *tier = work_tier_of(work, i);
        bool free = tier == NULL || place_level(tier->spread.by) == LEVEL_NONE;
        ranked[n] = (struct ranked){i->rank, turn, free, i->record->name, items[n]};
    }
    /* Farms come by name, so that most names are in order before ranks mix them. */
    array_sort(ranked, length, sizeof(*ranked), compare_names);
    array_sort(ranked, length, sizeof(*ranked), compare_ranks);
    for (size_t n = 0; n < length; n++)
        items[n] = ranked[n].instance;
}

const struct tier *balance_tier(struct arena *arena, const struct farm *farm)
{
    struct tier *tier = arena_alloc(arena, sizeof(*tier));
    *tier = balance_tier_of(farm);
    return tier;
}

struct tier balance_tier_of(const struct farm *farm)
{
    ASSERT(farm->balance_length > 0);
    return (struct tier){
        .name = TIER_BALANCE,
        .image = BALANCER_IMAGE,
        .driver = COMPUTE_CONTAINER,
        .count = {1, 1, 1},
        .size = {BALANCER_CPUS_MILLIS, BALANCER_MEMORY_BYTES, BALANCER_DISK_BYTES, 0},
        .health = {.kind = HEALTH_TCP,
                   .path = "",
                   .port = farm->balance[0].port,
                   .every_ms = 1000,
                   .timeout_ms = 500,
                   .fails = 3},
        .spread = {.by = ""},
        .priority = BALANCER_PRIORITY,
    };
}

/* Room for one more behind length. */
static void free_lists(struct map *lists)
{
    size_t cursor = 0;
    void *list = NULL;

    while (map_next(lists, &cursor, NULL, &list)) {
        vec_free(list);
        mem_free(list);
    }
    map_free(lists);
}

static void *grow(void *items, size_t length, size_t *capacity, size_t size)
{
    if (length < *capacity) return items;
    *capacity = *capacity ? 2 * *capacity : 16;
    return mem_realloc_array(items, *capacity, size);
}

static void host_means(struct work_host *host)
{
    host->total = (struct amount){{0}};
    host->zone = host->pool = host->class_name = "";
    if (host->intent) {
        struct amount capacity = amount_of(&host->intent->capacity);
        struct amount reserve = amount_of(&host->intent->reserve);
        host->zone = host->intent->zone;
        host->pool = host->intent->pool;
        host->class_name = host->intent->class_name;
        for (size_t d = 0; d < DIMENSIONS; d++)
            host->total.of[d] = PLANTED(reserve_forgotten) ? capacity.of[d] : capacity.of[d] - reserve.of[d];
        /* Nobody says what the network can carry: it is not counted. */
        if (capacity.of[3] == 0) host->total.of[3] = UNCOUNTED;
    }
    host->standing = standing_of(host);
}

static enum standing standing_of(const struct work_host *host)
{
    if (host->fact == NULL) return STANDING_SILENT;
    bool active = host->intent && (host_is_active(host->intent, host->fact) || PLANTED(drain_ignored));
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
static void number_zones(struct work *work, struct work_host *host)
{
    CLEANUP_BUF struct buf prefix = {0};
    size_t at = 0, size = strlen(host->zone);
    uint32_t zones[ZONE_DEPTH_MAX] = {0};
    unsigned depth = 0;

    do {
        const char *slash = strchr(host->zone + at, '/');
        bool last = slash == NULL || depth + 1 == ZONE_DEPTH_MAX;
        at = last ? size : (size_t)(slash - host->zone) + 1;
        buf_clear(&prefix);
        buf_add(&prefix, host->zone, last ? at : at - 1);
        zones[depth++] = zone_number(work, buf_text(&prefix));
    } while (at < size);
    /* Counts go by these numbers. */
    if (depth != host->depth || memcmp(zones, host->zones, sizeof(zones)) != 0) work_count_spread(work, NONE);
    memcpy(host->zones, zones, sizeof(zones));
    host->depth = depth;
}

static uint32_t zone_number(struct work *work, const char *prefix)
{
    uintptr_t number = (uintptr_t)map_get(work->zone_numbers, prefix);
    if (number == 0) {
        number = ++work->zones_length;
        work->in_zone = grow(work->in_zone, number - 1, &work->zones_capacity, sizeof(*work->in_zone));
        work->in_zone[number - 1] = 0;
        map_put(work->zone_numbers, prefix, (void *)number);
    }
    return (uint32_t)(number - 1);
}

/* Where an instance of the name stands among those that were told, or would. They mostly come in order. */
static bool instance_at(const struct work *work, const struct work_farm *farm, const char *name,
                        size_t *ret_at)
{
    size_t low = 0, high = farm->told_length;
    if (high > 0 &&
        text_compare_natural(work->instances[farm->instances.items[high - 1]].told->name, name) < 0)
        low = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare_natural(work->instances[farm->instances.items[middle]].told->name, name);
        if (order == 0) {
            *ret_at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return false;
}

static void account(struct work *work, size_t instance, int sign)
{
    const struct work_instance *i = &work->instances[instance];
    struct work_host *host = &work->hosts[i->host];
    struct amount size = amount_of(&i->record->size);
    for (size_t d = 0; d < DIMENSIONS; d++)
        host->used.of[d] += sign * size.of[d];
    for (size_t d = 0; d < DIMENSIONS && instance_leaving(i->record); d++)
        host->coming.of[d] += sign * size.of[d];
    if (i->tier != NONE && i->tier == work->spread_tier) count_spread(work, i->host, sign);
    room_change(work, i->host);
}

static void count_spread(struct work *work, size_t host, int sign)
{
    const struct work_host *h = &work->hosts[host];
    if (sign > 0 && work->on_host[host] == 0) index_push(&work->spread_hosts, host);
    work->on_host[host] = (uint32_t)((int64_t)work->on_host[host] + sign);
    for (unsigned d = 0; d < h->depth; d++)
        work->in_zone[h->zones[d]] = (uint32_t)((int64_t)work->in_zone[h->zones[d]] + sign);
}
