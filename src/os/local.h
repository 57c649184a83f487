/* local_port over Unix sockets. */
#ifndef CROFT_OS_LOCAL_H
#define CROFT_OS_LOCAL_H

#include "port/clock.h"
#include "port/local.h"
#include "port/watch.h"

struct os_local;

/* The ports must outlive it. */
struct os_local *os_local_new(const struct clock_port *clock, const struct watch_port *watch);
void os_local_free(struct os_local *local); /* NULL is fine; what was opened is closed before */
const struct local_port *os_local_port(const struct os_local *local);

#endif
