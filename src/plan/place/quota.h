/* What parties have used of their quotas. The admission of documents looks at what is promised; this at what
 * is there, so that whatever was let in no party gets more than its limits.
 *
 * A record counts from its first placement until it is forgotten: what is lost, moves or yields is no new
 * use when it gets a place again, and what never had a place takes nothing from others. It counts for its
 * party and for every party above it. `farms` of a quota is the admission's alone. */
#ifndef CROFT_PLAN_PLACE_QUOTA_H
#define CROFT_PLAN_PLACE_QUOTA_H

#include "plan/share/share.h"
#include "plan/work.h"

struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas);
void quota_tell(struct work *work, const char *name, const struct party *party); /* NULL: it has none */
/* What its active leases give it together, beside its quota. */
void quota_tell_leased(struct work *work, const char *name, const struct quota *leased);
void quota_promise(struct work *work, const struct farm *farm, int sign); /* NULL: nothing */
/* To be called before the first question of a plan: parents may have changed. */
void quota_settle(struct work *work);
/* Around every change of whether the record counts, or of its size: not counted any more, counted again if
 * it counts. Neither does anything twice. */
void quota_leave(struct work *work, size_t instance);
void quota_enter(struct work *work, size_t instance);
/* Whether a warm instance has to go because what is promised needs its share. */
bool quota_recalls(struct work *work, size_t instance);
/* Why no instance of the tier may start, or NULL. `instance` NONE: one more; else that one with the size of
 * today, as itself or (replaces) by a new record in its stead. Who is above a party, and what that uses, is
 * not told. */
const char *quota_refusal(struct work *work, size_t tier, size_t instance, bool replaces);
/* What is left of all quotas, for sharing; the party's place in there. */
void quota_view(struct work *work, struct arena *arena, const struct share_party **ret_parties,
                size_t *ret_length);
size_t quota_number(struct work *work, const char *party);

#endif
