/* Filters where published sockets are: state and effects; doors_rules.h has what they say. For net.c only. */
#ifndef CROFT_DRIVER_NET_DOORS_H
#define CROFT_DRIVER_NET_DOORS_H

#include "driver/net.h"
#include "driver/net/nft.h"

struct doors;

/* ns_fd (-1: the namespace this process is in now) and nft are borrowed; table is copied. */
MUST_CHECK bool doors_new(int ns_fd, const char *table, struct nft *nft, struct doors **ret_doors,
                          struct error *err);
void doors_free(struct doors *doors); /* leaves the filters as they are; NULL is fine */
/* As net_driver.doors_set. */
MUST_CHECK bool doors_set(struct doors *doors, const struct net_door *list, size_t length, struct error *err);
/* Adds a struct net_counter for each farm and filter that denied. */
MUST_CHECK bool doors_counters(struct doors *doors, struct vec *ret_counters, struct error *err);

#endif
