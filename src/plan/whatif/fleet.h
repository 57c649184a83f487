/* A grid's hosts as numbers, for questions that try very many placements and keep none: what each usable host
 * has free, by groups of hosts that no preference tells apart, and what runs where. It finds hosts by the
 * planner's own preferences (src/plan/README.md, "Where"); the tests ask the planner the same. */
#ifndef CROFT_PLAN_WHATIF_FLEET_H
#define CROFT_PLAN_WHATIF_FLEET_H

#include "base/mem.h"
#include "model/state.h"

enum {
    FLEET_DIMENSIONS = 4, /* cpus, memory, disk, network, as in struct resources */
    FLEET_DEPTH_MAX = 8,  /* elements of a zone path that count */
    FLEET_MEMOS = 64,     /* sizes that a group remembers its best host for: more than a catalogue has */
    FLEET_APART_NOT = -2, /* levels of spread: none, by host; else an index into zones[] */
    FLEET_APART_HOST = -1,
};

#define FLEET_NONE SIZE_MAX
#define FLEET_UNCOUNTED (INT64_MAX / 4) /* what a host has of what nobody measured */

struct fleet_size {
    int64_t of[FLEET_DIMENSIONS];
};

struct fleet_list {
    size_t *items;
    size_t length;
};

struct fleet_tier {
    const struct tier *intent;
    int level; /* of spread */
    bool strict;
    struct fleet_list members; /* instances that have a host */
};

struct fleet_instance {
    const struct instance *record;
    struct fleet_size size;
    int64_t priority;
    size_t tier; /* FLEET_NONE: no farm's document has it */
    size_t host; /* FLEET_NONE: it has none */
};

struct fleet_host {
    const char *name, *zone, *pool, *class_name;
    bool usable; /* active, up and not set aside: takes instances */
    struct fleet_size total, free;
    uint32_t zones[FLEET_DEPTH_MAX]; /* number of the path's first n + 1 elements */
    unsigned depth;
    size_t group;             /* FLEET_NONE: it never takes any */
    struct fleet_list on;     /* instances, by rank */
    uint32_t members_scratch; /* of the tier that is being asked for */
    uint64_t saved_in;        /* the last try that changed it */
};

/* The best host of a group for a size. */
struct fleet_memo {
    struct fleet_size size;
    bool known; /* else it has to be looked for again */
    size_t host;
    int64_t left;
};

struct fleet_memos {
    struct fleet_memo items[FLEET_MEMOS];
    size_t length, next; /* next: to be overwritten */
};

struct fleet_group {
    size_t first, length; /* in columns */
    struct fleet_memos *memos;
    uint64_t saved_in;
};

/* What to put back at the end of a try. */
struct fleet_saved_host {
    size_t host;
    struct fleet_size free;
    bool usable;
};

struct fleet_saved_group {
    size_t group;
    struct fleet_memos memos;
};

struct fleet {
    struct fleet_host *hosts; /* by name */
    size_t hosts_length;
    struct fleet_tier *tiers;
    size_t tiers_length;
    struct fleet_instance *instances; /* by rank: effective priority, highest first, then name */
    size_t instances_length;
    size_t *columns; /* usable hosts by zone path, pool, class, name */
    size_t columns_length;
    struct fleet_group *groups;
    size_t groups_length;
    uint64_t tries; /* the number of the one that is under way, or was last */
    bool trying;
    struct fleet_saved_host *saved_hosts;
    struct fleet_saved_group *saved_groups;
    size_t saved_hosts_length, saved_groups_length;
    size_t zones_length;
    uint32_t *zones_scratch; /* members in each zone of the tier that is being asked for */
    unsigned shift[FLEET_DIMENSIONS];
    int64_t weight[FLEET_DIMENSIONS];
};

/* Everything is the arena's; names stay the snapshot's. */
struct fleet *fleet_new(struct arena *arena, const struct snapshot *snapshot);

/* Between these two, what is taken and set aside is put back at the end. Not one in another. */
void fleet_try(struct fleet *fleet);
void fleet_try_end(struct fleet *fleet);
/* Makes sure that the host's group knows its best host for the size, so that a try need not find it. */
void fleet_warm(struct fleet *fleet, size_t host, const struct fleet_size *size);

/* Takes the size from what the host has free (sign 1) or gives it back (sign -1). */
void fleet_take(struct fleet *fleet, size_t host, const struct fleet_size *size, int sign);
/* Sets a usable host aside, as if it were lost, or takes it back. */
void fleet_set_usable(struct fleet *fleet, size_t host, bool usable);
/* How many of the size have room on the host. A size of nothing has room INT64_MAX times. */
int64_t fleet_slots(const struct fleet *fleet, size_t host, const struct fleet_size *size);
/* What is left in the tightest dimension when the size is placed there, in parts of the largest host's, as
 * the planner measures it; below 0: it does not fit. */
int64_t fleet_left(const struct fleet *fleet, size_t host, const struct fleet_size *size);
/* The host that the planner would choose for what was lost with the host `near`: recovery steps 1 to 3. With
 * an instance, its tier's spread counts where the tier's members are now (instance.host). FLEET_NONE: none.
 */
size_t fleet_find(struct fleet *fleet, const struct fleet_size *size, size_t near, size_t instance);
/* Members of the instance's tier, itself left out, that share the host's place at the level of its spread; 0
 * without spread. */
size_t fleet_neighbours(const struct fleet *fleet, size_t instance, size_t host);

/* "memory" … */
const char *fleet_dimension_name(size_t dimension);
struct fleet_size fleet_size_of(const struct resources *resources);

#endif
