/* The supervisor of one grid, from the first cable to the last. */
#ifndef CROFT_CLI_UP_GRID_H
#define CROFT_CLI_UP_GRID_H

#include "cli/up/place.h"
#include "cli/up/up.h"

struct grid_events {
    void (*ready)(void *ctx, const char *url);
    void (*progress)(void *ctx, unsigned up, unsigned of);
    void *ctx;
};

/* Builds the grid, runs it until SIGTERM, SIGINT or SIGHUP, and takes all of it away again, also on failure.
 * The caller holds the lock of the place. */
MUST_CHECK bool grid_run(const struct up_options *options, const struct place *place,
                         const struct grid_events *events, struct error *err);
/* What a dead supervisor may have left: cgroups with what runs in them, and files in STATE/run. */
MUST_CHECK bool grid_sweep(const struct place *place, struct error *err);

#endif
