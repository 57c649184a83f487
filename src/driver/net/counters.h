/* Denials of one farm, read from its filters. For net.c only. */
#ifndef CROFT_DRIVER_NET_COUNTERS_H
#define CROFT_DRIVER_NET_COUNTERS_H

#include "driver/net.h"
#include "driver/net/doors_rules.h"
#include "driver/net/farm.h"

/* Adds to the one for the same, or one for it. */
void counters_add(const char *farm, const char *instance, const char *reason, const char *by, int64_t packets,
                  struct vec *counters);
/* Adds a struct net_counter for each port and reason that has any. */
MUST_CHECK bool counters_read(struct farm_net *farm, struct vec *ret_counters, struct error *err);

/* What the boundary in the host's namespace denied; farms: struct farm_net by name. */
MUST_CHECK bool counters_read_host(const struct net_host *host, struct map *farms, struct vec *ret_counters,
                                   struct error *err);
/* What filters denied at published sockets, for their farms. */
MUST_CHECK bool counters_read_doors(struct netlink *netlink, const char *table,
                                    const struct doors_rules *rules, struct vec *ret_counters,
                                    struct error *err);

#endif
