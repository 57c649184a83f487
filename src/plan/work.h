/* What the planner knows and the working copy of what a plan changes: dense arrays, one number a thing, so
 * that rules read and change it without a search. Only for files of this room.
 *
 * Two lives: what was told (hosts, farms, instances, accounts, groups of hosts) stays from plan to plan; a
 * plan opens the farms that it has to look at, works on them (tiers, members, edited records), and closes
 * them again, which puts back what was told. What is told of the plan's own actions before that (as they are
 * taken) is what it worked out: there is nothing to put back. README.md says which farms those are. */
#ifndef CROFT_PLAN_WORK_H
#define CROFT_PLAN_WORK_H

#include "base/vec.h"
#include "plan/planner.h"

#include <string.h>

#define NONE SIZE_MAX /* no such host, tier, farm, action */

#define UNCOUNTED (INT64_MAX / 4) /* capacity of a dimension that nobody measured: more than anybody asks */

enum {
    ZONE_DEPTH_MAX = 8,
    DRAIN_MS_MAX = 30 * 1000,       /* a member that its balancers do not let go is stopped after this */
    BAD_MS_MAX = 30 * 1000,         /* so long may health be bad before it counts as settled */
    RANK_WARM = INT32_MIN + 1,      /* of what serves nobody yet: below all that serves */
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
    ACTIONS_KEPT = 4096, /* room for so many stays from plan to plan */
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

struct index {
    size_t *items;
    size_t length, capacity;
};

struct work_host {
    const char *name, *zone, *pool, *class_name; /* zone, pool and class are the intent's */
    const struct host *intent;                   /* NULL: not wanted */
    const struct host_fact *fact;                /* NULL: never heard of */
    enum standing standing;
    struct amount total; /* capacity less reserve */
    struct amount used;
    struct amount promised;         /* kept for instances that are on their way here */
    struct amount coming;           /* of used: what is on its way out of here */
    struct amount owed;             /* to those that wait until that is gone: recover/yield.c */
    uint32_t zones[ZONE_DEPTH_MAX]; /* number of the path's first n + 1 elements */
    unsigned depth;                 /* elements of the path, at least 1 */
    struct index instances;         /* on it, in no order that means anything */
    const char *fence_reason;       /* set when this plan fences it */
    bool ails;                      /* in work->ailing */
    const struct host_fact
        *fact_told;       /* fact is what an open plan makes of this one; NULL: it is what was told */
    size_t group, column; /* place/room.h; NONE: not usable */
};

struct work_farm {
    const char *name;
    const struct farm *intent;    /* NULL: deleted */
    const struct farm_fact *told; /* NULL: none */
    struct index instances;       /* all that have a record, by name; behind them those that this plan made */
    size_t told_length;           /* so many of them were told */
    struct tier *balance;         /* what its balancer is made from; NULL: it has none */
    size_t tier_first, tiers_length, tiers_capacity;
    /* Why the next plan looks at it. */
    bool listed;      /* in work->attention */
    bool dirty;       /* told of something that touches it, or the last plan wanted something of it */
    bool stuck;       /* something waits for what others may free or take */
    int64_t again_ms; /* wall clock at which it has to be looked at again; 0: never */
    /* While a plan has it open. */
    bool open;
    bool acted, explained; /* this plan has an action of it; this pass says why something stays as it is */
    struct farm_fact fact; /* vni 0: none */
    bool fact_changed;
    const char *fact_reason;
    size_t living; /* instances that have a record */
    bool *taken;   /* addresses by offset in the subnet */
    size_t taken_length, address_next;
    struct tier_counter *counters; /* of `told`, when made as actions of this plan are taken; or NULL */
    const char *conflict;          /* why its balancer cannot have the addresses that it asks for, or NULL */
};

/* Of an open farm; else only its place in the array means something. */
struct work_tier {
    size_t farm;
    const struct tier *intent;
    bool is_balance, is_balanced;     /* the balancer itself; behind it */
    const char *digest, *personality; /* NULL: the image is missing */
    const struct image *image;
    int64_t want, warm;
    int64_t number_next;
    struct index members; /* by number */
    /* Census of a pass, over members that have a record. */
    int64_t current, outdated, returning, dying; /* serving or to serve: see scale/census.c */
    int64_t warm_now, healthy, motion, surplus;
    int32_t rank;    /* effective priority: recover/priority.c */
    int32_t ceiling; /* what it would be if all that needs it lived */
    bool lives;      /* it runs, or something that needs it does */
    int64_t rolled;  /* old ones that are wiped and forgotten in this pass: their room is their successors' */
};

struct work_instance {
    const struct instance *record; /* what was told, or what this plan made of it; NULL: the place is free */
    const struct instance *told;   /* NULL: this plan made it */
    size_t farm, tier;             /* tier NONE: nobody wants it any more */
    size_t told_host;              /* where it was told to be */
    size_t host, host_at;          /* host_at: its place in the host's instances */
    size_t from;                   /* where it was before this plan took it from there */
    size_t promise;                /* host that keeps room for it */
    bool owed;                     /* that room is still to come */
    int32_t rank, ceiling;         /* of its tier as of its farm's last opening; both RANK_WARM at the door */
    size_t payer;                  /* whose quota it counts for: place/quota.c; NONE: it does not count */
    size_t asker;                  /* whose quota it will count for once it has a place; NONE: none's */
    bool pays_warm;                /* as one that waits at the door */
    bool forgotten, dies, outdated;
    bool succeeds;        /* made for the room of an old one */
    size_t action;        /* the last one about it */
    const char *made_for; /* why this plan created it */
    /* The explanation of this pass, if it stays where it is; the first one counts. NULL: none. */
    const char *why, *why_move_to;
    enum instance_state why_state;
};

struct room;
struct held;
struct view;
struct claims;
struct quotas;
struct keeps;
struct whys;

struct work {
    /* What was told. */
    struct arena *names; /* of hosts, farms, zones */
    struct work_host *hosts;
    size_t hosts_length, hosts_capacity;
    struct work_farm *farms;
    size_t farms_length, farms_capacity;
    struct work_tier *tiers;
    size_t tiers_length, tiers_capacity;
    struct work_instance *instances;
    size_t instances_length, instances_capacity;
    size_t farm_last;                        /* that work_farm_get() found */
    struct index farms_free, instances_free; /* places to use again */
    struct map *host_by_name, *farm_by_name; /* number + 1 */
    struct map *party_by_name;               /* const struct party */
    struct map *pool_by_name;                /* const struct pool */
    struct map *filter_by_name;              /* const struct filter, by full name */
    struct map *filters_by_key;              /* struct vec of const struct filter *, by govern_key() */
    struct map *lease_by_name;               /* const struct lease */
    struct map *leases_by_party;             /* to -> struct vec of const struct lease * */
    struct map *image_by_name;               /* "party/name" -> const struct image */
    struct map *zone_numbers;                /* path -> number + 1 */
    size_t zones_length, zones_capacity;
    struct room *room;       /* place/room.h */
    struct held *held;       /* place/held.h */
    struct quotas *quotas;   /* place/quota.h */
    struct keeps *keeps;     /* place/keep.h */
    struct whys *whys;       /* place/why.c */
    struct claims *claims;   /* scale/claims.h: networks and published addresses */
    struct index down;       /* hosts that were STANDING_DOWN; they may be no more */
    struct index ailing;     /* hosts with findings, or emptied for some; they may be well again */
    int64_t ailing_again_ms; /* when a step about one is due; 0: never */
    struct index attention;  /* farms that are dirty, stuck or due at some time */
    /* How many members of the tier `spread_tier` each host and zone holds; others are 0. */
    size_t spread_tier;
    uint32_t *on_host, *in_zone;
    struct view *views; /* recover/yield.c: groups as one request sees them */
    size_t views_capacity;
    uint8_t *spared; /* by tier of a farm: recover/yield.c */
    size_t spared_capacity;
    struct index doubtful;     /* place/find.c: groups that a search has to look at again */
    struct index spread_hosts; /* where on_host is not 0, maybe more than once */
    size_t lengths[RECORD_KINDS];

    /* A plan. */
    struct arena *arena;
    int64_t now_ms;
    struct index active;    /* open farms, by name */
    struct index list;      /* instances of open farms: in this order rules look at them */
    struct index tier_list; /* tiers of open farms */
    struct action *actions;
    size_t actions_length, actions_capacity;
    size_t changes; /* counts decisions: a pass without one ends the plan */
};

/* work.c: what was told */
void work_open(struct work *work, struct arena *names);
void work_close(struct work *work);
size_t work_host(const struct work *work, const char *name); /* NONE when unknown */
size_t work_host_get(struct work *work, const char *name);   /* made when unknown */
size_t work_farm(const struct work *work, const char *name); /* NONE when unknown */
size_t work_farm_get(struct work *work, const char *name);   /* made when unknown */
/* NONE when the farm has none of the name. */
size_t work_instance(const struct work *work, size_t farm, const char *name);
/* New to the farm. While a plan is open (it can only be one that the plan made) it stays where the plan put
 * it. */
size_t work_tell(struct work *work, size_t farm, const struct instance *record);
void work_tell_again(struct work *work, size_t instance, const struct instance *record);
void work_untell(struct work *work, size_t instance);
/* Either may be NULL. */
void work_tell_host(struct work *work, size_t host, const struct host *intent, const struct host_fact *fact);
void work_dirty(struct work *work, size_t farm);
/* Gives the instance another host (NONE: none) and keeps the accounts. */
void work_set_host(struct work *work, size_t instance, size_t host);
/* Changes what the plan wants of it, and keeps the accounts and its rank. */
void work_want(struct work *work, size_t instance, enum instance_wanted wanted);
/* Notes the rank that the instance has by its tier. */
void work_rank(struct work *work, size_t instance);
/* Counts members of the tier in on_host and in_zone, unless they are counted already; NONE: of no tier. */
void work_count_spread(struct work *work, size_t tier);
/* The image that NAME:TAG means for the party: its own, else the landlord's, else NULL. */
const struct image *work_image(const struct work *work, const char *party, const char *name);

/* farms.c: what a plan works on */
void work_begin(struct work *work, struct arena *arena, int64_t now_ms); /* opens what needs attention */
bool work_is_open(const struct work *work);
void work_flatten(struct work *work);            /* begin of a pass: list, tier_list */
void work_end(struct work *work);                /* closes all; notes what the next plan has to look at */
void work_touch(struct work *work, size_t farm); /* opens it in the middle of a plan */
size_t work_add(struct work *work, const struct instance *record, size_t farm, size_t tier);
/* Its record, to be changed: a copy, when it is what was told or what an action says. */
struct instance *work_edit(struct work *work, size_t instance);
void work_again(struct work *work, size_t farm, int64_t at_ms);
/* Back to what was told, as at the plan's end. */
void work_settle_instance(struct work *work, size_t instance);
void work_settle_claims(struct work *work, size_t farm);

void index_add(struct arena *arena, struct index *index, size_t item); /* items belong to the arena */
void index_push(struct index *index, size_t item);                     /* items are freed by index_free() */
void index_free(struct index *index);
/* Numbers of instances sorted by rank, highest first, then what succeeds to a room, then what had a place,
 * then what should not stand beside others of its tier, then name. */
void work_sort_by_rank(const struct work *work, size_t *items, size_t length);

/* What a balancer is made from: constants of one place. */
const struct tier *balance_tier(struct arena *arena, const struct farm *farm);
struct tier balance_tier_of(const struct farm *farm);

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

/* What nobody holds of the host and nobody is promised. What others wait for takes first what is on its way
 * out, and of what is free only the rest. */
static inline int64_t work_free(const struct work_host *host, size_t dimension)
{
    int64_t rest = host->owed.of[dimension] - host->coming.of[dimension];
    return host->total.of[dimension] - host->used.of[dimension] - host->promised.of[dimension] -
           (rest > 0 ? rest : 0);
}

/* Its place went, or goes, to another that matters more. */
static inline bool instance_yields(const struct instance *record)
{
    return record->last_host != NULL && record->last_host[0] != '\0';
}

static inline bool work_placed(const struct work *work, const struct work_instance *i)
{
    return i->host != NONE && work->hosts[i->host].standing != STANDING_LOST;
}

/* Its host is given up, if it is known to be off or not. */
static inline bool work_is_down(const struct work *work, const struct work_instance *i)
{
    return i->host != NONE &&
           (work->hosts[i->host].standing == STANDING_DOWN || work->hosts[i->host].standing == STANDING_LOST);
}

/* What its record says holds: the host that said so is not given up. */
static inline bool work_healthy(const struct work *work, const struct work_instance *i)
{
    return i->host != NONE && !work_is_down(work, i) && instance_healthy(i->record, work_tier_of(work, i));
}

#endif
