/* The books of what was used (model/ledger.h), for those who ask for bills and those who note how it went. */
#ifndef CROFT_CONTROL_USAGE_H
#define CROFT_CONTROL_USAGE_H

#include "control/controller.h"
#include "plan/bill/bill.h"

/* The ledger's clock: it goes at the pace of the steady clock whatever happens to the wall clock, and never
 * back. It begins, with a controller, at the later of the wall clock and what was written down last. */
int64_t usage_now_ms(struct controller *controller);

/* What the books say of the time from from_ms on, until now; in the arena. */
MUST_CHECK bool usage_books(struct controller *controller, struct arena *arena, int64_t from_ms,
                            struct books *ret_books, struct error *err);

/* Adds to the change: in the minute that contains minute_ms (of the ledger's clock) the tier of the farm (its
 * full name) met the target of its service level, or did not. One that missed it once has missed it, however
 * often it is told. Fails only as the store does. */
MUST_CHECK bool usage_note_service(struct controller *controller, struct change *change, const char *farm,
                                   const char *tier, int64_t minute_ms, bool good, struct error *err);

#endif
