/* The clock of one machine, laid over the true one: it runs a little fast or slow, its wall clock jumps, and
 * it stands for a process that is held up in a call. As long as nothing of that was asked for it is the true
 * one. */
#ifndef CROFT_SIM_MACHINE_CLOCK_H
#define CROFT_SIM_MACHINE_CLOCK_H

#include "port/clock.h"

struct sim_machine_clock;

struct sim_machine_clock *sim_machine_clock_new(const struct clock_port *under); /* which outlives it */
void sim_machine_clock_free(struct sim_machine_clock *clock); /* NULL is fine; no timer of it may be left */
const struct clock_port *sim_machine_clock_port(struct sim_machine_clock *clock);

/* From now on both clocks gain so many microseconds in each true second (below 0: they lose them); more than
 * -1,000,000. What waits already fires never before its time, but maybe later when the clock became faster.
 */
void sim_machine_clock_drift(struct sim_machine_clock *clock, int64_t us_per_second);
/* The wall clock alone; the steady one never jumps. */
void sim_machine_clock_jump(struct sim_machine_clock *clock, int64_t ms);
/* The process asks for the time us (true ones) later than it is, and until then nothing of its fires: so long
 * does the call take that it is in. */
void sim_machine_clock_spend(struct sim_machine_clock *clock, int64_t us);
/* True time, on the clock below, until which it is held up; not later than now: it is not. */
int64_t sim_machine_clock_held_until_us(const struct sim_machine_clock *clock);

#endif
