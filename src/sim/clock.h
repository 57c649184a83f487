/* Virtual time: the twin of os/clock.h. Nothing happens but what timers do, one after the other, and between
 * two of them time jumps. Same timers, same order: every run of a test is the same run. */
#ifndef CROFT_SIM_CLOCK_H
#define CROFT_SIM_CLOCK_H

#include "port/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct sim_clock;

struct sim_clock *sim_clock_new(int64_t wall_ms);
void sim_clock_free(struct sim_clock *clock); /* NULL is fine; timers that wait are forgotten */
const struct clock_port *sim_clock_port(struct sim_clock *clock);

/* Fires the next timer; those of one moment in the order in which they were asked for. False: none waits. */
bool sim_clock_step(struct sim_clock *clock);
/* Steps until `us` have passed; the clock then stands exactly there. */
void sim_clock_run(struct sim_clock *clock, int64_t us);
/* Steps until reached(ctx) is true, for at most `us`; false when it never was. */
bool sim_clock_run_until(struct sim_clock *clock, int64_t us, bool (*reached)(void *ctx), void *ctx);
/* Time that a call takes which does not return to the loop: what would have fired meanwhile fires after it.
 */
void sim_clock_spend(struct sim_clock *clock, int64_t us);
/* Steps until no timer waits. */
void sim_clock_run_idle(struct sim_clock *clock);
/* Called after every step: where invariants are judged. */
void sim_clock_after_step(struct sim_clock *clock, void (*judge)(void *ctx), void *ctx);
/* The wall clock jumps, forwards or back; the steady one never does. */
void sim_clock_jump(struct sim_clock *clock, int64_t ms);
size_t sim_clock_waiting(const struct sim_clock *clock);

#endif
