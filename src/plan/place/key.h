/* What makes one host better than another for a request (README.md, "Where"), for all who search: the
 * planner, and the questions that try very many placements (plan/whatif/fleet.h). */
#ifndef CROFT_PLAN_PLACE_KEY_H
#define CROFT_PLAN_PLACE_KEY_H

#include <stdbool.h>
#include <stdint.h>

/* Smaller is better, field by field. */
struct key {
    int step;
    uint32_t in_zone;  /* members of the tier already in the zone that they should spread over */
    unsigned distance; /* from the lost host, in levels of the hierarchy */
    uint32_t on_host;
    double cost; /* cost.h */
};

static inline int key_compare(const struct key *a, const struct key *b)
{
    if (a->step != b->step) return a->step < b->step ? -1 : 1;
    if (a->in_zone != b->in_zone) return a->in_zone < b->in_zone ? -1 : 1;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    if (a->on_host != b->on_host) return a->on_host < b->on_host ? -1 : 1;
    return (a->cost > b->cost) - (a->cost < b->cost);
}

/* Levels to climb from a zone to the first that holds the other one too; 0: the same. By the numbers of their
 * paths' beginnings. */
static inline unsigned key_distance(const uint32_t *a, unsigned a_depth, const uint32_t *b, unsigned b_depth)
{
    unsigned common = 0;
    while (common < a_depth && common < b_depth && a[common] == b[common])
        common++;
    return common == a_depth && common == b_depth ? 0 : 1 + a_depth - common;
}

/* planning.md, Recovery; 4 and more: capacity of others, or of another class. */
static inline int key_step(bool same_pool, bool same_class, unsigned distance)
{
    if (same_pool) return distance == 0 ? 1 : 2;
    return same_class ? 3 : 4;
}

#endif
