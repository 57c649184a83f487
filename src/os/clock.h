/* clock_port over the machine's clocks and the loop's timers. */
#ifndef CROFT_OS_CLOCK_H
#define CROFT_OS_CLOCK_H

#include "os/loop.h"
#include "port/clock.h"

struct os_clock;

struct os_clock *os_clock_new(struct loop *loop);
void os_clock_free(struct os_clock *clock); /* NULL is fine; timers that wait are cancelled */
const struct clock_port *os_clock_port(const struct os_clock *clock);

#endif
