/* Room that pools keep (Pool.survive): to restart what the loss of any one host, or zone, of theirs takes
 * down. What is new is refused when afterwards the free room of the pool's usable hosts would be less than
 * all that its largest such unit offers, in a dimension that the newcomer asks for and every host of the
 * pool counts; for a unit u
 *     used(u) <= free(pool) - free(u)   <=>   total(u) <= free(pool)
 * so the largest unit by dimension answers for all. This is a bound on the sums and no proof of a packing:
 * room that is enough in sum may still be in pieces that an instance does not fit into. Slivers, which are
 * the worst of these pieces, do not count as free: a host on which nothing of a known size fits has nothing.
 * (Known: the sizes of all tiers. It is enough to know the smallest in each dimension. What a placement makes
 * a sliver is seen by the next one.) */
#ifndef CROFT_PLAN_PLACE_KEEP_H
#define CROFT_PLAN_PLACE_KEEP_H

#include "base/buf.h"
#include "plan/place/place.h"

/* What a request may do with kept room: use it all, when it is to restart what was lost or had a place
 * before; use its own pool's, when it only moves and gets no larger; else nothing. What it gives back, or was
 * promised, is no room that it takes. */
struct keep_claim {
    struct amount size, promised, given;
    size_t home, promise, gives; /* pools, or NONE */
    bool recovers;
};

struct keeps *keeps_new(void);
void keeps_free(struct keeps *keeps);

void keep_tell(struct work *work, const char *name, const struct pool *pool); /* NULL: it keeps none */
void keep_know(struct work *work, const struct farm *farm, int sign); /* its sizes are known, or no more */
size_t keep_pool(struct work *work, const char *name);                /* its number; made when unknown */
/* A host in a group of the pool enters or leaves the room, or has another amount free. */
void keep_enter(struct work *work, size_t host, size_t pool, const struct amount *free);
void keep_leave(struct work *work, size_t host, size_t pool, const struct amount *free);
void keep_change(struct work *work, size_t pool, const struct amount *was, const struct amount *is);
/* To be called before the first question of a plan. O(hosts) after a change of what is known or kept, else
 * O(pools). */
void keep_settle(struct work *work);

struct keep_claim keep_claim_of(const struct work *work, const struct place_ask *ask);
bool keep_allows(const struct work *work, const struct keep_claim *claim, size_t pool);
/* Why the host's pool does not take the request, or NULL. The host is usable. */
const char *keep_refusal(struct work *work, const struct place_ask *ask, size_t host);
/* Why a new instance of the tier could not start when the old one is gone, or NULL. */
const char *keep_refuses_successor(struct work *work, size_t tier, size_t old);
/* "the loss of a host" */
void keep_say_loss(const struct work *work, size_t pool, struct buf *text);
const char *keep_name(const struct work *work, size_t pool);

#endif
