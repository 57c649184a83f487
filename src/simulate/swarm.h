/* What a seed draws before anything happens: the grid, its tenants, how often what goes wrong (Groce et al.,
 * Swarm Testing, 2012: a run that leaves something out finds what the average of all runs hides). */
#ifndef CROFT_SIMULATE_SWARM_H
#define CROFT_SIMULATE_SWARM_H

#include "base/buf.h"
#include "base/mem.h"
#include "model/intent.h"
#include "sim/net.h"
#include "sim/random.h"

enum { SWARM_TIERS_MAX = 3, SWARM_FAULTS_MAX = 32 };

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
};

struct swarm_farm {
    char name[24], party[24];
    struct swarm_tier tiers[SWARM_TIERS_MAX];
    size_t tiers_length;
    bool balance;
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
    struct sim_weather weather;
    int64_t storm_ms; /* how long things go wrong before they are let calm down */
    /* By the place of the fault in the table: mean time between two of it; 0: never. */
    int64_t every_ms[SWARM_FAULTS_MAX];
};

/* hosts, farms: 0: drawn. every_ms is left to who knows the faults. */
struct swarm *swarm_new(struct sim_random *chance, size_t hosts, size_t farms);
void swarm_free(struct swarm *swarm); /* NULL is fine */
/* A farm's document, and that of the n-th party (from 0). */
void swarm_write_farm(const struct swarm_farm *farm, struct buf *ret_yaml);
void swarm_write_party(const struct swarm *swarm, size_t n, struct buf *ret_yaml);
/* Draws another version: of counts, images, settings. */
void swarm_change_farm(struct sim_random *chance, struct swarm_farm *farm);

#endif
