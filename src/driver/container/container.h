/* The compute driver for containers: OCI bundles run by crun. README.md tells how. */
#ifndef CROFT_DRIVER_CONTAINER_CONTAINER_H
#define CROFT_DRIVER_CONTAINER_CONTAINER_H

#include "driver/compute.h"
#include "port/clock.h"
#include "port/process.h"
#include "port/watch.h"

/* Everything is copied but the ports, which must outlive the driver. */
struct container_options {
    const char *state_directory; /* durable: unpacked images */
    const char *run_directory;   /* of this boot: instances; absolute, and best on a tmpfs */
    const char *cgroup;          /* "croft/GRID/h1": below it each instance has its cgroups */
    const char *crun;            /* the program; NULL: "crun" */
    uint32_t uid_first;          /* of the ranges of 65536 ids that instances get; 0: 0x10000000 */
    uint32_t uid_ranges;         /* how many instances at once at most; 0: 16384 */
    const struct clock_port *clock;
    const struct process_port *process;
    const struct watch_port *watch;
};

/* Once, at the start of the process, before the driver and before other threads. Where version 1 controllers
 * are in use it moves this process to a mount namespace of its own in which only they are mounted (crun
 * refuses a mix), and makes run_directory a shared mount, so that what is mounted below it outlives the
 * process. Elsewhere it does nothing. */
MUST_CHECK bool container_prepare_cgroups(const char *run_directory, struct error *err);
/* The opposite, when all instances are wiped: the cgroup's directories and run_directory's mount go. */
MUST_CHECK bool container_tidy(const struct container_options *options, struct error *err);

/* Takes up what an earlier driver left in run_directory. Makes the process a child subreaper. */
MUST_CHECK bool container_driver_new(const struct container_options *options,
                                     struct compute_driver *ret_driver, struct error *err);

#endif
