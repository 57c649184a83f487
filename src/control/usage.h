/* The books of what was used (model/ledger.h), for those who ask for bills and those who note how it went. */
#ifndef CROFT_CONTROL_USAGE_H
#define CROFT_CONTROL_USAGE_H

#include "control/controller.h"
#include "plan/bill/bill.h"

/* The ledger's clock: it goes at the pace of the steady clock whatever happens to the wall clock, and never
 * back. It begins, with a controller, at the later of the wall clock and what was written down last. */
int64_t usage_now_ms(struct controller *controller);

/* Reads what the books say of the time from from_ms on: usage_read_on() again and again, each time a little,
 * until *ret_done is set to true (else it stays as it is). Fails as the store does; there is nothing to read
 * then. The controller outlives it. */
struct usage_reading;
struct usage_reading *usage_reading_new(struct controller *controller, int64_t from_ms);
void usage_reading_free(struct usage_reading *reading); /* NULL is fine */
MUST_CHECK bool usage_read_on(struct usage_reading *reading, bool *ret_done, struct error *err);
/* As they were in the moment in which it was done; they belong to the reading. */
struct books usage_books(const struct usage_reading *reading);

/* The books tell of the time from then on; 0: of all time. */
int64_t usage_kept_from_ms(const struct controller *controller);

/* Adds to the change: in the minute that contains minute_ms (of the ledger's clock) the tier of the farm (its
 * full name) met the target of its service level, or did not. One that missed it once has missed it, however
 * often it is told. Fails only as the store does. */
MUST_CHECK bool usage_note_service(struct controller *controller, struct change *change, const char *farm,
                                   const char *tier, int64_t minute_ms, bool good, struct error *err);

/* How the target of a farm's service level was kept in the period under way, by the tier that was served
 * worst, as bills judge it. False: nothing was measured in it yet, or there is no target. */
struct usage_kept {
    int64_t seen, good; /* minutes; seen > 0 */
};
bool usage_kept(struct controller *controller, const struct farm *farm, struct usage_kept *ret_kept);

#endif
