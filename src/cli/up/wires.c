#include "cli/up/wires.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/up/child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Farms get 1450 and VXLAN needs 50 more; a little room for other encapsulations. */
#define UNDERLAY_MTU 1600U
#define MGMT_MTU 1500U
#define MESSAGE_SIZE 2048

struct wires {
    int machine_fd;
    int switch_fd;
    struct mnl_socket *netlink; /* in the switch */
    unsigned bridges[WIRES_NETS];
    unsigned sequence;
};

struct veth {
    const char *name;
    const char *peer_name;
    uint64_t peer_mac;
    unsigned mtu;
    unsigned bridge;
    int peer_net_fd;
};

static bool switch_build(struct wires *wires, struct error *err);
static void net_sysctl(const char *path, const char *value);
static void net_leave(const struct wires *wires);
static bool computer_configure(struct wires *wires, struct mnl_socket *netlink, const struct wires_end *end,
                               struct error *err);
static struct mnl_socket *netlink_open(void);
static bool netlink_talk(struct wires *wires, struct mnl_socket *netlink, struct nlmsghdr *header,
                         int *ret_errno);
static struct ifinfomsg *link_message(void *buffer, struct nlmsghdr **ret_header, uint16_t flags);
static int link_add_bridge(struct wires *wires, const char *name, unsigned mtu);
static int link_add_veth(struct wires *wires, const struct veth *veth);
static int link_up(struct wires *wires, struct mnl_socket *netlink, unsigned index);
static int address_add(struct wires *wires, struct mnl_socket *netlink, unsigned index, uint32_t address,
                       unsigned bits);
static uint32_t net_address(enum wires_net net, unsigned low16);
static void mac_bytes(uint64_t mac, uint8_t *ret_bytes);
static unsigned net_mtu(enum wires_net net);

bool wires_new(struct wires **ret_wires, struct error *err)
{
    struct wires *wires = mem_alloc(sizeof *wires);
    *wires = (struct wires){.machine_fd = -1, .switch_fd = -1};
    wires->machine_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (wires->machine_fd < 0) {
        wires_free(wires);
        return error_errno(err, errno, "cannot open this machine's network namespace");
    }
    if (!wires_add_namespace(wires, &wires->switch_fd, err) || !switch_build(wires, err)) {
        wires_free(wires);
        return false;
    }
    *ret_wires = wires;
    return true;
}

void wires_free(struct wires *wires)
{
    if (!wires) return;
    if (wires->netlink) (void)mnl_socket_close(wires->netlink);
    fd_closep(&wires->machine_fd);
    fd_closep(&wires->switch_fd);
    mem_free(wires);
}

int wires_machine_fd(const struct wires *wires)
{
    return wires->machine_fd;
}

bool wires_add_namespace(struct wires *wires, int *ret_net_fd, struct error *err)
{
    if (unshare(CLONE_NEWNET) != 0)
        return error_errno(err, errno, "cannot make a network namespace (this needs root)");
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int open_errno = errno;
    net_sysctl("ipv6/conf/all/disable_ipv6", "1"); /* nothing of ours speaks it on these */
    net_sysctl("ipv6/conf/default/disable_ipv6", "1");
    net_leave(wires);
    if (fd < 0) return error_errno(err, open_errno, "cannot open a network namespace");
    *ret_net_fd = fd;
    return true;
}

bool wires_plug(struct wires *wires, int net_fd, const struct wires_end *end, struct error *err)
{
    ASSERT(end->low16 >= 1 && end->low16 <= 0xffff && end->nets <= WIRES_NETS);
    for (unsigned net = 0; net < end->nets; net++) {
        char name[IFNAMSIZ], peer_name[IFNAMSIZ];
        (void)snprintf(name, sizeof name, "p%x.%u.%x", end->low16 & 0xffff, net & 3,
                       end->generation & 0xffff);
        (void)snprintf(peer_name, sizeof peer_name, "eth%u", net & 3);
        /* The same computer always has the same hardware addresses, so that nobody who remembers one talks
         * past it after it was switched off and on. */
        struct veth veth = {
            .name = name,
            .peer_name = peer_name,
            .peer_mac = 0x02c7f7000000ULL | (uint64_t)net << 16 | end->low16,
            .mtu = net_mtu((enum wires_net)net),
            .bridge = wires->bridges[net],
            .peer_net_fd = net_fd,
        };
        int failed = link_add_veth(wires, &veth);
        if (failed != 0)
            return error_errno(err, failed, "cannot make a cable (a veth pair; has the kernel veth?)");
    }
    if (setns(net_fd, CLONE_NEWNET) != 0) return error_errno(err, errno, "cannot enter a network namespace");
    struct mnl_socket *netlink = netlink_open();
    int open_errno = errno;
    bool configured = false;
    if (netlink) {
        configured = computer_configure(wires, netlink, end, err);
        (void)mnl_socket_close(netlink);
    }
    net_leave(wires);
    return netlink ? configured : error_errno(err, open_errno, "cannot open a netlink socket");
}

char *wires_address(char *out, enum wires_net net, unsigned low16)
{
    return text_format_ipv4(out, net_address(net, low16));
}

static bool switch_build(struct wires *wires, struct error *err)
{
    static const char *const names[WIRES_NETS] = {"mgmt0", "mgmt1", "underlay0"};
    if (setns(wires->switch_fd, CLONE_NEWNET) != 0)
        return error_errno(err, errno, "cannot enter a network namespace");
    wires->netlink = netlink_open();
    int failed = wires->netlink ? 0 : errno;
    for (unsigned net = 0; failed == 0 && net < WIRES_NETS; net++) {
        failed = link_add_bridge(wires, names[net], net_mtu((enum wires_net)net));
        if (failed == 0) wires->bridges[net] = if_nametoindex(names[net]);
        if (failed == 0 && wires->bridges[net] == 0) failed = errno;
    }
    net_leave(wires);
    return failed == 0 ||
           error_errno(err, failed, "cannot make the grid's switches (has the kernel bridges?)");
}

/* In the namespace that this process is in at the moment. A kernel without the setting has no need of it. */
static void net_sysctl(const char *path, const char *value)
{
    char file[128];
    (void)snprintf(file, sizeof file, "/proc/sys/net/%s", path);
    CLEANUP_FD int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t written = write(fd, value, strlen(value));
    (void)written;
}

/* Back to the machine's own namespace: going on in another one would be worse than not going on. */
static void net_leave(const struct wires *wires)
{
    ASSERT(setns(wires->machine_fd, CLONE_NEWNET) == 0);
}

/* Runs inside the computer's namespace. */
static bool computer_configure(struct wires *wires, struct mnl_socket *netlink, const struct wires_end *end,
                               struct error *err)
{
    int failed = link_up(wires, netlink, if_nametoindex("lo"));
    net_sysctl("ipv4/ip_forward", "0"); /* a machine with containers hands its 1 on */
    for (unsigned net = 0; failed == 0 && net < end->nets; net++) {
        char name[IFNAMSIZ], path[64];
        (void)snprintf(name, sizeof name, "eth%u", net & 3);
        unsigned index = if_nametoindex(name);
        failed = link_up(wires, netlink, index);
        if (failed == 0)
            failed = address_add(wires, netlink, index, net_address((enum wires_net)net, end->low16), 16);
        /* A computer answers for an address only on the network that the address belongs to. */
        (void)snprintf(path, sizeof path, "ipv4/conf/%s/arp_ignore", name);
        net_sysctl(path, "1");
        (void)snprintf(path, sizeof path, "ipv4/conf/%s/arp_announce", name);
        net_sysctl(path, "2");
    }
    return failed == 0 || error_errno(err, failed, "cannot give a computer its addresses");
}

static struct mnl_socket *netlink_open(void)
{
    struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (netlink && mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) != 0) {
        int bind_errno = errno;
        (void)mnl_socket_close(netlink);
        errno = bind_errno;
        return NULL;
    }
    return netlink;
}

/* Sends one request and takes its acknowledgement. */
static bool netlink_talk(struct wires *wires, struct mnl_socket *netlink, struct nlmsghdr *header,
                         int *ret_errno)
{
    _Alignas(struct nlmsghdr) char answer[MESSAGE_SIZE * 4];
    header->nlmsg_seq = ++wires->sequence;
    if (mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0) {
        *ret_errno = errno;
        return false;
    }
    ssize_t size = mnl_socket_recvfrom(netlink, answer, sizeof answer);
    if (size < 0 ||
        mnl_cb_run(answer, (size_t)size, header->nlmsg_seq, mnl_socket_get_portid(netlink), NULL, NULL) < 0) {
        *ret_errno = errno;
        return false;
    }
    return true;
}

static struct ifinfomsg *link_message(void *buffer, struct nlmsghdr **ret_header, uint16_t flags)
{
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = RTM_NEWLINK;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof *link);
    link->ifi_family = AF_UNSPEC;
    *ret_header = header;
    return link;
}

static int link_add_bridge(struct wires *wires, const char *name, unsigned mtu)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
    struct nlmsghdr *header;
    struct ifinfomsg *link = link_message(buffer, &header, NLM_F_CREATE | NLM_F_EXCL);
    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_strz(header, IFLA_IFNAME, name);
    mnl_attr_put_u32(header, IFLA_MTU, mtu);
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    mnl_attr_put_u32(header, IFLA_BR_STP_STATE, 0);
    mnl_attr_put_u32(header, IFLA_BR_FORWARD_DELAY, 0);
    mnl_attr_put_u8(header, IFLA_BR_MCAST_SNOOPING, 0);
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
    int failed = 0;
    return netlink_talk(wires, wires->netlink, header, &failed) ? 0 : failed;
}

/* A pair in one message: this end enslaved and up, the other born in its own namespace. */
static int link_add_veth(struct wires *wires, const struct veth *veth)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
    uint8_t mac[6];
    mac_bytes(veth->peer_mac, mac);
    struct nlmsghdr *header;
    struct ifinfomsg *link = link_message(buffer, &header, NLM_F_CREATE | NLM_F_EXCL);
    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_strz(header, IFLA_IFNAME, veth->name);
    mnl_attr_put_u32(header, IFLA_MTU, veth->mtu);
    mnl_attr_put_u32(header, IFLA_MASTER, veth->bridge);
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(header, VETH_INFO_PEER);
    struct ifinfomsg *peer_link = mnl_nlmsg_put_extra_header(header, sizeof *peer_link);
    peer_link->ifi_flags = 0; /* a pair refuses to open the end that is made first */
    mnl_attr_put_strz(header, IFLA_IFNAME, veth->peer_name);
    mnl_attr_put(header, IFLA_ADDRESS, sizeof mac, mac);
    mnl_attr_put_u32(header, IFLA_MTU, veth->mtu);
    mnl_attr_put_u32(header, IFLA_NET_NS_FD, (uint32_t)veth->peer_net_fd);
    mnl_attr_nest_end(header, peer);
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
    int failed = 0;
    return netlink_talk(wires, wires->netlink, header, &failed) ? 0 : failed;
}

static int link_up(struct wires *wires, struct mnl_socket *netlink, unsigned index)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
    struct nlmsghdr *header;
    struct ifinfomsg *link = link_message(buffer, &header, 0);
    link->ifi_index = (int)index;
    link->ifi_flags = link->ifi_change = IFF_UP;
    int failed = 0;
    return netlink_talk(wires, netlink, header, &failed) ? 0 : failed;
}

static int address_add(struct wires *wires, struct mnl_socket *netlink, unsigned index, uint32_t address,
                       unsigned bits)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = RTM_NEWADDR;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(header, sizeof *message);
    message->ifa_family = AF_INET;
    message->ifa_prefixlen = (uint8_t)bits;
    message->ifa_scope = RT_SCOPE_UNIVERSE;
    message->ifa_index = index;
    mnl_attr_put_u32(header, IFA_LOCAL, htonl(address));
    mnl_attr_put_u32(header, IFA_ADDRESS, htonl(address));
    int failed = 0;
    return netlink_talk(wires, netlink, header, &failed) ? 0 : failed;
}

static uint32_t net_address(enum wires_net net, unsigned low16)
{
    return (10U << 24) | ((90U + (unsigned)net) << 16) | low16;
}

static void mac_bytes(uint64_t mac, uint8_t *ret_bytes)
{
    for (unsigned i = 0; i < 6; i++)
        ret_bytes[i] = (uint8_t)(mac >> (40 - 8 * i));
}

static unsigned net_mtu(enum wires_net net)
{
    return net == WIRES_UNDERLAY ? UNDERLAY_MTU : MGMT_MTU;
}
