/* The messages of rtnetlink that croft needs, begun on a struct netlink: nothing happens before
 * netlink_commit(). Links are named by index; whoever makes one may choose its index, so that a whole
 * network is one batch. Addresses are IPv4 in host byte order, a MAC is the low 48 bits. */
#ifndef CROFT_DRIVER_NET_LINK_H
#define CROFT_DRIVER_NET_LINK_H

#include "driver/net/netlink.h"

/* One end of a pair. Zero fields are the kernel's choice. */
struct link_end {
    const char *name;
    int index;
    uint64_t mac;
    uint32_t mtu;
};

/* A pair: `near` in the socket's namespace, `far` born in the namespace far_ns_fd (-1: the same).
 * The kernel takes an index for `far` only together with one for `near`. */
void link_add_veth(struct netlink *netlink, const struct link_end *near, const struct link_end *far,
                   int far_ns_fd, enum netlink_fine fine);
/* A bridge that floods no multicast state, learns nothing new by time, and forwards at once. */
void link_add_bridge(struct netlink *netlink, const struct link_end *end, enum netlink_fine fine);
/* A VXLAN device over the socket's namespace, born in ns_fd; it learns nothing. */
void link_add_vxlan(struct netlink *netlink, const struct link_end *end, int ns_fd, uint32_t vni,
                    uint32_t local, int underlay_index, enum netlink_fine fine);

void link_set_up(struct netlink *netlink, int index);
void link_set_down(struct netlink *netlink, int index, enum netlink_fine fine);
void link_set_master(struct netlink *netlink, int index, int master); /* master 0: none */
void link_set_mtu(struct netlink *netlink, int index, uint32_t mtu);
void link_rename(struct netlink *netlink, int index, const char *name, enum netlink_fine fine);
void link_move_ns(struct netlink *netlink, int index, int ns_fd, const char *name); /* name NULL: as it is */
/* Slow (the kernel waits for its readers): not on a path that serves. */
void link_delete(struct netlink *netlink, int index, enum netlink_fine fine);

/* What a bridge's port does with frames; bits of enum link_port_flag. */
enum link_port_flag {
    LINK_PORT_LEARNING = 1,
    LINK_PORT_FLOOD = 2,          /* unicast to unknown MACs, and multicast */
    LINK_PORT_BROADCAST = 4,      /* broadcast */
    LINK_PORT_NEIGH_SUPPRESS = 8, /* ARP is answered from br0's neighbours instead of being sent out */
    LINK_PORT_LOCKED = 16,        /* frames only from MACs that stand in the forwarding database */
};
void link_set_port(struct netlink *netlink, int index, unsigned flags);

void address_add(struct netlink *netlink, int index, uint32_t address, unsigned bits, enum netlink_fine fine);
/* bits 0: the default route. gateway 0: on the link. */
void route_add(struct netlink *netlink, int index, uint32_t prefix, unsigned bits, uint32_t gateway,
               enum netlink_fine fine);

/* Static entry of the bridge that `port` is enslaved to: the MAC is behind that port. */
void fdb_add_port(struct netlink *netlink, int port, uint64_t mac);
void fdb_remove_port(struct netlink *netlink, int port, uint64_t mac);
/* Entry of a VXLAN device: the MAC is behind that host. */
void fdb_add_remote(struct netlink *netlink, int vxlan, uint64_t mac, uint32_t host);
void fdb_remove_remote(struct netlink *netlink, int vxlan, uint64_t mac);
void neighbour_add(struct netlink *netlink, int index, uint32_t address, uint64_t mac);
void neighbour_remove(struct netlink *netlink, int index, uint32_t address);

/* Index of the link of that name; ERROR_NOT_FOUND when there is none. */
MUST_CHECK bool link_index(struct netlink *netlink, const char *name, int *ret_index, struct error *err);

#endif
