/* What the files of this room share. */
#ifndef CROFT_SIMULATE_INSIDE_H
#define CROFT_SIMULATE_INSIDE_H

#include "simulate/simulate.h"
#include "simulate/swarm.h"
#include "simulate/world.h"

struct run;
struct judges;
struct clerk;
struct callers;

/* One that is there now. */
struct trouble {
    struct run *run;
    const struct fault *fault;
    struct timer *end;
    char what[128], other[64]; /* the fault's own: whom it struck */
    int path;
    int64_t amount;
};

/* A kind of what goes wrong: a row of the table in faults.c. */
struct fault {
    const char *name, *words;
    int64_t every_ms_min, every_ms_max; /* the mean time between two is drawn from these, for each seed */
    int64_t lasts_ms_min, lasts_ms_max; /* drawn for each; 0: it is over at once */
    /* False: there was nothing to strike. Tells the story what it does. */
    bool (*strike)(struct run *run, struct trouble *trouble);
    void (*end)(struct run *run, struct trouble *trouble); /* NULL: nothing to mend */
};

struct fault_state {
    struct run *run;
    const struct fault *fault;
    size_t place; /* in the table */
    bool on;
    struct sim_random *chance; /* of when it strikes; what a strike does has a chance of its own */
    uint64_t strikes;          /* so far, with those that are left out */
    struct timer *next;
};

struct run {
    const struct simulate_options *options;
    struct simulate_report *report;
    struct story *story;
    struct sim_random *chance; /* of what happens; the grid's own chance is the world's */
    struct swarm *swarm;
    struct world *world;
    struct judges *judges;
    struct clerk *clerk;
    struct callers *callers;
    struct fault_state faults[SWARM_FAULTS_MAX];
    struct vec troubles; /* struct trouble *, those that are there */
    bool storm;
    int64_t calm_since_us; /* nothing went wrong, and nobody changed anything, since then */
    int64_t started_us;
};

/* run.c */
int64_t run_now(const struct run *run); /* steady, microseconds */
int64_t run_draw(struct run *run, int64_t first, int64_t last);
struct timer *run_after(struct run *run, int64_t ms, void (*fire)(void *ctx), void *ctx);
void run_cancel(struct run *run, struct timer *timer);
#define run_tell(run, ...) story_tell((run)->story, run_now(run) - (run)->started_us, __VA_ARGS__)
/* Only the first counts: what comes after may be a consequence. */
void run_violated(struct run *run, const char *invariant, const char *format, ...) PRINTF_LIKE(3, 4);

/* faults.c: the table */
extern const struct fault fault_table[];
extern const size_t fault_table_length;
void faults_draw(struct run *run); /* which are on, and how often */
void faults_free(struct run *run);
void faults_begin(struct run *run);
void faults_end(struct run *run); /* no more of them, and all that are there are over */

/* fault_hosts.c, fault_net.c, fault_instances.c, fault_clocks.c, fault_disks.c: rows */
bool agent_crash(struct run *run, struct trouble *trouble);
void agent_crash_end(struct run *run, struct trouble *trouble);
bool controller_crash(struct run *run, struct trouble *trouble);
void controller_crash_end(struct run *run, struct trouble *trouble);
bool host_dies(struct run *run, struct trouble *trouble);
void host_dies_end(struct run *run, struct trouble *trouble);
void host_resets_end(struct run *run, struct trouble *trouble);
bool zone_dies(struct run *run, struct trouble *trouble);
void zone_dies_end(struct run *run, struct trouble *trouble);
bool site_dies(struct run *run, struct trouble *trouble);
void site_dies_end(struct run *run, struct trouble *trouble);
void hosts_mend(struct run *run); /* all have power, an agent, and there is a controller */
bool partition(struct run *run, struct trouble *trouble);
void partition_end(struct run *run, struct trouble *trouble);
bool partition_one_way(struct run *run, struct trouble *trouble);
void partition_one_way_end(struct run *run, struct trouble *trouble);
bool partition_pairs(struct run *run, struct trouble *trouble);
void partition_pairs_end(struct run *run, struct trouble *trouble);
bool messages(struct run *run, struct trouble *trouble);
void messages_end(struct run *run, struct trouble *trouble);
void net_mend(struct run *run);
bool instance_crash(struct run *run, struct trouble *trouble);
bool instance_hang(struct run *run, struct trouble *trouble);
bool instance_sick(struct run *run, struct trouble *trouble);
void instance_sick_end(struct run *run, struct trouble *trouble);
bool post_fails(struct run *run, struct trouble *trouble);
void post_fails_end(struct run *run, struct trouble *trouble);
bool clock_jump(struct run *run, struct trouble *trouble);
void clock_jump_end(struct run *run, struct trouble *trouble);
bool clock_drift(struct run *run, struct trouble *trouble);
void clock_drift_end(struct run *run, struct trouble *trouble);
/* fault_hardware.c */
bool memory_errors(struct run *run, struct trouble *trouble);
bool disk_fails(struct run *run, struct trouble *trouble);
void disk_fails_end(struct run *run, struct trouble *trouble);
bool overheats(struct run *run, struct trouble *trouble);
void overheats_end(struct run *run, struct trouble *trouble);
bool disk_slow(struct run *run, struct trouble *trouble);
void disk_slow_end(struct run *run, struct trouble *trouble);
bool disk_full(struct run *run, struct trouble *trouble);
void disk_full_end(struct run *run, struct trouble *trouble);
bool disk_lies(struct run *run, struct trouble *trouble);
void disk_lies_end(struct run *run, struct trouble *trouble);
bool disk_flips(struct run *run, struct trouble *trouble);
bool store_fails(struct run *run, struct trouble *trouble);
void store_fails_end(struct run *run, struct trouble *trouble);
bool store_conflicts(struct run *run, struct trouble *trouble);
void store_conflicts_end(struct run *run, struct trouble *trouble);

/* clerk.c: the simulated operator, and what he was promised */
struct clerk *clerk_new(struct run *run);
void clerk_free(struct clerk *clerk);
bool clerk_found(struct run *run); /* asks for all that the seed drew; false: not everything was accepted */
bool clerk_act(struct run *run, struct trouble *trouble);    /* a row of the table: operator */
bool clerk_levels(struct run *run, struct trouble *trouble); /* the same: service-levels */
bool clerk_leases(struct run *run, struct trouble *trouble); /* the same: leases */
bool clerk_waits(const struct run *run); /* for an answer, or to know what became of one */
void clerk_calm(struct run *run);        /* puts back what he drained */
void clerk_stored(struct run *run, const struct store_item *item);
void clerk_judge(struct run *run);

/* callers.c: who asks farms for something, and how much; in calms it stays as it is */
void callers_start(struct run *run);
void callers_free(struct callers *callers); /* NULL is fine */

/* What part of the hosts policy may have drained at once: clerk.c asks for it, judge_word.c judges it. */
enum { JUDGES_MOST_MILLIS = 340 };

/* judges.c */
struct judges *judges_new(struct run *run);
void judges_free(struct judges *judges);
void judges_watch(struct run *run); /* the store, from now on */
void judges_step(void *ctx);        /* after every step */

#endif
