/* The books: what was used, what it was used under, and what hosts had. Rows of the store, written by the
 * controller in the transaction of what they follow from, read by plan/bill. Ownership as in intent.h. Times
 * are those of the ledger's clock (control/usage.h), in milliseconds since 1970. */
#ifndef CROFT_MODEL_LEDGER_H
#define CROFT_MODEL_LEDGER_H

#include "model/intent.h"

/* The end of what goes on. */
#define LEDGER_OPEN INT64_MAX

enum usage_kind {
    USAGE_SERVING,    /* it runs, and is to: what levels are counted of */
    USAGE_WARM,       /* it waits at the door */
    USAGE_TRANSITION, /* placed, but not yet or no longer serving: it boots, drains, is wiped, its host is
                         down */
};

/* The first book: an instance's stay on a host, as long as nothing of this changes. */
struct stay {
    const char *instance; /* full name */
    const char *party;
    const char *farm; /* full name */
    const char *tier;
    const char *host;
    enum usage_kind kind;
    struct resources size;
    int64_t from_ms, to_ms; /* to_ms is not part of it; LEDGER_OPEN */
};

/* The second book, kept apart from the first: what a host had for farms, and what it had given away. */
struct host_usage {
    const char *host;
    const char *zone;       /* where it stood; "" not known: rows of old */
    struct resources had;   /* capacity less reserve; zero for one that was taken out of the grid */
    struct resources given; /* sum of the sizes placed there */
    int64_t from_ms, to_ms;
};

struct tier_terms {
    const char *tier;
    int64_t committed, guaranteed, max;
    int64_t wanted; /* what beyond it serves is the grid's own doing: a successor beside its predecessor */
};

/* What a farm had agreed to. That of a farm that is deleted stays open: what is left of it is under it. */
struct farm_terms {
    const char *farm;
    const char *party;
    const char *sla; /* "" none */
    const struct tier_terms *tiers;
    size_t tiers_length;
    int64_t from_ms, to_ms;
};

struct sla_terms {
    struct sla sla;
    int64_t from_ms, to_ms;
};

struct party_terms {
    const char *party;
    const char *parent;
    int64_t from_ms, to_ms;
};

/* An hour of a tier, a bit a minute: of the first minute the lowest. So that a minute told twice is told
 * once. */
struct service_hour {
    const char *farm;
    const char *tier;
    int64_t hour_ms; /* its beginning */
    int64_t seen;    /* minutes of which it is known how they were */
    int64_t missed;  /* of these those that did not meet the target */
};

/* The same of the period under way, summed up, for those who ask how it goes. What is paid back is judged by
 * the hours. */
struct service_sum {
    int64_t from_ms, to_ms; /* the period */
    int64_t seen, missed;   /* minutes */
};

#endif
