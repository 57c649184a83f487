#include "plan/plan.h"

#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/place.h"
#include "plan/recover/recover.h"
#include "plan/scale/scale.h"

/* Decisions open others: what is forgotten makes room for what waits. A pass that decides nothing ends it.
 * The bound is far above any chain of decisions, and below what a person would notice. */
enum { PASSES_MAX = 16 };

static struct snapshot in_order(struct arena *arena, const struct snapshot *snapshot);
static const void *sorted(struct arena *arena, const void *items, size_t length, size_t size,
                          int (*compare)(const void *a, const void *b));
static int compare_hosts(const void *a, const void *b);
static int compare_host_facts(const void *a, const void *b);
static int compare_images(const void *a, const void *b);
static int compare_farms(const void *a, const void *b);
static int compare_farm_facts(const void *a, const void *b);
static int compare_instances(const void *a, const void *b);

struct plan plan_make(struct arena *arena, const struct snapshot *snapshot, int64_t now_ms)
{
    struct snapshot *ordered = arena_alloc(arena, sizeof(*ordered));
    *ordered = in_order(arena, snapshot);
    struct work *work = work_new(arena, ordered, now_ms);
    size_t before = 0;

    for (int pass = 0; pass < PASSES_MAX; pass++) {
        before = work->changes;
        work->again_ms = 0;
        scale_farms(work);
        scale_census(work);
        recover_fence(work);
        scale_settle(work);
        scale_census(work);
        recover_promise(work);
        scale_counts(work);
        scale_roll(work);
        recover_leave(work);
        recover_drained(work);
        place_all(work);
        act_explain_all(work);
        if (work->changes == before) break;
    }
    struct plan plan = order_plan(work);
    work_end(work);
    return plan;
}

/* The contract says sorted; what depends on it is too much to trust it, and looking is cheap. */
static struct snapshot in_order(struct arena *arena, const struct snapshot *s)
{
    struct snapshot o = *s;
    o.hosts = sorted(arena, s->hosts, s->hosts_length, sizeof(*s->hosts), compare_hosts);
    o.host_facts =
        sorted(arena, s->host_facts, s->host_facts_length, sizeof(*s->host_facts), compare_host_facts);
    o.images = sorted(arena, s->images, s->images_length, sizeof(*s->images), compare_images);
    o.farms = sorted(arena, s->farms, s->farms_length, sizeof(*s->farms), compare_farms);
    o.farm_facts =
        sorted(arena, s->farm_facts, s->farm_facts_length, sizeof(*s->farm_facts), compare_farm_facts);
    o.instances = sorted(arena, s->instances, s->instances_length, sizeof(*s->instances), compare_instances);
    return o;
}

static const void *sorted(struct arena *arena, const void *items, size_t length, size_t size,
                          int (*compare)(const void *a, const void *b))
{
    const char *bytes = items;
    bool good = true;
    for (size_t n = 1; good && n < length; n++)
        good = compare(bytes + (n - 1) * size, bytes + n * size) <= 0;
    if (good) return items;
    void *copy = arena_alloc_array(arena, length, size);
    memcpy(copy, items, length * size);
    array_sort(copy, length, size, compare);
    return copy;
}

static int compare_hosts(const void *a, const void *b)
{
    return text_compare_natural(((const struct host *)a)->name, ((const struct host *)b)->name);
}

static int compare_host_facts(const void *a, const void *b)
{
    return text_compare_natural(((const struct host_fact *)a)->name, ((const struct host_fact *)b)->name);
}

static int compare_images(const void *a, const void *b)
{
    const struct image *x = a, *y = b;
    int order = text_compare_natural(x->name, y->name);
    return order != 0 ? order : text_compare_natural(x->party, y->party);
}

static int compare_farms(const void *a, const void *b)
{
    return text_compare_natural(((const struct farm *)a)->full_name, ((const struct farm *)b)->full_name);
}

static int compare_farm_facts(const void *a, const void *b)
{
    return text_compare_natural(((const struct farm_fact *)a)->name, ((const struct farm_fact *)b)->name);
}

static int compare_instances(const void *a, const void *b)
{
    return text_compare_natural(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}
