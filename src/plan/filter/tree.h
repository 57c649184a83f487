/* The tree of names that some filters speak of. Internal to plan/filter/. */
#ifndef CROFT_PLAN_FILTER_TREE_H
#define CROFT_PLAN_FILTER_TREE_H

#include "plan/filter/space.h"

/* Where a name stands in the tree; kind: of a farm, a tier or an instance. Of an instance that is not called
 * TIER-N the tier is not known: "". */
struct name name_of_end(struct arena *arena, enum endpoint_kind kind, const char *text);
/* What `on` means in the company of these filters: not "all". */
struct name name_of_on(struct arena *arena, const struct filter *const *filters, size_t length,
                       const char *on);
/* Bytes of "acme/shop/web-1" that are its tier; 0: it does not end in -N. */
size_t name_stem(const char *text);
/* Sets the names of the space: each one that the filters name, and what it is in. */
void tree_gather(struct arena *arena, const struct filter *const *filters, size_t length,
                 struct space *space);
/* The ranks of it and of all in it; it is one of the names. */
void tree_find(const struct space *space, const struct name *name, size_t *ret_first, size_t *ret_last);
/* Is all that is called the first called the second, too? */
bool tree_is_within(const struct name *name, const struct name *within);

#endif
