/* Health probes of instances: is what runs there fit to serve? */
#ifndef CROFT_DRIVER_PROBE_H
#define CROFT_DRIVER_PROBE_H

#include "base/error.h"
#include "model/intent.h"
#include "port/clock.h"
#include "port/process.h"
#include "port/watch.h"

struct probe;

struct probe_options {
    const struct clock_port *clock;
    const struct watch_port *watch;
    const struct process_port *process; /* only needed with HEALTH_EXEC */
    const struct health *health;        /* kind is not HEALTH_NONE; copied */
    uint32_t address;                   /* of the instance; HEALTH_HTTP and HEALTH_TCP */
    int net_ns_fd;                /* where connections are made from, -1: here. Borrowed until probe_stop() */
    int home_ns_fd;               /* of socket_ns_home(), or -1; as above. With net_ns_fd only */
    const char *const *exec_argv; /* HEALTH_EXEC: what the process port starts, NULL last; copied */
    int64_t start_period_ms;      /* see below; 0: 30 s */
};

/* good, and why in a few words: "GET /healthz: 500", "connection refused", "no answer in 500ms". Called from
 * the loop on the first verdict and on every change. It may stop the probe. */
typedef void (*probe_changed)(void *ctx, bool good, const char *reason);

/* The probe as a table, so that a simulation can look into its own world. */
struct probe_driver {
    void *self;
    void (*destroy)(void *self); /* after all its probes were stopped */
    /* As probe_start(), but home_ns_fd is the driver's. */
    struct probe *(*start)(void *self, const struct probe_options *options, probe_changed changed, void *ctx);
    void (*stop)(void *self, struct probe *probe); /* as probe_stop() */
};
/* For the thread and in the network namespace that it is called in. */
MUST_CHECK bool probe_driver_new(struct probe_driver *ret_driver, struct error *err);

/* Tries at once; until the first success again after 5, 10, 20 … ms up to `every`, then every `every`. An
 * `every` of whole quarters of a second keeps to the steps of clock_port.after_together(): once, an attempt
 * comes up to 250 ms earlier. One success is good; `fails` failures in a row, no two counted within `every`
 * (less that step), are bad. Before the first success a host that refuses connections or is not there yet is
 * not counted until the start period is over. Never NULL; what goes wrong in here is a failure with its
 * reason. */
struct probe *probe_start(const struct probe_options *options, probe_changed changed, void *ctx);
void probe_stop(struct probe *probe); /* NULL is fine; changed is not called after */

#endif
