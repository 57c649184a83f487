/* What the files of this driver share. */
#ifndef CROFT_DRIVER_FAKE_INSIDE_H
#define CROFT_DRIVER_FAKE_INSIDE_H

#include "base/mem.h"
#include "driver/fake/fake.h"

struct fake_world {
    const struct clock_port *clock;
    struct map *hosts;   /* name -> struct fake_host */
    struct map *scripts; /* beginning of names -> struct fake_script */
    struct map *running; /* instance -> how many copies of it run, as a pointer */
    struct map *demands; /* "farm frontend" -> struct fake_demand */
    size_t twice;        /* instances of which more than one does */
    void (*changed)(void *ctx, const struct fake_change *change); /* a watcher or NULL */
    void *changed_ctx;
};

struct trace {
    struct fake_host *host;
    char *name;
    int64_t incarnation;
    char *personality_json, *farm, *party, *store; /* store: or NULL */
    uint32_t address;
    struct resources size;
    bool running, frozen, hangs;
    int64_t started_us, ran_us;
    int last_status;
    struct timer *exit;
    struct buf log;
};

struct fake_compute;
struct fake_balance;

struct fake_host {
    struct fake_world *world;
    char *name;
    struct fake_counts counts;
    struct map *traces;    /* instance -> struct trace */
    struct map *images;    /* digest, or store/digest -> the host */
    struct map *layers;    /* digest -> the image's that it last came with, as text */
    struct map *farms;     /* name -> struct fake_farm */
    struct map *ports;     /* "farm/instance" -> the host */
    struct map *balancers; /* instance -> struct balancer (balance.c) */
    struct map *held;      /* server -> connections, as a pointer */
    struct map *guarded;   /* published addresses whose callers are judged (any pointer) */
    struct map *busy;      /* published addresses that another program has (any pointer) */
    unsigned farm_sets_fail, images_fail, balances_fail;
    void (*farm_changes)(void *ctx, const char *farm, bool there); /* a watcher or NULL */
    void *farm_changes_ctx;
    void (*port_goes)(void *ctx); /* the same */
    void *port_goes_ctx;
    struct fake_compute *compute; /* NULL: no agent is there */
    struct fake_balance *balance;
    struct fake_processes *processes;
    struct probe_driver probe;
};

/* A farm's network on a host. */
struct fake_farm {
    char *name;
    int64_t vni;
    struct map *members; /* short names -> the farm */
};

/* world.c */
void world_tell(struct fake_world *world, const struct fake_change *change);
struct fake_script *script_of(struct fake_world *world, const char *instance);
bool fails_now(unsigned *left); /* counts down */
struct timer *world_after(struct fake_world *world, int64_t ms, void (*fire)(void *ctx), void *ctx);
void world_cancel(struct fake_world *world, struct timer *timer);

/* compute.c */
struct trace *trace_new(struct fake_host *host, const char *name);
void trace_end(struct trace *trace); /* nothing of it runs any more */
void trace_free(struct trace *trace);
void trace_crash(struct trace *trace, int status); /* it ends by itself */
void trace_tell(const struct trace *trace, enum fake_change_kind kind);

/* net.c */
void fake_farms_clear(struct fake_host *host); /* with their ports */

/* balance.c */
void fake_balancer_free(void *balancer);
void balance_look(struct fake_balance *balance);  /* connections have changed */
void balance_asked(struct fake_balance *balance); /* demand may be there */
void balance_add_servers(const struct fake_host *host, const char *instance, struct buf *ret_text);

/* process.c */
void processes_end(struct fake_processes *processes, const char *instance); /* with their instance */

#endif
