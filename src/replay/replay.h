/* A policy tried on demand as it once was, on virtual time. The same input gives the same bytes. */
#ifndef CROFT_REPLAY_REPLAY_H
#define CROFT_REPLAY_REPLAY_H

#include "base/money.h"
#include "base/vec.h"
#include "model/intent.h"
#include "replay/station.h"
#include "replay/trace.h"
#include "spec/spec.h"

enum replay_policy { REPLAY_CROFT, REPLAY_TARGET, REPLAY_STATIC, REPLAY_ORACLE };
extern const char *const replay_policies[]; /* NULL-terminated, in the order of the enum */

struct replay_options {
    enum replay_policy policy;
    int64_t hosts;      /* so many equal ones where the documents have none */
    int64_t lead_ms;    /* from a decision to a serving instance, and from one to a wiped one */
    double oracle_late; /* of all requests, so many may be late with the oracle; < 0: as the targets say */
    const char *file;   /* of the documents and … */
    const char *trace_file; /* … of the trace: for messages */
};

struct replay_sums {
    double server_s, requests, late, refused,
        violating;                          /* server_s: instances from decision to wiped, times
                                                 seconds; violating: late or refused in violation minutes */
    int64_t peak, violation_minutes, moves; /* moves: instances that were started */
    const struct money *costs;              /* one a currency, in the order of the farms */
    size_t costs_length;
};

/* A minute of a farm, for the drawing. */
struct replay_minute {
    float rate, late, refused, instances; /* means; late and refused as parts of what arrived, 0 to 1 */
};

struct replay_result {
    const char *name; /* "acme/shop" */
    struct replay_sums sums;
    double capacity; /* units a second of an instance */
    const struct replay_minute *minutes;
    size_t minutes_length;
};

struct replay_report {
    struct replay_sums total;
    const struct replay_result *farms; /* in the order of the trace */
    size_t length;
    const char
        *left_out; /* what is sized by load and gets no demand: "p/a/app, p/b/web (no rows)"; "": nothing */
};

/* ERROR_INVALID, with a place, when trace and documents do not fit together. All of the report is the
 * arena's. */
MUST_CHECK bool replay_run(struct arena *arena, const struct documents *documents, const struct trace *trace,
                           const struct replay_options *options, struct replay_report *ret_report,
                           struct error *err);
/* "12.34 EUR"; in several currencies "12.34 EUR + 5.00 USD"; nothing where nothing has a price. */
void replay_cost(const struct replay_sums *sums, struct buf *ret_text);
void replay_json(const struct replay_report *report, struct buf *ret_json);
/* Demand, capacity and lateness of each farm over time. */
void replay_plot(const struct replay_report *report, const char *title, struct buf *ret_svg);

#endif
