/* What the usable hosts have free, in columns, by groups of hosts that no preference tells apart: the same
 * zone path, pool and class. A search looks at groups first and only inside the good ones at hosts. */
#ifndef CROFT_PLAN_PLACE_ROOM_H
#define CROFT_PLAN_PLACE_ROOM_H

#include "plan/work.h"

enum { ROOM_MEMOS = 8 };

/* The best host of a group for a size, until something changes in the group. */
struct room_memo {
    struct amount size;
    size_t tier;      /* whose members stay apart; NONE: of any tier */
    uint64_t version; /* of the group; 0: nothing is noted */
    size_t host;      /* NONE: none fits */
    uint32_t on_host; /* members of the tier there */
    int64_t left;     /* room_left() of it */
};

struct room_group {
    size_t first, length; /* in the columns, in the order of the names */
    uint64_t version;     /* counts changes of what its hosts have free, from 1 */
    struct room_memo memos[ROOM_MEMOS];
    size_t memo_next;
};

struct room {
    struct room_group *groups;
    size_t groups_length;
    size_t *hosts; /* the usable ones, by group, then name */
    size_t length;
    int64_t
        *free[DIMENSIONS]; /* of each of them: total less used and promised; about UNCOUNTED: not counted */
    unsigned shift[DIMENSIONS]; /* makes the largest host less than 2^20 */
    int64_t weight[DIMENSIONS]; /* makes the largest host about 2^40: fit without a division */
};

void room_open(struct work *work);
/* To be called whenever used or promised of the host has changed. */
void room_change(struct work *work, size_t host);
/* The best host of the group for the size: with a tier the one with the fewest members of it (work->on_host
 * has to be the tier's), then the one with the least left, then by name. */
const struct room_memo *room_best(struct work *work, size_t group, const struct amount *size, size_t tier);
/* What is left in the tightest dimension when the size is placed there, in parts of the largest host's; below
 * 0: it does not fit. */
int64_t room_left(const struct room *room, size_t column, const struct amount *size);

#endif
