/* The cgroups of a grid, in every hierarchy that is mounted: version 1, hybrid or 2. Agents make them; here
 * they are thawed and taken away. `path` is below the root of each hierarchy: "croft/GRID/h3". */
#ifndef CROFT_CLI_UP_CGROUPS_H
#define CROFT_CLI_UP_CGROUPS_H

#include "base/error.h"

#include <stdint.h>

/* A frozen process of version 1 does not even die of SIGKILL: whoever wants a host dead has to thaw it. */
void cgroups_thaw(const char *path);

/* Kills what is still in there, waits until it is gone, and removes the tree. The whole is bounded by
 * timeout_ms: ERROR_TIMEOUT names what stayed. */
MUST_CHECK bool cgroups_remove(const char *path, int64_t timeout_ms, struct error *err);
/* Removes the one directory wherever it is empty: the parent that several grids share. */
void cgroups_drop_empty(const char *path);

#endif
