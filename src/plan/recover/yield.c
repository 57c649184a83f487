/* Steps 4 and 5 of recovery: lower ranks yield their places to what was lost with its host, or yielded
 * itself.
 *
 * Three plans, as everything that leaves a host: first those that yield are drained or stopped, and what they
 * make room for says in `room_on` where it waits; then that room, to come or free already, is kept for it in
 * every plan (`owed`); when it is free it is placed. The ranks are strict, so no chain of yielding has an end
 * that is its beginning. */
#include "base/text.h"
#include "plan/order/act.h"
#include "plan/place/held.h"
#include "plan/place/place.h"
#include "plan/place/room.h"
#include "plan/recover/recover.h"
#include "plan/scale/scale.h"

/* A group of hosts as seen from where the instance was. Smaller is better, field by field. */
struct view {
    int step; /* 4 or 5 */
    uint32_t in_zone;
    unsigned distance;
    size_t group;
};

struct offer {
    size_t host; /* NONE: none yet */
    uint32_t on_host;
    struct held_price price;
};

static bool keep(struct work *work, size_t instance);
static void owe(struct work *work, size_t instance, size_t host);
static size_t view_groups(struct work *work, const struct place_ask *ask, struct view *views);
static struct held_ask who_may_go(struct work *work, const struct place_ask *ask);
static size_t nearest(struct work *work, const struct place_ask *ask, const struct held_ask *who,
                      size_t length);
static void ask_group(struct work *work, const struct place_ask *ask, const struct held_ask *who,
                      size_t group, struct offer *best);
static void take_better(const struct work *work, struct offer *best, const struct offer *offer);
static int compare_views(const void *a, const void *b);
static bool same_view(const struct view *a, const struct view *b);
static void make_way(struct work *work, size_t victim, size_t instance);
static bool is_same_party(const struct work *work, const struct work_instance *a,
                          const struct work_instance *b);

void yield_keep(struct work *work)
{
    struct index waiting = {0};
    for (size_t k = 0; k < work->list.length; k++) {
        const struct work_instance *i = &work->instances[work->list.items[k]];
        if (i->record->room_on == NULL || i->record->room_on[0] == '\0') continue;
        if (place_waits(work, i) && yield_may(work, work->list.items[k]))
            index_add(work->arena, &waiting, work->list.items[k]);
    }
    work_sort_by_rank(work, waiting.items, waiting.length);
    for (size_t n = 0; n < waiting.length; n++)
        (void)keep(work, waiting.items[n]);
}

bool yield_may(const struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    if (i->record->wanted == WANTED_WARM) return false;
    return instance_yields(i->record) || (i->host != NONE && work->hosts[i->host].standing == STANDING_LOST);
}

bool yield_find(struct work *work, const struct place_ask *ask)
{
    struct index victims = {0};
    struct view *views = work->views;
    if (work->room->groups_length > work->views_capacity) {
        work->views_capacity = work->room->groups_capacity;
        views = work->views = mem_realloc_array(views, work->views_capacity, sizeof(*views));
    }
    struct held_ask who = who_may_go(work, ask);
    struct held_ask nobody = {.size = who.size, .rank = HELD_NOBODY, .ceiling = HELD_NOBODY};
    size_t length = view_groups(work, ask, views);
    size_t host = nearest(work, ask, &nobody, length);
    if (host == NONE) host = nearest(work, ask, &who, length);
    if (host == NONE) return false;
    held_victims(work, host, &who, &victims);
    for (size_t v = 0; v < victims.length; v++)
        make_way(work, victims.items[v], ask->instance);
    owe(work, ask->instance, host);
    return true;
}

bool yield_goes_on(const struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    if (!instance_yields(i->record) || i->host == NONE) return false;
    const struct work_host *host = &work->hosts[i->host];
    struct amount size = amount_of(&i->record->size);
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t free = host->total.of[d] - host->used.of[d] - host->promised.of[d];
        int64_t rest = host->owed.of[d] - (host->coming.of[d] - size.of[d]);
        if (size.of[d] > 0 && host->owed.of[d] > 0 && rest > (free > 0 ? free : 0)) return true;
    }
    return false;
}

const char *yield_waits_for(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    const struct work_host *host = &work->hosts[i->promise];
    const struct work_instance *first = NULL;
    size_t leaving = 0;

    for (size_t n = 0; n < host->instances.length; n++) {
        const struct work_instance *other = &work->instances[host->instances.items[n]];
        if (!instance_leaving(other->record)) continue;
        leaving++;
        bool before = first == NULL || instance_yields(other->record) > instance_yields(first->record) ||
                      (instance_yields(other->record) == instance_yields(first->record) &&
                       text_compare_natural(other->record->name, first->record->name) < 0);
        if (before) first = other;
    }
    if (first == NULL) return arena_printf(work->arena, "waits for room on %s", host->name);
    return arena_printf(work->arena, "waits for room on %s that %s%s %s", host->name,
                        is_same_party(work, i, first) ? first->record->name : "an instance of another party",
                        leaving > 1 ? " and others" : "",
                        !instance_yields(first->record) ? (leaving > 1 ? "leave" : "leaves")
                        : leaving > 1                   ? "yield"
                                                        : "yields");
}

/* What an earlier plan began, if it still leads anywhere. */
static bool keep(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    size_t host = work_host(work, i->record->room_on);
    struct place_ask ask = {.tier = i->tier, .instance = instance, .near = place_was(work, i), NONE, NONE};
    struct place_rating rating;
    struct held_ask nobody = {amount_of(&work->tiers[i->tier].intent->size), HELD_NOBODY, HELD_NOBODY, NONE,
                              NULL};
    if (host == NONE || work->hosts[host].group == NONE || place_blocked(work, i->tier)) return false;
    if (!place_rate(work, &ask, host, &rating)) return false;
    if (held_price(work, host, &nobody).highest == HELD_IMPOSSIBLE) return false;
    owe(work, instance, host);
    return true;
}

static void owe(struct work *work, size_t instance, size_t host)
{
    struct work_instance *i = &work->instances[instance];
    struct amount size = amount_of(&work->tiers[i->tier].intent->size);
    i->promise = host;
    i->owed = true;
    for (size_t d = 0; d < DIMENSIONS; d++)
        work->hosts[host].owed.of[d] += size.of[d];
    room_change(work, host);
}

/* Those that the instance may use, best first. What only single hosts differ in counts inside a group. */
static size_t view_groups(struct work *work, const struct place_ask *ask, struct view *views)
{
    size_t length = 0;
    for (size_t g = 0; g < work->room->groups_length; g++) {
        const struct room_group *group = &work->room->groups[g];
        struct place_rating rating;
        if (group->length == 0) continue;
        bool good = place_rate(work, ask, group->columns[0].host, &rating);
        if (!good && !rating.by_host) continue;
        views[length++] = (struct view){.step = rating.distance == 0 ? 4 : 5,
                                        .in_zone = rating.by_host ? 0 : rating.in_zone,
                                        .distance = rating.distance,
                                        .group = g};
    }
    array_sort(views, length, sizeof(*views), compare_views);
    return length;
}

/* Nobody yields to what needs it, nor to what it needs: neither is of use without the other. And what yielded
 * itself only takes places of those that stay below it whatever lives: a rank falls with those that need it,
 * and would else be taken to and fro by two. What was lost takes a place once a loss. So it comes to an end.
 */
static struct held_ask who_may_go(struct work *work, const struct place_ask *ask)
{
    const struct work_instance *i = &work->instances[ask->instance];
    const struct work_farm *farm = &work->farms[i->farm];
    if (farm->tiers_length > work->spared_capacity) {
        work->spared_capacity = 2 * farm->tiers_length;
        work->spared = mem_realloc_array(work->spared, work->spared_capacity, sizeof(*work->spared));
    }
    return (struct held_ask){
        .size = amount_of(&work->tiers[i->tier].intent->size),
        .rank = i->rank,
        .ceiling = instance_yields(i->record) ? i->ceiling : INT32_MAX,
        .farm = i->farm,
        .spared = recover_related(work, i->tier, work->spared) ? work->spared : NULL,
    };
}

static size_t nearest(struct work *work, const struct place_ask *ask, const struct held_ask *who,
                      size_t length)
{
    struct offer best = {.host = NONE};
    for (size_t v = 0; v < length; v++) {
        if (best.host != NONE && !same_view(&work->views[v], &work->views[v - 1])) break;
        ask_group(work, ask, who, work->views[v].group, &best);
    }
    return best.host;
}

/* What is remembered is right for anybody unless the tier has a member on that very host, or somebody there
 * is to be spared. */
static void ask_group(struct work *work, const struct place_ask *ask, const struct held_ask *who,
                      size_t group, struct offer *best)
{
    struct offer offer = {.host = NONE};
    struct place_rating rating;

    offer.host = held_best(work, group, who, &offer.price);
    if (offer.host == NONE) return;
    bool good = place_rate(work, ask, offer.host, &rating);
    if (rating.on_host == 0 && !held_spares(work, offer.host, who)) {
        if (good) take_better(work, best, &offer);
        return;
    }
    for (size_t n = 0; n < work->room->groups[group].length; n++) {
        offer.host = work->room->groups[group].columns[n].host;
        offer.price = held_price(work, offer.host, who);
        if (offer.price.highest == HELD_IMPOSSIBLE || !place_rate(work, ask, offer.host, &rating)) continue;
        offer.on_host = rating.on_host;
        take_better(work, best, &offer);
    }
}

static void take_better(const struct work *work, struct offer *best, const struct offer *offer)
{
    int order = best->host == NONE ? -1 : (offer->on_host > best->on_host) - (offer->on_host < best->on_host);
    if (order == 0) order = held_compare(&offer->price, &best->price);
    if (order == 0) order = text_compare_natural(work->hosts[offer->host].name, work->hosts[best->host].name);
    if (order < 0) *best = *offer;
}

static int compare_views(const void *a, const void *b)
{
    const struct view *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    if (x->in_zone != y->in_zone) return x->in_zone < y->in_zone ? -1 : 1;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return 0;
}

static bool same_view(const struct view *a, const struct view *b)
{
    return compare_views(a, b) == 0;
}

static void make_way(struct work *work, size_t victim, size_t instance)
{
    const struct work_instance *i = &work->instances[instance], *v = &work->instances[victim];
    const char *to = is_same_party(work, i, v) ? i->record->name : "an instance of another party";
    const char *on = work->hosts[v->host].name;
    const char *reason =
        v->rank == RANK_WARM
            ? arena_printf(work->arena, "yields its place on %s to %s: it only waits at the door", on, to)
            : arena_printf(work->arena, "yields its place on %s to %s (priority %d against %d)", on, to,
                           i->rank, v->rank);
    work_touch(work, v->farm);
    work_edit(work, victim)->last_host = on;
    scale_remove(work, victim, reason);
}

/* A party is not told of what is another's. */
static bool is_same_party(const struct work *work, const struct work_instance *a,
                          const struct work_instance *b)
{
    size_t party = strcspn(work->farms[a->farm].name, "/") + 1;
    return strncmp(work->farms[a->farm].name, work->farms[b->farm].name, party) == 0;
}
