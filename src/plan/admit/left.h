/* What is left of a grid's hosts when the largest part is lost that has to be survived. */
#ifndef CROFT_PLAN_ADMIT_LEFT_H
#define CROFT_PLAN_ADMIT_LEFT_H

#include "base/buf.h"
#include "base/mem.h"
#include "model/state.h"
#include "plan/whatif/fleet.h"

/* Hosts of one domain and zone that offer the same. */
struct left_group {
    const char *host, *zone;         /* of the first by name */
    uint32_t zones[FLEET_DEPTH_MAX]; /* number of the path's first n + 1 elements */
    unsigned depth;
    size_t domain;
    struct fleet_size each; /* capacity less reserve; FLEET_UNCOUNTED: nobody says how much network */
    int64_t count;
};

/* What can be lost at once: a zone of a domain, or (zone SIZE_MAX) one host of a group. */
struct left_unit {
    const char *name;
    size_t zone, group;
    int64_t hosts;
    struct fleet_size total;
};

/* Hosts that stand in for each other: those of a pool that has a document, or those of pools without one that
 * are joined by their classes. */
struct left_domain {
    bool keeps;       /* the landlord's document says what to survive: the planner keeps that room */
    int level;        /* of spread: what is lost is a zone there or a host; FLEET_APART_NOT: nothing is */
    const char *word; /* "zone", "host", "site" */
    int64_t oversubscription_millis;
    int64_t hosts;
    struct fleet_size total;
    struct left_unit *units; /* those that take most of some dimension, and no two that take the same */
    size_t units_length;
    size_t largest[FLEET_DIMENSIONS]; /* the one that takes most of it; SIZE_MAX: none */
};

struct left {
    struct left_group *groups;
    size_t groups_length;
    struct left_domain *domains;
    size_t domains_length;
    size_t zones_length;
    bool uncounted[FLEET_DIMENSIONS]; /* some host does not say how much it has: there is no limit */
    struct fleet_size committed;      /* left of all domains, each after its largest loss by dimension */
    size_t losses;                    /* different ones to try; at least 1 */
};

/* Hosts count that are active and not known to be down or off. Everything is the arena's. O(hosts · log
 * hosts).
 */
struct left *left_new(struct arena *arena, const struct snapshot *snapshot);
/* The groups, with so many hosts each as the loss number `loss` (below left->losses) leaves. */
struct left_group *left_after(const struct left *left, struct arena *arena, size_t loss);
/* How much of the dimension may be guaranteed beyond what is committed. */
int64_t left_guaranteed(const struct left *left, size_t dimension, int64_t committed);
/* "with the largest zone (east/b1/r1: 2 hosts) lost, ", or nothing: of the largest in a dimension, or of the
 * loss with that number. */
void left_say(const struct left *left, size_t dimension, struct buf *ret_text);
void left_say_loss(const struct left *left, size_t loss, struct buf *ret_text);

/* Sums stay at the top of their range rather than turn over: too much is then still too much. */
static inline int64_t left_plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static inline int64_t left_times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

#endif
