/* Where a grid keeps its state, and how others find out that it runs.
 *
 *   STATE/lock               held (flock) by the supervisor as long as it lives
 *   STATE/run/grid.json      what runs: for `croft down`, for commands that look for a server, for people
 *   STATE/run/power.sock     the power switches;  STATE/run/whoami.sock  process ids in the machine's
 * numbering STATE/controller         the controller's;    STATE/hosts/hN  an agent's;    STATE/log  logs
 *   /run/croft/GRID.json     the same as grid.json, to be found without knowing STATE
 */
#ifndef CROFT_CLI_UP_PLACE_H
#define CROFT_CLI_UP_PLACE_H

#include "base/error.h"
#include "base/vec.h"

#include <stdint.h>

#define PLACE_POINTERS "/run/croft"

struct place {
    char *state;   /* absolute, no symbolic links */
    char *grid;    /* short name of the state directory: cgroups are below croft/GRID */
    bool fresh;    /* no grid was here before place_open() made this one */
    unsigned made; /* how many of the state directory and its parents were not there */
};

/* Without `make` the directory has to be there: ERROR_NOT_FOUND. With it, it and what belongs in it is made.
 */
MUST_CHECK bool place_open(const char *directory, bool make, struct place *ret_place, struct error *err);
void place_clear(struct place *place);
#define CLEANUP_PLACE CLEANUP(place_clear)
/* For a start that failed: takes away what place_open() and the grid have made in a fresh place, but for the
 * logs when the message sends people there. To be called with the lock held. */
void place_take_back(const struct place *place, const char *message);
char *place_path(const struct place *place, const char *relative); /* the caller's to mem_free() */

/* The only supervisor of this state directory, until the descriptor is closed. ERROR_REFUSED when there is
 * one. */
MUST_CHECK bool place_lock(const struct place *place, int *ret_lock_fd, struct error *err);

/* A log, open for appending; one over 10 MiB is moved to NAME.1 first. */
MUST_CHECK bool place_open_log(const struct place *place, const char *name, int *ret_fd, struct error *err);

struct grid_info {
    int64_t pid;
    uint64_t start_ticks; /* of the process, from /proc: tells it from a later one with its number */
    bool ready;
    char *url;
    char *token_path; /* file of the landlord's token */
    char *state;
};
void grid_info_clear(struct grid_info *info);
#define CLEANUP_GRID_INFO CLEANUP(grid_info_clear)
/* ERROR_NOT_FOUND when no supervisor of this state directory is alive (whatever the file says). */
MUST_CHECK bool grid_info_of(const struct place *place, struct grid_info *ret_info, struct error *err);
/* All running grids of this machine that this user may see, ready ones only. Items are struct grid_info, each
 * to be cleared. For commands that were not told a server. */
void grid_info_all(struct vec *ret_infos);
/* Writes STATE/run/grid.json and the pointer. */
MUST_CHECK bool grid_info_write(const struct place *place, const char *json, struct error *err);
/* Takes away everything in STATE/run and the pointer. */
void place_sweep_files(const struct place *place);
/* Waits until no loop device is over a host's private.img any more: the kernel takes them away a moment after
 * the last mount. ERROR_TIMEOUT: one is still there, because somebody else has mounted it. */
MUST_CHECK bool place_await_devices(const struct place *place, int64_t timeout_ms, struct error *err);
/* Start time of a process in clock ticks since boot; 0: there is no such process. */
uint64_t process_start_ticks(int64_t pid);

#endif
