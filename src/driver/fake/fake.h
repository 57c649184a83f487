/* A small true world behind the drivers' tables: which instance runs on which host, in which incarnation,
 * frozen or not; which images, networks and balancers a host has. Against it, and not against what croft
 * believes, the invariants are judged. Nothing of it is real; all of it takes time of the clock that it is
 * given. */
#ifndef CROFT_DRIVER_FAKE_H
#define CROFT_DRIVER_FAKE_H

#include "driver/balance.h"
#include "driver/compute.h"
#include "driver/net.h"
#include "driver/probe/probe.h"
#include "port/clock.h"
#include "port/process.h"

struct fake_world;
struct fake_host;

/* How the instances whose names begin with a text behave. */
struct fake_script {
    unsigned create_fails, start_fails, freeze_fails, thaw_fails, wipe_fails; /* so many next times */
    int64_t create_ms, start_ms, stop_ms, wipe_ms;                            /* that it takes */
    unsigned exits;         /* so many next starts end by themselves */
    int64_t exits_after_ms; /* … so long after the start; below 0: before start is done */
    int exit_status;
    bool out_of_memory;
    bool hangs_on_stop; /* ends only when the grace is over */
    bool unhealthy;     /* the command "health" inside fails */
};

/* What the drivers of one host were asked for so far. */
struct fake_counts {
    unsigned expects, creates, starts, stops, wipes, freezes, thaws, images, farms_set, farms_tended,
        farms_removed, ports_added, ports_removed, balances, listens, signals;
};

/* What callers ask of a farm's frontend. All instances behind it serve alike. */
struct fake_demand {
    int64_t rate_millis; /* requests a second, thousandths; 0: nobody asks any more */
    int64_t service_us;  /* that a request takes where none waits */
    int64_t concurrency; /* so many at once an instance serves, 1 up; more wait */
    int64_t bytes;       /* of a request and its answer */
};

struct fake_instance {
    const char *name, *host;
    int64_t incarnation;
    bool running, frozen;
};

enum fake_change_kind {
    FAKE_MADE,    /* an instance has a root of its own here, maybe half made */
    FAKE_STARTED, /* it runs */
    FAKE_ENDED,   /* it does not any more */
    FAKE_FROZEN,
    FAKE_THAWED,
    FAKE_WIPED,     /* nothing of it is here any more */
    FAKE_FARM_SET,  /* a farm's network is here, as said */
    FAKE_FARM_GONE, /* with all its ports */
    FAKE_PORT_MADE,
    FAKE_PORT_GONE,
    FAKE_POWER_LOST, /* after all that it ended */
    FAKE_CHANGES,
};

/* Something became true. Texts and pointers are valid during the call. */
struct fake_change {
    enum fake_change_kind kind;
    const char *host;
    const char *instance;       /* full name; of a farm's network: "" */
    const char *farm, *party;   /* party: of an instance's root, not of ports and networks */
    int64_t incarnation;        /* of an instance's root */
    const char *image;          /* FAKE_MADE: the digest of what the root was made from */
    uint32_t address;           /* the same */
    struct resources size;      /* the same */
    bool member;                /* FAKE_PORT_MADE: the filters here know it */
    int64_t vni;                /* of a network, and of a port: of the one that it is in */
    const struct host_farm *as; /* FAKE_FARM_SET */
};

extern const char *const fake_change_names[FAKE_CHANGES];

struct fake_world *fake_world_new(const struct clock_port *clock);
void fake_world_free(struct fake_world *world); /* NULL is fine; drivers go first */
struct fake_script *fake_world_script(struct fake_world *world,
                                      const char *name_begins); /* made when missing */
/* The instances that leave a trace anywhere, each host's in the order in which they came: items are struct
 * fake_instance, valid until the world changes. */
void fake_world_list(const struct fake_world *world, struct vec *ret_instances);
/* Told of every change, from inside it; NULL: nobody. */
void fake_world_watch(struct fake_world *world, void (*changed)(void *ctx, const struct fake_change *change),
                      void *ctx);
/* One and only one: false, with what is wrong, when two copies of one instance run. */
MUST_CHECK bool fake_world_check(const struct fake_world *world, struct error *err);

/* From now on so much is asked of the frontend ("acme/shop", "www"), by way of whichever balancers of the
 * farm run: they count requests and tell of some, as the instances in service answer them. Each instance is a
 * queue of its own, random in arrivals and service: the time in it has the mean service / (1 - use) and is
 * exponential (M/M/1; L. Kleinrock, Queueing Systems I, 1975, 3.2). What is more than 95 % of what they can
 * serve is refused. */
void fake_world_ask(struct fake_world *world, const char *farm, const char *frontend,
                    const struct fake_demand *demand);

struct fake_host *fake_host_get(struct fake_world *world, const char *name); /* made when missing */
/* Power lost: all that runs ends, nobody is told. Disks keep what is on them. No driver of it may be left. */
void fake_host_off(struct fake_host *host);
const struct fake_counts *fake_host_counts(const struct fake_host *host);
/* The instance's truth on this host; false: no trace of it. */
bool fake_host_instance(const struct fake_host *host, const char *name, struct fake_instance *ret_instance);
bool fake_host_has_farm(const struct fake_host *host, const char *farm);
bool fake_host_has_port(const struct fake_host *host, const char *farm, const char *instance);
/* The instance ends by itself, or (hangs) goes on without doing any work until it is stopped: its probe
 * fails. False: it does not run here. */
bool fake_host_crash(struct fake_host *host, const char *instance, int status);
bool fake_host_hang(struct fake_host *host, const char *instance);
void fake_host_fail_networks(struct fake_host *host, unsigned farm_sets); /* so many next ones fail */
/* Told of each farm_set() (there) and farm_remove() from inside it: the time that it takes may be spent
 * there. NULL: nobody. */
void fake_host_watch_networks(struct fake_host *host,
                              void (*changes)(void *ctx, const char *farm, bool there), void *ctx);
/* The same for each port_remove(). */
void fake_host_watch_ports(struct fake_host *host, void (*goes)(void *ctx), void *ctx);
void fake_host_fail_images(struct fake_host *host, unsigned unpackings);
void fake_host_fail_balances(struct fake_host *host, unsigned applies);
void fake_host_busy(struct fake_host *host, const char *publish,
                    bool busy); /* another program listens there */
/* "web-1 web-2=drain": the balancer's servers, in the order of the frontends; added to ret_text. */
void fake_host_servers(const struct fake_host *host, const char *balancer, struct buf *ret_text);
/* Connections that a server's clients hold on to: while there are any it is not drained. */
void fake_host_hold(struct fake_host *host, const char *server, unsigned connections);

/* Drivers of one host's agent; each may come and go while the host stays. Freed by destroy(). One of a kind
 * at a time. */
const struct compute_driver *fake_compute_new(struct fake_host *host);
const struct net_driver *fake_net_new(struct fake_host *host);
const struct balance_driver *fake_balance_new(struct fake_host *host);

/* Health as scripted; valid as long as the host. */
const struct probe_driver *fake_probe(struct fake_host *host);

/* Commands inside instances, as exec_argv() asks for them: "true", "false", "health", "echo TEXT…", "complain
 * TEXT…" (to the standard error), "cat", "sleep MS", "flood"; "missing" is
 * not there. "late TEXT" ends with 7, and on a terminal it is the driver's program that says the text, at the
 * end. Any other ends with 127. */
struct fake_processes;
struct fake_processes *fake_processes_new(struct fake_host *host);
void fake_processes_free(struct fake_processes *processes); /* NULL is fine; kills what is left */
const struct process_port *fake_processes_port(struct fake_processes *processes);

#endif
