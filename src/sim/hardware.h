/* hardware_port on virtual time: says what it was told to say. */
#ifndef CROFT_SIM_HARDWARE_H
#define CROFT_SIM_HARDWARE_H

#include "model/hardware.h"
#include "port/clock.h"
#include "port/hardware.h"

struct sim_hardware;

/* clock: outlives it; a look takes delay_us. */
struct sim_hardware *sim_hardware_new(const struct clock_port *clock, int64_t delay_us);
void sim_hardware_free(struct sim_hardware *hardware); /* NULL is fine; looks under way are dropped */
const struct hardware_port *sim_hardware_port(const struct sim_hardware *hardware);
/* From now on this is read (copied). */
void sim_hardware_say(struct sim_hardware *hardware, const struct hardware_reading *reading);
/* From now on nothing of it is. */
void sim_hardware_end(struct sim_hardware *hardware, enum finding_kind kind, const char *what);
/* What is read of it now; 0: nothing. */
int64_t sim_hardware_value(const struct sim_hardware *hardware, enum finding_kind kind, const char *what);

#endif
