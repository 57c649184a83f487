#include "driver/net/link.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct nlmsghdr *begin_new(struct netlink *netlink, const struct link_end *end,
                                  enum netlink_fine fine);
static struct nlmsghdr *begin_set(struct netlink *netlink, int index, enum netlink_fine fine,
                                  const char *what);
static struct nlattr *begin_kind(struct nlmsghdr *message, const char *kind);
static void put_end(struct nlmsghdr *message, const struct link_end *end);
static void put_mac(struct nlmsghdr *message, uint16_t type, uint64_t mac);
static void begin_neighbour(struct netlink *netlink, uint16_t type, const struct ndmsg *neighbour,
                            uint64_t mac, uint32_t address, const char *what);
static void take_index(void *ctx, const struct nlmsghdr *message);

enum { VXLAN_PORT = 4789 };

void link_add_veth(struct netlink *netlink, const struct link_end *near, const struct link_end *far,
                   int far_ns_fd, enum netlink_fine fine)
{
    struct nlmsghdr *message = begin_new(netlink, near, fine);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    struct nlattr *data = begin_kind(message, "veth");
    struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_index = far->index;
    put_end(message, far);
    if (far_ns_fd >= 0) mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)far_ns_fd);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

void link_add_bridge(struct netlink *netlink, const struct link_end *end, enum netlink_fine fine)
{
    struct nlmsghdr *message = begin_new(netlink, end, fine);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    struct nlattr *data = begin_kind(message, "bridge");
    mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
    mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
    mnl_attr_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

void link_add_vxlan(struct netlink *netlink, const struct link_end *end, int ns_fd, uint32_t vni,
                    uint32_t local, int underlay_index, enum netlink_fine fine)
{
    struct nlmsghdr *message = begin_new(netlink, end, fine);
    if (ns_fd >= 0) mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)ns_fd);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    struct nlattr *data = begin_kind(message, "vxlan");
    mnl_attr_put_u32(message, IFLA_VXLAN_ID, vni);
    mnl_attr_put_u32(message, IFLA_VXLAN_LOCAL, htonl(local));
    if (underlay_index > 0) mnl_attr_put_u32(message, IFLA_VXLAN_LINK, (uint32_t)underlay_index);
    mnl_attr_put_u8(message, IFLA_VXLAN_LEARNING, 0);
    mnl_attr_put_u16(message, IFLA_VXLAN_PORT, htons(VXLAN_PORT));
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

void link_set_up(struct netlink *netlink, int index)
{
    struct ifinfomsg *header =
        mnl_nlmsg_get_payload(begin_set(netlink, index, NETLINK_FINE_NONE, "set up link"));
    header->ifi_flags = IFF_UP;
    header->ifi_change = IFF_UP;
}

void link_set_down(struct netlink *netlink, int index, enum netlink_fine fine)
{
    struct ifinfomsg *header = mnl_nlmsg_get_payload(begin_set(netlink, index, fine, "set down link"));
    header->ifi_change = IFF_UP;
}

void link_set_master(struct netlink *netlink, int index, int master)
{
    mnl_attr_put_u32(begin_set(netlink, index, NETLINK_FINE_NONE, "set master of link"), IFLA_MASTER,
                     (uint32_t)master);
}

void link_set_mtu(struct netlink *netlink, int index, uint32_t mtu)
{
    mnl_attr_put_u32(begin_set(netlink, index, NETLINK_FINE_NONE, "set mtu of link"), IFLA_MTU, mtu);
}

void link_rename(struct netlink *netlink, int index, const char *name, enum netlink_fine fine)
{
    mnl_attr_put_strz(begin_set(netlink, index, fine, "rename link"), IFLA_IFNAME, name);
}

void link_move_ns(struct netlink *netlink, int index, int ns_fd, const char *name)
{
    struct nlmsghdr *message = begin_set(netlink, index, NETLINK_FINE_NONE, "move link");
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)ns_fd);
    if (name != NULL) mnl_attr_put_strz(message, IFLA_IFNAME, name);
}

void link_delete(struct netlink *netlink, int index, enum netlink_fine fine)
{
    char object[16];
    snprintf(object, sizeof(object), "%d", index);
    struct nlmsghdr *message = netlink_begin(netlink, RTM_DELLINK, 0, fine, "delete link", object);
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_index = index;
}

void link_set_port(struct netlink *netlink, int index, unsigned flags)
{
    struct nlmsghdr *message = begin_set(netlink, index, NETLINK_FINE_NONE, "set port flags of link");
    struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    header->ifi_family = AF_BRIDGE;
    struct nlattr *port = mnl_attr_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
    mnl_attr_put_u8(message, IFLA_BRPORT_LEARNING, (flags & LINK_PORT_LEARNING) != 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_UNICAST_FLOOD, (flags & LINK_PORT_FLOOD) != 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_MCAST_FLOOD, (flags & LINK_PORT_FLOOD) != 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_BCAST_FLOOD, (flags & LINK_PORT_BROADCAST) != 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_NEIGH_SUPPRESS, (flags & LINK_PORT_NEIGH_SUPPRESS) != 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_LOCKED, (flags & LINK_PORT_LOCKED) != 0);
    mnl_attr_nest_end(message, port);
}

void address_add(struct netlink *netlink, int index, uint32_t address, unsigned bits, enum netlink_fine fine)
{
    char object[16];
    snprintf(object, sizeof(object), "of link %d", index);
    struct nlmsghdr *message =
        netlink_begin(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, fine, "add address", object);
    struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifa_family = AF_INET;
    header->ifa_prefixlen = (uint8_t)bits;
    header->ifa_index = (uint32_t)index;
    mnl_attr_put_u32(message, IFA_LOCAL, htonl(address));
    mnl_attr_put_u32(message, IFA_ADDRESS, htonl(address));
    if (bits < 31) mnl_attr_put_u32(message, IFA_BROADCAST, htonl(address | (UINT32_MAX >> bits)));
}

void route_add(struct netlink *netlink, int index, uint32_t prefix, unsigned bits, uint32_t gateway,
               enum netlink_fine fine)
{
    char object[16];
    snprintf(object, sizeof(object), "by link %d", index);
    struct nlmsghdr *message =
        netlink_begin(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, fine, "add route", object);
    struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->rtm_family = AF_INET;
    header->rtm_dst_len = (uint8_t)bits;
    header->rtm_table = RT_TABLE_MAIN;
    header->rtm_protocol = RTPROT_STATIC;
    header->rtm_scope = gateway == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header->rtm_type = RTN_UNICAST;
    if (bits > 0) mnl_attr_put_u32(message, RTA_DST, htonl(prefix));
    if (gateway != 0) mnl_attr_put_u32(message, RTA_GATEWAY, htonl(gateway));
    mnl_attr_put_u32(message, RTA_OIF, (uint32_t)index);
}

void fdb_add_port(struct netlink *netlink, int port, uint64_t mac)
{
    const struct ndmsg entry = {
        .ndm_family = AF_BRIDGE, .ndm_ifindex = port, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER};
    begin_neighbour(netlink, RTM_NEWNEIGH, &entry, mac, 0, "add forwarding entry");
}

void fdb_remove_port(struct netlink *netlink, int port, uint64_t mac)
{
    const struct ndmsg entry = {.ndm_family = AF_BRIDGE, .ndm_ifindex = port, .ndm_flags = NTF_MASTER};
    begin_neighbour(netlink, RTM_DELNEIGH, &entry, mac, 0, "remove forwarding entry");
}

void fdb_add_remote(struct netlink *netlink, int vxlan, uint64_t mac, uint32_t host)
{
    const struct ndmsg entry = {.ndm_family = AF_BRIDGE,
                                .ndm_ifindex = vxlan,
                                .ndm_state = NUD_NOARP | NUD_PERMANENT,
                                .ndm_flags = NTF_SELF};
    begin_neighbour(netlink, RTM_NEWNEIGH, &entry, mac, host, "add remote entry");
}

void fdb_remove_remote(struct netlink *netlink, int vxlan, uint64_t mac)
{
    const struct ndmsg entry = {.ndm_family = AF_BRIDGE, .ndm_ifindex = vxlan, .ndm_flags = NTF_SELF};
    begin_neighbour(netlink, RTM_DELNEIGH, &entry, mac, 0, "remove remote entry");
}

void neighbour_add(struct netlink *netlink, int index, uint32_t address, uint64_t mac)
{
    const struct ndmsg entry = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    begin_neighbour(netlink, RTM_NEWNEIGH, &entry, mac, address, "add neighbour");
}

void neighbour_remove(struct netlink *netlink, int index, uint32_t address)
{
    const struct ndmsg entry = {.ndm_family = AF_INET, .ndm_ifindex = index};
    begin_neighbour(netlink, RTM_DELNEIGH, &entry, 0, address, "remove neighbour");
}

bool link_index(struct netlink *netlink, const char *name, int *ret_index, struct error *err)
{
    struct nlmsghdr *message =
        netlink_begin(netlink, RTM_GETLINK, 0, NETLINK_FINE_NONE, "look for link", name);
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    int index = 0;
    if (!netlink_ask(netlink, take_index, &index, err)) return false;
    *ret_index = index;
    return true;
}

static struct nlmsghdr *begin_new(struct netlink *netlink, const struct link_end *end, enum netlink_fine fine)
{
    struct nlmsghdr *message =
        netlink_begin(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, fine, "add link", end->name);
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_index = end->index;
    put_end(message, end);
    return message;
}

static struct nlmsghdr *begin_set(struct netlink *netlink, int index, enum netlink_fine fine,
                                  const char *what)
{
    char object[16];
    snprintf(object, sizeof(object), "%d", index);
    struct nlmsghdr *message = netlink_begin(netlink, RTM_SETLINK, 0, fine, what, object);
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_index = index;
    return message;
}

static struct nlattr *begin_kind(struct nlmsghdr *message, const char *kind)
{
    mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
    return mnl_attr_nest_start(message, IFLA_INFO_DATA);
}

static void put_end(struct nlmsghdr *message, const struct link_end *end)
{
    mnl_attr_put_strz(message, IFLA_IFNAME, end->name);
    if (end->mac != 0) put_mac(message, IFLA_ADDRESS, end->mac);
    if (end->mtu != 0) mnl_attr_put_u32(message, IFLA_MTU, end->mtu);
}

static void put_mac(struct nlmsghdr *message, uint16_t type, uint64_t mac)
{
    uint8_t bytes[6];
    for (unsigned i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(mac >> (40 - 8 * i));
    mnl_attr_put(message, type, sizeof(bytes), bytes);
}

static void begin_neighbour(struct netlink *netlink, uint16_t type, const struct ndmsg *neighbour,
                            uint64_t mac, uint32_t address, const char *what)
{
    bool add = type == RTM_NEWNEIGH;
    char object[32];
    snprintf(object, sizeof(object), "%012llx %08x", (unsigned long long)mac, address);
    struct nlmsghdr *message = netlink_begin(netlink, type, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
                                             add ? NETLINK_FINE_NONE : NETLINK_FINE_MISSING, what, object);
    memcpy(mnl_nlmsg_put_extra_header(message, sizeof(*neighbour)), neighbour, sizeof(*neighbour));
    if (mac != 0) put_mac(message, NDA_LLADDR, mac);
    if (address != 0) mnl_attr_put_u32(message, NDA_DST, htonl(address));
}

static void take_index(void *ctx, const struct nlmsghdr *message)
{
    const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    *(int *)ctx = header->ifi_index;
}
