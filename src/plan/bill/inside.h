/* What the files of this folder share. */
#ifndef CROFT_PLAN_BILL_INSIDE_H
#define CROFT_PLAN_BILL_INSIDE_H

#include "base/vec.h"
#include "plan/bill/bill.h"
#include "plan/bill/calendar.h"

#define HOUR_MS (INT64_C(3600) * 1000)

/* A line while it grows. */
struct growing {
    struct bill_line line;
    amount_ms micros_ms; /* price times time, exact … */
    int64_t divisor;     /* … when divided by this and an hour */
};

/* More or fewer serve from then on. */
struct step {
    int64_t at_ms;
    int64_t by;
    const struct stay *row;
};

/* One that serves, and its interval that goes on; or NULL. */
struct ranked {
    const struct stay *row;
    struct bill_interval *open;
};

struct tier_book {
    const char *name;
    bool is_balancer;
    const char *site;                         /* of all its hosts; "" of several, not known; NULL: none yet */
    struct vec steps;                         /* struct step */
    int64_t idle_ms[BILL_USES];               /* of uses that no level has: warm, transition */
    struct growing *lines[BILL_USES];         /* the newest of each use */
    const struct sla_terms *terms[BILL_USES]; /* that it is under */
    struct vec ranked;                        /* struct ranked, by name: only when intervals are asked for */
    struct vec *held; /* int64_t by count: for how long so many served, surplus apart; or NULL */
};

/* Where a host stands, and since when the books say so. */
struct site {
    const char *name;
    int64_t from_ms;
};

/* A farm was at a level for some time of a period. */
struct entry {
    const struct sla_terms *terms; /* as they were then */
    size_t level;
    int64_t period_ms; /* its beginning */
    int64_t at_ms;     /* when it first was */
};

/* What a farm owes for some time of a period, in the bill. */
struct owed {
    const struct sla_terms *terms;
    int64_t period_ms, ends_ms;
    amount_ms micros_ms;
};

struct farm_book {
    const char *name;
    const char *party;
    struct map *tiers;  /* name -> struct tier_book */
    struct vec terms;   /* const struct farm_terms *, by time */
    struct vec entries; /* struct entry */
    struct vec owed;    /* struct owed */
    struct vec hours;   /* const struct service_hour * */
};

struct making {
    struct arena *arena;
    const struct books *books;
    const struct bill_request *request;
    int64_t reads_from_ms;
    struct map *parties;  /* of the bill: name -> anything; NULL: all */
    struct map *farms;    /* name -> struct farm_book */
    struct map *sites;    /* host -> struct site */
    struct map *slas;     /* name -> struct vec of const struct sla_terms *, by time */
    struct vec lines;     /* struct growing * */
    struct vec intervals; /* struct bill_interval * */
};

/* sweep.c: who was at which level when */
/* ret_held (of int64_t): for how many milliseconds n served that are wanted, from when the first did; stays
 * empty when none did. */
void bill_counts(struct arena *arena, const struct books *books, const char *farm, const char *tier,
                 int64_t from_ms, int64_t to_ms, struct vec *ret_held);
void bill_sweep(struct making *making, struct farm_book *farm);
/* intervals.c */
void bill_rank(struct tier_book *tier, const struct step *step);
void bill_rank_stretch(struct making *making, struct tier_book *tier, const int64_t counts[BILL_USES],
                       const struct sla_terms *sla, int64_t from_ms, int64_t to_ms);
void bill_interval_of(struct making *making, const struct stay *row, enum bill_use use, int64_t from_ms,
                      int64_t to_ms);
/* charges.c */
void bill_charge_fees(struct making *making, struct farm_book *farm);
void bill_charge_credits(struct making *making, struct farm_book *farm);
void bill_owe(struct farm_book *farm, const struct sla_terms *terms, int64_t at_ms, amount_ms micros_ms);
/* proof.c: of all farms, whoever asks */
void bill_prove(struct making *making, struct bill_proof *ret_proof);

/* bill.c */
void bill_sort_terms(struct farm_book *farm);
struct growing *bill_line_new(struct making *making, const struct farm_book *farm, enum bill_charge charge,
                              enum bill_use use);
bool bill_is_asked_for(const struct making *making, const char *party);
/* Micros times milliseconds, times the divisor, to micros of an hour: halves to even. False: it does not fit.
 */
MUST_CHECK bool bill_divide(amount_ms micros_ms, int64_t divisor, int64_t *ret_micros);
const char *sla_currency(const struct sla *sla); /* all that it has are in one; "": it has none */

#endif
