/* What one tier needs, from its load, its forecast and its service level: need, and how many it asks for or
 * can spare. Whether it gets them is share.h's to say. */
#ifndef CROFT_PLAN_SHARE_NEED_H
#define CROFT_PLAN_SHARE_NEED_H

#include "plan/share/forecast.h"
#include "plan/share/fuzzy.h"
#include "plan/share/queue.h"

/* What does not change from one decision to the next. */
struct need_tier {
    const struct sla *sla;
    const struct scaling_rules *rules; /* read */
    double provides;                   /* of fuzzy_provides() for them and the priority */
    double capacity;                   /* units of the metric that an instance serves; > 0 */
    int64_t committed, max;
};
struct need_tier need_tier_of(const struct sla *sla, const struct scaling_rules *rules,
                              const struct tier *tier);

/* What is measured of it. */
struct need_load {
    int64_t now_ms;      /* wall clock */
    int64_t lead_ms;     /* from a decision to a serving instance, as it was lately */
    int64_t serving;     /* instances in the balancer */
    int64_t coming;      /* decided, and not serving yet */
    double service_s;    /* mean time of service at no load; 0: not known, concurrency / capacity */
    double service_scv;  /* its squared coefficient of variation; < 0: not known, 1 */
    double arrival_scv;  /* of the times between arrivals; < 0: not known, 1 */
    int64_t concurrency; /* so many at once an instance serves; 0: not known, 1 */
    double inside;       /* requests waiting and served at this moment; < 0: not known */
};

/* What is remembered from one decision to the next: plain data, all zero at first. Forgetting it delays an
 * offer, and nothing else. */
struct need_memory {
    int64_t below_ms; /* since when need has been below; 0: it is not */
    int64_t most;     /* that was needed since */
};

struct need {
    double need;        /* -100 to 100 */
    int64_t wanted;     /* instances, committed to max */
    int64_t change;     /* wanted less those serving and coming */
    double rate;        /* now */
    double provided;    /* sized for: what is there, or so much of what may come that who comes then waits
                           within reason */
    double probability; /* of what is looked at: 1 of what is there, less of what may come on top */
    double response_s;  /* expected at the percentile, with those serving and coming; QUEUE_NEVER: never. 0:
                           there is no target */
    double target_s;    /* 0: no target, the part of capacity in use counts */
    double used;        /* provided over capacity */
    bool short_of;      /* even max is not enough */
};

/* Decides; *memory becomes what has to be remembered. */
struct need need_of(const struct need_tier *tier, const struct forecast *forecast,
                    const struct need_load *load, struct need_memory *memory);
/* The response at the percentile that so many would give, at the rate that is provided for. */
double need_response_s(const struct need_tier *tier, const struct need *need, const struct need_load *load,
                       int64_t instances);
/* "urgent, abundant, 84 ms expected against 50: 2 more"; no newline. */
void need_say(const struct need_tier *tier, const struct need *need, struct buf *ret_text);

#endif
