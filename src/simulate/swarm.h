/* What a seed draws before anything happens: the grid, its tenants, how often what goes wrong (Groce et al.,
 * Swarm Testing, 2012: a run that leaves something out finds what the average of all runs hides). */
#ifndef CROFT_SIMULATE_SWARM_H
#define CROFT_SIMULATE_SWARM_H

#include "base/buf.h"
#include "base/mem.h"
#include "model/intent.h"
#include "sim/net.h"
#include "sim/random.h"

enum { SWARM_TIERS_MAX = 3, SWARM_FAULTS_MAX = 32, SWARM_LEVELS = 3, SWARM_STEPS_MAX = 4 };

/* Of on_failure. */
struct swarm_step {
    enum mend_what what;
    int64_t within_s;
    int times;
};

/* As the simulated operator writes a farm's document. No pointers: a copy is a version of it. */
struct swarm_tier {
    char name[16];
    struct count count;
    int64_t cpus_millis, memory_mib;
    int image; /* hello:1, the landlord's, or hello:2, the party's own */
    int warm, priority, setting;
    int spread; /* 0 none, 1 host, 2 rack */
    bool strict, health;
    int needs; /* index of an earlier tier, or -1 */
    struct swarm_step steps[SWARM_STEPS_MAX];
    size_t steps_length;
};

struct swarm_farm {
    char name[24], party[24];
    struct swarm_tier tiers[SWARM_TIERS_MAX];
    size_t tiers_length;
    bool balance;
    int sla;          /* 1 to SWARM_LEVELS; 0: none */
    int64_t capacity; /* of an instance of its first tier, requests a second; 0: its load sizes nothing */
};

/* A service level, as the landlord writes it. */
struct swarm_level {
    enum sla_priority priority;
    int64_t response_ms;
};

/* "ops" of a party. */
struct swarm_contact {
    bool there;
    int64_t group_s, hourly;
};

/* What is asked of a farm: a wave between two rates, and jumps over it. */
struct swarm_callers {
    int64_t low_millis, high_millis; /* requests a second, thousandths */
    int64_t period_ms, phase_ms;     /* of the wave: its day */
    int64_t jump_every_ms;           /* mean time between two */
};

struct swarm {
    struct arena *arena;
    struct host *hosts;
    size_t hosts_length;
    const char **zones; /* racks */
    size_t zones_length;
    size_t parties_length; /* p1, p2, … */
    struct swarm_farm *farms;
    size_t farms_length;
    struct swarm_level levels[SWARM_LEVELS];
    struct swarm_callers *callers; /* of farms, in their order */
    /* Of parties in their order, and the landlord's behind them; NULL: tiers have no steps, nobody is told.
     */
    struct swarm_contact *contacts;
    struct sim_weather weather;
    int64_t storm_ms; /* how long things go wrong before they are let calm down */
    /* By the place of the fault in the table: mean time between two of it; 0: never. */
    int64_t every_ms[SWARM_FAULTS_MAX];
};

/* hosts, farms: 0: drawn. every_ms is left to who knows the faults. */
struct swarm *swarm_new(struct sim_random *chance, size_t hosts, size_t farms);
void swarm_free(struct swarm *swarm); /* NULL is fine */
/* Which farms are sized by their load, and who calls them: with a chance of its own, so that all else that a
 * seed draws stays what it is. */
void swarm_draw_levels(struct swarm *swarm, struct sim_random *chance);
/* The same for what is done about failures, and who is told: in every other seed. */
void swarm_draw_mending(struct swarm *swarm, struct sim_random *chance);
/* Contacts, and the pool whose hosts the landlord's is told of; nothing when there are none. */
void swarm_write_contacts(const struct swarm *swarm, struct buf *ret_yaml);
struct swarm_level swarm_draw_level(struct sim_random *chance);
/* Another service level for the farm, or other counts. It has a capacity. */
void swarm_change_level(struct sim_random *chance, struct swarm_farm *farm);
void swarm_write_level(const struct swarm_level *level, size_t n, struct buf *ret_yaml); /* n: from 0 */
const char *swarm_level_name(size_t n);
/* A farm's document, and that of the n-th party (from 0). */
void swarm_write_farm(const struct swarm_farm *farm, struct buf *ret_yaml);
void swarm_write_party(const struct swarm *swarm, size_t n, struct buf *ret_yaml);
/* Draws another version: of counts, images, settings. */
void swarm_change_farm(struct sim_random *chance, struct swarm_farm *farm);

#endif
