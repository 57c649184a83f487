/* What the files of a replay share. */
#ifndef CROFT_REPLAY_INSIDE_H
#define CROFT_REPLAY_INSIDE_H

#include "replay/replay.h"

/* An instance on its way in or out. Who leaves runs until then, but its room is another's: move.c. */
struct passing {
    int64_t until_ms;
    size_t host;
};

struct replay_farm {
    const char *name;
    const struct farm *farm;
    const struct tier *tier; /* the one that is sized by load */
    const struct sla *sla;
    const struct scaling_rules *rules; /* NULL: the built-in set */
    const struct trace_farm *trace;    /* NULL: it has no demand */
    struct station station;
    double capacity;
    double late_max;       /* part of the responses that may be late */
    int64_t *on;           /* how many each host holds, those on their way out not counted */
    struct vec coming;     /* struct passing, the first is ready first */
    struct vec leaving;    /* struct passing */
    int64_t wanted, got;   /* by the policy; by the sharing: serving, coming, and waiting for a place */
    double need, provided; /* by the policy: what sharing goes by, as in struct share_tier … */
    int64_t waits_since_ms, given_ms; /* … and by the sharing */
    double seen_rate;                 /* requests a second since the last tick, as counted */
    struct station_done since_tick, since_minute;
    double instance_ms_minute;
    int64_t period;          /* the current one's number */
    bool entered[LEVELS];    /* in it */
    int64_t entries[LEVELS]; /* periods in which a level was: fees due */
    double level_ms[LEVELS]; /* instances times milliseconds */
    struct money cost;
    struct replay_sums sums;
    struct replay_minute *minutes;
    size_t minutes_length;
    void *policy; /* the policy's own */
};

struct replay_host {
    const char *name;
    struct resources free; /* soon: who leaves has left */
};

struct replay_world {
    struct arena *arena;
    const struct replay_options *options;
    const struct trace *trace;
    struct replay_host *hosts;
    size_t hosts_length;
    struct replay_farm *farms;
    size_t length;
    int64_t now_ms; /* since the trace's begin */
    int64_t tick_ms;
    int64_t peak;
};

/* Virtual time begins at any Monday, in UTC: only the time of the week matters. */
#define REPLAY_WALL_MS (345600000LL + 20000LL * 7 * 86400000)

/* A policy: says at each tick how many each farm wants (farm->wanted). It may read of a farm what a
 * controller would know: seen_rate, station.serving, coming, the documents. Only the oracle reads the trace.
 */
struct policy {
    int64_t tick_ms;
    int64_t lead_ms; /* < 0: that of the options */
    void (*begin)(struct replay_world *world);
    void (*decide)(struct replay_world *world);
    bool (*share)(struct replay_world *world); /* one of those below */
};
extern const struct policy policy_croft, policy_target, policy_static, policy_oracle;

/* The parts that a farm's documents say. false: err tells what is wrong, at the trace's line or the file's.
 */
MUST_CHECK bool replay_make(struct replay_world *world, const struct documents *documents, struct error *err);
void replay_free(struct replay_world *world);
/* Tiers and farms of the documents that are sized by load and have no demand. */
const char *replay_left_out(const struct replay_world *world, const struct documents *documents);
/* Demand of a farm in the trace's n-th step; 0 beyond its end. */
double replay_rate(const struct replay_farm *farm, size_t nth);
/* farm->got of all farms from farm->wanted: who gets, where not all can have what they want. What goes to
 * others is drained. true: there may be more to change at once. As the controller does, or by a simple rule.
 */
bool replay_share(struct replay_world *world);
bool replay_share_simply(struct replay_world *world);
/* Starts and drains until each farm has what it got, as far as there is room. */
void replay_move(struct replay_world *world);
/* One instance of the farm that is on the host. */
void replay_drain(struct replay_world *world, struct replay_farm *farm, size_t host);
/* Those with a place, serving and coming. */
int64_t replay_has(const struct replay_farm *farm);
/* How often the size fits into what is free; what is left when it is taken so often. */
int64_t replay_fit(const struct resources *free, const struct resources *size);
void replay_take(struct resources *free, const struct resources *size, int64_t times);
/* One farm until world->now_ms + ms, from world->now_ms. */
void replay_pass(struct replay_world *world, struct replay_farm *farm, int64_t ms);
/* The last minute ends, the sums are made. */
void replay_end(struct replay_farm *farm);

#endif
