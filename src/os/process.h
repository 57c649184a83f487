/* process_port over clone, pidfds and pipes. */
#ifndef CROFT_OS_PROCESS_H
#define CROFT_OS_PROCESS_H

#include "os/loop.h"
#include "port/process.h"

struct os_process;

struct os_process *os_process_new(struct loop *loop);
/* NULL is fine. Children live on; their callbacks are forgotten, and they are no longer reaped. */
void os_process_free(struct os_process *processes);
const struct process_port *os_process_port(const struct os_process *processes);

#endif
