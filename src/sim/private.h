/* private_port in memory: the twin of os/private.h. Nothing is encrypted; but what is not open cannot be
 * reached, and another key is another directory. It is a host's disk: it stays when agents and power go. */
#ifndef CROFT_SIM_PRIVATE_H
#define CROFT_SIM_PRIVATE_H

#include "port/clock.h"
#include "port/private.h"

struct sim_private;

struct sim_private *sim_private_new(const struct clock_port *clock); /* which outlives it */
void sim_private_free(struct sim_private *private);                  /* NULL is fine */
const struct private_port *sim_private_port(struct sim_private *private);
/* The agent that used it has ended: nothing is open any more, and nobody is called back. */
void sim_private_end(struct sim_private *private);
/* So many next openings fail. */
void sim_private_fail(struct sim_private *private, unsigned opens);
/* How many directories there are, and how many of them are open. */
size_t sim_private_count(const struct sim_private *private, size_t *ret_open);

#endif
