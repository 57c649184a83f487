/* How much is asked of tiers and how fast they answer, as agents report it once a second. The newest minute,
 * in memory only: a controller that starts knows it again a second later. */
#ifndef CROFT_CONTROL_LOAD_H
#define CROFT_CONTROL_LOAD_H

#include "control/controller.h"

/* Instances of a tier of which none was measured yet are taken to need so long from the decision to serve: a
 * container takes 0.1 to 0.3 s, and some have to fetch their image first. */
enum { LOAD_LEAD_MS_DEFAULT = 1000 };

/* All frontends to the tier together. -1: not known. */
struct tier_load {
    const char *farm, *tier; /* "acme/shop", "web" */
    int64_t age_us;          /* since the newest report was taken in */
    int64_t units, refused;  /* in all that this controller knows of: exact, whatever report was lost */
    int64_t rate_millis; /* requests (tcp: connections) a second, in the newest report; thousandths. This and
                                the next three: not known before each balancer was heard twice */
    int64_t refused_millis; /* of them not served, for nobody could */
    int64_t failed_millis;  /* of them answered with 5xx by the tier */
    int64_t bytes_rate;     /* a second, both ways */
    int64_t open, queued;   /* at this moment: being served, waiting for a server */
    /* Times from a request's head to the head of its answer, by a sample, of the last 10 to 20 s: */
    int64_t sampled; /* requests that the sample stands for; 0: the others are -1 */
    int64_t mean_us;
    int64_t scv_millis;    /* squared coefficient of variation, thousandths */
    int64_t percentile_us; /* at the service level's percentile, or the 99th */
    int64_t percentile_millis;
    int64_t target_us;   /* of the service level; 0: none */
    int64_t kept_millis; /* per cent of the newest minute's requests that met it, thousandths; -1 too: no
                            target */
    /* What the tier takes when little is asked of it: the least mean of 10 s lately, and its SCV. */
    int64_t service_us, service_scv_millis;
    int64_t arrival_scv_millis; /* of the times between arrivals, from how counts of seconds vary */
    int64_t lead_ms;            /* from a decision to a serving instance: median of the last five */
    bool lead_measured;         /* else lead_ms is the default */
};

/* NULL: nothing was reported in the last ten seconds. Valid until the next call. */
const struct tier_load *load_get(struct controller *controller, const char *farm, const char *tier);
/* Known without any load, too. ret_measured may be NULL. */
int64_t load_lead_ms(struct controller *controller, const char *farm, const char *tier, bool *ret_measured);

/* An instance's modules; means of windows, -1: not known. open: connections or requests at this moment. */
struct instance_load {
    int64_t means_us[4]; /* enum load_module */
    int64_t open;
    int64_t cpu_millis; /* processors in use, thousandths; -1: not known */
    int64_t target_us;  /* of its farm's service level; 0: none */
};
/* False: nothing was reported of it in the last ten seconds. */
bool load_of_instance(struct controller *controller, const char *instance, struct instance_load *ret_load);

/* Called for each whole minute (its beginning, control_now_ms()) in which reports came of a tier whose farm
 * has a target: did it meet it? One hook a controller. */
void load_on_minute(struct controller *controller,
                    void (*minute)(void *ctx, const char *farm, const char *tier, int64_t minute_ms,
                                   bool good),
                    void *ctx);

#endif
