/* The controller as a process of the supervisor: started again when it ends. */
#ifndef CROFT_CLI_UP_CONTROLLER_PART_H
#define CROFT_CLI_UP_CONTROLLER_PART_H

#include "cli/up/place.h"
#include "cli/up/wires.h"
#include "os/loop.h"
#include "port/clock.h"

struct controller_part;

struct controller_part_options {
    struct loop *loop;
    const struct clock_port *clock;
    struct wires *wires;
    const struct place *place;
    const char *program;
    const char *contacts_reach, *secrets, *authorities; /* as up.h has them */
    int api_fd; /* listening socket of the user API; stays the caller's, so that it outlives every controller
                 */
    /* It ended (status as a shell tells it) and will be started again, unless it was asked to stop. */
    void (*ended)(void *ctx, int status);
    void *ctx;
};

MUST_CHECK bool controller_part_start(const struct controller_part_options *options,
                                      struct controller_part **ret_part, struct error *err);
/* Orderly, then by force; ended() is called once more, when it is gone. */
void controller_part_stop(struct controller_part *part);
bool controller_part_runs(const struct controller_part *part); /* NULL: false */
void controller_part_free(struct controller_part *part);       /* NULL is fine; it must not run */

#endif
