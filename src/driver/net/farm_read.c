#include "driver/net/farm_read.h"

#include "base/mem.h"
#include "driver/net/link.h"
#include "driver/net/outside.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* A MAC behind another host. */
struct remote {
    uint64_t mac;
    uint32_t host;
    bool used;
};

struct reading {
    struct farm_net *farm;
    uint32_t local; /* of the VXLAN device */
    struct vec remotes;
};

static void read_chain(void *ctx, const struct nlmsghdr *message);
static void read_link(void *ctx, const struct nlmsghdr *message);
static void read_vxlan(struct reading *reading, const struct nlattr *info);
static void read_address(void *ctx, const struct nlmsghdr *message);
static void read_neighbour(void *ctx, const struct nlmsghdr *message);
static void read_remote(void *ctx, const struct nlmsghdr *message);
static bool read_pair(const struct nlmsghdr *message, uint64_t *ret_mac, uint32_t *ret_address);
static bool join(struct reading *reading, uint32_t own, struct error *err);

bool farm_read(const struct net_host *host, struct farm_net *farm, struct error *err)
{
    struct reading reading = {.farm = farm, .remotes = VEC_OF(struct remote)};
    const struct ifinfomsg any_link = {.ifi_family = AF_UNSPEC};
    const struct ifaddrmsg any_address = {.ifa_family = AF_INET};
    const struct ndmsg neighbours = {.ndm_family = AF_INET}, entries = {.ndm_family = AF_BRIDGE};
    struct netlink *route = farm->route;
    bool good =
        netlink_dump(route, RTM_GETLINK, &any_link, sizeof(any_link), read_link, &reading, err) &&
        netlink_dump(route, RTM_GETADDR, &any_address, sizeof(any_address), read_address, &reading, err) &&
        netlink_dump(route, RTM_GETNEIGH, &neighbours, sizeof(neighbours), read_neighbour, &reading, err) &&
        netlink_dump(route, RTM_GETNEIGH, &entries, sizeof(entries), read_remote, &reading, err);
    if (good && (farm->gateway == 0 || farm->vni == 0 || reading.local != host->underlay_address))
        good = error_set(err, ERROR_NOT_FOUND, "the network of %s is not complete", farm->name);
    good = good && join(&reading, host->underlay_address, err);
    vec_free(&reading.remotes);
    return good;
}

bool farm_read_chains(struct farm_net *farm, struct vec *ret_names, struct error *err)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    return netlink_dump(farm->track, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN, &header, sizeof(header),
                        read_chain, ret_names, err) ||
           error_wrap(err, "cannot read the filters of %s", farm->name);
}

/* The farm's namespace has no inet table but the one. */
static void read_chain(void *ctx, const struct nlmsghdr *message)
{
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        const char *name = mnl_attr_get_payload(attr);
        if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME && rules_is_filter_chain(name))
            *(char **)vec_push(ctx) = mem_strdup(name);
    }
}

static void read_link(void *ctx, const struct nlmsghdr *message)
{
    struct reading *reading = ctx;
    const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    if (header->ifi_index != FARM_VXLAN) return;
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(*header), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(*header), attr)) {
        if (mnl_attr_get_type(attr) == IFLA_MTU)
            reading->farm->mtu = mnl_attr_get_u32(attr);
        else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
            read_vxlan(reading, attr);
    }
}

static void read_vxlan(struct reading *reading, const struct nlattr *info)
{
    const struct nlattr *part, *attr;
    for (part = netlink_nested(info, NULL); part != NULL; part = netlink_nested(info, part)) {
        if (mnl_attr_get_type(part) != IFLA_INFO_DATA) continue;
        for (attr = netlink_nested(part, NULL); attr != NULL; attr = netlink_nested(part, attr)) {
            if (mnl_attr_get_type(attr) == IFLA_VXLAN_ID)
                reading->farm->vni = mnl_attr_get_u32(attr);
            else if (mnl_attr_get_type(attr) == IFLA_VXLAN_LOCAL)
                reading->local = ntohl(mnl_attr_get_u32(attr));
        }
    }
}

static void read_address(void *ctx, const struct nlmsghdr *message)
{
    struct reading *reading = ctx;
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attr;
    if (header->ifa_index != FARM_BRIDGE && header->ifa_index != FARM_UPLINK) return;
    if (header->ifa_index == FARM_BRIDGE) reading->farm->bits = header->ifa_prefixlen;
    for (attr = netlink_attr(message, sizeof(*header), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(*header), attr)) {
        if (mnl_attr_get_type(attr) != IFA_LOCAL) continue;
        uint32_t address = ntohl(mnl_attr_get_u32(attr));
        if (header->ifa_index == FARM_UPLINK)
            reading->farm->uplink = uplink_number(address);
        else
            reading->farm->gateway = address;
    }
}

static void read_neighbour(void *ctx, const struct nlmsghdr *message)
{
    struct reading *reading = ctx;
    const struct ndmsg *header = mnl_nlmsg_get_payload(message);
    uint64_t mac;
    uint32_t address;
    if (header->ndm_ifindex != FARM_BRIDGE || !read_pair(message, &mac, &address)) return;
    /* Permanent or not: the DHCP server makes its clients' entries ordinary ones. */
    *(struct farm_member *)vec_push(&reading->farm->members) =
        (struct farm_member){.address = address, .mac = mac};
}

static void read_remote(void *ctx, const struct nlmsghdr *message)
{
    struct reading *reading = ctx;
    const struct ndmsg *header = mnl_nlmsg_get_payload(message);
    uint64_t mac;
    uint32_t host;
    if (header->ndm_ifindex != FARM_VXLAN || (header->ndm_flags & NTF_SELF) == 0 ||
        !read_pair(message, &mac, &host))
        return;
    *(struct remote *)vec_push(&reading->remotes) = (struct remote){.mac = mac, .host = host};
}

static bool read_pair(const struct nlmsghdr *message, uint64_t *ret_mac, uint32_t *ret_address)
{
    const struct nlattr *attr;
    uint64_t mac = 0;
    uint32_t address = 0;
    for (attr = netlink_attr(message, sizeof(struct ndmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct ndmsg), attr)) {
        if (mnl_attr_get_type(attr) == NDA_DST && mnl_attr_get_payload_len(attr) == 4)
            address = ntohl(mnl_attr_get_u32(attr));
        else if (mnl_attr_get_type(attr) == NDA_LLADDR && mnl_attr_get_payload_len(attr) == 6) {
            const uint8_t *bytes = mnl_attr_get_payload(attr);
            for (unsigned i = 0; i < 6; i++)
                mac = mac << 8 | bytes[i];
        }
    }
    if (mac == 0 || address == 0) return false;
    *ret_mac = mac;
    *ret_address = address;
    return true;
}

static bool join(struct reading *reading, uint32_t own, struct error *err)
{
    struct farm_net *farm = reading->farm;
    for (size_t i = 0; i < farm->members.length; i++) {
        struct farm_member *member = vec_at(&farm->members, i);
        member->underlay = own;
        for (size_t k = 0; k < reading->remotes.length; k++) {
            struct remote *remote = vec_at(&reading->remotes, k);
            if (remote->mac != member->mac) continue;
            member->underlay = remote->host;
            remote->used = true;
        }
    }
    for (size_t k = 0; k < reading->remotes.length; k++) {
        const struct remote *remote = vec_at(&reading->remotes, k);
        if (remote->used) continue;
        fdb_remove_remote(farm->route, FARM_VXLAN, remote->mac);
        fdb_remove_port(farm->route, FARM_VXLAN, remote->mac);
    }
    return netlink_commit(farm->route, err);
}
