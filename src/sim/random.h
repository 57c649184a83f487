/* Chance from a seed: the twin of os/random.h. The same seed gives the same bytes on every machine. */
#ifndef CROFT_SIM_RANDOM_H
#define CROFT_SIM_RANDOM_H

#include "port/random.h"

#include <stdint.h>

struct sim_random;

struct sim_random *sim_random_new(uint64_t seed);
void sim_random_free(struct sim_random *random); /* NULL is fine */
const struct random_port *sim_random_port(struct sim_random *random);
/* From first to last, both included. */
int64_t sim_random_between(struct sim_random *random, int64_t first, int64_t last);

#endif
