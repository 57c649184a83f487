/* What to do when hosts fail, are emptied, or do an instance no good. */
#ifndef CROFT_PLAN_RECOVER_RECOVER_H
#define CROFT_PLAN_RECOVER_RECOVER_H

#include "plan/work.h"

/* Fences hosts that are down, and says at their instances what they wait for. */
void recover_fence(struct work *work);
/* Keeps room for instances that are on their way to another host. */
void recover_promise(struct work *work);
void recover_break_promise(struct work *work, size_t instance); /* its room is free again */
/* Starts moves: hosts to be emptied, `croft move`, hosts where an instance does not come up. */
void recover_leave(struct work *work);
/* Drained instances stop; those that nothing sends away any more come back. */
void recover_drained(struct work *work);

#endif
