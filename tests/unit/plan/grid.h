/* A small grid in memory for the planner's tests, and a world that carries out what the planner decides. */
#ifndef CROFT_TESTS_PLAN_GRID_H
#define CROFT_TESTS_PLAN_GRID_H

#include "base/buf.h"
#include "plan/planner.h"

enum {
    GRID_PARTIES_MAX = 4,
    GRID_POOLS_MAX = 2,
    GRID_FILTERS_MAX = 8,
    GRID_HOSTS_MAX = 256,
    GRID_FARMS_MAX = 64,
    GRID_TIERS_MAX = 4
};

struct grid {
    struct arena *arena;
    int64_t now_ms;
    struct snapshot now;
    struct host hosts[GRID_HOSTS_MAX];
    struct host_fact facts[GRID_HOSTS_MAX]; /* copied into the snapshot when they change */
    struct farm farms[GRID_FARMS_MAX];
    struct tier tiers[GRID_FARMS_MAX][GRID_TIERS_MAX];
    struct balance balance[GRID_FARMS_MAX];
    struct image images[4];
    struct party parties[GRID_PARTIES_MAX];
    struct pool pools[GRID_POOLS_MAX];
    struct filter filters[GRID_FILTERS_MAX];
    struct plan plan; /* the last one */
    /* Is told of what changed, and has to decide what plan_make() does. */
    struct planner *planner;
    struct map *told; /* kind and name -> struct told */
    uint64_t round, puts;
};

struct grid *grid_new(void); /* with images hello:1 and croft-balancer:1 */
void grid_free(struct grid *grid);
void grid_host(struct grid *grid, const char *name, const char *zone, const char *pool, int64_t cpus,
               int64_t memory_gi);
/* state, fenced, and the intent's state */
struct host_fact *grid_fact(struct grid *grid, const char *host);
struct host *grid_intent(struct grid *grid, const char *host);
struct farm *grid_farm(struct grid *grid, const char *party_and_name);
struct tier *grid_tier(struct grid *grid, struct farm *farm, const char *name, int64_t count,
                       int64_t cpus_millis, int64_t memory_mi);
/* Without limits, at first. */
struct party *grid_party(struct grid *grid, const char *name, const char *parent);
struct pool *grid_pool(struct grid *grid, const char *name, const char *survive);
/* In the order of their full names, "acme/inner". */
struct filter *grid_filter(struct grid *grid, const char *full_name, const char *on);
void grid_balance(struct grid *grid, struct farm *farm, const char *to, const char *publish);
struct tier *grid_tier_of(struct grid *grid, struct farm *farm, const char *name);
void grid_delete_farm(struct grid *grid, struct farm *farm);

/* Plans, applies, and fails the test when the same plan made again wants something, or when the planner that
 * stays decides anything else. */
void grid_plan(struct grid *grid);
/* What agents do with the documents until nothing changes; plans in between. */
void grid_settle(struct grid *grid);
/* One round: documents are carried out, the new facts noted. Hosts that are down do nothing. */
void grid_work(struct grid *grid);
struct instance *grid_instance(struct grid *grid, const char *name); /* NULL when there is none */
/* The actions of the last plan, one a line: "place acme/shop/web-1 h2 1: reason". */
const char *grid_said(struct grid *grid);
/* All of an action as text, the record that it leaves included. */
void grid_write_action(const struct action *action, struct buf *ret_text);
void grid_check(struct grid *grid); /* invariants: capacity, one place, one address */
size_t grid_count(struct grid *grid, const char *farm, const char *tier, enum instance_state state);

#endif
