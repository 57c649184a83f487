#include "plan/whatif/leases.h"

#include "base/text.h"
#include "plan/lease/lease.h"
#include "plan/whatif/names.h"

#include <string.h>

static bool is_changed(const struct world *world, enum record_kind kind);
static struct lease_tree *tree_of(const struct planner *planner, struct arena *arena);
static int compare_leases(const void *a, const void *b);
static int compare_names(const void *a, const void *b);

bool leases_end(const struct planner *planner, struct arena *arena, struct world *world, const char *name,
                struct error *err)
{
    const struct lease *was = NULL;

    if (!names_find_lease(planner, name, &was, err)) return false;
    if (was->state == LEASE_ENDED)
        return error_set(err, ERROR_REFUSED, "%s has ended already%s%s: leave it out of the question", name,
                         was->reason[0] ? ": " : "", was->reason);
    struct lease *lease = arena_alloc(arena, sizeof(*lease));
    *lease = *was;
    lease->state = LEASE_ENDED;
    lease->reason = "";
    world_put(world, RECORD_LEASE, lease);
    return true;
}

void leases_settle(const struct planner *planner, struct arena *arena, struct world *world)
{
    const struct farm *farm = NULL;
    size_t cursor = 0;

    if (!is_changed(world, RECORD_LEASE) && !is_changed(world, RECORD_PARTY)) return;
    struct lease_tree *tree = tree_of(planner, arena);
    while ((farm = planner_next(planner, RECORD_FARM, &cursor)) != NULL) {
        const struct holding *holding = lease_holding(tree, farm->party);
        const struct farm_fact *was = planner_get(planner, RECORD_FARM_FACT, farm->full_name);
        const char *ended = holding && holding->ended ? holding->ended : "";
        if (text_equal(farm_is_repossessed(was) ? was->repossessed : "", ended)) continue;
        struct farm_fact *fact = arena_alloc(arena, sizeof(*fact));
        *fact = was ? *was : (struct farm_fact){.name = farm->full_name};
        fact->repossessed = arena_strdup(arena, ended);
        if (ended[0]) fact->scales_length = 0;
        world_put(world, RECORD_FARM_FACT, fact);
    }
    lease_tree_free(tree);
}

const char **leases_ended(const struct planner *planner, struct arena *arena, const struct world *world,
                          size_t *ret_length)
{
    const struct world_change *change = NULL;
    struct vec names = VEC_OF(const char *);
    size_t cursor = 0;

    while ((change = world_next(world, RECORD_LEASE, &cursor)) != NULL) {
        const struct lease *before = change->before;
        const struct lease *after = planner_get(planner, RECORD_LEASE, change->name);
        if (before && before->state == LEASE_ACTIVE && (!after || after->state == LEASE_ENDED))
            *(const char **)vec_push(&names) = arena_strdup(arena, change->name);
    }
    vec_sort(&names, compare_names);
    const char **ended = arena_alloc_array(arena, names.length + 1, sizeof(*ended));
    for (size_t n = 0; n < names.length; n++)
        ended[n] = *(const char **)vec_at(&names, n);
    *ret_length = names.length;
    vec_free(&names);
    return ended;
}

static bool is_changed(const struct world *world, enum record_kind kind)
{
    size_t cursor = 0;
    return world_next(world, kind, &cursor) != NULL;
}

/* Of the grid as it is in the question. */
static struct lease_tree *tree_of(const struct planner *planner, struct arena *arena)
{
    const struct party *party = NULL;
    const struct lease *lease = NULL;
    struct vec parties = VEC_OF(struct party), leases = VEC_OF(struct lease);
    size_t cursor = 0;

    while ((party = planner_next(planner, RECORD_PARTY, &cursor)) != NULL)
        *(struct party *)vec_push(&parties) = *party;
    cursor = 0;
    while ((lease = planner_next(planner, RECORD_LEASE, &cursor)) != NULL)
        *(struct lease *)vec_push(&leases) = *lease;
    vec_sort(&leases, compare_leases);
    const struct snapshot snapshot = {.parties = parties.items,
                                      .parties_length = parties.length,
                                      .leases = leases.items,
                                      .leases_length = leases.length};
    struct lease_tree *tree = lease_tree_new(&snapshot);
    vec_free(&parties);
    vec_free(&leases);
    return tree;
}

/* As the store lists them: of several that ended the last one is told. */
static int compare_leases(const void *a, const void *b)
{
    return strcmp(((const struct lease *)a)->name, ((const struct lease *)b)->name);
}

static int compare_names(const void *a, const void *b)
{
    return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}
