/* Asks the grid's own API, as the landlord, which hosts are up: again and again until told enough. */
#ifndef CROFT_CLI_UP_POLLER_H
#define CROFT_CLI_UP_POLLER_H

#include "os/loop.h"
#include "port/clock.h"
#include "port/net.h"

struct poller;

struct poller_options {
    const struct clock_port *clock;
    const struct net_port *net;
    const char *address;    /* "127.0.0.1:7070" */
    const char *token_path; /* may appear later */
    /* A good answer; returns whether to go on asking. poller_is_up() may be used inside, not poller_free().
     */
    bool (*answered)(void *ctx, const struct poller *poller);
    void *ctx;
};

struct poller *poller_new(const struct poller_options *options);
void poller_free(struct poller *poller); /* NULL is fine */
/* Whether the last answer has the host in a state in which its agent is there: up, or draining. */
bool poller_is_up(const struct poller *poller, const char *host);
/* What stood in the way last, or "". */
const char *poller_obstacle(const struct poller *poller);

#endif
