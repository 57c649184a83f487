/* What the usable hosts have free, by groups of hosts that no preference tells apart: the same zone path,
 * pool and class. A search looks at groups first and only inside the good ones at hosts. */
#ifndef CROFT_PLAN_PLACE_ROOM_H
#define CROFT_PLAN_PLACE_ROOM_H

#include "plan/place/cost.h"
#include "plan/work.h"

enum {
    ROOM_SIZES = 64, /* for so many sizes groups remember their best hosts */
};

struct room_column {
    size_t host;
    struct amount free;         /* total less used and promised; about UNCOUNTED: not counted */
    double inverse[DIMENSIONS]; /* cost_invert() */
};

/* The best hosts of a group for a size, by column; kept true while hosts change, until only a search can
 * tell. */
struct room_memo {
    uint64_t generation; /* of the size; 0: not known */
    struct cost_top best;
};

struct room_group {
    struct room_column *columns; /* by name */
    size_t length, capacity;
    struct room_memo *memos; /* by number of the size */
    /* The same of its hosts that have no member of work->spread_tier, for the size asked last. */
    struct room_memo apart;
    size_t apart_size;
    uint32_t zones[ZONE_DEPTH_MAX]; /* of its hosts, as of struct work_host */
    unsigned depth;
    size_t pool; /* place/keep.h */
};

struct room_size {
    struct amount size;
    uint64_t generation; /* counts sizes that had this number before */
    double *floor;       /* by group: no host is cheaper; 0: not known, INFINITY: it fits nowhere */
};

struct room {
    struct room_group *groups; /* a group without hosts stays */
    size_t groups_length, groups_capacity;
    struct map *group_by_place; /* number + 1 */
    size_t hosts_length;        /* usable ones */
    struct room_size sizes[ROOM_SIZES];
    size_t sizes_length, size_next;
    uint64_t apart_generation; /* counts tiers and sizes for which hosts apart were remembered */
    struct cost_measure measure;
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
/* Of those of its hosts that have no member of work->spread_tier. */
const struct room_memo *room_best_apart(struct work *work, size_t group, size_t size);
/* To be called when another tier becomes work->spread_tier. */
void room_forget_apart(struct room *room);
/* cost_of() there. */
double room_cost(const struct room *room, const struct room_column *column, const struct amount *size);

#endif
