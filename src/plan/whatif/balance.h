/* Which moves make a grid's hosts alike. README.md says what the score means. */
#ifndef CROFT_PLAN_WHATIF_BALANCE_H
#define CROFT_PLAN_WHATIF_BALANCE_H

#include "base/mem.h"
#include "model/state.h"

struct balancing_move {
    const char *instance, *from, *to;
    double score; /* of the grid after it */
};

struct balancing {
    double score_before, score_after;   /* 0: all hosts of each pool are alike */
    const struct balancing_move *moves; /* in the order in which each of them has room and keeps every rule */
    size_t moves_length;
};

/* At most moves_max moves, each the one that lowers the score most, until none is worth it; what would move
 * twice moves once wherever the others have room and keep every rule so, too. An instance moves inside of its
 * pool, between usable hosts, where it has room and spread is not worse than before; what is not running and
 * well, moves already, or is of a tier that changes or asks for another size by now, stays, and balancers do.
 * The arena's. */
struct balancing balance_make(struct arena *arena, const struct snapshot *snapshot, size_t moves_max);

#endif
