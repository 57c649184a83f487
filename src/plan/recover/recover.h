/* What to do when hosts fail, are emptied, or do an instance no good. */
#ifndef CROFT_PLAN_RECOVER_RECOVER_H
#define CROFT_PLAN_RECOVER_RECOVER_H

#include "plan/place/place.h"
#include "plan/work.h"

/* Fences hosts that are down, and says at their instances what they wait for. */
void recover_fence(struct work *work);
/* Takes the steps of pools' policies about hosts whose hardware goes bad. Once a plan, before anything else:
 * what follows for instances is decided when the hosts' facts are told. */
void recover_hardware(struct work *work);
/* Keeps room for instances that are on their way to another host. */
void recover_promise(struct work *work);
void recover_break_promise(struct work *work, size_t instance); /* its room is free again */

/* Effective priorities of the farm's tiers and instances, from the counts of the census. */
void recover_rank(struct work *work, size_t farm);
/* Marks, by their place in the farm, the tiers that the tier needs and those that need it, through others
 * too; false: there are none. */
bool recover_related(const struct work *work, size_t tier, uint8_t *ret_related);

/* Whether others may have to yield to the instance: it was lost with its host, or yielded itself. */
bool yield_may(const struct work *work, size_t instance);
/* Keeps, for those that wait for it, the room that was made for them. */
void yield_keep(struct work *work);
/* Finds a host where lower ranks yield (or where enough is on its way out), makes them go and keeps the room;
 * false: there is none. */
MUST_CHECK bool yield_find(struct work *work, const struct place_ask *ask);
/* What an instance waits for that room is kept for. */
const char *yield_waits_for(struct work *work, size_t instance);
/* Whether one that yields still has to: somebody waits for the room. */
bool yield_goes_on(const struct work *work, size_t instance);

/* Keeps room on the host for the instance, which is on its way there. */
void recover_promise_to(struct work *work, size_t instance, size_t host);
/* Sends the instance off to a host, for which room is kept. */
void recover_start(struct work *work, size_t instance, size_t to, const char *reason);
/* Why it cannot be taken out of service now: another member of its tier is on the move; NULL: it can. */
const char *recover_busy(struct work *work, size_t instance);
/* mend.c: the next step about an instance that fails, by its tier's policy; notes when it is well again. */
void recover_mend(struct work *work, size_t instance);
/* It is being placed, by whom ever: the step that its trouble has come to counts from here, time and
 * failures, and has had a try if it is one that moves or makes anew. What it failed elsewhere calls for
 * nothing here. */
void recover_mend_placed(struct work *work, size_t instance);

/* Starts moves: hosts to be emptied, `croft move`, hosts where an instance does not come up. */
void recover_leave(struct work *work);
/* Drained instances stop; those that nothing sends away any more come back. */
void recover_drained(struct work *work);

#endif
