/* What every host offers and holds, and every zone: sums for answers of what-if. */
#ifndef CROFT_PLAN_WHATIF_LEDGER_H
#define CROFT_PLAN_WHATIF_LEDGER_H

#include "plan/whatif/world.h"
#include "plan/work.h"

struct ledger_host {
    const struct host *host; /* NULL: it has no document */
    const char *name, *zone;
    bool usable;         /* up and active: takes instances */
    bool holds;          /* up, or at least not known to be lost: what it has runs */
    struct amount total; /* capacity less reserve; UNCOUNTED where nobody says */
    struct amount used;
    struct amount
        runs; /* by what should run: ledger_runs(), the least that it asks for, here or placed again */
    struct amount largest; /* of what runs or is warm, in every dimension */
    size_t instances;      /* that run or are warm */
    bool tied;             /* of what it holds something may want more than room: see ledger.c */
    bool spared;           /* or less: a warm one may serve for it, wherever that is */
};

struct ledger {
    struct ledger_host *hosts; /* sorted by name */
    size_t hosts_length;
    struct map *host_by_name; /* -> struct ledger_host */
    size_t running;           /* instances: ledger_runs() */
    size_t waiting;           /* should run and do not */
};

/* One look at all hosts and instances. */
struct ledger *ledger_new(const struct planner *planner, struct arena *arena);
void ledger_free(struct ledger *ledger);                                        /* NULL is fine */
struct ledger_host *ledger_host(const struct ledger *ledger, const char *name); /* NULL: none */

/* It serves, or is about to, on a host that is not known to be lost. */
bool ledger_runs(const struct planner *planner, const struct instance *instance);
/* The same, judged by the fact of its host (NULL: there is none). */
bool ledger_runs_on(const struct host_fact *fact, const struct instance *instance);

#endif
