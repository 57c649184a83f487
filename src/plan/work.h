/* The planner's working copy of a snapshot: dense arrays, one number a thing, so that rules read and change
 * it without a search. Only for files of this room; everything belongs to the plan's arena. */
#ifndef CROFT_PLAN_WORK_H
#define CROFT_PLAN_WORK_H

#include "base/vec.h"
#include "plan/plan.h"

#include <string.h>

#define NONE SIZE_MAX /* no such host, tier, farm, action */

#define UNCOUNTED (INT64_MAX / 4) /* capacity of a dimension that nobody measured: more than anybody asks */

enum {
    ZONE_DEPTH_MAX = 8,
    DRAIN_MS_MAX = 30 * 1000,       /* a member that its balancers do not let go is stopped after this */
    BAD_MS_MAX = 30 * 1000,         /* so long may health be bad before it counts as settled */
    RESTARTS_MAX = 5,               /* so many by its host, then another host is tried */
    RESTARTS_OF_HALF_A_MINUTE = 8,  /* with the rests of 0, 0.25, 0.5, 1 … 16 s between them */
    RESTART_MS_MAX = 60 * 1000,     /* and no rest is longer than this */
    WANDER_MS_FIRST = 60 * 1000,    /* wait before the second move; doubles with each */
    WANDER_MS_MAX = 60 * 60 * 1000, /* and no longer than this */
    PUBLISH_PORT_FIRST = 30000,     /* of `publish: auto` */
    PUBLISH_PORT_LAST = 65535,
    MTU_BYTES = 1450,         /* 1500 less VXLAN over IPv4: RFC 7348 */
    ADDRESS_OFFSET_FIRST = 3, /* 0 network, 1 gateway, 2 kept */
    VNI_MAX = 16777215,
    DIMENSIONS = 4,
};

struct amount { /* struct resources as an array, in its order */
    int64_t of[DIMENSIONS];
};

enum standing {
    STANDING_USABLE,  /* active and up: takes instances */
    STANDING_LEAVING, /* up, but draining, off or not wanted: what it has moves away */
    STANDING_SILENT,  /* suspected or never heard of: nothing can be done but wait */
    STANDING_DOWN,    /* down, but not known to be off: its instances may still run */
    STANDING_LOST,    /* known to run nothing */
};

struct work_host {
    const char *name, *zone, *pool, *class_name;
    const struct host *intent;    /* NULL: not wanted */
    const struct host_fact *fact; /* NULL: never heard of */
    enum standing standing;
    struct amount total; /* capacity less reserve */
    struct amount used;
    struct amount promised;         /* kept for instances that are on their way here */
    uint32_t zones[ZONE_DEPTH_MAX]; /* number of the path's first n + 1 elements */
    unsigned depth;                 /* elements of the path, at least 1 */
    const char *fence_reason;       /* set when this plan fences it */
    size_t group, column;           /* place/room.h; NONE: not usable */
};

struct work_farm {
    const char *name;
    const struct farm *intent; /* NULL: deleted */
    struct farm_fact fact;     /* vni 0: none */
    bool fact_changed;
    const char *fact_reason;
    size_t tier_first, tiers_length;
    size_t living; /* instances that have a record */
    bool *taken;   /* addresses by offset in the subnet */
    size_t taken_length, address_next;
    const char *conflict; /* why its balancer cannot have the addresses that it asks for, or NULL */
};

struct work_tier {
    size_t farm;
    const struct tier *intent;
    bool is_balance, is_balanced;     /* the balancer itself; behind it */
    const char *digest, *personality; /* NULL: the image is missing */
    const struct image *image;
    int64_t want, warm;
    int64_t number_next;
    struct index {
        size_t *items;
        size_t length, capacity;
    } members;
    /* Census of a pass, over members that have a record. */
    int64_t current, outdated, returning, dying; /* serving or to serve: see scale/census.c */
    int64_t warm_now, healthy, motion, surplus;
};

struct work_instance {
    struct instance record;
    size_t farm, tier; /* tier NONE: nobody wants it any more */
    size_t host;
    size_t from;    /* where it was before this plan took it from there */
    size_t promise; /* host that keeps room for it */
    bool forgotten, dies, outdated;
    size_t action;        /* the last one about it */
    const char *made_for; /* why this plan created it */
    /* The explanation of this pass, if it stays where it is; the first one counts. NULL: none. */
    const char *why, *why_move_to;
    enum instance_state why_state;
};

struct room;

struct work {
    struct arena *arena;
    const struct snapshot *snapshot;
    int64_t now_ms, again_ms;
    struct work_host *hosts;
    size_t hosts_length;
    size_t zones_length;
    struct work_farm *farms;
    size_t farms_length;
    struct work_tier *tiers;
    size_t tiers_length;
    struct work_instance *instances;
    size_t instances_length, instances_capacity;
    struct action *actions;
    size_t actions_length, actions_capacity;
    size_t changes; /* counts decisions: a pass without one ends the plan */
    struct map *host_by_name, *farm_by_name;
    struct amount largest; /* of any host, by dimension: what fit is measured against */
    struct room *room;     /* place/room.h */
    /* How many members of the tier `spread_tier` each host and zone holds. */
    size_t spread_tier;
    uint32_t *on_host, *in_zone;
};

/* work.c */
struct work *work_new(struct arena *arena, const struct snapshot *snapshot, int64_t now_ms);
void work_end(struct work *work);                            /* frees what is not the arena's */
size_t work_host(const struct work *work, const char *name); /* NONE when unknown */
/* Gives the instance another host (NONE: none) and keeps the accounts. */
void work_set_host(struct work *work, size_t instance, size_t host);
size_t work_add(struct work *work, const struct instance *record, size_t farm, size_t tier);
void work_again(struct work *work, int64_t at_ms);
void index_add(struct arena *arena, struct index *index, size_t item);
/* Numbers of instances sorted by priority, highest first, then name. */
void work_sort_by_priority(const struct work *work, size_t *items, size_t length);

/* What a balancer is made from: constants of one place. */
const struct tier *balance_tier(struct arena *arena, const struct farm *farm);

static inline struct amount amount_of(const struct resources *r)
{
    return (struct amount){{r->cpus_millis, r->memory_bytes, r->disk_bytes, r->network_bits_per_s}};
}

static inline bool instance_leaving(const struct instance *record)
{
    return record->wanted == WANTED_DRAIN || record->wanted == WANTED_GONE;
}

/* Runs and, as far as anybody checks, is well. */
static inline bool instance_healthy(const struct instance *record, const struct tier *tier)
{
    return record->state == INSTANCE_RUNNING &&
           (record->health == HEALTH_GOOD ||
            (record->health == HEALTH_UNKNOWN && (tier == NULL || tier->health.kind == HEALTH_NONE)));
}

static inline const struct tier *work_tier_of(const struct work *work, const struct work_instance *i)
{
    return i->tier == NONE ? NULL : work->tiers[i->tier].intent;
}

static inline int64_t work_priority(const struct work *work, const struct work_instance *i)
{
    return i->tier == NONE ? i->record.priority : work->tiers[i->tier].intent->priority;
}

static inline bool work_placed(const struct work *work, const struct work_instance *i)
{
    return i->host != NONE && work->hosts[i->host].standing != STANDING_LOST;
}

#endif
