#include "plan/place/room.h"

#include "base/text.h"

struct sorted {
    const struct work_host *host;
    size_t number;
};

static int compare_places(const struct work_host *a, const struct work_host *b);
static int compare_sorted(const void *a, const void *b);
static void set_weights(struct work *work);
static int64_t free_of(const struct work_host *host, size_t dimension);
static void search(const struct work *work, const struct room_group *group, struct room_memo *memo);

void room_open(struct work *work)
{
    struct room *room = arena_alloc(work->arena, sizeof(*room));
    struct sorted *sorted = arena_alloc_array(work->arena, work->hosts_length + 1, sizeof(*sorted));

    work->room = room;
    for (size_t n = 0; n < work->hosts_length; n++) {
        work->hosts[n].column = work->hosts[n].group = NONE;
        if (work->hosts[n].standing == STANDING_USABLE)
            sorted[room->length++] = (struct sorted){&work->hosts[n], n};
    }
    array_sort(sorted, room->length, sizeof(*sorted), compare_sorted);
    set_weights(work);
    room->hosts = arena_alloc_array(work->arena, room->length + 1, sizeof(*room->hosts));
    room->groups = arena_alloc_array(work->arena, room->length + 1, sizeof(*room->groups));
    for (size_t d = 0; d < DIMENSIONS; d++)
        room->free[d] = arena_alloc_array(work->arena, room->length + 1, sizeof(*room->free[d]));
    for (size_t n = 0; n < room->length; n++) {
        struct work_host *host = &work->hosts[sorted[n].number];
        if (n == 0 || compare_places(sorted[n - 1].host, sorted[n].host) != 0)
            room->groups[room->groups_length++] = (struct room_group){.first = n, .version = 1};
        room->groups[room->groups_length - 1].length++;
        room->hosts[n] = sorted[n].number;
        host->column = n;
        host->group = room->groups_length - 1;
        for (size_t d = 0; d < DIMENSIONS; d++)
            room->free[d][n] = free_of(host, d);
    }
}

void room_change(struct work *work, size_t host)
{
    const struct work_host *h = &work->hosts[host];
    struct room *room = work->room;

    if (room == NULL || h->column == NONE) return;
    for (size_t d = 0; d < DIMENSIONS; d++)
        room->free[d][h->column] = free_of(h, d);
    room->groups[h->group].version++;
}

const struct room_memo *room_best(struct work *work, size_t group, const struct amount *size, size_t tier)
{
    struct room_group *g = &work->room->groups[group];
    struct room_memo *memo = NULL;

    for (size_t m = 0; memo == NULL && m < ROOM_MEMOS; m++)
        if (g->memos[m].version != 0 && g->memos[m].tier == tier &&
            memcmp(&g->memos[m].size, size, sizeof(*size)) == 0)
            memo = &g->memos[m];
    if (memo != NULL && memo->version == g->version) return memo;
    if (memo == NULL) memo = &g->memos[g->memo_next++ % ROOM_MEMOS];
    *memo = (struct room_memo){.size = *size, .tier = tier, .version = g->version};
    search(work, g, memo);
    return memo;
}

int64_t room_left(const struct room *room, size_t column, const struct amount *size)
{
    int64_t least = INT64_MAX;

    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t left = room->free[d][column] - size->of[d];
        if (size->of[d] == 0 || left > UNCOUNTED / 2) continue;
        if (left < 0) return -1;
        int64_t part = (left >> room->shift[d]) * room->weight[d];
        if (part < least) least = part;
    }
    return least;
}

static void search(const struct work *work, const struct room_group *group, struct room_memo *memo)
{
    const struct room *room = work->room;

    memo->host = NONE;
    for (size_t n = group->first; n < group->first + group->length; n++) {
        uint32_t on_host = memo->tier == NONE ? 0 : work->on_host[room->hosts[n]];
        if (memo->host != NONE && on_host > memo->on_host) continue;
        int64_t left = room_left(room, n, &memo->size);
        if (left < 0 || (memo->host != NONE && on_host == memo->on_host && left >= memo->left)) continue;
        memo->host = room->hosts[n];
        memo->on_host = on_host;
        memo->left = left;
    }
}

static int64_t free_of(const struct work_host *host, size_t dimension)
{
    return host->total.of[dimension] - host->used.of[dimension] - host->promised.of[dimension];
}

static void set_weights(struct work *work)
{
    for (size_t n = 0; n < work->hosts_length; n++) {
        const struct work_host *host = &work->hosts[n];
        if (host->standing != STANDING_USABLE) continue;
        for (size_t d = 0; d < DIMENSIONS; d++)
            if (host->total.of[d] > work->largest.of[d] && host->total.of[d] != UNCOUNTED)
                work->largest.of[d] = host->total.of[d];
    }
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t whole = work->largest.of[d];
        while (whole >> work->room->shift[d] >= 1LL << 20)
            work->room->shift[d]++;
        if (whole > 0) work->room->weight[d] = (1LL << 40) / (whole >> work->room->shift[d]);
    }
}

static int compare_places(const struct work_host *a, const struct work_host *b)
{
    for (unsigned d = 0; d < a->depth && d < b->depth; d++)
        if (a->zones[d] != b->zones[d]) return a->zones[d] < b->zones[d] ? -1 : 1;
    if (a->depth != b->depth) return a->depth < b->depth ? -1 : 1;
    int order = strcmp(a->pool, b->pool);
    return order != 0 ? order : strcmp(a->class_name, b->class_name);
}

static int compare_sorted(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = compare_places(x->host, y->host);
    return order != 0 ? order : text_compare_natural(x->host->name, y->host->name);
}
