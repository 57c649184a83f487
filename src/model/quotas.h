/* Sums and bounds of what parties may use. */
#ifndef CROFT_MODEL_QUOTAS_H
#define CROFT_MODEL_QUOTAS_H

#include "model/intent.h"

extern const struct quota limits_none;
/* Each member by itself; -1 is no limit, and its sum with anything is none. */
void limits_add(struct quota *sum, const struct quota *more);
void limits_least(struct quota *least, const struct quota *other);

#endif
