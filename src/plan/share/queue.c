#include "plan/share/queue.h"

#include "base/attr.h"
#include "plan/share/number.h"

#include <math.h>

static double log_later(const struct queue *queue, double t);
static double erlang_c(double servers, double used);
static struct queue never(const struct queue_load *load, double servers);
static double service_later(double scv, double mean_s, double wait_rate, double waits, double target_s);
static double sum_later(double service_rate, double wait_rate, double t);

struct queue queue_of(const struct queue_load *load, int64_t instances)
{
    double servers = (double)instances * (double)load->concurrency;

    if (servers <= 0) return never(load, 0);
    return queue_at(load, instances, load->rate * load->service_s / servers);
}

struct queue queue_at(const struct queue_load *load, int64_t instances, double used)
{
    double servers = (double)instances * (double)load->concurrency;
    double variation = (load->arrival_scv + load->service_scv) / 2;

    ASSERT(load->service_s > 0 && load->concurrency >= 1 && used >= 0);
    if (servers <= 0 || used >= 1) return never(load, servers);
    struct queue queue = {.load = *load, .servers = servers, .used = used};
    queue.waits = erlang_c(servers, used);
    /* Allen and Cunneen: the wait of M/M/c times the mean of both SCVs; who waits does so exponentially. */
    queue.wait_rate = servers * (1 - used) / (load->service_s * number_max(variation, 1e-3));
    return queue;
}

double queue_wait_s(const struct queue *queue)
{
    return queue->used >= 1 ? QUEUE_NEVER : queue->waits / queue->wait_rate;
}

double queue_response_s(const struct queue *queue)
{
    return queue->used >= 1 ? QUEUE_NEVER : queue_wait_s(queue) + queue->load.service_s;
}

/* Little's law. */
double queue_length(const struct queue *queue)
{
    if (queue->used >= 1) return QUEUE_NEVER;
    return queue->servers * queue->used * queue_response_s(queue) / queue->load.service_s;
}

double queue_later(const struct queue *queue, double target_s)
{
    if (queue->used >= 1) return 1;
    if (target_s < 0) return 1;
    return service_later(queue->load.service_scv, queue->load.service_s, queue->wait_rate, queue->waits,
                         target_s);
}

/* The logarithm of the part that is later falls nearly straight: false position on it, by the Illinois rule
 * (M. Dowell, P. Jarratt, 1971), takes some five steps. */
double queue_percentile_s(const struct queue *queue, double late)
{
    double low = 0, high, low_off, high_off, goal = number_log(late);
    int side = 0;

    ASSERT(late > 0 && late < 1);
    if (queue->used >= 1) return QUEUE_NEVER;
    double slow = number_min(queue->wait_rate, 1 / queue->load.service_s);
    high = -goal / slow;
    low_off = -goal;
    while ((high_off = log_later(queue, high) - goal) > 0) {
        low = high;
        low_off = high_off;
        high *= 2;
        if (high > QUEUE_NEVER) return QUEUE_NEVER;
    }
    for (int i = 0; i < 60 && high - low > high * 5e-4; i++) {
        double at = low + (high - low) * low_off / (low_off - high_off);
        double off = log_later(queue, at) - goal;
        if (off < 1e-3 && off > -1e-3) return at;
        if (off > 0) {
            low = at;
            low_off = off;
            if (side == 1) high_off /= 2;
            side = 1;
        } else {
            high = at;
            high_off = off;
            if (side == -1) low_off /= 2;
            side = -1;
        }
    }
    return high;
}

/* Later is rarer with each instance more, so the first that is good enough is the fewest; doubling first
 * keeps it short where there are thousands. */
int64_t queue_fewest(const struct queue_load *load, double target_s, double late, int64_t at_least,
                     int64_t at_most)
{
    double busy = load->rate * load->service_s / (double)load->concurrency;
    int64_t low = busy >= (double)at_most ? at_most : (int64_t)number_floor(busy) + 1, step = 1;

    if (low < at_least) low = at_least;
    if (low >= at_most) return at_most;
    struct queue queue = queue_of(load, low);
    if (queue_later(&queue, target_s) <= late) return low;
    int64_t high = low; /* low: not enough */
    do {
        low = high;
        high = high + step < at_most ? high + step : at_most;
        step *= 2;
        queue = queue_of(load, high);
    } while (high < at_most && queue_later(&queue, target_s) > late);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        queue = queue_of(load, middle);
        if (queue_later(&queue, target_s) > late)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static double log_later(const struct queue *queue, double t)
{
    return number_log(number_max(queue_later(queue, t), 1e-300));
}

/* The probability of waiting in M/M/c. Erlang's loss B(c) by 1/B(n) = 1 + n/a · 1/B(n-1), which neither
 * overflows nor cancels; C = B / (1 - used (1 - B)). An error in 1/B(n-1) shrinks by n/a a step where n < a,
 * so the recursion may begin nine standard deviations below a: at 10,000 servers some hundred steps. */
static double erlang_c(double servers, double used)
{
    enum { DEVIATIONS = 9 };
    double offered = servers * used, inverse = 1, n = 0;

    if (used <= 0) return 0;
    double begin = offered - DEVIATIONS * sqrt(offered) - 2;
    if (begin > 1) {
        n = number_floor(begin);
        inverse = offered / (offered - n); /* B is nearly 1 - n/a there */
    }
    while (n < servers) {
        n += 1;
        inverse = 1 + n / offered * inverse;
        if (inverse > 1e300) return 0;
    }
    return 1 / (inverse * (1 - used) + used);
}

static struct queue never(const struct queue_load *load, double servers)
{
    return (struct queue){.load = *load, .servers = servers, .used = 1, .waits = 1};
}

/* P(wait + service > t). The service time is fitted by mean and SCV: up to 1 a constant and an exponential
 * part, above 1 a hyperexponential with balanced means (H. Tijms, Stochastic Models, 1994, appendix B). */
static double service_later(double scv, double mean_s, double wait_rate, double waits, double target_s)
{
    if (scv <= 1) {
        double varies = sqrt(scv), t = target_s - mean_s * (1 - varies);
        if (t < 0) return 1;
        if (varies < 1e-9) return waits * number_exp(-wait_rate * t);
        double rate = 1 / (mean_s * varies);
        return (1 - waits) * number_exp(-rate * t) + waits * sum_later(rate, wait_rate, t);
    }
    double first = (1 + sqrt((scv - 1) / (scv + 1))) / 2, later = 0;
    const double parts[] = {first, 1 - first};
    for (int i = 0; i < 2; i++) {
        double rate = 2 * parts[i] / mean_s;
        later += parts[i] *
                 ((1 - waits) * number_exp(-rate * target_s) + waits * sum_later(rate, wait_rate, target_s));
    }
    return later;
}

/* P(X + Y > t), both exponential, in a form that does not cancel when their rates are alike. */
static double sum_later(double service_rate, double wait_rate, double t)
{
    double slow = number_min(service_rate, wait_rate), apart = number_max(service_rate, wait_rate) - slow;
    double tail = number_exp(-slow * t);
    double rest = apart * t < 1e-6 ? t * (1 - apart * t / 2) : (1 - number_exp(-apart * t)) / apart;
    return number_min(1, tail + slow * tail * rest);
}
