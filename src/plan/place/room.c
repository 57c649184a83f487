#include "plan/place/room.h"
#include "plan/place/held.h"
#include "plan/place/keep.h"

#include "base/buf.h"
#include "base/text.h"

_Static_assert((int)DIMENSIONS == (int)COST_DIMENSIONS && UNCOUNTED == COST_UNCOUNTED, "cost.h has the same");

static double floor_of(const struct room_memo *memo);
static void find_largest(struct work *work);
static size_t group_of(struct work *work, const struct work_host *host);
static void insert(struct work *work, size_t host);
static void forget_memos(struct room *room, size_t group);
static void change_apart(struct work *work, struct room_group *group, size_t host);
static struct amount free_of(const struct work_host *host);

struct room *room_new(void)
{
    struct room *room = mem_alloc(sizeof(*room));
    room->group_by_place = map_new();
    room->apart_generation = 1;
    return room;
}

void room_free(struct room *room)
{
    if (room == NULL) return;
    for (size_t g = 0; g < room->groups_length; g++) {
        mem_free(room->groups[g].columns);
        mem_free(room->groups[g].memos);
    }
    for (size_t n = 0; n < room->sizes_length; n++)
        mem_free(room->sizes[n].floor);
    mem_free(room->groups);
    map_free(room->group_by_place);
    mem_free(room);
}

void room_enter(struct work *work, size_t host)
{
    struct work_host *h = &work->hosts[host];
    struct room *room = work->room;

    h->group = group_of(work, h);
    insert(work, host);
    room->hosts_length++;
    room->version++;
    struct amount free = free_of(h);
    keep_enter(work, host, room->groups[h->group].pool, &free);
    cost_offer(&room->measure, h->total.of, 1);
    held_change(work, host);
}

void room_leave(struct work *work, size_t host)
{
    struct work_host *h = &work->hosts[host];
    struct room *room = work->room;
    if (h->group == NONE) return;
    struct room_group *group = &room->groups[h->group];

    held_change(work, host);
    keep_leave(work, host, group->pool, &group->columns[h->column].free);
    group->length--;
    for (size_t n = h->column; n < group->length; n++) {
        group->columns[n] = group->columns[n + 1];
        work->hosts[group->columns[n].host].column = n;
    }
    forget_memos(room, h->group);
    h->group = h->column = NONE;
    room->hosts_length--;
    room->version++;
    cost_offer(&room->measure, h->total.of, -1);
}

void room_change(struct work *work, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    struct room *room = work->room;
    room->outside += h->group == NONE;
    if (h->group == NONE) return;
    struct room_group *group = &room->groups[h->group];
    struct room_column *column = &group->columns[h->column];
    struct amount free = free_of(h), was = column->free;
    bool less = true;

    keep_change(work, group->pool, &was, &free);
    for (size_t d = 0; d < DIMENSIONS; d++)
        less &= free.of[d] <= was.of[d];
    room->grown += !less || memcmp(&free, &was, sizeof(free)) == 0;
    column->free = free;
    room->version++;
    held_change(work, host);
    for (size_t n = 0; n < room->sizes_length; n++) {
        struct room_memo *memo = &group->memos[n];
        if (memo->generation != room->sizes[n].generation) continue;
        double cost = room_cost(room, column, &room->sizes[n].size);
        if (!cost_top_change(&memo->best, h->column, cost)) memo->generation = 0;
        room->sizes[n].floor[h->group] = floor_of(memo);
    }
    change_apart(work, group, host);
}

void room_demand(struct work *work, const struct farm *farm, int sign)
{
    struct room *room = work->room;
    if (farm->state != FARM_RUNNING) return;
    for (size_t t = 0; t < farm->tiers_length; t++) {
        const struct tier *tier = &farm->tiers[t];
        struct amount size = amount_of(&tier->size);
        cost_demand(&room->measure, size.of, sign * (tier->count.committed + tier->warm));
    }
}

void room_weigh(struct work *work)
{
    struct room *room = work->room;
    bool right = room->measure.weighed;

    if (!right) find_largest(work);
    right &= cost_find_scarce(&room->measure);
    if (right) return;
    for (size_t g = 0; g < room->groups_length; g++)
        forget_memos(room, g);
    held_forget(work->held);
}

size_t room_size(struct room *room, const struct amount *size)
{
    for (size_t n = 0; n < room->sizes_length; n++)
        if (memcmp(&room->sizes[n].size, size, sizeof(*size)) == 0) return n;
    size_t number = room->sizes_length < ROOM_SIZES ? room->sizes_length++ : room->size_next++ % ROOM_SIZES;
    struct room_size *s = &room->sizes[number];
    s->size = *size;
    s->generation++;
    if (s->floor == NULL) s->floor = mem_alloc_array(room->groups_capacity, sizeof(*s->floor));
    memset(s->floor, 0, room->groups_length * sizeof(*s->floor));
    room_forget_apart(room);
    return number;
}

const struct room_memo *room_best(struct work *work, size_t group, size_t size)
{
    struct room *room = work->room;
    struct room_memo *memo = &room->groups[group].memos[size];
    const struct room_group *g = &room->groups[group];
    if (memo->generation == room->sizes[size].generation) return memo;
    memo->best.length = 0;
    for (size_t n = 0; n < g->length; n++) /* columns are in the order of names */
        cost_top_add(&memo->best, n, room_cost(room, &g->columns[n], &room->sizes[size].size));
    memo->generation = room->sizes[size].generation;
    room->sizes[size].floor[group] = floor_of(memo);
    return memo;
}

const struct room_memo *room_best_apart(struct work *work, size_t group, size_t size)
{
    struct room *room = work->room;
    struct room_group *g = &room->groups[group];
    if (g->apart.generation == room->apart_generation && g->apart_size == size) return &g->apart;
    g->apart.best.length = 0;
    for (size_t n = 0; n < g->length; n++)
        if (work->on_host[g->columns[n].host] == 0)
            cost_top_add(&g->apart.best, n, room_cost(room, &g->columns[n], &room->sizes[size].size));
    g->apart.generation = room->apart_generation;
    g->apart_size = size;
    return &g->apart;
}

void room_forget_apart(struct room *room)
{
    room->apart_generation++;
}

static void change_apart(struct work *work, struct room_group *group, size_t host)
{
    const struct room *room = work->room;
    size_t at = work->hosts[host].column;
    const struct amount *size = &room->sizes[group->apart_size].size;
    if (group->apart.generation != room->apart_generation) return;
    double cost = work->on_host[host] > 0 ? -1 : room_cost(room, &group->columns[at], size);
    if (!cost_top_change(&group->apart.best, at, cost)) group->apart.generation = 0;
}

static double floor_of(const struct room_memo *memo)
{
    if (memo->generation == 0) return 0;
    return memo->best.length > 0 ? memo->best.places[0].cost : INFINITY;
}

double room_cost(const struct room *room, const struct room_column *column, const struct amount *size)
{
    return cost_of(&room->measure, column->free.of, column->inverse, size->of);
}

static void find_largest(struct work *work)
{
    struct room *room = work->room;

    cost_weigh_again(&room->measure);
    for (size_t g = 0; g < room->groups_length; g++)
        for (size_t n = 0; n < room->groups[g].length; n++)
            cost_see(&room->measure, work->hosts[room->groups[g].columns[n].host].total.of);
    cost_weigh_end(&room->measure);
}

static size_t group_of(struct work *work, const struct work_host *host)
{
    struct room *room = work->room;
    CLEANUP_BUF struct buf place = {0};
    buf_printf(&place, "%u\n%s\n%s", host->zones[host->depth - 1], host->pool, host->class_name);
    uintptr_t number = (uintptr_t)map_get(room->group_by_place, buf_text(&place));
    if (number != 0) return number - 1;
    if (room->groups_length == room->groups_capacity) {
        room->groups_capacity = room->groups_capacity ? 2 * room->groups_capacity : 8;
        room->groups = mem_realloc_array(room->groups, room->groups_capacity, sizeof(*room->groups));
        for (size_t n = 0; n < room->sizes_length; n++)
            room->sizes[n].floor =
                mem_realloc_array(room->sizes[n].floor, room->groups_capacity, sizeof(double));
    }
    room->groups[room->groups_length++] =
        (struct room_group){.memos = mem_alloc_array(ROOM_SIZES, sizeof(struct room_memo)),
                            .depth = host->depth,
                            .pool = keep_pool(work, host->pool)};
    memcpy(room->groups[room->groups_length - 1].zones, host->zones, sizeof(host->zones));
    map_put(room->group_by_place, buf_text(&place), (void *)room->groups_length);
    forget_memos(room, room->groups_length - 1);
    return room->groups_length - 1;
}

/* Mostly behind the last: hosts come in the order of their names. */
static void insert(struct work *work, size_t host)
{
    struct work_host *h = &work->hosts[host];
    struct room *room = work->room;
    struct room_group *group = &room->groups[h->group];
    struct room_column column = {.host = host, .free = free_of(h)};
    size_t at = group->length;

    if (group->length == group->capacity) {
        group->capacity = group->capacity ? 2 * group->capacity : 8;
        group->columns = mem_realloc_array(group->columns, group->capacity, sizeof(*group->columns));
    }
    for (; at > 0; at--) {
        if (text_compare_natural(work->hosts[group->columns[at - 1].host].name, h->name) <= 0) break;
        group->columns[at] = group->columns[at - 1];
        work->hosts[group->columns[at].host].column = at;
    }
    cost_invert(h->total.of, column.inverse);
    group->columns[at] = column;
    h->column = at;
    group->length++;
    forget_memos(room, h->group);
}

static void forget_memos(struct room *room, size_t group)
{
    room->groups[group].apart.generation = 0;
    for (size_t n = 0; n < room->sizes_length; n++) {
        room->groups[group].memos[n].generation = 0;
        room->sizes[n].floor[group] = 0;
    }
}

static struct amount free_of(const struct work_host *host)
{
    struct amount free;
    for (size_t d = 0; d < DIMENSIONS; d++)
        free.of[d] = work_free(host, d);
    return free;
}
