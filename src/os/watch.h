/* watch_port over the loop. */
#ifndef CROFT_OS_WATCH_H
#define CROFT_OS_WATCH_H

#include "os/loop.h"
#include "port/watch.h"

struct os_watch;

struct os_watch *os_watch_new(struct loop *loop);
void os_watch_free(struct os_watch *watch); /* NULL is fine; stop what was started before */
const struct watch_port *os_watch_port(const struct os_watch *watch);

#endif
