/* hardware_port on Linux: memory controllers (EDAC), sensors (hwmon, thermal zones), disks' failed requests,
 * and what disks say of themselves (smartctl, where it is installed; seldom, and never waking one that
 * sleeps). */
#ifndef CROFT_OS_HARDWARE_H
#define CROFT_OS_HARDWARE_H

#include "port/clock.h"
#include "port/hardware.h"
#include "port/process.h"

struct os_hardware;

struct os_hardware_options {
    const struct clock_port *clock;
    const struct process_port *process;
    const char *root;    /* "/sys", or a directory that looks like it */
    int64_t read_ms_max; /* of a look; 0: 20 s */
    const char *state;   /* whose file system is watched: the agent's own state directory */
};

/* All of the options outlive it. */
struct os_hardware *os_hardware_new(const struct os_hardware_options *options);
void os_hardware_free(struct os_hardware *hardware); /* NULL is fine; looks under way are dropped */
const struct hardware_port *os_hardware_port(const struct os_hardware *hardware);

#endif
