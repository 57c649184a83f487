/* Power switches: the twin of os/power.h. What a switch does is the world's: it is told by `act`. */
#ifndef CROFT_SIM_POWER_H
#define CROFT_SIM_POWER_H

#include "port/clock.h"
#include "port/power.h"

#include <stdint.h>

struct sim_power;

/* act: does it, at once; called delay_us after the order. False: the order fails. */
struct sim_power *
sim_power_new(const struct clock_port *clock, int64_t delay_us,
              bool (*act)(void *ctx, const char *host, enum power_order order, struct error *err), void *ctx);
/* NULL is fine; orders under way are neither done nor told. */
void sim_power_free(struct sim_power *power);
const struct power_port *sim_power_port(struct sim_power *power);
size_t
sim_power_crossed(const struct sim_power *power); /* orders that came while the same switch had another */

#endif
