/* Makes the story of a failed simulation short: leaves strikes of faults out, as long as the same invariant
 * breaks. */
#ifndef CROFT_CLI_SIM_SHRINK_H
#define CROFT_CLI_SIM_SHRINK_H

#include "base/buf.h"
#include "base/mem.h"
#include "simulate/simulate.h"

/* In a process of its own, so that a program that breaks in it is a finding, too. The report, zeroed, is
 * memory that is shared with it (sim_report_new()). */
MUST_CHECK bool sim_isolated(const struct simulate_options *options, struct simulate_report *report,
                             struct error *err);
/* What became of the process that made the report, by its status of waitpid(). */
void sim_note_end(struct simulate_report *report, int status);
struct simulate_report *sim_report_new(struct error *err); /* zeroed; NULL: there is no memory */
void sim_report_free(struct simulate_report *report);      /* NULL is fine */

/* *report is of a run with these options that violated something; it becomes that of the shortest run found
 * that violates it too, and its strikes are all that this one needs. progress may be NULL. *ret_replays: how
 * many runs that took. */
MUST_CHECK bool sim_shrink(const struct simulate_options *options, struct simulate_report *report,
                           size_t *ret_replays, struct error *err);

/* "host-dies#3,operator#17": the third strike of host-dies, … ERROR_USAGE when it is not that. */
MUST_CHECK bool sim_read_strikes(struct arena *arena, const char *text, struct simulate_options *ret_options,
                                 struct error *err);
void sim_write_strikes(const struct simulate_report *report, struct buf *ret_text);

#endif
