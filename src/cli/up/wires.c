#include "cli/up/wires.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* Farms get 1450 and VXLAN needs 50 more; a little room for other encapsulations. */
#define UNDERLAY_MTU 1600U
#define MGMT_MTU 1500U
/* Whoever makes a link chooses its index. A namespace is born with lo as 1. */
#define LOOPBACK_INDEX 1
#define BRIDGE_INDEX_MIN 2
#define CABLE_INDEX_MIN 16
#define ETH_INDEX_MIN 2
#define OUTSIDE_LOW16 1U        /* 10.93.0.1 */
#define WORLD_FIRST 0xcb007101U /* 203.0.113.1 */

struct wires {
    int machine_fd;
    int switch_fd;
    int outside_fd;
    struct netlink *netlink; /* in the switch */
    int cable_index; /* of the next cable; never used again, because the kernel takes a dead computer's
                        cables away some time after its death */
};

static bool switch_build(struct wires *wires, struct error *err);
static bool outside_build(struct wires *wires, struct error *err);
static void begin_cable(struct wires *wires, int net_fd, enum wires_net net, unsigned low16);
static bool computer_configure(int net_fd, const struct wires_end *end, struct error *err);
static uint32_t net_address(enum wires_net net, unsigned low16);
static uint32_t net_mtu(enum wires_net net);

bool wires_new(struct wires **ret_wires, struct error *err)
{
    struct wires *wires = mem_alloc(sizeof(*wires));
    *wires =
        (struct wires){.machine_fd = -1, .switch_fd = -1, .outside_fd = -1, .cable_index = CABLE_INDEX_MIN};
    if (!ns_current(&wires->machine_fd, err) || !wires_add_namespace(wires, &wires->switch_fd, err) ||
        !switch_build(wires, err) || !outside_build(wires, err)) {
        wires_free(wires);
        return false;
    }
    *ret_wires = wires;
    return true;
}

void wires_free(struct wires *wires)
{
    if (!wires) return;
    netlink_close(wires->netlink);
    ns_close(&wires->machine_fd);
    ns_close(&wires->switch_fd);
    ns_close(&wires->outside_fd);
    mem_free(wires);
}

int wires_machine_fd(const struct wires *wires)
{
    return wires->machine_fd;
}

bool wires_add_namespace(struct wires *wires, int *ret_net_fd, struct error *err)
{
    static const struct ns_setting quiet[] = {
        {"net/ipv6/conf/all/disable_ipv6", "1"}, /* nothing of ours speaks it on these */
        {"net/ipv6/conf/default/disable_ipv6", "1"},
    };
    if (unshare(CLONE_NEWNET) != 0)
        return error_errno(err, errno, "cannot make a network namespace (this needs root)");
    CLEANUP_FD int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int open_errno = errno;
    /* Back to the machine's own: going on in another one would be worse than not going on. */
    ASSERT(setns(wires->machine_fd, CLONE_NEWNET) == 0);
    if (fd < 0) return error_errno(err, open_errno, "cannot open a network namespace");
    if (access("/proc/sys/net/ipv6", F_OK) == 0 && !ns_sysctls(fd, quiet, LENGTH(quiet), err)) return false;
    *ret_net_fd = fd;
    fd = -1;
    return true;
}

bool wires_plug(struct wires *wires, int net_fd, const struct wires_end *end, int *ret_cables,
                struct error *err)
{
    ASSERT(end->low16 >= 1 && end->low16 <= 0xffff && end->nets <= WIRES_NETS);
    *ret_cables = wires->cable_index;
    for (int net = 0; net < (int)end->nets; net++)
        begin_cable(wires, net_fd, (enum wires_net)net, end->low16);
    if (!netlink_commit(wires->netlink, err)) return error_wrap(err, "cannot plug in a cable (a veth pair)");
    return computer_configure(net_fd, end, err) || error_wrap(err, "cannot set up a computer's network");
}

bool wires_unplug(struct wires *wires, int cables, unsigned nets, struct error *err)
{
    for (int net = 0; net < (int)nets; net++)
        link_set_down(wires->netlink, cables + net, NETLINK_FINE_MISSING);
    return netlink_commit(wires->netlink, err) || error_wrap(err, "cannot pull out a computer's cables");
}

int wires_outside_fd(const struct wires *wires)
{
    return wires->outside_fd;
}

char *wires_address(char *out, enum wires_net net, unsigned low16)
{
    return text_format_ipv4(out, net_address(net, low16));
}

static bool switch_build(struct wires *wires, struct error *err)
{
    static const char *const names[WIRES_NETS] = {"mgmt0", "mgmt1", "underlay0", "outside0"};
    if (!netlink_open(wires->switch_fd, NETLINK_ROUTE, &wires->netlink, err)) return false;
    for (int net = 0; net < WIRES_NETS; net++) {
        struct link_end bridge = {
            .name = names[net], .index = BRIDGE_INDEX_MIN + net, .mtu = net_mtu((enum wires_net)net)};
        link_add_bridge(wires->netlink, &bridge, NETLINK_FINE_NONE);
        link_set_up(wires->netlink, bridge.index);
    }
    return netlink_commit(wires->netlink, err) ||
           error_wrap(err, "cannot make the grid's switches (bridges)");
}

static bool outside_build(struct wires *wires, struct error *err)
{
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    const int device = ETH_INDEX_MIN + WIRES_OUTSIDE;
    if (!wires_add_namespace(wires, &wires->outside_fd, err)) return false;
    begin_cable(wires, wires->outside_fd, WIRES_OUTSIDE, OUTSIDE_LOW16);
    if (!netlink_commit(wires->netlink, err) ||
        !netlink_open(wires->outside_fd, NETLINK_ROUTE, &netlink, err))
        return error_wrap(err, "cannot make the grid's outside");
    link_set_up(netlink, LOOPBACK_INDEX);
    link_set_up(netlink, device);
    address_add(netlink, device, net_address(WIRES_OUTSIDE, OUTSIDE_LOW16), 16, NETLINK_FINE_NONE);
    /* On loopback a network's addresses are all the machine's own. */
    address_add(netlink, LOOPBACK_INDEX, WORLD_FIRST, 24, NETLINK_FINE_NONE);
    return netlink_commit(netlink, err) || error_wrap(err, "cannot make the grid's outside");
}

static void begin_cable(struct wires *wires, int net_fd, enum wires_net net, unsigned low16)
{
    char name[16], far_name[16];
    int index = wires->cable_index++;
    snprintf(name, sizeof(name), "port%d", index);
    snprintf(far_name, sizeof(far_name), "eth%d", (int)net);
    struct link_end near = {.name = name, .index = index, .mtu = net_mtu(net)};
    /* The same computer always has the same hardware addresses, so that nobody who remembers one talks past
     * it after it was switched off and on. */
    struct link_end far = {.name = far_name,
                           .index = ETH_INDEX_MIN + (int)net,
                           .mac = 0x02c7f7000000ULL | (uint64_t)net << 16 | low16,
                           .mtu = near.mtu};
    link_add_veth(wires->netlink, &near, &far, net_fd, NETLINK_FINE_NONE);
    link_set_master(wires->netlink, index, BRIDGE_INDEX_MIN + (int)net);
    link_set_up(wires->netlink, index);
}

static bool computer_configure(int net_fd, const struct wires_end *end, struct error *err)
{
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    if (!netlink_open(net_fd, NETLINK_ROUTE, &netlink, err)) return false;
    link_set_up(netlink, LOOPBACK_INDEX);
    for (int net = 0; net < (int)end->nets; net++) {
        link_set_up(netlink, ETH_INDEX_MIN + net);
        address_add(netlink, ETH_INDEX_MIN + net, net_address((enum wires_net)net, end->low16), 16,
                    NETLINK_FINE_NONE);
    }
    if (end->nets > WIRES_OUTSIDE)
        route_add(netlink, ETH_INDEX_MIN + WIRES_OUTSIDE, 0, 0, net_address(WIRES_OUTSIDE, OUTSIDE_LOW16),
                  NETLINK_FINE_NONE);
    /* A machine with containers hands its 1 on to what it bears. */
    if (!netlink_commit(netlink, err) || !ns_sysctl(net_fd, "net/ipv4/ip_forward", "0", err)) return false;
    /* A computer answers for an address only on the network that the address belongs to. */
    static const struct ns_setting settings[WIRES_NETS * 2] = {
        {"net/ipv4/conf/eth0/arp_ignore", "1"}, {"net/ipv4/conf/eth0/arp_announce", "2"},
        {"net/ipv4/conf/eth1/arp_ignore", "1"}, {"net/ipv4/conf/eth1/arp_announce", "2"},
        {"net/ipv4/conf/eth2/arp_ignore", "1"}, {"net/ipv4/conf/eth2/arp_announce", "2"},
        {"net/ipv4/conf/eth3/arp_ignore", "1"}, {"net/ipv4/conf/eth3/arp_announce", "2"},
    };
    return ns_sysctls(net_fd, settings, (size_t)end->nets * 2, err);
}

static uint32_t net_address(enum wires_net net, unsigned low16)
{
    return (10U << 24) | ((90U + (unsigned)net) << 16) | low16;
}

static uint32_t net_mtu(enum wires_net net)
{
    return net == WIRES_UNDERLAY ? UNDERLAY_MTU : MGMT_MTU;
}
