/* Load balancers: HAProxy inside a farm's balancer instance, steered from outside at run time. */
#ifndef CROFT_DRIVER_BALANCE_H
#define CROFT_DRIVER_BALANCE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/host_document.h"

#include <signal.h>

/* Makes a balancer take nothing new and end with its last connection; for one whose sockets another serves.
 */
#define BALANCE_LAST_SIGNAL SIGUSR1

typedef void (*balance_done)(void *ctx, const struct error *err);

enum { BALANCE_WEIGHT_MAX = 1000000 };

/* One request (mode http) or connection (mode tcp) that has ended, of the few that are looked at. Times are
 * -1 where it did not come so far. */
struct balance_sample {
    const char *frontend;
    const char *server; /* "": nobody got it */
    int status;         /* of HTTP; tcp: 0 */
    int64_t weight;     /* it stands for so many, itself included; 1 to BALANCE_WEIGHT_MAX */
    int64_t queue_us;   /* waiting for a server; whole milliseconds */
    int64_t connect_us; /* the same: to the server */
    int64_t head_us;    /* from its head to the head of the answer; tcp: as all_us */
    int64_t all_us;     /* to the answer's end */
    int64_t bytes;      /* both ways */
};

/* Exact totals since HAProxy's start, of a frontend (server "") or of one of its servers. */
struct balance_counters {
    char frontend[64], server[64];
    int64_t units;   /* requests in mode http, else connections */
    int64_t open;    /* now */
    int64_t queued;  /* now */
    int64_t refused; /* no server could be had */
    int64_t failed;  /* mode http: answers with 5xx, those of the refused included */
    int64_t bytes;   /* both ways */
};

struct balance_events {
    /* A server that was set to drain has no connection left (or has none again after it was told so). */
    void (*drained)(void *ctx, const char *balancer, const char *server);
    /* HAProxy's own health check of a server changed its mind. May be NULL. */
    void (*health)(void *ctx, const char *balancer, const char *server, bool good);
    /* For measuring; either may be NULL, and neither may call the driver. At most some 100 a second and
     * balancer come, whatever the load; a line that names no frontend or server of the balancer is no sample.
     */
    void (*sample)(void *ctx, const char *balancer, const struct balance_sample *sample);
    /* Once a second, all of the balancer's; taken_us: steady time. */
    void (*counted)(void *ctx, const char *balancer, int64_t taken_us,
                    const struct balance_counters *counters, size_t length);
    void *ctx;
};

struct balance_driver {
    void *self;
    void (*destroy)(void *self); /* no event or done is called after; not from inside one */
    void (*set_events)(void *self, const struct balance_events *events);

    /* Command and files (haproxy.cfg) that the balancer instance gets, from its frontends: added to
     * *personality in the arena. Frontend i with publish != "" binds descriptor 3 + its rank among such. */
    void (*personalize)(void *self, struct arena *arena, struct personality *personality);
    /* Opens the listening socket of a published address "ADDR:PORT"; the caller closes it. ERROR_CONFLICT
     * naming the address when it is in use, ERROR_REFUSED when it is not this host's. Balancers may share
     * one: each connection goes to one of them. */
    bool (*listen)(void *self, const char *publish, int *ret_fd, struct error *err);
    /* A duplicate of that socket out of the running balancer whose main process is pid, where it is the
     * rank-th published one (from 0). ERROR_NOT_FOUND when it is not there. */
    bool (*take)(void *self, int64_t pid, size_t rank, const char *publish, int *ret_fd, struct error *err);
    /* Brings a running balancer's servers to what personality->frontends says, at run time, without losing a
     * request: adds, enables, drains, deletes. Retries until HAProxy answers on its socket under
     * control_directory or 5 s are over; goes on trying after a failure. From then on HAProxy is kept so,
     * also when it is started anew. Later calls replace earlier ones that still wait: their dones are called
     * together with the last one's. done comes once, from the loop, when all that is wanted is in and what
     * has to go gets nothing new; the latter's connections have one more second. ERROR_REFUSED when HAProxy
     * runs with other frontends: it needs a new personality. */
    void (*apply)(void *self, const struct personality *personality, const char *control_directory,
                  balance_done done, void *ctx);
    /* Forgets a balancer that is gone: no event and no done of it comes after. */
    void (*remove)(void *self, const char *instance);
};

#endif
