/* A host's document from a part of the grid. */
#ifndef CROFT_PLAN_DOCUMENT_DOCUMENT_H
#define CROFT_PLAN_DOCUMENT_DOCUMENT_H

#include "plan/plan.h"

/* snapshot: at least the farms that have instances on the host, with their facts and all their instances;
 * the parties above these farms, in order, and the filters that
 * govern there; host facts and images of the whole grid. balanced: some farm of the grid has a balancer. */
struct host_document document_make(struct arena *arena, const struct snapshot *snapshot, const char *host,
                                   bool balanced);

#endif
