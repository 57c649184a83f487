/* A grid made by lot, for measuring: hosts of several shapes over zones and racks, farms whose tiers ask for
 * sizes of a catalogue in three dimensions and spread at mixed levels. The same numbers give the same grid on
 * any machine. */
#ifndef CROFT_CLI_MADE_H
#define CROFT_CLI_MADE_H

#include "base/mem.h"
#include "model/state.h"

struct made_options {
    size_t hosts;
    size_t instances;    /* what the tiers want together */
    size_t zones, racks; /* racks of each zone */
    uint64_t seed;
};

enum { MADE_NOW_MS = 24 * 3600 * 1000 }; /* the moment at which the grid is */

/* Hosts are up; nothing is placed yet; no farm has a network. Everything is the arena's. */
struct snapshot made_grid(struct arena *arena, const struct made_options *options);

#endif
