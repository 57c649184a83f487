/* What can go wrong. A new kind is a row here and its functions in the file of its subject. */
#include "base/text.h"
#include "simulate/inside.h"

#include <stdio.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

const struct fault fault_table[] = {
    {"agent-crash", "a host's agent ends, and is started again", 10 * SECOND, 10 * MINUTE, 50, 15 * SECOND,
     agent_crash, agent_crash_end},
    {"controller-crash", "the controller ends, and is started again", 30 * SECOND, 15 * MINUTE, 50,
     20 * SECOND, controller_crash, controller_crash_end},
    {"host-dies", "a host loses its power", 30 * SECOND, 20 * MINUTE, SECOND, 5 * MINUTE, host_dies,
     host_dies_end},
    {"zone-dies", "all hosts of a rack lose their power", 3 * MINUTE, 60 * MINUTE, SECOND, 3 * MINUTE,
     zone_dies, zone_dies_end},
    {"partition", "hosts and the others do not reach each other", 30 * SECOND, 20 * MINUTE, 100, 2 * MINUTE,
     partition, partition_end},
    {"partition-one-way", "what a host sends, or what is sent to it, is lost", 30 * SECOND, 20 * MINUTE, 100,
     MINUTE, partition_one_way, partition_one_way_end},
    {"messages", "messages are lost, slow, late, repeated, out of order", MINUTE, 20 * MINUTE, SECOND,
     2 * MINUTE, messages, messages_end},
    {"operator", "somebody applies, scales, deletes, moves, drains, reverts", 3 * SECOND, 5 * MINUTE, 0, 0,
     clerk_act, NULL},
    {"instance-crash", "an instance ends by itself", 5 * SECOND, 10 * MINUTE, 0, 0, instance_crash, NULL},
    {"instance-hang", "an instance runs on and does nothing", 10 * SECOND, 20 * MINUTE, 0, 0, instance_hang,
     NULL},
    {"site-dies", "all hosts of a site lose their power", 5 * MINUTE, 120 * MINUTE, SECOND, 3 * MINUTE,
     site_dies, site_dies_end},
    {"partition-pairs", "some pairs of machines do not reach each other", 30 * SECOND, 20 * MINUTE, 100,
     2 * MINUTE, partition_pairs, partition_pairs_end},
    {"clock-jump", "the wall clock of a machine jumps, and later back", 30 * SECOND, 20 * MINUTE, 100,
     3 * MINUTE, clock_jump, clock_jump_end},
    {"clock-drift", "the clocks of a machine are up to 5 % fast or slow", 30 * SECOND, 20 * MINUTE,
     10 * SECOND, 5 * MINUTE, clock_drift, clock_drift_end},
    {"disk-slow", "each write of a host's disk, or of the store, takes up to 2 s", 30 * SECOND, 20 * MINUTE,
     SECOND, MINUTE, disk_slow, disk_slow_end},
    {"disk-full", "a host's disk, or the store, takes no writes", 30 * SECOND, 20 * MINUTE, SECOND, MINUTE,
     disk_full, disk_full_end},
    {"disk-lies", "what a host's disk took in is lost with its power", 30 * SECOND, 20 * MINUTE, 10 * SECOND,
     5 * MINUTE, disk_lies, disk_lies_end},
    {"disk-flips", "a bit of a host's document, or of a layer, turns", 10 * SECOND, 20 * MINUTE, 0, 0,
     disk_flips, NULL},
    {"store-fails", "of the store's transactions each n-th fails", MINUTE, 20 * MINUTE, SECOND, MINUTE,
     store_fails, store_fails_end},
    {"store-conflicts", "of the store's transactions that compare each n-th conflicts", MINUTE, 20 * MINUTE,
     SECOND, 2 * MINUTE, store_conflicts, store_conflicts_end},
    {"host-resets", "a host loses its power, and has it back unless it was switched off meanwhile",
     10 * SECOND, 10 * MINUTE, 50, 2 * SECOND, host_dies, host_resets_end},
    {"service-levels", "service levels change, farms get others, and other counts", 10 * SECOND, 10 * MINUTE,
     0, 0, clerk_levels, NULL},
    {"leases", "a party's lease is granted, ends, is granted again", 20 * SECOND, 10 * MINUTE, 0, 0,
     clerk_leases, NULL},
    {"memory-errors", "the memory of a host corrects errors", MINUTE, 20 * MINUTE, 0, 0, memory_errors, NULL},
    {"disk-fails", "a host's disk says that it fails, until there is another", MINUTE, 30 * MINUTE,
     10 * SECOND, 10 * MINUTE, disk_fails, disk_fails_end},
    {"overheats", "a host is too hot, or all are", MINUTE, 30 * MINUTE, 10 * SECOND, 5 * MINUTE, overheats,
     overheats_end},
    {"power-back", "a host loses its power, and other hands switch it on, also when it was switched off",
     10 * SECOND, 20 * MINUTE, 500, 5 * SECOND, host_dies, host_dies_end},
    {"instance-sick", "an instance fails wherever it is started, again and again", 30 * SECOND, 20 * MINUTE,
     5 * SECOND, 3 * MINUTE, instance_sick, instance_sick_end},
    {"post-fails", "no message to people gets through", MINUTE, 20 * MINUTE, SECOND, 2 * MINUTE, post_fails,
     post_fails_end},
};
const size_t fault_table_length = LENGTH(fault_table);
_Static_assert(LENGTH(fault_table) <= (size_t)SIMULATE_FAULTS_MAX, "the report has room for them");
_Static_assert((size_t)SIMULATE_FAULTS_MAX == (size_t)SWARM_FAULTS_MAX, "and so has what is drawn");

static bool is_asked_for(const char *faults, const char *name);
static struct sim_random *chance_of(const struct run *run, const struct fault *fault, uint64_t nth);
static void plan_next(struct fault_state *state);
static void strike(void *ctx);
static void begin_trouble(struct fault_state *state, uint64_t nth);
static bool is_kept(const struct simulate_options *options, size_t place, uint64_t nth);
static void note_strike(struct run *run, size_t place, uint64_t nth, uint64_t told);
static void is_over(void *ctx);
static void end_trouble(struct trouble *trouble);

const char *simulate_fault_name(size_t n)
{
    return n < fault_table_length ? fault_table[n].name : NULL;
}

const char *simulate_fault_words(size_t n)
{
    return n < fault_table_length ? fault_table[n].words : NULL;
}

bool simulate_check_faults(const char *faults, struct error *err)
{
    const char *names[LENGTH(fault_table)];

    if (text_equal(faults, "all") || text_equal(faults, "none")) return true;
    for (size_t i = 0; i < LENGTH(fault_table); i++)
        names[i] = fault_table[i].name;
    for (const char *at = faults;; at++) {
        size_t size = strcspn(at, ",");
        CLEANUP_MEM char *name = mem_strndup(at, size);
        bool known = false;
        for (size_t i = 0; i < LENGTH(names); i++)
            known |= text_equal(names[i], name);
        if (text_equal(name, "all") || text_equal(name, "none"))
            return error_set(err, ERROR_USAGE, "--faults: '%s' stands alone, not in a list", name);
        if (size == 0)
            return error_set(err, ERROR_USAGE, "--faults: a name is missing %s; croft sim --help names them",
                             *at ? "before a comma" : "at the end");
        const char *nearest = text_nearest(name, names, LENGTH(names));
        if (!known)
            return error_set(err, ERROR_USAGE, "there is no fault '%s'%s%s; croft sim --help names them",
                             name, nearest ? ", did you mean " : "", nearest ? nearest : "");
        at += size;
        if (!*at) return true;
    }
}

/* A kind that is not asked for by name is left out of every fourth seed. What is drawn of one kind does not
 * depend on which others there are. */
void faults_draw(struct run *run)
{
    const char *faults = run->options->faults;
    bool all = text_equal(faults, "all");

    for (size_t i = 0; i < fault_table_length; i++) {
        const struct fault *fault = &fault_table[i];
        struct sim_random *chance = chance_of(run, fault, 0);
        bool drawn = sim_random_between(chance, 1, 4) > 1;
        /* Evenly over the orders of magnitude: both a fault that is seldom and one that is often. */
        int64_t every_ms = fault->every_ms_min;
        int64_t doublings = 0;
        for (int64_t ms = every_ms; ms * 2 <= fault->every_ms_max; ms *= 2)
            doublings++;
        for (int64_t n = sim_random_between(chance, 0, doublings); n > 0; n--)
            every_ms *= 2;
        bool on = all ? drawn : is_asked_for(faults, fault->name);
        run->faults[i] =
            (struct fault_state){.run = run, .fault = fault, .place = i, .on = on, .chance = chance};
        run->swarm->every_ms[i] = on ? every_ms : 0;
    }
}

void faults_free(struct run *run)
{
    for (size_t i = 0; i < fault_table_length; i++) {
        run_cancel(run, run->faults[i].next);
        sim_random_free(run->faults[i].chance);
    }
    for (size_t i = 0; i < run->troubles.length; i++)
        mem_free(*(struct trouble **)vec_at(&run->troubles, i));
    vec_free(&run->troubles);
}

void faults_begin(struct run *run)
{
    for (size_t i = 0; i < fault_table_length; i++)
        if (run->faults[i].on) plan_next(&run->faults[i]);
}

void faults_end(struct run *run)
{
    for (size_t i = 0; i < fault_table_length; i++) {
        run_cancel(run, run->faults[i].next);
        run->faults[i].next = NULL;
    }
    while (run->troubles.length > 0)
        end_trouble(*(struct trouble **)vec_at(&run->troubles, 0));
    net_mend(run);
    hosts_mend(run);
}

static bool is_asked_for(const char *faults, const char *name)
{
    for (const char *at = faults; *at;) {
        size_t size = strcspn(at, ",");
        if (strlen(name) == size && strncmp(at, name, size) == 0) return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static struct sim_random *chance_of(const struct run *run, const struct fault *fault, uint64_t nth)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, fault->name, strlen(fault->name));
    hash = text_hash(hash, &run->options->seed, sizeof(run->options->seed));
    return sim_random_new(text_hash(hash, &nth, sizeof(nth)));
}

static void plan_next(struct fault_state *state)
{
    int64_t every_ms = state->run->swarm->every_ms[state->place];
    state->next = run_after(state->run, sim_random_between(state->chance, 1, 2 * every_ms), strike, state);
}

/* With a chance of its own: to leave one out changes nothing of what the others are. */
static void strike(void *ctx)
{
    struct fault_state *state = ctx;
    struct run *run = state->run;
    struct sim_random *whole = run->chance;
    uint64_t nth = ++state->strikes;

    plan_next(state);
    if (!is_kept(run->options, state->place, nth)) return;
    run->chance = chance_of(run, state->fault, nth);
    begin_trouble(state, nth);
    sim_random_free(run->chance);
    run->chance = whole;
}

static void begin_trouble(struct fault_state *state, uint64_t nth)
{
    struct run *run = state->run;
    const struct fault *fault = state->fault;
    struct trouble *trouble = mem_alloc(sizeof(*trouble));
    uint64_t told = run->story->told;

    trouble->run = run;
    trouble->fault = fault;
    run->story->all = true;
    bool struck = fault->strike(run, trouble);
    run->story->all = false;
    if (!struck) {
        mem_free(trouble);
        return;
    }
    run->report->faults[state->place]++;
    note_strike(run, state->place, nth, told);
    if (!fault->end) {
        mem_free(trouble);
        return;
    }
    trouble->end = run_after(run, run_draw(run, fault->lasts_ms_min, fault->lasts_ms_max), is_over, trouble);
    *(struct trouble **)vec_push(&run->troubles) = trouble;
}

static bool is_kept(const struct simulate_options *options, size_t place, uint64_t nth)
{
    if (!options->only) return true;
    for (size_t i = 0; i < options->only_length; i++)
        if (options->only[i].fault == place && options->only[i].nth == nth) return true;
    return false;
}

/* The first line that was told of it says what it was. */
static void note_strike(struct run *run, size_t place, uint64_t nth, uint64_t told)
{
    struct simulate_report *report = run->report;

    ASSERT(run->story->told > told); /* what nobody is told of did nothing, and is no strike */
    if (report->strikes_length == LENGTH(report->strikes)) return;
    struct simulate_strike *strike = &report->strikes[report->strikes_length++];
    strike->fault = (uint32_t)place;
    strike->nth = (uint32_t)nth;
    snprintf(strike->line, sizeof(strike->line), "%s", run->story->lines[told % (STORY_LINES + 1)]);
}

static void is_over(void *ctx)
{
    struct trouble *trouble = ctx;
    trouble->end = NULL;
    end_trouble(trouble);
}

static void end_trouble(struct trouble *trouble)
{
    struct run *run = trouble->run;

    for (size_t i = 0; i < run->troubles.length; i++) {
        if (*(struct trouble **)vec_at(&run->troubles, i) != trouble) continue;
        vec_remove(&run->troubles, i);
        break;
    }
    run_cancel(run, trouble->end);
    trouble->fault->end(run, trouble);
    mem_free(trouble);
}
