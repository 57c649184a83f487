/* What would come of it if hosts, zones, sites or instances failed, if hosts were drained, if leases ended,
 * if documents were added or changed: asked of the very planner that would decide it. Pure. */
#ifndef CROFT_PLAN_WHATIF_WHATIF_H
#define CROFT_PLAN_WHATIF_WHATIF_H

#include "base/error.h"
#include "plan/planner.h"

/* A new or changed object of intent. */
struct whatif_document {
    enum record_kind kind;
    const void *object;
};

/* All of it happens at once. NAMEs: host/h1, zone/east/b1/r1 (it and all below), site/east,
 * instance/acme/shop/web-1 (which its host starts again). */
struct whatif_question {
    const char *const *fail;
    size_t fail_length;
    const char *const *drain;
    size_t drain_length;
    const char *const *end; /* "lease/studio" */
    size_t end_length;
    const struct whatif_document *documents; /* a new host is up */
    size_t documents_length;
};

enum { WHATIF_HOST, WHATIF_RACK, WHATIF_SITE, WHATIF_KINDS }; /* a rack: the deepest zone of a host's path */

struct whatif_move {
    const char *instance, *from, *to;
    int step;     /* of recovery, 1 to 5; 0: it was not lost */
    bool yielded; /* one of higher priority took its place */
    const char *reason;
};

struct whatif_lost {
    const char *instance, *from;
    bool yielded;
    const char *reason; /* why it does not run */
};

/* Runs still on a host that was to be emptied. */
struct whatif_stay {
    const char *instance, *host;
    const char *reason; /* why it cannot leave */
};

struct whatif_farm {
    const char *name, *state_before, *state_after, *reason;
};

/* One zone and all below it. */
struct whatif_zone {
    const char *path;
    unsigned depth;                      /* 1: a site */
    size_t hosts, failed, drained, away; /* away: was not up before */
    /* Of hosts that are in use: what they offer, and what of it is taken. */
    struct resources total_before, used_before, total_after, used_after;
};

struct whatif_survival {
    size_t count; /* further losses of the kind, one after the other, with no instance lost */
    bool exact;   /* else no more than that, maybe fewer; never fewer than 1 */
};

struct whatif_answer {
    const char **failed_hosts, **drained_hosts, **added_hosts; /* sorted */
    size_t failed_hosts_length, drained_hosts_length, added_hosts_length;
    const char **ended_leases; /* sorted */
    size_t ended_leases_length;
    /* Of instances that ran before and are wanted still, each in one of: total = kept + moved + yielded +
     * lost. */
    size_t total;
    size_t kept;                     /* runs where it was */
    size_t moved;                    /* runs elsewhere, and was not made to yield */
    size_t yielded;                  /* made room for a higher priority and runs elsewhere */
    size_t lost;                     /* does not run at the end, and should, whether it yielded or not */
    size_t yielded_lost;             /* of the lost, those that yielded */
    size_t removed;                  /* ran before and is not wanted any more; not in total */
    struct resources freed;          /* what the removed took */
    size_t restarted;                /* of the kept, those that failed by themselves and were started again */
    size_t added;                    /* run at the end and did not before */
    size_t waiting;                  /* did not run before and do not at the end: no loss of this question */
    const struct whatif_move *moves; /* sorted by instance */
    size_t moves_length;
    const struct whatif_lost *losses; /* sorted by instance; as many as `lost` */
    size_t losses_length;
    const struct whatif_stay *stays; /* of the kept, on drained hosts; sorted by instance */
    size_t stays_length;
    const struct whatif_farm *farms; /* sorted: those that the question touched */
    size_t farms_length;
    const struct whatif_zone *zones; /* each before what is below it */
    size_t zones_length;
    struct whatif_survival survives[WHATIF_KINDS];
    int64_t recover_ms; /* until all that can run does; an estimate (world.c) */
};

/* The planner has been told of the grid; what it still wants to do is done first and is not of the question.
 * Afterwards it is as it was. The answer is allocated in arena; its texts may point into what the planner was
 * told and into its names (planner_new_in()). False: ERROR_NOT_FOUND, a name that means nothing, with the
 * nearest that does; ret_answer is untouched. */
MUST_CHECK bool whatif_ask(struct planner *planner, struct arena *arena,
                           const struct whatif_question *question, int64_t now_ms,
                           struct whatif_answer *ret_answer, struct error *err);

#endif
