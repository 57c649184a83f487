/* Connection tracking of one namespace: what no longer fits its filters is forgotten. */
#ifndef CROFT_DRIVER_NET_TRACK_H
#define CROFT_DRIVER_NET_TRACK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection, as its first packet went. */
struct track_entry {
    uint32_t from, to; /* host byte order */
    uint8_t protocol;
    uint16_t port; /* of the receiver; 0 for protocols without */
};

/* Deletes the entries for which keep() is false. Established connections end with theirs: without an entry
 * their packets are nobody's (nf_conntrack_tcp_loose is 0). */
MUST_CHECK bool track_prune(int ns_fd, bool (*keep)(void *ctx, const struct track_entry *entry), void *ctx,
                            struct error *err);

#endif
