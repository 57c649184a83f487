/* What the usable hosts have free, in columns, by groups of hosts that no preference tells apart: the same
 * zone path, pool and class. A search looks at groups first and only inside the good ones at hosts. */
#ifndef CROFT_PLAN_PLACE_ROOM_H
#define CROFT_PLAN_PLACE_ROOM_H

#include "plan/work.h"

enum { ROOM_MEMOS = 32 };

/* The best host of a group for a size; kept true while hosts change, until only a search can tell. */
struct room_memo {
    struct amount size;
    bool known;
    size_t column; /* of the host; NONE: it fits nowhere */
    int64_t left;  /* room_left() there */
};

struct room_group {
    size_t *hosts; /* by name */
    size_t length, capacity;
    int64_t *free[DIMENSIONS]; /* of each: total less used and promised; about UNCOUNTED: not counted */
    struct room_memo *memos;   /* ROOM_MEMOS of them */
    size_t memos_length, memo_next;
    size_t pool; /* place/keep.h */
};

struct room {
    struct room_group *groups; /* a group without hosts stays */
    size_t groups_length, groups_capacity;
    struct map *group_by_place;        /* number + 1 */
    size_t hosts_length;               /* usable ones */
    struct amount largest;             /* of any of them, by dimension: what fit is measured against */
    size_t largest_length[DIMENSIONS]; /* so many hosts are that large */
    bool weighed;                      /* largest, shift and weight are right */
    uint64_t version;                  /* counts changes of any host */
    uint64_t grown;                    /* counts those after which a host may have room that it had not */
    uint64_t outside;                  /* counts changes of hosts that are not usable */
    unsigned shift[DIMENSIONS];        /* makes the largest host less than 2^20 */
    int64_t weight[DIMENSIONS];        /* makes the largest host about 2^40: fit without a division */
};

struct room *room_new(void);
void room_free(struct room *room);
/* A host becomes usable, or ceases to be (or to be the same). Between the two its means do not change. */
void room_enter(struct work *work, size_t host);
void room_leave(struct work *work, size_t host);
/* To be called whenever used or promised of the host has changed. */
void room_change(struct work *work, size_t host);
/* To be called before the first search of a plan. */
void room_weigh(struct work *work);
/* The best host of the group for the size: with the least left, then by name. Its column is NONE when it fits
 * on none; good until something changes. */
const struct room_memo *room_best(struct work *work, size_t group, const struct amount *size);
/* What is left in the tightest dimension when the size is placed there, in parts of the largest host's; below
 * 0: it does not fit. */
int64_t room_left(const struct room *room, const struct amount *free, const struct amount *size);
struct amount room_free_at(const struct room_group *group, size_t column);

#endif
