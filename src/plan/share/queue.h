/* How long requests take where so many servers work off one queue: G/G/c, approximately. The README has the
 * formulas, where they come from, and how far a simulated queue is from them. */
#ifndef CROFT_PLAN_SHARE_QUEUE_H
#define CROFT_PLAN_SHARE_QUEUE_H

#include <stdint.h>

/* Rates a second, times in seconds. A squared coefficient of variation (SCV) is the variance over the square
 * of the mean: 0 what never varies, 1 an exponential time (Poisson arrivals), more what comes in bursts. */
struct queue_load {
    double rate;         /* >= 0 */
    double arrival_scv;  /* >= 0 */
    double service_s;    /* mean time of service, > 0 */
    double service_scv;  /* >= 0 */
    int64_t concurrency; /* so many at once an instance serves, each in service_s; >= 1 */
};

/* What a queue that is not kept up with answers: no time is longer. */
#define QUEUE_NEVER 1e12

/* What `instances` (>= 0) do with the load; worked out once, asked often. */
struct queue {
    struct queue_load load;
    double servers;
    double used;      /* of the servers, 0 up; from 1 on the queue grows without bound */
    double waits;     /* probability that a request finds all servers busy */
    double wait_rate; /* of those that wait, the wait is exponential with this rate a second */
};

struct queue queue_of(const struct queue_load *load, int64_t instances);
/* As queue_of(), of a queue that is at `used` (0 to less than 1), whatever the load's rate. */
struct queue queue_at(const struct queue_load *load, int64_t instances, double used);

double queue_wait_s(const struct queue *queue);     /* mean wait before service */
double queue_response_s(const struct queue *queue); /* mean wait and service */
double queue_length(const struct queue *queue);     /* mean number of those who wait or are served */
/* The part of the responses that take longer than `target_s`, 0 to 1. */
double queue_later(const struct queue *queue, double target_s);
/* The time that only a part `late` of the responses exceeds (0 < late < 1), to one in 1,000. */
double queue_percentile_s(const struct queue *queue, double late);
/* The fewest instances, `at_least` to `at_most`, with which no more than the part `late` is later than
 * target_s; at_most when there are none. */
int64_t queue_fewest(const struct queue_load *load, double target_s, double late, int64_t at_least,
                     int64_t at_most);

#endif
