/* What net.c (machines, weather, ways) and message.c (calls and exchanges) share. */
#ifndef CROFT_SIM_NET_INSIDE_H
#define CROFT_SIM_NET_INSIDE_H

#include "base/mem.h"
#include "base/vec.h"
#include "sim/net.h"

/* A place in a chain: the first member of what stands in one. */
struct link {
    struct link *before, *after;
};

/* In the order in which they were added. */
struct chain {
    struct link *first, *last;
    size_t length;
};

struct sim_net {
    const struct clock_port *clock;
    struct sim_random *random;
    struct sim_weather weather;
    void (*meddle)(void *ctx, const char *from, const char *to, const struct request *request,
                   struct sim_fate *ret_fate);
    void *meddle_ctx;
    struct map *machines; /* name -> struct sim_machine */
    struct map *places;   /* address -> struct place */
    size_t machines_length;
    unsigned char *cuts; /* [from][to] of machines_capacity squared: a bit a path */
    size_t machines_capacity;
};

struct sim_machine {
    struct sim_net *net;
    struct net_port port;
    char *name;
    enum role role; /* of its certificate, and its name there */
    char *certificate_name;
    size_t number;
    unsigned cut_out, cut_in; /* from it to any, from any to it: a bit a path */
    bool on;
    int64_t (*held_until_us)(void *ctx); /* NULL: never held up */
    void *held_ctx;
    struct chain calls;     /* struct call: made here */
    struct chain exchanges; /* struct exchange: being served here */
    struct map *second;     /* "address address" of peers that are better reached by the second */
    char *sends_from;       /* as servers see it: "h1:40000" */
};

/* Where an address leads. */
struct place {
    struct sim_machine *machine;
    int path;
    net_handler handler; /* NULL: refused */
    void *ctx;
};

/* net.c */
void chain_add(struct chain *chain, struct link *link);
void chain_remove(struct chain *chain, struct link *link);
bool net_reaches(const struct sim_machine *from, const struct sim_machine *to, int path);
int64_t net_latency_us(struct sim_net *net);
bool net_happens(struct sim_net *net, int per_1000);
int64_t net_held_us(const struct sim_machine *machine); /* its process takes nothing in for so long */

/* message.c: the slots of the port */
struct call *message_call(void *self, const struct peer *peer, const struct request *request,
                          int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                          void (*done)(void *ctx, const struct answer *answer), void *ctx);
void message_cancel(void *self, struct call *call);
void message_answer(void *self, struct exchange *exchange, int status, const struct header *headers,
                    size_t headers_length, const void *body, size_t body_size);
void message_start(void *self, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, void (*gone)(void *ctx), void *ctx);
void message_chunk(void *self, struct exchange *exchange, const void *data, size_t size);
void message_end(void *self, struct exchange *exchange);
void message_on_gone(void *self, struct exchange *exchange, void (*gone)(void *ctx), void *ctx);
/* The call or exchange is no more; the other side is told so if `tell`. */
void call_drop(struct call *call, bool tell);
void exchange_drop(struct exchange *exchange, bool tell);

#endif
