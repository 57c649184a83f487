/* Nothing in the simulation has a descriptor: a watch port that can only be asked to stop nothing. */
#ifndef CROFT_SIM_WATCH_H
#define CROFT_SIM_WATCH_H

#include "port/watch.h"

const struct watch_port *sim_watch_port(void);

#endif
