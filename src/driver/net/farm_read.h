/* What an earlier process left of a farm, read from the kernel. For farm.c only. */
#ifndef CROFT_DRIVER_NET_FARM_READ_H
#define CROFT_DRIVER_NET_FARM_READ_H

#include "driver/net/farm.h"

/* Fills gateway, bits, vni, mtu and members (without names, in no order) from the farm's namespace; removes
 * remote entries that belong to no member. ERROR_NOT_FOUND when it was never finished, or was made for
 * another underlay. */
MUST_CHECK bool farm_read(const struct net_host *host, struct farm_net *farm, struct error *err);
/* Adds the names (char *, the caller's to mem_free()) of the chains of filters that are there. */
MUST_CHECK bool farm_read_chains(struct farm_net *farm, struct vec *ret_names, struct error *err);

#endif
