/* A grid's hosts as numbers, for questions that try very many placements and keep none: what each usable host
 * has free, by groups of hosts that no preference tells apart, and what runs where. It finds hosts by the
 * planner's own preferences (src/plan/README.md, "Where"); the tests ask the planner the same. */
#ifndef CROFT_PLAN_WHATIF_FLEET_H
#define CROFT_PLAN_WHATIF_FLEET_H

#include "base/mem.h"
#include "model/state.h"
#include "plan/place/cost.h"
#include "plan/planner.h"

enum {
    FLEET_DIMENSIONS = COST_DIMENSIONS,
    FLEET_DEPTH_MAX = 8,  /* elements of a zone path that count */
    FLEET_MEMOS = 64,     /* sizes that a group remembers its best hosts for: more than a catalogue has */
    FLEET_MEASURES = 8,   /* so many are told apart before one is forgotten */
    FLEET_APART_NOT = -2, /* levels of spread: none, by host; else an index into zones[] */
    FLEET_APART_HOST = -1,
};

#define FLEET_NONE SIZE_MAX
#define FLEET_UNCOUNTED COST_UNCOUNTED

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
    struct fleet_size again; /* what it asks for when it is placed again: the size of its tier */
    int64_t priority;
    size_t tier;  /* FLEET_NONE: no farm's document has it */
    bool is_free; /* may stand beside others of its tier */
    size_t host;  /* FLEET_NONE: it has none */
};

struct fleet_host {
    const char *name, *zone, *pool, *class_name;
    bool usable; /* active, up and not set aside: takes instances */
    struct fleet_size total, free;
    double inverse[FLEET_DIMENSIONS]; /* cost_invert() */
    uint32_t zones[FLEET_DEPTH_MAX];  /* number of the path's first n + 1 elements */
    unsigned depth;
    size_t group;             /* FLEET_NONE: it never takes any */
    struct fleet_list on;     /* instances, by rank */
    uint32_t members_scratch; /* of the tier that is being asked for */
    uint64_t saved_in;        /* the last try that changed it */
};

/* The best hosts of a group for a size. */
struct fleet_memo {
    struct fleet_size size;
    uint64_t generation; /* of the measure; 0: they have to be looked for again */
    struct cost_top best;
};

struct fleet_memos {
    struct fleet_memo items[FLEET_MEMOS];
    size_t length, next; /* next: to be overwritten */
};

/* What of a measure costs depend on. */
struct fleet_measure {
    double unit[FLEET_DIMENSIONS], aside;
    struct cost_pair pairs[COST_PAIRS];
    bool scarce[FLEET_DIMENSIONS];
    uint64_t generation;
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
    struct cost_measure measure;
    struct fleet_measure measures[FLEET_MEASURES]; /* the last ones */
    uint64_t generation, generations;              /* of the measure now; so many there were */
};

/* Everything is the arena's; names stay the snapshot's. */
struct fleet *fleet_new(struct arena *arena, const struct snapshot *snapshot);
/* Of what the planner was told; names stay the planner's, until it is told otherwise. */
struct fleet *fleet_new_of(struct arena *arena, const struct planner *planner);

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
/* How dear it is to place the size there, as the planner measures it; below 0: it does not fit. */
double fleet_cost(const struct fleet *fleet, size_t host, const struct fleet_size *size);
/* So many more of the size are asked for than the farms do; below 0: fewer. */
void fleet_demand(struct fleet *fleet, const struct fleet_size *size, int64_t count);
/* To be called after a change of what is asked for or of who is usable, before the next question of cost:
 * where a plan begins. */
void fleet_weigh(struct fleet *fleet);
/* The host that the planner would choose for what was lost with the host `near`: recovery steps 1 to 3. With
 * an instance, its tier's spread counts where the tier's members are now (instance.host). FLEET_NONE: none.
 */
size_t fleet_find(struct fleet *fleet, const struct fleet_size *size, size_t near, size_t instance);
/* Members of the instance's tier, itself left out, that share the host's place at the level of its spread; 0
 * without spread. */
size_t fleet_neighbours(const struct fleet *fleet, size_t instance, size_t host);

/* Of `spread.by`, or of Pool.survive that is not "none". */
int fleet_level(const char *by);
/* "memory" … */
const char *fleet_dimension_name(size_t dimension);
struct fleet_size fleet_size_of(const struct resources *resources);

#endif
