/* A planner that stays: it is told what there is, piece by piece, and decides for what changed. What it says
 * is what plan_make() says for a snapshot of all that it was told; a question costs what changed since the
 * last one, not what the grid costs. Deterministic: the order in which it was told does not matter. */
#ifndef CROFT_PLAN_PLANNER_H
#define CROFT_PLAN_PLANNER_H

#include "plan/plan.h"

struct planner;

struct planner *planner_new(void);
/* As planner_new(), for plans that outlive it: names of hosts, farms and zones come from the arena. */
struct planner *planner_new_in(struct arena *names);
void planner_free(struct planner *planner); /* NULL is fine */

/* Tells of a new or changed object: a struct host, party, farm, image, pool, instance, host_fact or
 * farm_fact, by kind; others are not kept. It is borrowed: it and its texts have to stay until the call that
 * replaces or deletes it has returned (or planner_free()). Saying the same again is no change. */
void planner_put(struct planner *planner, enum record_kind kind, const void *object);
void planner_put_all(struct planner *planner, const struct snapshot *snapshot);
/* The name is that of the object; of an image "party/name". What is not there is no error. */
void planner_delete(struct planner *planner, enum record_kind kind, const char *name);
/* NULL when there is none. Valid until the next put or delete of it. */
const void *planner_get(const struct planner *planner, enum record_kind kind, const char *name);
/* Filters by govern_key() of their `on` (const struct filter *), in no particular order; NULL: none. Valid as
 * above. */
const struct vec *planner_filters_on(const struct planner *planner, const char *key);
size_t planner_length(const struct planner *planner, enum record_kind kind);
/* Walks the objects of a kind in no particular, but a repeatable, order: start with *cursor = 0; NULL at the
 * end. Nothing may be put or deleted meanwhile. */
const void *planner_next(const struct planner *planner, enum record_kind kind, size_t *cursor);

/* What is decided at now_ms (wall clock). A question only: the planner goes on with what it was told, so the
 * caller puts what it accepts of the actions (planner_take()), all or a part. Allocated in arena; names and
 * texts may point into what was told. */
struct plan planner_plan(struct planner *planner, struct arena *arena, int64_t now_ms);

/* The same for a caller that takes actions at once: the plan stays open until planner_end(), and what is
 * taken of it (planner_take(), from the first on, in the order of the plan) stays where the plan put it,
 * instead of being put back and put again. The planner answers planner_get() and planner_next() meanwhile,
 * and must not be told or asked anything else. */
struct plan planner_begin(struct planner *planner, struct arena *arena, int64_t now_ms);
void planner_end(struct planner *planner);

/* As plan_host_document() for a snapshot of all that was told. grid: its host facts and images, sorted by
 * name. */
struct host_document planner_host_document(const struct planner *planner, struct arena *arena,
                                           const struct snapshot *grid, const char *host);
/* Whether any farm has a balancer: then all hosts' documents name its image. */
bool planner_balances(const struct planner *planner);
/* The hosts that instances of the farm have, some maybe more than once; returns how many. */
size_t planner_hosts_of(const struct planner *planner, struct arena *arena, const char *farm,
                        const char ***ret_hosts);

/* Tells the planner that an action was carried out into the records: puts the objects after it. The action is
 * borrowed, and what is made for it comes from arena: both have to live as long as the objects are not
 * replaced. ACTION_FENCE notes the reason in the host's fact, as plan_apply() does. */
void planner_take(struct planner *planner, struct arena *arena, const struct action *action);

#endif
