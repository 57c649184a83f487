#include "plan/planner.h"
#include "plan/inside.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"
#include "model/quotas.h"
#include "plan/filter/govern.h"
#include "plan/order/act.h"
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/place/room.h"
#include "plan/recover/recover.h"
#include "plan/scale/claims.h"
#include "plan/scale/scale.h"

#include <string.h>

/* Decisions open others: what is forgotten makes room for what waits. A pass that decides nothing ends it.
 * The bound is far above any chain of decisions, and below what a person would notice. */
enum { PASSES_MAX = 16 };

static void put(struct planner *planner, enum record_kind kind, const void *object);
static void delete (struct planner *planner, enum record_kind kind, const char *name);
static void put_farm(struct planner *planner, const char *name, const struct farm *intent);
static void put_instance(struct planner *planner, const struct instance *record);
static void put_farm_fact(struct planner *planner, const char *name, const struct farm_fact *fact);
static void put_image(struct planner *planner, const char *key, const struct image *image);
static void put_party(struct planner *planner, const char *name, const struct party *party);
static void put_pool(struct planner *planner, const char *name, const struct pool *pool);
static void put_filter(struct planner *planner, const char *name, const struct filter *filter);
static void put_lease(struct planner *planner, const char *name, const struct lease *lease);
static void tell_leased(struct work *work, const char *party);
static void list(struct map *lists, const char *key, const void *item, bool there);
static void delete_instance(struct planner *planner, const char *name);
static size_t find_instance(const struct planner *planner, const char *name);
static void note_filter(struct planner *planner, const struct filter *filter, bool there);
static bool is_made_from(const struct farm *farm, const char *image);
static void count_up(struct planner *planner, struct arena *arena, const struct instance *record);
static void down_in_order(struct work *work);

struct planner *planner_new(void)
{
    struct arena *own = arena_new();
    struct planner *planner = planner_new_in(own);
    planner->own = own;
    return planner;
}

struct planner *planner_new_in(struct arena *names)
{
    struct planner *planner = mem_alloc(sizeof(*planner));
    work_open(&planner->work, names);
    return planner;
}

void planner_free(struct planner *planner)
{
    if (planner == NULL) return;
    work_close(&planner->work);
    arena_free(planner->own);
    mem_free(planner);
}

void planner_put(struct planner *planner, enum record_kind kind, const void *object)
{
    ASSERT(!work_is_open(&planner->work));
    put(planner, kind, object);
}

static void put(struct planner *planner, enum record_kind kind, const void *object)
{
    struct work *work = &planner->work;
    switch (kind) {
    case RECORD_HOST: {
        size_t host = work_host_get(work, ((const struct host *)object)->name);
        planner->lengths[RECORD_HOST] += work->hosts[host].intent == NULL;
        work_tell_host(work, host, object, work->hosts[host].fact);
        return;
    }
    case RECORD_HOST_FACT: {
        size_t host = work_host_get(work, ((const struct host_fact *)object)->name);
        planner->lengths[RECORD_HOST_FACT] += work->hosts[host].fact == NULL;
        work_tell_host(work, host, work->hosts[host].intent, object);
        return;
    }
    case RECORD_FARM: {
        put_farm(planner, ((const struct farm *)object)->full_name, object);
        return;
    }
    case RECORD_FARM_FACT:
        put_farm_fact(planner, ((const struct farm_fact *)object)->name, object);
        return;
    case RECORD_INSTANCE:
        put_instance(planner, object);
        return;
    case RECORD_PARTY:
        put_party(planner, ((const struct party *)object)->name, object);
        return;
    case RECORD_IMAGE: {
        CLEANUP_BUF struct buf key = {0};
        const struct image *image = object;
        buf_printf(&key, "%s/%s", image->party, image->name);
        put_image(planner, buf_text(&key), image);
        return;
    }
    case RECORD_POOL:
        put_pool(planner, ((const struct pool *)object)->name, object);
        return;
    case RECORD_FILTER:
        put_filter(planner, ((const struct filter *)object)->full_name, object);
        return;
    case RECORD_LEASE:
        put_lease(planner, ((const struct lease *)object)->name, object);
        return;
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_CONTACT:
    case RECORD_KEY:
        return; /* what follows from them comes as a farm's scales */
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

void planner_delete(struct planner *planner, enum record_kind kind, const char *name)
{
    ASSERT(!work_is_open(&planner->work));
    delete (planner, kind, name);
}

static void delete (struct planner *planner, enum record_kind kind, const char *name)
{
    struct work *work = &planner->work;
    if (planner_get(planner, kind, name) == NULL) return;
    switch (kind) {
    case RECORD_HOST:
        planner->lengths[RECORD_HOST]--;
        work_tell_host(work, work_host(work, name), NULL, work->hosts[work_host(work, name)].fact);
        return;
    case RECORD_HOST_FACT:
        planner->lengths[RECORD_HOST_FACT]--;
        work_tell_host(work, work_host(work, name), work->hosts[work_host(work, name)].intent, NULL);
        return;
    case RECORD_FARM:
        put_farm(planner, name, NULL);
        return;
    case RECORD_FARM_FACT:
        put_farm_fact(planner, name, NULL);
        return;
    case RECORD_INSTANCE:
        delete_instance(planner, name);
        return;
    case RECORD_PARTY:
        put_party(planner, name, NULL);
        return;
    case RECORD_IMAGE:
        put_image(planner, name, NULL);
        return;
    case RECORD_POOL:
        put_pool(planner, name, NULL);
        return;
    case RECORD_FILTER:
        put_filter(planner, name, NULL);
        return;
    case RECORD_LEASE:
        put_lease(planner, name, NULL);
        return;
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_CONTACT:
    case RECORD_KEY:
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

const void *planner_get(const struct planner *planner, enum record_kind kind, const char *name)
{
    const struct work *work = &planner->work;
    size_t number = NONE;
    switch (kind) {
    case RECORD_HOST:
        number = work_host(work, name);
        return number == NONE ? NULL : work->hosts[number].intent;
    case RECORD_HOST_FACT:
        number = work_host(work, name);
        return number == NONE ? NULL : work->hosts[number].fact;
    case RECORD_FARM:
        number = work_farm(work, name);
        return number == NONE ? NULL : work->farms[number].intent;
    case RECORD_FARM_FACT:
        number = work_farm(work, name);
        return number == NONE ? NULL : work->farms[number].told;
    case RECORD_INSTANCE:
        number = find_instance(planner, name);
        return number == NONE ? NULL : work->instances[number].told;
    case RECORD_PARTY:
        return map_get(work->party_by_name, name);
    case RECORD_IMAGE:
        return map_get(work->image_by_name, name);
    case RECORD_POOL:
        return map_get(work->pool_by_name, name);
    case RECORD_FILTER:
        return map_get(work->filter_by_name, name);
    case RECORD_LEASE:
        return map_get(work->lease_by_name, name);
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_CONTACT:
    case RECORD_KEY:
        return NULL;
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

size_t planner_length(const struct planner *planner, enum record_kind kind)
{
    return planner->lengths[kind];
}

const void *planner_next(const struct planner *planner, enum record_kind kind, size_t *cursor)
{
    const struct work *work = &planner->work;
    bool is_host = kind == RECORD_HOST || kind == RECORD_HOST_FACT;
    bool is_farm = kind == RECORD_FARM || kind == RECORD_FARM_FACT;

    const struct map *maps[RECORD_KINDS] = {[RECORD_PARTY] = work->party_by_name,
                                            [RECORD_IMAGE] = work->image_by_name,
                                            [RECORD_POOL] = work->pool_by_name,
                                            [RECORD_FILTER] = work->filter_by_name,
                                            [RECORD_LEASE] = work->lease_by_name};
    if (maps[kind]) {
        void *object = NULL;
        return map_next(maps[kind], cursor, NULL, &object) ? object : NULL;
    }
    size_t length = is_host ? work->hosts_length : is_farm ? work->farms_length : work->instances_length;
    while (*cursor < length) {
        size_t n = (*cursor)++;
        const void *object = kind == RECORD_HOST        ? (const void *)work->hosts[n].intent
                             : kind == RECORD_HOST_FACT ? (const void *)work->hosts[n].fact
                             : kind == RECORD_FARM      ? (const void *)work->farms[n].intent
                             : kind == RECORD_FARM_FACT ? (const void *)work->farms[n].told
                                                        : (const void *)work->instances[n].told;
        if (object) return object;
    }
    return NULL;
}

struct plan planner_plan(struct planner *planner, struct arena *arena, int64_t now_ms)
{
    struct plan plan = planner_begin(planner, arena, now_ms);
    planner_end(planner);
    return plan;
}

struct plan planner_begin(struct planner *planner, struct arena *arena, int64_t now_ms)
{
    struct work *work = &planner->work;
    size_t before = 0;

    ASSERT(!work_is_open(work));
    work_begin(work, arena, now_ms);
    down_in_order(work);
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        before = work->changes;
        work_flatten(work);
        scale_farms(work);
        scale_census(work);
        recover_fence(work);
        scale_settle(work);
        scale_census(work);
        recover_promise(work);
        scale_counts(work);
        place_all(work);
        work_flatten(work); /* yielding opens farms */
        scale_census(work);
        recover_leave(work);
        scale_roll(work);
        recover_drained(work);
        scale_warm(work);
        place_warm(work);
        act_explain_all(work);
        if (work->changes == before) break;
    }
    struct plan plan = order_plan(work);
    plan.again_ms = work->ailing_again_ms;
    for (size_t n = 0; n < work->attention.length; n++) {
        int64_t again_ms = work->farms[work->attention.items[n]].again_ms;
        if (again_ms != 0 && (plan.again_ms == 0 || again_ms < plan.again_ms)) plan.again_ms = again_ms;
    }
    return plan;
}

void planner_end(struct planner *planner)
{
    ASSERT(work_is_open(&planner->work));
    work_end(&planner->work);
}

void planner_take(struct planner *planner, struct arena *arena, const struct action *action)
{
    switch (action->kind) {
    case ACTION_CREATE:
        count_up(planner, arena, action->instance);
        /* fall through */
    case ACTION_PLACE:
    case ACTION_ACTIVATE:
    case ACTION_DRAIN:
    case ACTION_STOP:
    case ACTION_UNPLACE:
    case ACTION_EXPLAIN:
    case ACTION_MEND:
        put(planner, RECORD_INSTANCE, action->instance);
        return;
    case ACTION_FORGET:
        delete (planner, RECORD_INSTANCE, action->name);
        return;
    case ACTION_FENCE: {
        const struct host_fact *was = planner_get(planner, RECORD_HOST_FACT, action->name);
        struct host_fact *fact = arena_alloc(arena, sizeof(*fact));
        *fact = *was;
        fact->reason = action->reason;
        put(planner, RECORD_HOST_FACT, fact);
        return;
    }
    case ACTION_HOST:
        put(planner, RECORD_HOST_FACT, action->host_fact);
        return;
    case ACTION_FARM:
        if (action->farm_fact->vni == 0)
            delete (planner, RECORD_FARM_FACT, action->name);
        else
            put(planner, RECORD_FARM_FACT, action->farm_fact);
        return;
    }
    UNREACHABLE();
}

/* The number is given out: the farm's fact remembers it, also when the instance is long forgotten. */
static void count_up(struct planner *planner, struct arena *arena, const struct instance *record)
{
    struct work_farm *farm = &planner->work.farms[work_farm_get(&planner->work, record->farm)];
    const struct farm_fact *was = farm->told;
    size_t length = was->counters_length, at = 0;
    while (at < length && !text_equal(was->counters[at].tier, record->tier))
        at++;
    if (at < length && was->counters[at].next > record->number) return;
    if (at < length && farm->open && farm->counters == was->counters) {
        farm->counters[at].next = record->number + 1;
        return;
    }
    struct farm_fact *fact = arena_alloc(arena, sizeof(*fact));
    struct tier_counter *counters = arena_alloc_array(arena, length + 1, sizeof(*counters));
    if (length) memcpy(counters, was->counters, length * sizeof(*counters));
    counters[at] = (struct tier_counter){record->tier, record->number + 1};
    *fact = *was;
    fact->counters = counters;
    fact->counters_length = at == length ? length + 1 : length;
    farm->counters = counters;
    put(planner, RECORD_FARM_FACT, fact);
}

static void put_farm(struct planner *planner, const char *name, const struct farm *intent)
{
    struct work *work = &planner->work;
    size_t farm = work_farm_get(work, name);
    struct work_farm *f = &work->farms[farm];
    planner->lengths[RECORD_FARM] += (size_t)(intent != NULL) - (size_t)(f->intent != NULL);
    planner->balanced_length +=
        (size_t)(intent && intent->balance_length > 0) - (size_t)(f->intent && f->intent->balance_length > 0);
    keep_know(work, intent, 1);
    if (intent) room_demand(work, intent, 1);
    if (f->intent) room_demand(work, f->intent, -1);
    keep_know(work, f->intent, -1);
    quota_promise(work, f->intent, -1);
    quota_promise(work, intent, 1);
    f->intent = intent;
    work_dirty(work, farm);
}

static void put_instance(struct planner *planner, const struct instance *record)
{
    struct work *work = &planner->work;
    size_t farm = work_farm_get(work, record->farm);
    size_t instance = work_instance(work, farm, record->name);
    if (instance != NONE) {
        work_tell_again(work, instance, record);
    } else {
        work_tell(work, farm, record);
        planner->lengths[RECORD_INSTANCE]++;
    }
    work_dirty(work, farm);
}

static void delete_instance(struct planner *planner, const char *name)
{
    size_t instance = find_instance(planner, name);
    size_t farm = planner->work.instances[instance].farm;
    work_untell(&planner->work, instance);
    planner->lengths[RECORD_INSTANCE]--;
    work_dirty(&planner->work, farm);
}

static void put_farm_fact(struct planner *planner, const char *name, const struct farm_fact *fact)
{
    struct work *work = &planner->work;
    size_t farm = work_farm_get(work, name);
    struct work_farm *f = &work->farms[farm];
    if (f->open) work_settle_claims(work, farm);
    if (f->told) claims_return(work, farm, f->told);
    planner->lengths[RECORD_FARM_FACT] += (size_t)(fact != NULL) - (size_t)(f->told != NULL);
    f->told = fact;
    if (fact) claims_take(work, farm, fact);
    work_dirty(work, farm);
}

/* Rare: it may cost a look at every farm. */
static void put_image(struct planner *planner, const char *key, const struct image *image)
{
    struct work *work = &planner->work;
    if (image)
        map_put(work->image_by_name, key, (void *)(uintptr_t)image);
    else
        map_remove(work->image_by_name, key);
    planner->lengths[RECORD_IMAGE] = map_length(work->image_by_name);
    const char *name = strchr(key, '/') + 1;
    for (size_t f = 0; f < work->farms_length; f++)
        if (work->farms[f].intent && is_made_from(work->farms[f].intent, name)) work_dirty(work, f);
}

/* Who runs goes on whatever the quota is; who waits for it is looked at by every plan. */
static void put_party(struct planner *planner, const char *name, const struct party *party)
{
    struct work *work = &planner->work;
    if (party)
        map_put(work->party_by_name, name, (void *)(uintptr_t)party);
    else
        map_remove(work->party_by_name, name);
    planner->lengths[RECORD_PARTY] = map_length(work->party_by_name);
    quota_tell(work, name, party);
}

static void put_pool(struct planner *planner, const char *name, const struct pool *pool)
{
    struct work *work = &planner->work;
    if (pool)
        map_put(work->pool_by_name, name, (void *)(uintptr_t)pool);
    else
        map_remove(work->pool_by_name, name);
    planner->lengths[RECORD_POOL] = map_length(work->pool_by_name);
    keep_tell(work, name, pool);
}

/* No decision follows from it: it goes into the documents of hosts. */
static void put_filter(struct planner *planner, const char *name, const struct filter *filter)
{
    struct map *filters = planner->work.filter_by_name;
    const struct filter *old = map_get(filters, name);

    if (old) note_filter(planner, old, false);
    if (filter) {
        map_put(filters, name, (void *)(uintptr_t)filter);
        note_filter(planner, filter, true);
    } else {
        map_remove(filters, name);
    }
    planner->lengths[RECORD_FILTER] = map_length(filters);
}

/* Where the filters of a farm are looked for. */
static void note_filter(struct planner *planner, const struct filter *filter, bool there)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    list(planner->work.filters_by_key, govern_key(arena, filter->on), filter, there);
}

/* Who runs goes on whatever is leased, as with quotas; what is repossessed a farm's fact says. */
static void put_lease(struct planner *planner, const char *name, const struct lease *lease)
{
    struct work *work = &planner->work;
    const struct lease *old = map_get(work->lease_by_name, name);

    if (old) list(work->leases_by_party, old->to, old, false);
    if (lease) list(work->leases_by_party, lease->to, lease, true);
    if (old) tell_leased(work, old->to);
    if (lease) tell_leased(work, lease->to);
    if (lease)
        map_put(work->lease_by_name, name, (void *)(uintptr_t)lease);
    else
        map_remove(work->lease_by_name, name);
    planner->lengths[RECORD_LEASE] = map_length(work->lease_by_name);
}

static void tell_leased(struct work *work, const char *party)
{
    const struct vec *leases = map_get(work->leases_by_party, party);
    struct quota sum = {0};

    for (size_t i = 0; i < leases->length; i++) {
        const struct lease *lease = *(const struct lease **)vec_at(leases, i);
        if (lease->state == LEASE_ACTIVE) limits_add(&sum, &lease->capacity);
    }
    quota_tell_leased(work, party, leases->length ? &sum : &limits_none);
}

/* Into the list under the key, or out of it. */
static void list(struct map *lists, const char *key, const void *item, bool there)
{
    struct vec *items = map_get(lists, key);

    if (there) {
        if (items == NULL) {
            items = mem_alloc(sizeof(*items));
            *items = VEC_OF(const void *);
            map_put(lists, key, items);
        }
        *(const void **)vec_push(items) = item;
        return;
    }
    size_t at = 0;
    while (*(const void **)vec_at(items, at) != item)
        at++;
    vec_remove(items, at);
}

static bool is_made_from(const struct farm *farm, const char *image)
{
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].image, image)) return true;
    return farm->balance_length > 0 && text_equal(BALANCER_IMAGE, image);
}

/* The farm is the name's own beginning. */
static size_t find_instance(const struct planner *planner, const char *name)
{
    const char *slash = strrchr(name, '/');
    CLEANUP_BUF struct buf farm = {0};
    if (slash == NULL) return NONE;
    buf_add(&farm, name, (size_t)(slash - name));
    size_t number = work_farm(&planner->work, buf_text(&farm));
    return number == NONE ? NONE : work_instance(&planner->work, number, name);
}

struct fallen {
    const char *name;
    size_t host;
};

static int compare_fallen(const void *a, const void *b)
{
    return text_compare_natural(((const struct fallen *)a)->name, ((const struct fallen *)b)->name);
}

/* Those that are still down, by name, each once. */
static void down_in_order(struct work *work)
{
    struct fallen *fallen = arena_alloc_array(work->arena, work->down.length + 1, sizeof(*fallen));
    size_t length = 0;
    for (size_t n = 0; n < work->down.length; n++) {
        const struct work_host *host = &work->hosts[work->down.items[n]];
        if (host->standing == STANDING_DOWN)
            fallen[length++] = (struct fallen){host->name, work->down.items[n]};
    }
    array_sort(fallen, length, sizeof(*fallen), compare_fallen);
    work->down.length = 0;
    for (size_t n = 0; n < length; n++)
        if (n == 0 || fallen[n].host != fallen[n - 1].host) index_push(&work->down, fallen[n].host);
}
