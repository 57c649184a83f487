/* What a farm's document says about itself. Internal to spec/. */
#ifndef CROFT_SPEC_FARM_H
#define CROFT_SPEC_FARM_H

#include "model/schemas.h"

/* node is the map that the farm was read from, or NULL: then a failure has no place. */
MUST_CHECK bool farm_check(struct arena *arena, const struct node *node, const struct farm *farm,
                           struct error *err);

#endif
