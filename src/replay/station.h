/* The model of one farm's instances under load, the same for every policy: README.md. */
#ifndef CROFT_REPLAY_STATION_H
#define CROFT_REPLAY_STATION_H

#include "plan/share/queue.h"

#include <stdbool.h>

struct station {
    struct queue_load load; /* rate: what arrives now */
    double target_s;        /* later than this is late; 0: nothing is */
    int64_t serving;
    double used;   /* the queue is as long as a steady one is where so much of the servers is used */
    double calm;   /* `used` when it was steady last */
    double inside; /* mean number of requests waiting and served */
    bool steady;   /* nothing changes until rate or serving do */
    double late;   /* while it is steady: the part that is late */
};

struct station_done {
    double arrived, late, refused; /* requests */
};

/* Requests whose turn would not come within so long are refused (a balancer's `timeout queue`). */
enum { STATION_QUEUE_MS = 1000 };

void station_set(struct station *station, double rate, int64_t serving);
/* Lets so much time pass; adds to ret_done. */
void station_pass(struct station *station, int64_t ms, struct station_done *ret_done);

#endif
