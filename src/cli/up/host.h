/* One played computer: its power, its cables and the first process in it. */
#ifndef CROFT_CLI_UP_HOST_H
#define CROFT_CLI_UP_HOST_H

#include "cli/up/place.h"
#include "cli/up/up.h"
#include "cli/up/wires.h"
#include "os/loop.h"
#include "port/clock.h"

#include <sys/types.h>

enum host_power {
    POWER_IS_OFF,     /* no process of it is left */
    POWER_IS_BOOTING, /* started, the agent not yet */
    POWER_IS_ON,      /* its agent was started */
    POWER_IS_ENDING,  /* killed, not yet gone */
};

struct host_context {
    struct loop *loop;
    const struct clock_port *clock;
    struct wires *wires;
    const struct place *place;
    const struct up_options *options;
    void (*changed)(void *ctx, unsigned number); /* the power of a host changed; from the loop or host_on() */
    void *ctx;
};

struct host;

/* number counts from 1. context must outlive the host. */
struct host *host_new(const struct host_context *context, unsigned number);
void host_free(struct host *host); /* NULL is fine; the power has to be off */

/* Off before; booting after. The agent waits for host_go(). */
MUST_CHECK bool host_on(struct host *host, struct error *err);
void host_go(struct host *host);
void host_off(struct host *host); /* told by changed() when it is */

bool host_ordered_off(const struct host *host); /* by host_off(), and not switched on since */

enum host_power host_power(const struct host *host);
const char *host_name(const struct host *host);
const char *host_zone(const struct host *host);
const char *host_failure(const struct host *host); /* why it went off by itself, or "" */
pid_t host_pid(const struct host *host);           /* first process; 0 when off */
unsigned host_low16(const struct host *host);      /* of its addresses */

#endif
