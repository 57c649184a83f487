#include "plan/place/room.h"
#include "plan/place/keep.h"

#include "plan/place/held.h"

#include "base/buf.h"
#include "base/planted.h"
#include "base/text.h"

#include <math.h>

/* README.md, Where, says what these do and how they were found. */
#define SCARCE 0.75
#define COST_ASIDE 60.0
#define COST_EMPTY 2.0
#define WHOLE (1 - 1e-9)

static int64_t in_units(size_t dimension, int64_t amount);
static void find_largest(struct work *work);
static bool find_scarce(struct room *room);
static double share_of(const struct room *room, size_t dimension);
static size_t group_of(struct work *work, const struct work_host *host);
static void insert(struct work *work, struct room_group *group, size_t host);
static void forget_memos(struct room_group *group);
static void update(struct room_memo *memo, size_t column, double cost);
static void search(const struct room *room, const struct room_group *group, const struct amount *size,
                   struct room_memo *memo);
static bool is_before(const struct room_place *a, const struct room_place *b);
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
    for (size_t d = 0; d < DIMENSIONS; d++) {
        bool counted = h->total.of[d] != UNCOUNTED;
        room->weighed &= !counted || h->total.of[d] <= room->largest.of[d];
        room->largest_length[d] += counted && h->total.of[d] == room->largest.of[d];
        if (counted) room->offer[d] += in_units(d, h->total.of[d]);
    }
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
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (h->total.of[d] == UNCOUNTED) continue;
        room->largest_length[d] -= h->total.of[d] == room->largest.of[d];
        room->weighed &= room->largest_length[d] > 0 || room->largest.of[d] == 0;
        room->offer[d] -= in_units(d, h->total.of[d]);
    }
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
    for (size_t n = 0; n < room->sizes_length; n++)
        if (group->memos[n].generation == room->sizes[n].generation)
            update(&group->memos[n], h->column, room_cost(room, column, &room->sizes[n].size));
}

void room_demand(struct work *work, const struct farm *farm, int sign)
{
    struct room *room = work->room;
    if (farm->state != FARM_RUNNING) return;
    for (size_t t = 0; t < farm->tiers_length; t++) {
        const struct tier *tier = &farm->tiers[t];
        struct amount size = amount_of(&tier->size);
        for (size_t d = 0; d < DIMENSIONS; d++)
            room->demand[d] += sign * (tier->count.committed + tier->warm) * in_units(d, size.of[d]);
    }
}

void room_weigh(struct work *work)
{
    struct room *room = work->room;
    bool right = room->weighed;

    if (!right) find_largest(work);
    right &= find_scarce(room);
    room->weighed = true;
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
    return number;
}

const struct room_memo *room_best(struct work *work, size_t group, size_t size)
{
    struct room *room = work->room;
    struct room_memo *memo = &room->groups[group].memos[size];
    if (memo->generation != room->sizes[size].generation) {
        search(room, &room->groups[group], &room->sizes[size].size, memo);
        memo->generation = room->sizes[size].generation;
    }
    return memo;
}

double room_cost(const struct room *room, const struct room_column *column, const struct amount *size)
{
    double rest = 0, product = 0, free_square = 0, size_square = 0;
    bool empty = true;

    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t left = column->free.of[d] - size->of[d];
        if (PLANTED(quota_off_by_one) && left < 0 && left + size->of[d] >= 0) left = 0; /* one too many */
        if (left < 0 && size->of[d] > 0) return -1;
        if (!room->scarce[d] || column->inverse[d] == 0) continue;
        double free = (double)column->free.of[d] * column->inverse[d];
        double part = (double)size->of[d] * column->inverse[d];
        rest += (double)left * room->unit[d];
        product += free * part;
        free_square += free * free;
        size_square += part * part;
        empty &= free > WHOLE;
    }
    double squares = free_square * size_square;
    double aside = squares > 0 ? 1 - product / sqrt(squares) : 0;
    return (rest > 0 ? rest : 0) + (empty ? COST_EMPTY : 0) + (aside > 0 ? room->aside * aside : 0);
}

static int64_t in_units(size_t dimension, int64_t amount)
{
    return dimension == 0 ? (amount + 999) / 1000 : (amount + (1 << 20) - 1) >> 20;
}

static void find_largest(struct work *work)
{
    struct room *room = work->room;
    struct amount largest = {{0}};
    size_t lengths[DIMENSIONS] = {0};

    for (size_t g = 0; g < room->groups_length; g++)
        for (size_t n = 0; n < room->groups[g].length; n++) {
            const struct amount *total = &work->hosts[room->groups[g].columns[n].host].total;
            for (size_t d = 0; d < DIMENSIONS; d++) {
                if (total->of[d] == UNCOUNTED || total->of[d] < largest.of[d]) continue;
                lengths[d] = total->of[d] == largest.of[d] ? lengths[d] + 1 : 1;
                largest.of[d] = total->of[d];
            }
        }
    room->largest = largest;
    for (size_t d = 0; d < DIMENSIONS; d++)
        room->unit[d] = largest.of[d] > 0 ? 1 / (double)largest.of[d] : 0;
    memcpy(room->largest_length, lengths, sizeof(lengths));
}

/* False: not as it was. The weight goes by eighths, so that what groups remember is right for long. */
static bool find_scarce(struct room *room)
{
    bool scarce[DIMENSIONS] = {false};
    double most = 0, aside = room->aside;

    for (size_t d = 0; d < DIMENSIONS; d++)
        if (room->offer[d] > 0 && share_of(room, d) > most) most = share_of(room, d);
    for (size_t d = 0; d < DIMENSIONS; d++)
        scarce[d] = room->offer[d] > 0 && share_of(room, d) >= SCARCE * most;
    double load = most >= 0.5 ? 1 : 2 * (double)(int)(most * 8) / 8;
    room->aside = COST_ASIDE * load * load;
    bool same =
        memcmp(scarce, room->scarce, sizeof(scarce)) == 0 && aside >= room->aside && aside <= room->aside;
    memcpy(room->scarce, scarce, sizeof(scarce));
    return same;
}

static double share_of(const struct room *room, size_t dimension)
{
    return (double)room->demand[dimension] / (double)room->offer[dimension];
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
    room->groups[room->groups_length++] = (struct room_group){
        .memos = mem_alloc_array(ROOM_SIZES, sizeof(struct room_memo)), .pool = keep_pool(work, host->pool)};
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
    for (size_t d = 0; d < DIMENSIONS; d++)
        if (h->total.of[d] > 0 && h->total.of[d] != UNCOUNTED) column.inverse[d] = 1 / (double)h->total.of[d];
    group->columns[at] = column;
    h->column = at;
    group->length++;
    forget_memos(group);
}

static void forget_memos(struct room_group *group)
{
    for (size_t n = 0; n < ROOM_SIZES; n++)
        group->memos[n].generation = 0;
}

/* One host changed. What is not among the best is dearer than the last of them, so that a host that stays
 * dearer changes nothing; one that was among them and becomes dearer than the last may be dearer than others,
 * too. */
static void update(struct room_memo *memo, size_t column, double cost)
{
    size_t at = 0;
    bool none = memo->length == 0;
    while (at < memo->length && memo->top[at].column != column)
        at++;
    bool was_there = at < memo->length;
    struct room_place place = {column, cost};
    const struct room_place last = none ? place : memo->top[memo->length - 1];
    if (was_there) {
        memo->length--;
        memmove(memo->top + at, memo->top + at + 1, (memo->length - at) * sizeof(*memo->top));
    }
    if (cost < 0 || (!none && is_before(&last, &place))) {
        if (was_there && memo->length == 0) memo->generation = 0;
        return;
    }
    for (at = memo->length; at > 0 && is_before(&place, &memo->top[at - 1]); at--)
        if (at < ROOM_TOP) memo->top[at] = memo->top[at - 1];
    memo->top[at] = place;
    if (memo->length < ROOM_TOP) memo->length++;
}

static void search(const struct room *room, const struct room_group *group, const struct amount *size,
                   struct room_memo *memo)
{
    memo->length = 0;
    for (size_t n = 0; n < group->length; n++) {
        struct room_place place = {n, room_cost(room, &group->columns[n], size)};
        if (place.cost < 0) continue;
        if (memo->length == ROOM_TOP && !is_before(&place, &memo->top[ROOM_TOP - 1])) continue;
        size_t at = memo->length < ROOM_TOP ? memo->length++ : ROOM_TOP - 1;
        for (; at > 0 && is_before(&place, &memo->top[at - 1]); at--)
            memo->top[at] = memo->top[at - 1];
        memo->top[at] = place;
    }
}

/* Columns are in the order of names. */
static bool is_before(const struct room_place *a, const struct room_place *b)
{
    return a->cost < b->cost || (a->cost <= b->cost && a->column < b->column);
}

static struct amount free_of(const struct work_host *host)
{
    struct amount free;
    for (size_t d = 0; d < DIMENSIONS; d++)
        free.of[d] = work_free(host, d);
    return free;
}
