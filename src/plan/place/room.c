#include "plan/place/room.h"
#include "plan/place/keep.h"

#include "plan/place/held.h"

#include "base/buf.h"
#include "base/planted.h"
#include "base/text.h"

static size_t group_of(struct work *work, const struct work_host *host);
static void insert(struct work *work, struct room_group *group, size_t host);
static void forget_memos(struct room_group *group);
static void update(const struct room *room, struct room_memo *memo, size_t column, const struct amount *free);
static void search(const struct room *room, const struct room_group *group, struct room_memo *memo);
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
        mem_free(room->groups[g].hosts);
        mem_free(room->groups[g].memos);
        for (size_t d = 0; d < DIMENSIONS; d++)
            mem_free(room->groups[g].free[d]);
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
        room->weighed &= h->total.of[d] <= room->largest.of[d] || h->total.of[d] == UNCOUNTED;
        room->largest_length[d] += h->total.of[d] == room->largest.of[d];
    }
    held_change(work, host);
}

void room_leave(struct work *work, size_t host)
{
    struct work_host *h = &work->hosts[host];
    struct room *room = work->room;
    if (h->group == NONE) return;
    struct room_group *group = &room->groups[h->group];
    struct amount free = room_free_at(group, h->column);

    held_change(work, host);
    keep_leave(work, host, group->pool, &free);
    group->length--;
    for (size_t n = h->column; n < group->length; n++) {
        group->hosts[n] = group->hosts[n + 1];
        for (size_t d = 0; d < DIMENSIONS; d++)
            group->free[d][n] = group->free[d][n + 1];
        work->hosts[group->hosts[n]].column = n;
    }
    forget_memos(group);
    h->group = h->column = NONE;
    room->hosts_length--;
    room->version++;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        room->largest_length[d] -= h->total.of[d] == room->largest.of[d];
        room->weighed &= room->largest_length[d] > 0 || room->largest.of[d] == 0;
    }
}

void room_change(struct work *work, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    struct room *room = work->room;
    room->outside += h->group == NONE;
    if (h->group == NONE) return;
    struct room_group *group = &room->groups[h->group];
    struct amount free = free_of(h), was = room_free_at(group, h->column);

    bool less = true;

    keep_change(work, group->pool, &was, &free);
    for (size_t d = 0; d < DIMENSIONS; d++)
        less &= free.of[d] <= was.of[d];
    room->grown += !less || memcmp(&free, &was, sizeof(free)) == 0;
    for (size_t d = 0; d < DIMENSIONS; d++)
        group->free[d][h->column] = free.of[d];
    room->version++;
    held_change(work, host);
    for (size_t m = 0; m < group->memos_length; m++)
        if (group->memos[m].known) update(room, &group->memos[m], h->column, &free);
}

void room_weigh(struct work *work)
{
    struct room *room = work->room;
    if (room->weighed) return;
    struct amount largest = {{0}};
    size_t lengths[DIMENSIONS] = {0};
    for (size_t g = 0; g < room->groups_length; g++) {
        for (size_t n = 0; n < room->groups[g].length; n++) {
            const struct amount *total = &work->hosts[room->groups[g].hosts[n]].total;
            for (size_t d = 0; d < DIMENSIONS; d++) {
                if (total->of[d] == UNCOUNTED || total->of[d] < largest.of[d]) continue;
                lengths[d] = total->of[d] == largest.of[d] ? lengths[d] + 1 : 1;
                largest.of[d] = total->of[d];
            }
        }
        forget_memos(&room->groups[g]);
    }
    held_forget(work->held);
    room->largest = largest;
    memcpy(room->largest_length, lengths, sizeof(lengths));
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t whole = largest.of[d];
        room->shift[d] = 0;
        while (whole >> room->shift[d] >= 1LL << 20)
            room->shift[d]++;
        room->weight[d] = whole > 0 ? (1LL << 40) / (whole >> room->shift[d]) : 0;
    }
    room->weighed = true;
}

const struct room_memo *room_best(struct work *work, size_t group, const struct amount *size)
{
    struct room_group *g = &work->room->groups[group];
    struct room_memo *memo = NULL;

    for (size_t m = 0; memo == NULL && m < g->memos_length; m++)
        if (memcmp(&g->memos[m].size, size, sizeof(*size)) == 0) memo = &g->memos[m];
    if (memo == NULL) {
        size_t next = g->memos_length < ROOM_MEMOS ? g->memos_length++ : g->memo_next++ % ROOM_MEMOS;
        memo = &g->memos[next];
        *memo = (struct room_memo){.size = *size};
    }
    if (!memo->known) search(work->room, g, memo);
    return memo;
}

int64_t room_left(const struct room *room, const struct amount *free, const struct amount *size)
{
    int64_t least = INT64_MAX;

    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t left = free->of[d] - size->of[d];
        if (size->of[d] == 0 || left > UNCOUNTED / 2) continue;
        if (PLANTED(quota_off_by_one) && left + size->of[d] >= 0 && left < 0) left = 0; /* one too many */
        if (left < 0) return -1;
        int64_t part = (left >> room->shift[d]) * room->weight[d];
        if (part < least) least = part;
    }
    return least;
}

struct amount room_free_at(const struct room_group *group, size_t column)
{
    struct amount free;
    for (size_t d = 0; d < DIMENSIONS; d++)
        free.of[d] = group->free[d][column];
    return free;
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
        .memos = mem_alloc_array(ROOM_MEMOS, sizeof(struct room_memo)), .pool = keep_pool(work, host->pool)};
    map_put(room->group_by_place, buf_text(&place), (void *)room->groups_length);
    return room->groups_length - 1;
}

/* Mostly behind the last: hosts come in the order of their names. */
static void insert(struct work *work, struct room_group *group, size_t host)
{
    struct work_host *h = &work->hosts[host];
    size_t at = group->length;

    if (group->length == group->capacity) {
        group->capacity = group->capacity ? 2 * group->capacity : 8;
        group->hosts = mem_realloc_array(group->hosts, group->capacity, sizeof(*group->hosts));
        for (size_t d = 0; d < DIMENSIONS; d++)
            group->free[d] = mem_realloc_array(group->free[d], group->capacity, sizeof(*group->free[d]));
    }
    for (; at > 0 && text_compare_natural(work->hosts[group->hosts[at - 1]].name, h->name) > 0; at--) {
        group->hosts[at] = group->hosts[at - 1];
        for (size_t d = 0; d < DIMENSIONS; d++)
            group->free[d][at] = group->free[d][at - 1];
        work->hosts[group->hosts[at]].column = at;
    }
    struct amount free = free_of(h);
    group->hosts[at] = host;
    for (size_t d = 0; d < DIMENSIONS; d++)
        group->free[d][at] = free.of[d];
    h->column = at;
    group->length++;
    forget_memos(group);
}

static void forget_memos(struct room_group *group)
{
    for (size_t m = 0; m < group->memos_length; m++)
        group->memos[m].known = false;
}

/* One host changed: it is the best now, or still, or the best has to be searched again. */
static void update(const struct room *room, struct room_memo *memo, size_t column, const struct amount *free)
{
    int64_t left = room_left(room, free, &memo->size);
    if (memo->column == column) {
        memo->known = left >= 0 && left <= memo->left;
        memo->left = left;
    } else if (left >= 0 &&
               (memo->column == NONE || left < memo->left || (left == memo->left && column < memo->column))) {
        memo->column = column;
        memo->left = left;
    }
}

static void search(const struct room *room, const struct room_group *group, struct room_memo *memo)
{
    memo->known = true;
    memo->column = NONE;
    for (size_t n = 0; n < group->length; n++) {
        struct amount free = room_free_at(group, n);
        int64_t left = room_left(room, &free, &memo->size);
        if (left < 0 || (memo->column != NONE && left >= memo->left)) continue;
        memo->column = n;
        memo->left = left;
    }
}

static struct amount free_of(const struct work_host *host)
{
    struct amount free;
    for (size_t d = 0; d < DIMENSIONS; d++)
        free.of[d] = work_free(host, d);
    return free;
}
