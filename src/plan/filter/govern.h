/* Which filters govern where, and in which order: that of the tree of parties. */
#ifndef CROFT_PLAN_FILTER_GOVERN_H
#define CROFT_PLAN_FILTER_GOVERN_H

#include "base/mem.h"
#include "model/state.h"

/* The parties above a party, the landlord first, and itself last. A party that is nobody's child in the
 * snapshot is the landlord's. */
size_t govern_line(struct arena *arena, const struct snapshot *snapshot, const char *party,
                   const char *const **ret_line);

/* Does the filter govern anything of the farm, whose party has this line? */
bool govern_touches(const struct filter *filter, const char *const *line, size_t line_length,
                    const char *farm);

/* Copies of the filters that govern in the farm, of outer parties first, and of one party by name; `on` says
 * the farm where it said a party or all. What is of a party that is not in the farm's line governs nothing
 * there. */
const struct filter *govern_farm(struct arena *arena, const struct snapshot *snapshot,
                                 const struct farm *farm, size_t *ret_length);

/* What filters are looked for by: the farm of its `on`, or the party, or all. Lives in arena. */
const char *govern_key(struct arena *arena, const char *on);

#endif
