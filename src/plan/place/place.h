/* Where an instance goes. */
#ifndef CROFT_PLAN_PLACE_PLACE_H
#define CROFT_PLAN_PLACE_PLACE_H

#include "base/buf.h"
#include "plan/work.h"

enum { LEVEL_NONE = -2, LEVEL_HOST = -1 }; /* of spread and survive; else an index into zones[] */

struct keep_claim;

struct place_ask {
    size_t tier;
    size_t instance; /* whose own share of its host and whose promise do not stand in its way, or NONE */
    size_t near;     /* a host: prefer its zone and pool (recovery steps 1 to 3), or NONE */
    size_t avoid;    /* a host that does not count, or NONE */
    size_t only;     /* the one host that counts, or NONE */
};

/* The best host, or NONE; ret_step: recovery step 1 to 3, 0 without `near`. */
size_t place_find(struct work *work, const struct place_ask *ask, int *ret_step);
/* Free for the request: what is promised to itself is. */
int64_t place_free(const struct work *work, const struct place_ask *ask, size_t host, size_t dimension);
/* Recovery step 1 to 3; 4: capacity of another class. */
int place_step(const struct work_host *lost, const struct work_host *host);

/* why.c: what was asked in vain. */
struct whys *whys_new(void);
void whys_free(struct whys *whys);
void whys_forget(struct work *work); /* to be called before a plan: texts are in its arena */
/* The same was asked in vain, and no host got room since. False may also mean that nobody remembers. */
bool whys_in_vain(const struct work *work, const struct place_ask *ask, const struct keep_claim *claim);
void whys_note_vain(struct work *work, const struct place_ask *ask, const struct keep_claim *claim);
/* Why place_find() found none: a sentence with numbers. O(hosts) for the first who asks, while nothing
 * changes. */
const char *place_why_not(struct work *work, const struct place_ask *ask);
/* Whether the host would break a strict spread with another member of the tier. */
bool place_breaks_spread(struct work *work, const struct place_ask *ask, size_t host);
bool place_fits(const struct work *work, const struct place_ask *ask, size_t host, size_t *ret_lacking);

/* How a host suits a request, whatever room it has. */
struct place_rating {
    uint32_t in_zone;  /* members of the tier in the zone to spread over */
    unsigned distance; /* from `near` */
    uint32_t on_host;  /* members of the tier there, as far as it spreads */
    bool by_host;      /* it spreads over hosts: in_zone is on_host */
};

/* Rates; false: pool and class are others than those of `near`, or a strict spread forbids it. */
bool place_rate(struct work *work, const struct place_ask *ask, size_t host, struct place_rating *ret_rating);

/* Has to be given a host, or another one. */
bool place_waits(const struct work *work, const struct work_instance *i);
/* The host from which it comes, or NONE. */
size_t place_was(const struct work *work, const struct work_instance *i);
/* What "host", "rack", "zone", "site" and depths mean; "" none. */
int place_level(const char *by);
unsigned place_zone(const struct work_host *host, int level); /* index into the host's zones */
/* "cpus", "memory", "disk", "network"; and an amount of it as people write it. */
const char *place_dimension(size_t dimension);
void place_say(struct buf *text, size_t dimension, int64_t amount);

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
