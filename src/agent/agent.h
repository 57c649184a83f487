/* The agent: makes one host what its document says, and says what the host is. Event-driven, one thread; the
 * outside comes through ports, effects go through drivers. README.md draws the life of an instance. */
#ifndef CROFT_AGENT_AGENT_H
#define CROFT_AGENT_AGENT_H

#include "driver/balance.h"
#include "driver/compute.h"
#include "driver/net.h"
#include "driver/probe/probe.h"
#include "port/blob.h"
#include "port/clock.h"
#include "port/disk.h"
#include "port/hardware.h"
#include "port/identity.h"
#include "port/local.h"
#include "port/net.h"
#include "port/private.h"
#include "port/process.h"
#include "port/random.h"
#include "port/vault.h"
#include "port/watch.h"

struct agent_options {
    const struct clock_port *clock;
    const struct net_port *net;           /* carries this host's certificate */
    const struct disk_port *disk;         /* the agent's own state directory */
    const struct identity_port *identity; /* verifies the controllers' signatures */
    const struct blob_port *blobs;
    const struct process_port *process;
    const struct watch_port *watch;
    const struct random_port *random;
    const struct vault_port *vault;       /* parties' key pairs on this host */
    const struct local_port *local;       /* the socket in each instance */
    const struct hardware_port *hardware; /* NULL: nobody looks at this host's */
    const struct private_port *private;   /* what is stored for them */
    const struct compute_driver *compute;
    const struct net_driver *network;
    const struct balance_driver *balance;
    const struct probe_driver *probe;

    const struct host *host;  /* how the host presents itself when the grid does not know it yet */
    struct peer controllers;  /* alternative addresses of the controller; tls */
    const char *addresses[2]; /* "IP:PORT" where this agent listens */
    const char *underlay;     /* "IP" */
    const char *outside;      /* device by which instances reach the internet, or NULL */
    const char *boot;         /* identity of this run of the host */
    int64_t pid, agent_pid;   /* as the machine below counts them; 0 when there is none */
    bool unmeasured;          /* load is not looked at: to know what it costs */
    void (*log)(void *ctx, const char *line); /* NULL: to the standard error */
    void *log_ctx;
};

struct agent;

/* What was running goes on running; what the last good document of this boot says is kept up at once.
 * Everything that options point to outlives the agent; strings are not copied. */
MUST_CHECK bool agent_new(const struct agent_options *options, struct agent **ret_agent, struct error *err);
/* Leaves what runs as it is. */
void agent_free(struct agent *agent);

/* Serves controllers and other agents: a net_handler for the listeners (ctx: the agent). */
void agent_serve(void *ctx, struct exchange *exchange, const struct request *request,
                 const struct sender *sender);

#endif
