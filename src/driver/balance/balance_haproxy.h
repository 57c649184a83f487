/* The balance driver's one implementation: HAProxy. */
#ifndef CROFT_DRIVER_BALANCE_HAPROXY_H
#define CROFT_DRIVER_BALANCE_HAPROXY_H

#include "base/error.h"
#include "driver/balance.h"
#include "port/clock.h"
#include "port/watch.h"

struct balance_options {
    const struct clock_port *clock;
    const struct watch_port *watch;
    int publish_ns_fd; /* network namespace where published addresses are; -1: this process's own. Borrowed */
};

/* The ports must outlive the driver. */
MUST_CHECK bool balance_driver_new(const struct balance_options *options, struct balance_driver *ret_driver,
                                   struct error *err);

#endif
