/* Connection tracking of one namespace: what no longer fits its filters is forgotten. */
#ifndef CROFT_DRIVER_NET_TRACK_H
#define CROFT_DRIVER_NET_TRACK_H

#include "driver/net/netlink.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection, as its first packet went. */
struct track_entry {
    uint32_t from, to; /* host byte order */
    uint8_t protocol;
    uint16_t from_port, port; /* of the sender, of the receiver; 0 for protocols without */
};

/* True when there are none at all: a list costs some 10 ms, as the kernel walks the table of all namespaces.
 */
bool track_is_empty(int ns_fd);
/* Deletes the entries for which keep() is false. Established connections end with theirs: without an entry
 * their packets are nobody's (nf_conntrack_tcp_loose is 0). netlink is a socket of NETLINK_NETFILTER, kept
 * open: to close one takes 5 to 20 ms. */
MUST_CHECK bool track_prune(struct netlink *netlink, bool (*keep)(void *ctx, const struct track_entry *entry),
                            void *ctx, struct error *err);

#endif
