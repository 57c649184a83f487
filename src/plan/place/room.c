#include "plan/place/room.h"
#include "plan/place/held.h"
#include "plan/place/keep.h"

#include "base/buf.h"
#include "base/text.h"

_Static_assert((int)DIMENSIONS == (int)COST_DIMENSIONS && UNCOUNTED == COST_UNCOUNTED, "cost.h has the same");

static double floor_of(const struct room_memo *memo);
static void find_largest(struct work *work);
static size_t group_of(struct work *work, const struct work_host *host);
static void insert(struct work *work, struct room_group *group, size_t host);
static void forget_memos(struct room_group *group);
static void search(const struct room *room, const struct room_group *group, const struct amount *size,
                   struct room_memo *memo);
static struct amount free_of(const struct work_host *host);

struct room *room_new(void)
{
    struct room *room = mem_alloc(sizeof(*room));
    room->group_by_place = map_new();
    return room;
}

void room_free(struct room *room)
{
    if (room == NULL) return;
    for (size_t g = 0; g < room->groups_length; g++) {
        mem_free(room->groups[g].columns);
        mem_free(room->groups[g].memos);
    }
    mem_free(room->groups);
    map_free(room->group_by_place);
    mem_free(room);
}

void room_enter(struct work *work, size_t host)
{
    struct work_host *h = &work->hosts[host];
    struct room *room = work->room;

    h->group = group_of(work, h);
    insert(work, &room->groups[h->group], host);
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
    forget_memos(group);
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
        group->floor[n] = floor_of(memo);
    }
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
        forget_memos(&room->groups[g]);
    held_forget(work->held);
}

size_t room_size(struct room *room, const struct amount *size)
{
    for (size_t n = 0; n < room->sizes_length; n++)
        if (memcmp(&room->sizes[n].size, size, sizeof(*size)) == 0) return n;
    size_t number = room->sizes_length < ROOM_SIZES ? room->sizes_length++ : room->size_next++ % ROOM_SIZES;
    room->sizes[number].size = *size;
    room->sizes[number].generation++;
    for (size_t g = 0; g < room->groups_length; g++)
        room->groups[g].floor[number] = 0;
    return number;
}

const struct room_memo *room_best(struct work *work, size_t group, size_t size)
{
    struct room *room = work->room;
    struct room_memo *memo = &room->groups[group].memos[size];
    if (memo->generation != room->sizes[size].generation) {
        search(room, &room->groups[group], &room->sizes[size].size, memo);
        memo->generation = room->sizes[size].generation;
        room->groups[group].floor[size] = floor_of(memo);
    }
    return memo;
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
    }
    room->groups[room->groups_length++] =
        (struct room_group){.memos = mem_alloc_array(ROOM_SIZES, sizeof(struct room_memo)),
                            .depth = host->depth,
                            .pool = keep_pool(work, host->pool)};
    memcpy(room->groups[room->groups_length - 1].zones, host->zones, sizeof(host->zones));
    map_put(room->group_by_place, buf_text(&place), (void *)room->groups_length);
    return room->groups_length - 1;
}

/* Mostly behind the last: hosts come in the order of their names. */
static void insert(struct work *work, struct room_group *group, size_t host)
{
    struct work_host *h = &work->hosts[host];
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
    forget_memos(group);
}

static void forget_memos(struct room_group *group)
{
    for (size_t n = 0; n < ROOM_SIZES; n++) {
        group->memos[n].generation = 0;
        group->floor[n] = 0;
    }
}

/* Columns are in the order of names. */
static void search(const struct room *room, const struct room_group *group, const struct amount *size,
                   struct room_memo *memo)
{
    memo->best.length = 0;
    for (size_t n = 0; n < group->length; n++)
        cost_top_add(&memo->best, n, room_cost(room, &group->columns[n], size));
}

static struct amount free_of(const struct work_host *host)
{
    struct amount free;
    for (size_t d = 0; d < DIMENSIONS; d++)
        free.of[d] = work_free(host, d);
    return free;
}
