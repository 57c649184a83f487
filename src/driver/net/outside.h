/* A host's way to the outside, and the uplinks of farms to it. For net.c and farm.c only. */
#ifndef CROFT_DRIVER_NET_OUTSIDE_H
#define CROFT_DRIVER_NET_OUTSIDE_H

#include "driver/net/farm.h"

/* The device, and what must not be reached by it besides the networks of the host's other devices. */
struct outside_options {
    const char *device;
    const struct prefix *refused;
    size_t refused_length;
};

/* Sets up the landlord's boundary in the host's namespace (that of host->ns_fd, where nft works). */
MUST_CHECK bool outside_open(struct net_host *host, const struct outside_options *options, struct error *err);

/* The farm's link to the host's namespace, with its addresses and routes. Nothing to do when it is there. */
MUST_CHECK bool uplink_add(const struct net_host *host, struct farm_net *farm, struct error *err);
/* Forgets the connections that the farm's namespace, which is going, had by its uplink: its number may be
 * given to another farm. */
MUST_CHECK bool uplink_forget(const struct net_host *host, const struct farm_net *farm, struct error *err);
/* The number that these addresses belong to, or -1. */
int uplink_number(uint32_t address);

#endif
