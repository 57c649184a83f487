/* How many of each tier, and in which form. */
#ifndef CROFT_PLAN_SCALE_SCALE_H
#define CROFT_PLAN_SCALE_SCALE_H

#include "plan/work.h"

/* Networks and published addresses of farms; takes back what deleted farms had. */
void scale_farms(struct work *work);
/* The form that members of the tier shall have today: its personality, NULL while the image is missing. */
void scale_form(struct work *work, struct work_tier *tier);
/* Counts what there is, and marks what is not to live on. First step of every pass. */
void scale_census(struct work *work);
void scale_census_farm(struct work *work, size_t farm);
/* Ends what is wiped: forgets it, or takes its host away so that it is placed again. */
void scale_settle(struct work *work);
/* More (warm ones first, also for members whose host is down) and fewer. */
void scale_counts(struct work *work);
/* As many warm ones as wanted. Nobody serves from them, so this comes after all that somebody does. */
void scale_warm(struct work *work);
/* Replaces, one at a time a tier, instances whose personality is not today's. */
void scale_roll(struct work *work);

/* Takes an instance out of service by the gentlest way that is left: drain, stop, or forget at once. */
void scale_remove(struct work *work, size_t instance, const char *reason);
/* Whether a balancer of the farm runs, so that it can let go of its servers. */
bool scale_balancer_runs(const struct work *work, size_t farm);

#endif
