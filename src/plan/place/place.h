/* Where an instance goes. */
#ifndef CROFT_PLAN_PLACE_PLACE_H
#define CROFT_PLAN_PLACE_PLACE_H

#include "plan/work.h"

struct place_ask {
    size_t tier;
    size_t instance; /* whose own share of its host and whose promise do not stand in its way, or NONE */
    size_t near;     /* a host: prefer its zone and pool (recovery steps 1 to 3), or NONE */
    size_t avoid;    /* a host that does not count, or NONE */
    size_t only;     /* the one host that counts, or NONE */
};

/* The best host, or NONE; ret_step: recovery step 1 to 3, 0 without `near`. */
size_t place_find(struct work *work, const struct place_ask *ask, int *ret_step);
/* Why place_find() found none: a sentence with numbers. */
const char *place_why_not(struct work *work, const struct place_ask *ask);
/* Whether the host would break a strict spread with another member of the tier. */
bool place_breaks_spread(struct work *work, const struct place_ask *ask, size_t host);
bool place_fits(const struct work *work, const struct place_ask *ask, size_t host, size_t *ret_lacking);

/* Why no instance of the tier may start now whatever room there is, or NULL. */
const char *place_blocked(struct work *work, size_t tier);
/* What the record gets from today's intent: size, image, personality, priority. */
void place_renew(const struct work *work, size_t tier, struct instance *record);

/* Gives every instance without a place, and those of lost hosts, a host or the reason why not; of equal
 * priority those go first that had a place. Warm ones take what all others leave. */
void place_all(struct work *work);
void place_warm(struct work *work);
void place_now(struct work *work, size_t instance); /* the one alone */

#endif
