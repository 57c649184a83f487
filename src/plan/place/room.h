/* What the usable hosts have free, by groups of hosts that no preference tells apart: the same zone path,
 * pool and class. A search looks at groups first and only inside the good ones at hosts. */
#ifndef CROFT_PLAN_PLACE_ROOM_H
#define CROFT_PLAN_PLACE_ROOM_H

#include "plan/work.h"

enum {
    ROOM_SIZES = 64, /* for so many sizes groups remember their best hosts */
    ROOM_TOP = 8,    /* so many of them */
};

struct room_column {
    size_t host;
    struct amount free;         /* total less used and promised; about UNCOUNTED: not counted */
    double inverse[DIMENSIONS]; /* of its total; 0: it has none, or it is not counted */
};

struct room_place {
    size_t column;
    double cost; /* room_cost() there */
};

/* The best hosts of a group for a size, the best first; kept true while hosts change, until only a search can
 * tell. Known and without any: it fits nowhere. */
struct room_memo {
    uint64_t generation; /* of the size; 0: not known */
    size_t length;
    struct room_place top[ROOM_TOP];
};

struct room_group {
    struct room_column *columns; /* by name */
    size_t length, capacity;
    struct room_memo *memos; /* by number of the size */
    size_t pool;             /* place/keep.h */
};

struct room_size {
    struct amount size;
    uint64_t generation; /* counts sizes that had this number before */
};

struct room {
    struct room_group *groups; /* a group without hosts stays */
    size_t groups_length, groups_capacity;
    struct map *group_by_place; /* number + 1 */
    size_t hosts_length;        /* usable ones */
    struct room_size sizes[ROOM_SIZES];
    size_t sizes_length, size_next;
    struct amount largest;             /* of any usable host, by dimension: what sizes are measured in */
    size_t largest_length[DIMENSIONS]; /* so many hosts are that large */
    double unit[DIMENSIONS];           /* 1 / largest; 0: nobody has any */
    bool weighed;                      /* largest and unit are right */
    /* What all farms ask and all usable hosts offer, in cores and MiB (rounded up), and the dimensions that
     * are scarce by that: where hosts should not be left with room in one and none in another. */
    int64_t demand[DIMENSIONS], offer[DIMENSIONS];
    bool scarce[DIMENSIONS];
    double aside; /* weight of what would be left without a use: more when much of the room is asked for */
    uint64_t version; /* counts changes of any host */
    uint64_t grown;   /* counts those after which a host may have room that it had not */
    uint64_t outside; /* counts changes of hosts that are not usable */
};

struct room *room_new(void);
void room_free(struct room *room);
/* A host becomes usable, or ceases to be (or to be the same). Between the two its means do not change. */
void room_enter(struct work *work, size_t host);
void room_leave(struct work *work, size_t host);
/* To be called whenever used or promised of the host has changed. */
void room_change(struct work *work, size_t host);
/* What the farm wants is asked for (sign 1), or no more (-1). */
void room_demand(struct work *work, const struct farm *farm, int sign);
/* To be called before the first search of a plan. */
void room_weigh(struct work *work);
/* The number under which groups remember the size; good until it is asked for another size. */
size_t room_size(struct room *room, const struct amount *size);
/* The best hosts of the group for the size; good until something changes. */
const struct room_memo *room_best(struct work *work, size_t group, size_t size);
/* How dear it is to place the size on a host with this room: the least is best (README.md, Where). Below 0:
 * it does not fit. */
double room_cost(const struct room *room, const struct room_column *column, const struct amount *size);

#endif
