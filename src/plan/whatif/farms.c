#include "plan/whatif/farms.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/document/find.h"
#include "plan/document/frontend.h"
#include "plan/work.h"

enum { BEFORE, AFTER, SIDES };

struct comparing {
    const struct planner *planner;
    struct arena *arena;
    const struct world *world;
    struct map *touched; /* farms, by name */
    struct map *hosts;   /* of their instances, by name */
    struct vec instances[SIDES], facts[SIDES], farm_facts[SIDES], images[SIDES];
    struct snapshot snapshots[SIDES];
};

static void find_touched(struct comparing *comparing);
static void gather(struct comparing *comparing);
static void add_instance(struct comparing *comparing, int side, const struct instance *instance);
static const void *was(const struct comparing *comparing, enum record_kind kind, const char *name);
static void add(struct vec *to, const void *object);
static void add_images(struct comparing *comparing);
static void close_snapshot(struct comparing *comparing, int side);
static void serve(struct comparing *comparing, int side, const struct farm *farm);
static int compare_instances(const void *a, const void *b);
static int compare_facts(const void *a, const void *b);
static int compare_farm_facts(const void *a, const void *b);
static int compare_images(const void *a, const void *b);
static int compare_farms(const void *a, const void *b);

const struct whatif_farm *farms_compare(const struct planner *planner, struct arena *arena,
                                        const struct world *world, size_t *ret_length)
{
    struct comparing comparing = {
        .planner = planner, .arena = arena, .world = world, .touched = map_new(), .hosts = map_new()};
    for (int side = 0; side < SIDES; side++) {
        comparing.instances[side] = VEC_OF(struct instance);
        comparing.facts[side] = VEC_OF(struct host_fact);
        comparing.farm_facts[side] = VEC_OF(struct farm_fact);
        comparing.images[side] = VEC_OF(struct image);
    }
    find_touched(&comparing);
    if (map_length(comparing.touched) > 0) gather(&comparing);
    struct whatif_farm *farms = arena_alloc_array(arena, map_length(comparing.touched) + 1, sizeof(*farms));
    size_t cursor = 0, length = 0;
    const char *name = NULL;
    while (map_next(comparing.touched, &cursor, &name, NULL)) {
        const struct farm *after = planner_get(planner, RECORD_FARM, name);
        const struct farm *before = was(&comparing, RECORD_FARM, name);
        const char *ignored = NULL;
        if (after == NULL) continue;
        struct whatif_farm *farm = &farms[length++];
        *farm = (struct whatif_farm){.name = after->full_name, .state_before = "absent"};
        if (before) {
            serve(&comparing, BEFORE, before);
            farm->state_before = plan_farm_state(arena, &comparing.snapshots[BEFORE], before, &ignored);
        }
        serve(&comparing, AFTER, after);
        farm->state_after = plan_farm_state(arena, &comparing.snapshots[AFTER], after, &farm->reason);
    }
    array_sort(farms, length, sizeof(*farms), compare_farms);
    for (int side = 0; side < SIDES; side++) {
        vec_free(&comparing.instances[side]);
        vec_free(&comparing.facts[side]);
        vec_free(&comparing.farm_facts[side]);
        vec_free(&comparing.images[side]);
    }
    map_free(comparing.touched);
    map_free(comparing.hosts);
    *ret_length = length;
    return farms;
}

static void find_touched(struct comparing *comparing)
{
    const struct world_change *change = NULL;
    size_t cursor = 0;
    while ((change = world_next(comparing->world, RECORD_INSTANCE, &cursor)) != NULL) {
        const struct instance *instance = change->before;
        if (instance == NULL) instance = planner_get(comparing->planner, RECORD_INSTANCE, change->name);
        if (instance) map_put(comparing->touched, instance->farm, comparing);
    }
    cursor = 0;
    while ((change = world_next(comparing->world, RECORD_FARM, &cursor)) != NULL)
        map_put(comparing->touched, change->name, comparing);
    cursor = 0;
    while ((change = world_next(comparing->world, RECORD_FARM_FACT, &cursor)) != NULL)
        map_put(comparing->touched, change->name, comparing);
}

/* Snapshots of these farms alone: all that plan_farm_state() looks at. */
static void gather(struct comparing *comparing)
{
    const struct world_change *change = NULL;
    const struct instance *instance = NULL;
    const char *name = NULL;
    size_t cursor = 0;

    while ((instance = planner_next(comparing->planner, RECORD_INSTANCE, &cursor)) != NULL) {
        if (!map_get(comparing->touched, instance->farm)) continue;
        add_instance(comparing, AFTER, instance);
        add_instance(comparing, BEFORE, was(comparing, RECORD_INSTANCE, instance->name));
    }
    cursor = 0;
    while ((change = world_next(comparing->world, RECORD_INSTANCE, &cursor)) != NULL)
        if (planner_get(comparing->planner, RECORD_INSTANCE, change->name) == NULL)
            add_instance(comparing, BEFORE, change->before);
    cursor = 0;
    while (map_next(comparing->touched, &cursor, &name, NULL)) {
        add(&comparing->farm_facts[AFTER], planner_get(comparing->planner, RECORD_FARM_FACT, name));
        add(&comparing->farm_facts[BEFORE], was(comparing, RECORD_FARM_FACT, name));
    }
    cursor = 0;
    while (map_next(comparing->hosts, &cursor, &name, NULL)) {
        add(&comparing->facts[AFTER], planner_get(comparing->planner, RECORD_HOST_FACT, name));
        add(&comparing->facts[BEFORE], was(comparing, RECORD_HOST_FACT, name));
    }
    add_images(comparing);
    close_snapshot(comparing, BEFORE);
    close_snapshot(comparing, AFTER);
}

static void add_instance(struct comparing *comparing, int side, const struct instance *instance)
{
    add(&comparing->instances[side], instance);
    if (instance) map_put(comparing->hosts, instance->host, comparing);
}

/* As it was before; NULL: it was not there. */
static const void *was(const struct comparing *comparing, enum record_kind kind, const char *name)
{
    const struct world_change *change = world_change(comparing->world, kind, name);
    return change ? change->before : planner_get(comparing->planner, kind, name);
}

static void add(struct vec *to, const void *object)
{
    if (object) memcpy(vec_push(to), object, to->item_size);
}

static void add_images(struct comparing *comparing)
{
    const struct image *image = NULL;
    size_t cursor = 0;
    while ((image = planner_next(comparing->planner, RECORD_IMAGE, &cursor)) != NULL) {
        const char *name = arena_printf(comparing->arena, "%s/%s", image->party, image->name);
        add(&comparing->images[AFTER], image);
        add(&comparing->images[BEFORE], was(comparing, RECORD_IMAGE, name));
    }
}

static void close_snapshot(struct comparing *comparing, int side)
{
    struct vec *instances = &comparing->instances[side], *facts = &comparing->facts[side];
    struct vec *farm_facts = &comparing->farm_facts[side], *images = &comparing->images[side];
    vec_sort(instances, compare_instances);
    vec_sort(facts, compare_facts);
    vec_sort(farm_facts, compare_farm_facts);
    vec_sort(images, compare_images);
    comparing->snapshots[side] = (struct snapshot){.images = images->items,
                                                   .images_length = images->length,
                                                   .instances = instances->items,
                                                   .instances_length = instances->length,
                                                   .host_facts = facts->items,
                                                   .host_facts_length = facts->length,
                                                   .farm_facts = farm_facts->items,
                                                   .farm_facts_length = farm_facts->length};
}

/* What every balancer that runs will have said back when nothing changes any more: that it serves all. */
static void serve(struct comparing *comparing, int side, const struct farm *farm)
{
    const struct snapshot *snapshot = &comparing->snapshots[side];
    struct vec *instances = &comparing->instances[side];
    const char *hash = NULL;
    size_t length = 0;

    if (farm->balance_length == 0) return;
    const struct balance_frontend *frontends = frontends_of(comparing->arena, snapshot, farm, &length);
    hash = frontends_hash(comparing->arena, frontends, length);
    const struct instance *own = find_instances(comparing->arena, snapshot, farm->full_name, &length);
    for (size_t n = 0; n < length; n++) {
        struct instance *instance = vec_at(instances, (size_t)(own - snapshot->instances) + n);
        if (text_equal(instance->tier, TIER_BALANCE) && instance->state == INSTANCE_RUNNING)
            instance->frontends_hash = hash;
    }
}

static int compare_instances(const void *a, const void *b)
{
    return text_compare_natural(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}

static int compare_facts(const void *a, const void *b)
{
    return text_compare_natural(((const struct host_fact *)a)->name, ((const struct host_fact *)b)->name);
}

static int compare_farm_facts(const void *a, const void *b)
{
    return text_compare_natural(((const struct farm_fact *)a)->name, ((const struct farm_fact *)b)->name);
}

static int compare_images(const void *a, const void *b)
{
    const struct image *x = a, *y = b;
    int order = text_compare_natural(x->name, y->name);
    return order != 0 ? order : text_compare_natural(x->party, y->party);
}

static int compare_farms(const void *a, const void *b)
{
    return text_compare_natural(((const struct whatif_farm *)a)->name, ((const struct whatif_farm *)b)->name);
}
