/* From the books to a bill that adds up. Pure. README.md has the rules. */
#ifndef CROFT_PLAN_BILL_BILL_H
#define CROFT_PLAN_BILL_BILL_H

#include "base/error.h"
#include "base/mem.h"
#include "model/ledger.h"

/* Rows in any order. Open ones go on until the bill's now. */
struct books {
    const struct stay *usages;
    size_t usages_length;
    const struct host_usage *hosts;
    size_t hosts_length;
    const struct farm_terms *farms;
    size_t farms_length;
    const struct sla_terms *slas;
    size_t slas_length;
    const struct party_terms *parties;
    size_t parties_length;
    const struct service_hour *services;
    size_t services_length;
};

struct bill_request {
    const char *party; /* its own and those below it; "landlord": all */
    int64_t from_ms, to_ms;
    int64_t now_ms; /* of the ledger; to_ms is not later */
    bool intervals; /* each instance's, too */
};

/* What is billed at the three levels' rates, and what costs nothing: */
enum bill_use {
    USE_COMMITTED,
    USE_GUARANTEED,
    USE_EXTENDED,
    USE_LEVELS,
    USE_NO_SLA = USE_LEVELS, /* serving, of a farm without a service level */
    USE_BALANCER,            /* serving */
    USE_SURPLUS,             /* serving beyond what is wanted: a successor beside its predecessor */
    USE_WARM,                /* waits at the door */
    USE_TRANSITION,          /* boots, drains, is wiped, or its host is down */
    BILL_USES,
};
extern const char *const bill_use_names[BILL_USES + 1];

enum bill_charge { CHARGE_USE, CHARGE_FEE, CHARGE_CREDIT };
extern const char *const bill_charge_names[];

struct bill_line {
    enum bill_charge charge;
    enum bill_use use; /* of a fee: the level; of a credit: none */
    const char *party;
    const char *farm;
    const char *tier;       /* "" of fees and credits */
    const char *sla;        /* "" none */
    const char *site;       /* of CHARGE_USE: where the tier served in this bill; "" on several, not known */
    int64_t from_ms, to_ms; /* what it is for lies in this */
    int64_t instance_ms;    /* CHARGE_USE */
    int64_t times;          /* CHARGE_FEE: periods in which the level was entered */
    struct money price;     /* per instance and hour, or per time; no currency: it costs nothing */
    struct money amount;    /* exact but for the last millionth, halves to even */
    const char *text;       /* one line, for people */
};

struct bill_interval {
    const char *instance; /* full name */
    const char *host;
    enum bill_use use;
    const char *sla; /* "" none */
    int64_t from_ms, to_ms;
};

struct bill_invoice {
    const char *party;
    struct money exact;  /* sum of its lines' amounts */
    struct money amount; /* the same, rounded to the currency's minor unit, halves to even */
};

/* Sums over the period of amount times milliseconds, per dimension: thousandths of cores, bytes, bytes,
 * bits per second. */
enum { DIMENSIONS = 4 };
typedef __int128 amount_ms;
struct bill_proof {
    amount_ms had[DIMENSIONS];   /* what the hosts had: second book */
    amount_ms given[DIMENSIONS]; /* what the farms were given: first book */
    amount_ms idle[DIMENSIONS];  /* second book: what each host had not given */
    amount_ms over[DIMENSIONS];  /* second book: what it had given beyond what it had, when that shrank */
    amount_ms own[DIMENSIONS];   /* of given: the party's */
    bool holds;                  /* had + over = given + idle, on each host, and so of all */
    const char *fault;           /* what does not agree; "" */
};

struct bill {
    int64_t from_ms, to_ms;
    const struct bill_line *lines; /* by party, farm, tier, use, time */
    size_t lines_length;
    const struct bill_invoice *invoices; /* one for each party and currency */
    size_t invoices_length;
    const struct money *totals; /* of the rounded invoices: one for each currency */
    size_t totals_length;
    struct bill_proof proof;
    const struct bill_interval *intervals; /* by instance and time; only when they were asked for */
    size_t intervals_length;
};

/* ERROR_TOO_LARGE when an amount does not fit 64 bits. What the bill points to lives in the arena and in the
 * books. */
MUST_CHECK bool bill_make(struct arena *arena, const struct books *books, const struct bill_request *request,
                          struct bill *ret_bill, struct error *err);

/* Whether a party is, or was when it was last heard of, in the line below another; of itself it is. */
bool bill_party_is_below(const struct books *books, const char *party, const char *above);
/* Whether anything is known of a party, be it that it is gone. */
bool bill_party_is_known(const struct books *books, const char *party);

/* One line, for people: what a line is for; what the proof says of a dimension. In the arena. */
const char *bill_line_text(struct arena *arena, const struct bill_line *line);
const char *bill_proof_text(struct arena *arena, const struct bill_proof *proof, size_t dimension);
/* The same for a party, which is not told what others have. */
const char *bill_own_text(struct arena *arena, const struct bill_proof *proof, size_t dimension);
extern const char *const bill_dimension_names[DIMENSIONS];
/* The exact sum as a decimal number, in core-seconds, byte-seconds, byte-seconds, bits. */
const char *bill_sum_text(struct arena *arena, amount_ms sum, size_t dimension);
extern const char *const bill_dimension_units[DIMENSIONS];
/* Milliseconds of instances as hours, "1,234.500"; cut off after a thousandth. */
const char *bill_hours_text(struct arena *arena, int64_t instance_ms);

/* Bills need the books from here on: fees and credits are of whole periods. */
int64_t bill_reads_from_ms(int64_t from_ms);

#endif
