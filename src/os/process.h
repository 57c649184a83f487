/* process_port over clone, pidfds and pipes. */
#ifndef CROFT_OS_PROCESS_H
#define CROFT_OS_PROCESS_H

#include "os/loop.h"
#include "port/process.h"

struct os_process;

struct os_process *os_process_new(struct loop *loop);
/* NULL is fine. Children live on; their callbacks are forgotten, and they are no longer reaped. */
void os_process_free(struct os_process *processes);
/* For a process that adopts orphans (PR_SET_CHILD_SUBREAPER): from now on dead children that nobody watches
 * are taken, so that they do not fill the table of processes. A child that is watched by a descriptor has to
 * be watched from the turn of the loop in which it is known. Takes SIGCHLD for itself; while no child dies it
 * costs nothing. */
MUST_CHECK bool os_process_reap_orphans(struct os_process *processes, struct error *err);
const struct process_port *os_process_port(const struct os_process *processes);

#endif
