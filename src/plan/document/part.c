/* Documents of hosts from what a planner was told: the cost of a host, not of the grid. */
#include "plan/document/document.h"
#include "plan/document/find.h"
#include "plan/inside.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

static size_t farms_on(const struct work *work, struct arena *arena, size_t host, size_t **ret_farms);
static void add_farm(const struct work *work, const struct work_farm *farm, struct snapshot *part,
                     struct farm *farms, struct farm_fact *facts, struct instance *instances);
static void add_boundaries(const struct work *work, struct arena *arena, const struct farm *farms,
                           size_t length, struct snapshot *part);
static void add_holders(const struct work *work, struct arena *arena, const char *host,
                        struct snapshot *part);
static void add_holder(const struct work *work, struct map *seen, const char *name, struct vec *parties,
                       struct vec *leases);
static const void *keep(struct arena *arena, struct vec *vec, size_t *ret_length);
static void add_filters(const struct work *work, const char *key, struct vec *filters);
static int compare_parties(const void *a, const void *b);
static int compare_filters(const void *a, const void *b);
static int compare_named(const void *a, const void *b);

struct host_document planner_host_document(const struct planner *planner, struct arena *arena,
                                           const struct snapshot *grid, const char *host)
{
    const struct work *work = &planner->work;
    size_t number = work_host(work, host), *on = NULL, length = 0, instances_length = 0;
    struct snapshot part = {.host_facts = grid->host_facts,
                            .host_facts_length = grid->host_facts_length,
                            .images = grid->images,
                            .images_length = grid->images_length,
                            .keys = grid->keys,
                            .keys_length = grid->keys_length};

    ASSERT(!work_is_open(work));
    if (number != NONE) length = farms_on(work, arena, number, &on);
    for (size_t n = 0; n < length; n++)
        instances_length += work->farms[on[n]].told_length;
    struct farm *farms = arena_alloc_array(arena, length + 1, sizeof(*farms));
    struct farm_fact *facts = arena_alloc_array(arena, length + 1, sizeof(*facts));
    struct instance *instances = arena_alloc_array(arena, instances_length + 1, sizeof(*instances));
    for (size_t n = 0; n < length; n++)
        add_farm(work, &work->farms[on[n]], &part, farms, facts, instances);
    part.farms = farms;
    add_boundaries(work, arena, farms, part.farms_length, &part);
    add_holders(work, arena, host, &part);
    part.farm_facts = facts;
    part.instances = instances;
    return document_make(arena, &part, host, planner_balances(planner));
}

bool planner_balances(const struct planner *planner)
{
    return planner->balanced_length > 0;
}

size_t planner_hosts_of(const struct planner *planner, struct arena *arena, const char *farm,
                        const char ***ret_hosts)
{
    const struct work *work = &planner->work;
    size_t number = work_farm(work, farm), length = 0;
    ASSERT(!work_is_open(work));
    if (number == NONE) return 0;
    const struct work_farm *f = &work->farms[number];
    const char **hosts = arena_alloc_array(arena, f->told_length + 1, sizeof(*hosts));
    for (size_t n = 0; n < f->told_length; n++) {
        size_t host = work->instances[f->instances.items[n]].told_host;
        if (host != NONE) hosts[length++] = work->hosts[host].name;
    }
    *ret_hosts = hosts;
    return length;
}

struct named {
    const char *name;
    size_t farm;
};

/* In the order of their names, each once. */
static size_t farms_on(const struct work *work, struct arena *arena, size_t host, size_t **ret_farms)
{
    const struct index *instances = &work->hosts[host].instances;
    struct named *named = arena_alloc_array(arena, instances->length + 1, sizeof(*named));
    size_t *farms = arena_alloc_array(arena, instances->length + 1, sizeof(*farms)), length = 0;

    for (size_t n = 0; n < instances->length; n++) {
        size_t farm = work->instances[instances->items[n]].farm;
        named[n] = (struct named){work->farms[farm].name, farm};
    }
    array_sort(named, instances->length, sizeof(*named), compare_named);
    for (size_t n = 0; n < instances->length; n++)
        if (n == 0 || named[n].farm != named[n - 1].farm) farms[length++] = named[n].farm;
    *ret_farms = farms;
    return length;
}

static void add_farm(const struct work *work, const struct work_farm *farm, struct snapshot *part,
                     struct farm *farms, struct farm_fact *facts, struct instance *instances)
{
    if (farm->intent) farms[part->farms_length++] = *farm->intent;
    if (farm->told) facts[part->farm_facts_length++] = *farm->told;
    for (size_t n = 0; n < farm->told_length; n++)
        instances[part->instances_length++] = *work->instances[farm->instances.items[n]].told;
}

/* What governs in the farms: the filters that may touch them and their parties, in order. */
static void add_boundaries(const struct work *work, struct arena *arena, const struct farm *farms,
                           size_t length, struct snapshot *part)
{
    struct vec filters = VEC_OF(struct filter);
    CLEANUP(map_freep) struct map *seen = map_new();

    if (map_length(work->filter_by_name) > 0) {
        add_filters(work, FILTER_ON_ALL, &filters);
        add_filters(work, PARTY_LANDLORD, &filters);
    }
    for (size_t f = 0; f < length && map_length(work->filter_by_name) > 0; f++) {
        add_filters(work, farms[f].full_name, &filters);
        for (const char *name = farms[f].party;
             !text_equal(name, PARTY_LANDLORD) && map_put(seen, name, seen) == NULL;) {
            const struct party *party = map_get(work->party_by_name, name);
            add_filters(work, name, &filters);
            if (party == NULL) break;
            name = party->parent;
        }
    }
    vec_sort(&filters, compare_filters);
    part->filters = keep(arena, &filters, &part->filters_length);
}

/* The lines of the parties that have farms or keys there, in order, and what was leased to them. */
static void add_holders(const struct work *work, struct arena *arena, const char *host, struct snapshot *part)
{
    struct vec parties = VEC_OF(struct party), leases = VEC_OF(struct lease);
    CLEANUP(map_freep) struct map *seen = map_new();
    const struct host_fact *fact = find_host_fact(part, host);

    for (size_t f = 0; f < part->farms_length; f++)
        add_holder(work, seen, part->farms[f].party, &parties, &leases);
    for (size_t k = 0; fact && k < fact->keys_length; k++)
        add_holder(work, seen, fact->keys[k].party, &parties, &leases);
    vec_sort(&parties, compare_parties);
    part->parties = keep(arena, &parties, &part->parties_length);
    part->leases = keep(arena, &leases, &part->leases_length);
}

static void add_holder(const struct work *work, struct map *seen, const char *name, struct vec *parties,
                       struct vec *leases)
{
    while (!text_equal(name, PARTY_LANDLORD) && map_put(seen, name, seen) == NULL) {
        const struct party *party = map_get(work->party_by_name, name);
        const struct vec *given = map_get(work->leases_by_party, name);
        if (party == NULL) return;
        *(struct party *)vec_push(parties) = *party;
        for (size_t i = 0; given && i < given->length; i++)
            *(struct lease *)vec_push(leases) = **(const struct lease *const *)vec_at(given, i);
        name = party->parent;
    }
}

/* The items of a vec, moved into the arena. */
static const void *keep(struct arena *arena, struct vec *vec, size_t *ret_length)
{
    void *items = arena_alloc_array(arena, vec->length + 1, vec->item_size);

    if (vec->length > 0) memcpy(items, vec->items, vec->length * vec->item_size);
    *ret_length = vec->length;
    vec_free(vec);
    return items;
}

static void add_filters(const struct work *work, const char *key, struct vec *filters)
{
    const struct vec *on = map_get(work->filters_by_key, key);
    for (size_t i = 0; on != NULL && i < on->length; i++)
        *(struct filter *)vec_push(filters) = **(const struct filter *const *)vec_at(on, i);
}

static int compare_parties(const void *a, const void *b)
{
    return text_compare_natural(((const struct party *)a)->name, ((const struct party *)b)->name);
}

static int compare_filters(const void *a, const void *b)
{
    return text_compare_natural(((const struct filter *)a)->full_name, ((const struct filter *)b)->full_name);
}

static int compare_named(const void *a, const void *b)
{
    return text_compare_natural(((const struct named *)a)->name, ((const struct named *)b)->name);
}
