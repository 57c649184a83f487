/* The long-running parts: each wires the ports of this machine to one of croft's loops and runs it. */
#ifndef CROFT_CLI_MAINS_H
#define CROFT_CLI_MAINS_H

#include "model/intent.h"

struct controller_main_options {
    const char *state;      /* directory, made when missing */
    const char *listen;     /* "ADDR:PORT" of the API, or NULL with listen_fd */
    int listen_fd;          /* an inherited listening socket, or -1 */
    const char *tls_listen; /* "ADDR:PORT" of the API for people elsewhere, over TLS; or NULL */
    const char *tls_certificate, *tls_key; /* PEM files of its own; with tls_listen */
    const char *agents;                    /* "ADDR:PORT[,ADDR:PORT]" on the management network */
    const char *power;                     /* "unix:PATH" of `croft up`, or NULL */
    unsigned keep_bills_months;            /* 0: for ever */
    const char *secrets; /* directory of passwords that contacts name; NULL: "secrets" in state */
    const char
        *authorities; /* PEM file: whom servers of contacts are believed by besides the system's; or NULL */
    const struct wide_prefix *reach; /* what contacts of tenants may name although it is near or private */
    size_t reach_length;
};

struct agent_main_options {
    const char *state; /* durable directory, made when missing */
    const char *run;   /* directory that a reboot empties, made when missing */
    const char *join;  /* "https://ADDR:PORT[,https://ADDR:PORT]" */
    const char *token; /* join token; NULL: from token_file; neither is needed once the host has joined */
    const char *token_file;
    const char *listen;                   /* "ADDR:PORT[,ADDR:PORT]" on the management network */
    const char *underlay;                 /* device that carries the farms' networks */
    const char *outside;                  /* device by which instances reach the internet, or NULL */
    const struct prefix *outside_refused; /* what they must not reach by it */
    size_t outside_refused_length;
    const char *cgroup;        /* below which instances get theirs */
    const char *publish_table; /* of the filters there; NULL: the usual one */
    int publish_net_fd;        /* network namespace where published addresses are; -1: this one */
    const char *whoami;        /* socket of `croft up` that knows the host's process ids, or NULL */
    struct host host;          /* name, zone, pool, class, capacity, reserve as given */
    const char *hardware;      /* directory like /sys, where its hardware is looked at */
};

/* Each runs until SIGTERM or SIGINT and returns the exit code. */
int controller_main(const struct controller_main_options *options);
int agent_main(const struct agent_main_options *options);

#endif
