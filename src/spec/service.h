/* What a farm asks of its service level, and the level does not give. Internal to spec/. */
#ifndef CROFT_SPEC_SERVICE_H
#define CROFT_SPEC_SERVICE_H

#include "base/mem.h"
#include "model/intent.h"

struct service_fault {
    size_t tier;
    enum level level; /* that is not offered; LEVELS: the metric cannot be measured of the tier */
    const char *why;  /* "gold does not …: how to mend it", for who owns the farm */
};

/* The first one, or false: they suit each other. Texts are the arena's. */
bool service_find_fault(struct arena *arena, const struct sla *sla, const struct farm *farm,
                        struct service_fault *ret_fault);

#endif
