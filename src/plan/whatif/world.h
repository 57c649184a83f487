/* A small pure world that carries out what the planner decides, the way agents and power switches do, so that
 * a question can be followed to its end. It acts on a planner (plan/planner.h) that it shares with its
 * caller, touches only what an action or the caller touched, and can take all of it back. */
#ifndef CROFT_PLAN_WHATIF_WORLD_H
#define CROFT_PLAN_WHATIF_WORLD_H

#include "plan/planner.h"

struct world;

/* What became of one object since the world began. */
struct world_change {
    const char *name;
    const void *before; /* NULL: there was none */
    /* Of an instance: */
    int step;           /* the recovery step of its last placement; 0: none */
    bool yielded;       /* one of higher priority took its place */
    bool restarted;     /* in place, since it failed by itself */
    const char *reason; /* of the last decision about it; NULL: none */
};

/* What happens is allocated in arena, and so has to live until world_undo() or as long as the planner. Time
 * begins at now_ms (wall clock) and goes on by what the work is known to take. */
struct world *whatif_world_new(struct planner *planner, struct arena *arena, int64_t now_ms);
void whatif_world_free(struct world *world); /* NULL is fine; the planner keeps what happened */
void world_freep(struct world **world);
#define CLEANUP_WORLD CLEANUP(world_freep)
/* The planner is as it was when the world began. */
void world_undo(struct world *world);

/* A new or changed object, by the rules of planner_put(). */
void world_put(struct world *world, enum record_kind kind, const void *object);
/* The host runs nothing any more and is known not to. One that is not there is left alone. */
void world_lose_host(struct world *world, const char *name);
/* As `croft drain`. */
void world_drain_host(struct world *world, const char *name);
/* The instance ends by itself; its host starts it again. Without a host that is up nothing happens. */
void world_fail_instance(struct world *world, const char *name);
/* What is under way on hosts that are up goes on: who boots comes up, who is wiped is gone. What failed stays
 * failed. Looks at every instance. */
void world_wake(struct world *world);

/* Plans, and carries out, until nothing is left to do. */
void world_settle(struct world *world);

int64_t world_now_ms(const struct world *world);
/* From the beginning to the last thing that was done; 0: nothing was. */
int64_t world_spent_ms(const struct world *world);
/* Walks the objects of a kind that changed, in the order in which they did: start with *cursor = 0; NULL at
 * the end. */
const struct world_change *world_next(const struct world *world, enum record_kind kind, size_t *cursor);
/* NULL: it did not change. */
const struct world_change *world_change(const struct world *world, enum record_kind kind, const char *name);

/* An agent is there that follows the plan. */
bool world_host_is_up(const struct planner *planner, const char *host);

#endif
