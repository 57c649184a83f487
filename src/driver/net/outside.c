#include "driver/net/outside.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"
#include "driver/net/track.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct addresses {
    int outside_index;
    struct vec *ranges; /* struct rules_range */
};

struct numbers {
    bool taken[UPLINKS_MAX];
};

static bool check_device(const char *device, struct error *err);
static bool find_refused(struct net_host *host, const struct outside_options *options, struct error *err);
static void add_range(struct vec *ranges, uint32_t address, unsigned bits);
static void take_address(void *ctx, const struct nlmsghdr *message);
static void merge(struct vec *ranges);
static int compare_ranges(const void *a, const void *b);
static bool pick_number(const struct net_host *host, int *ret_number, struct error *err);
static void take_number(void *ctx, const struct nlmsghdr *message);
static bool connect_both(const struct net_host *host, struct farm_net *farm, int number, struct error *err);
static bool is_not_from(void *ctx, const struct track_entry *entry);

bool outside_open(struct net_host *host, const struct outside_options *options, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    if (!check_device(options->device, err) || !find_refused(host, options, err)) return false;
    rules_host_outside(options->device, &host->outside, &text);
    if (!nft_run(host->nft, host->ns_fd, buf_text(&text), err)) return false;
    /* For this device and the uplinks only: the host's other networks are not routed to each other. */
    CLEANUP_MEM char *forwarding = mem_printf("net/ipv4/conf/%s/forwarding", options->device);
    if (!ns_sysctl(host->ns_fd, forwarding, "1", err)) return false;
    host->has_outside = true;
    return true;
}

bool uplink_add(const struct net_host *host, struct farm_net *farm, struct error *err)
{
    int index, number;
    ASSERT(host->has_outside);
    if (farm->uplink >= 0) return true;
    /* One that was not finished. Slow, but seldom. */
    if (link_index(farm->route, UPLINK_NEAR, &index, err)) {
        link_delete(farm->route, index, NETLINK_FINE_MISSING);
        if (!netlink_commit(farm->route, err)) return false;
    } else if (err->code != ERROR_NOT_FOUND) {
        return false;
    }
    if (!pick_number(host, &number, err) || !connect_both(host, farm, number, err))
        return error_wrap(err, "cannot connect %s with the outside", farm->name);
    farm->uplink = number;
    return true;
}

bool uplink_forget(const struct net_host *host, const struct farm_net *farm, struct error *err)
{
    if (farm->uplink < 0 || track_is_empty(host->ns_fd)) return true;
    uint32_t address = UPLINK_FIRST + 2 * (uint32_t)farm->uplink + 1;
    return track_prune(host->track, is_not_from, &address, err);
}

int uplink_number(uint32_t address)
{
    bool fits = address >= UPLINK_FIRST && address < UPLINK_FIRST + 2 * UPLINKS_MAX;
    return fits ? (int)((address - UPLINK_FIRST) / 2) : -1;
}

/* It gets into commands of nftables and into a path. */
static bool check_device(const char *device, struct error *err)
{
    bool good = device[0] != '\0' && strlen(device) < 16 && !text_starts(device, UPLINK_FAR) &&
                !text_equal(device, ".") && !text_equal(device, "..");
    for (const char *at = device; good && *at != '\0'; at++)
        good = isalnum((unsigned char)*at) || strchr("-_.", *at) != NULL;
    return good || error_set(err, ERROR_INVALID, "\"%s\" cannot be the outside device", device);
}

static bool find_refused(struct net_host *host, const struct outside_options *options, struct error *err)
{
    /* RFC 1122 (this network, loopback), RFC 3927 (link-local: other farms' uplinks), RFC 1112 (class D, E).
     */
    static const struct prefix never[] = {
        {0, 8}, {0x7f000000U, 8}, {0xa9fe0000U, 16}, {0xe0000000U, 4}, {0xf0000000U, 4}};
    const struct ifaddrmsg any = {.ifa_family = AF_INET};
    struct addresses addresses = {.ranges = &host->refused};
    if (!link_index(host->route, options->device, &addresses.outside_index, err) ||
        !netlink_dump(host->route, RTM_GETADDR, &any, sizeof(any), take_address, &addresses, err))
        return false;
    for (size_t i = 0; i < LENGTH(never); i++)
        add_range(&host->refused, never[i].address, never[i].bits);
    for (size_t i = 0; i < options->refused_length; i++)
        add_range(&host->refused, options->refused[i].address, options->refused[i].bits);
    merge(&host->refused);
    host->outside =
        (struct rules_outside){.refused = host->refused.items, .refused_length = host->refused.length};
    return true;
}

static void add_range(struct vec *ranges, uint32_t address, unsigned bits)
{
    uint32_t behind = bits == 0 ? UINT32_MAX : bits >= 32 ? 0 : UINT32_MAX >> bits;
    *(struct rules_range *)vec_push(ranges) =
        (struct rules_range){.first = address & ~behind, .last = address | behind};
}

/* The whole network of each device but the outside one, and of that the host's own address. */
static void take_address(void *ctx, const struct nlmsghdr *message)
{
    struct addresses *addresses = ctx;
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attr;
    bool outside = (int)header->ifa_index == addresses->outside_index;
    for (attr = netlink_attr(message, sizeof(*header), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(*header), attr)) {
        if (mnl_attr_get_type(attr) != IFA_LOCAL) continue;
        add_range(addresses->ranges, ntohl(mnl_attr_get_u32(attr)), outside ? 32 : header->ifa_prefixlen);
    }
}

/* Intervals of one set may not overlap. */
static void merge(struct vec *ranges)
{
    vec_sort(ranges, compare_ranges);
    size_t kept = 0;
    for (size_t i = 0; i < ranges->length; i++) {
        const struct rules_range next = *(struct rules_range *)vec_at(ranges, i);
        struct rules_range *last = kept == 0 ? NULL : vec_at(ranges, kept - 1);
        if (last != NULL && (last->last == UINT32_MAX || next.first <= last->last + 1)) {
            if (next.last > last->last) last->last = next.last;
            continue;
        }
        *(struct rules_range *)vec_at(ranges, kept++) = next;
    }
    ranges->length = kept;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct rules_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* The lowest that no link has: also not one of a farm that the kernel has not yet tidied up. */
static bool pick_number(const struct net_host *host, int *ret_number, struct error *err)
{
    const struct ifinfomsg any = {.ifi_family = AF_UNSPEC};
    struct numbers *numbers = mem_alloc(sizeof(*numbers));
    int number = 0;
    bool good = netlink_dump(host->route, RTM_GETLINK, &any, sizeof(any), take_number, numbers, err);
    while (number < UPLINKS_MAX && numbers->taken[number])
        number++;
    mem_free(numbers);
    if (good && number == UPLINKS_MAX)
        good = error_set(err, ERROR_REFUSED, "no more than %d farms of a host can reach the outside",
                         UPLINKS_MAX);
    if (good) *ret_number = number;
    return good;
}

static void take_number(void *ctx, const struct nlmsghdr *message)
{
    struct numbers *numbers = ctx;
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct ifinfomsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct ifinfomsg), attr)) {
        if (mnl_attr_get_type(attr) != IFLA_IFNAME || !text_starts(mnl_attr_get_str(attr), UPLINK_FAR))
            continue;
        unsigned long number = strtoul(mnl_attr_get_str(attr) + strlen(UPLINK_FAR), NULL, 10);
        if (number < UPLINKS_MAX) numbers->taken[number] = true;
    }
}

/* The address in the farm comes last and says that all is there. */
static bool connect_both(const struct net_host *host, struct farm_net *farm, int number, struct error *err)
{
    const struct ns_setting inside[] = {{"net/ipv4/conf/br0/forwarding", "1"},
                                        {"net/ipv4/conf/" UPLINK_NEAR "/forwarding", "1"}};
    uint32_t far_address = UPLINK_FIRST + 2 * (uint32_t)number;
    char name[16];
    int far_index;
    snprintf(name, sizeof(name), UPLINK_FAR "%d", number);
    const struct link_end near = {.name = UPLINK_NEAR, .index = FARM_UPLINK, .mtu = (uint32_t)farm->mtu};
    const struct link_end far = {.name = name, .mtu = (uint32_t)farm->mtu};
    CLEANUP_MEM char *forwarding = mem_printf("net/ipv4/conf/%s/forwarding", name);
    link_add_veth(farm->route, &near, &far, host->ns_fd, NETLINK_FINE_NONE);
    if (!netlink_commit(farm->route, err) || !link_index(host->route, name, &far_index, err) ||
        !ns_sysctl(host->ns_fd, forwarding, "1", err) ||
        !ns_sysctls(farm->ns_fd, inside, LENGTH(inside), err))
        return false;
    address_add(host->route, far_index, far_address, 31, NETLINK_FINE_NONE);
    link_set_up(host->route, far_index);
    if (!netlink_commit(host->route, err)) return false;
    link_set_up(farm->route, FARM_UPLINK);
    address_add(farm->route, FARM_UPLINK, far_address + 1, 31, NETLINK_FINE_NONE);
    route_add(farm->route, FARM_UPLINK, 0, 0, far_address, NETLINK_FINE_NONE);
    return netlink_commit(farm->route, err);
}

static bool is_not_from(void *ctx, const struct track_entry *entry)
{
    return entry->from != *(const uint32_t *)ctx;
}
