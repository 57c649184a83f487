/* Tidying up behind a host whose agent is gone. */
#ifndef CROFT_DRIVER_NET_DOORS_SWEEP_H
#define CROFT_DRIVER_NET_DOORS_SWEEP_H

#include "base/attr.h"
#include "base/error.h"

#include <stdbool.h>

/* The table (inet) of the filters at published sockets, where a host has a namespace to itself. */
#define DOORS_TABLE "croft_doors"

/* Ends the filters of that table in the namespace where this process is, or of all whose names begin so. For
 * when who made them is gone. */
MUST_CHECK bool doors_sweep(const char *table, bool begins, struct error *err);

#endif
