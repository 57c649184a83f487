/* What the parts of the balance driver share. */
#ifndef CROFT_DRIVER_BALANCE_INTERNAL_H
#define CROFT_DRIVER_BALANCE_INTERNAL_H

#include "base/mem.h"
#include "driver/balance/balance_admin.h"
#include "driver/balance/balance_haproxy.h"
#include "driver/balance/balance_log.h"

struct balance_self {
    struct balance_options options;
    struct balance_events events;
    struct map *balancers; /* instance -> struct balancer */
    struct vec notices;    /* struct notice: what is still to be told, oldest first */
    struct timer *teller;
};

/* One balancer: what is wanted of it, and the round under way that compares and mends. balance_round.c */
struct balancer {
    struct balance_self *driver;
    char *name;
    char *directory;
    struct arena *wanted_arena;
    const struct balance_frontend *frontends;
    size_t frontends_length;
    struct map *memories; /* server -> struct server_memory */
    struct map *leaving;  /* "backend/server" -> int64_t *: steady_us since when it has to go */

    struct vec waiting; /* struct waiting: whom to tell when it is settled */
    int64_t deadline_us;

    struct balance_admin *admin; /* NULL: not connected */
    struct timer *timer;         /* next round, or the watchdog of the one under way */
    bool busy;                   /* a round is under way */
    char *state_text, *conn_text;
    struct vec commands; /* of this round */
    size_t commands_answered;
    bool refused_delete, hopeless;
    struct error error; /* the last thing that went wrong; code ERROR_NONE: nothing did */

    struct balance_log *log; /* NULL: not open */
    int64_t log_again_us;    /* not tried before */
    int64_t counted_us;      /* when totals were asked for last; 0: never */
    int64_t looked_us;       /* when its servers were */
    bool only_counts;        /* of the round under way: nothing else is asked */
};

struct waiting {
    balance_done done;
    void *ctx;
};

struct server_memory {
    bool drained_told;
    bool health_told, good;
    /* Within one round, over all frontends that have the server: */
    bool draining, missing, known, up;
    int64_t used;
};

/* balance_round.c */
void balancer_hurry(struct balancer *balancer); /* a round as soon as the loop allows */
void balancer_free(struct balancer *balancer);  /* NULL is fine; tells nobody */

/* balance_driver.c: all that is told to the outside goes through here, and out from a timer of its own, so
 * that whoever is told may call anything. */
void balance_tell_drained(struct balancer *balancer, const char *server);
void balance_tell_health(struct balancer *balancer, const char *server, bool good);
void balance_tell_done(struct balancer *balancer, struct waiting waiting, const struct error *err);

#endif
