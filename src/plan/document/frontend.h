/* A balancer's doors and the servers behind them. */
#ifndef CROFT_PLAN_DOCUMENT_FRONTEND_H
#define CROFT_PLAN_DOCUMENT_FRONTEND_H

#include "plan/plan.h"

const struct balance_frontend *frontends_of(struct arena *arena, const struct snapshot *snapshot,
                                            const struct farm *farm, size_t *ret_length);
/* Of all that the frontends say, servers included: the balancer's host says it back when it is in service. */
const char *frontends_hash(struct arena *arena, const struct balance_frontend *frontends, size_t length);
/* "web-1" of "acme/shop/web-1" */
const char *frontend_short_name(const struct instance *instance);

#endif
