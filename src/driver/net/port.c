/* Ports of instances: the part of farm.h that is about one instance. */
#include "driver/net/farm.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"
#include "driver/net/track.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct port_end {
    int index;     /* of the port's link in the farm's namespace */
    char name[16]; /* of that */
};

static const struct farm_member *find_member(const struct farm_net *farm, const char *instance);
static bool connect_new(struct farm_net *farm, const struct farm_member *member, const char *path,
                        int *ret_ns_fd, struct error *err);
static bool configure(struct farm_net *farm, const struct farm_member *member, int port, int ns_fd,
                      struct error *err);
static bool find_port(struct farm_net *farm, int ns_fd, struct port_end *ret_end, bool *ret_found,
                      struct error *err);
static bool retire(struct farm_net *farm, int index, struct error *err);
static void take_peer(void *ctx, const struct nlmsghdr *message);
static void take_name(void *ctx, const struct nlmsghdr *message);
static bool is_not_of(void *ctx, const struct track_entry *entry);

static const struct ns_setting settings[] = {
    {"net/ipv6/conf/all/disable_ipv6", "1"},
    {"net/ipv6/conf/default/disable_ipv6", "1"},
};

bool farm_port_add(const struct net_host *host, struct farm_net *farm, const char *instance,
                   struct error *err)
{
    const struct farm_member *member = find_member(farm, instance);
    if (member == NULL) return error_set(err, ERROR_NOT_FOUND, "%s is no member of %s", instance, farm->name);
    if (member->underlay != host->underlay_address)
        return error_set(err, ERROR_REFUSED, "%s of %s belongs to another host", instance, farm->name);
    CLEANUP_MEM char *path = farm_ns_path(host, farm->name, instance);
    CLEANUP_FD int ns_fd = -1;
    struct port_end end;
    bool found = false;
    char name[16];
    rules_port_name(name, member->address);
    if (ns_open(path, &ns_fd, err)) {
        if (!find_port(farm, ns_fd, &end, &found, err)) return false;
        if (found && text_equal(end.name, name)) return configure(farm, member, end.index, ns_fd, err);
        ns_close(&ns_fd);
        if (!ns_unpin(path, err)) return false;
    } else if (err->code != ERROR_NOT_FOUND) {
        return false;
    }
    int stale;
    if (link_index(farm->route, name, &stale, err)) {
        if (!retire(farm, stale, err)) return false;
    } else if (err->code != ERROR_NOT_FOUND) {
        return false;
    }
    if (!connect_new(farm, member, path, &ns_fd, err)) {
        struct error ignored; /* the first failure is the one to tell */
        (void)!ns_unpin(path, &ignored);
        return error_wrap(err, "cannot make the port of %s", instance);
    }
    return true;
}

bool farm_port_remove(const struct net_host *host, struct farm_net *farm, const char *instance,
                      struct error *err)
{
    CLEANUP_MEM char *path = farm_ns_path(host, farm->name, instance);
    CLEANUP_FD int ns_fd = -1;
    struct port_end end;
    bool found = false;
    if (!ns_open(path, &ns_fd, err)) return err->code == ERROR_NOT_FOUND && ns_unpin(path, err);
    if (!find_port(farm, ns_fd, &end, &found, err)) return false;
    ns_close(&ns_fd);
    if (found) {
        /* The name tells the address, also when the instance is no member any more. */
        uint32_t address = (uint32_t)strtoul(end.name + 1, NULL, 16);
        if (!retire(farm, end.index, err) ||
            (!track_is_empty(farm->ns_fd) && !track_prune(farm->track, is_not_of, &address, err)))
            return false;
    }
    return ns_unpin(path, err);
}

static const struct farm_member *find_member(const struct farm_net *farm, const char *instance)
{
    for (size_t i = 0; i < farm->members.length; i++) {
        const struct farm_member *member = vec_at(&farm->members, i);
        if (text_equal(member->instance, instance)) return member;
    }
    return NULL;
}

static bool connect_new(struct farm_net *farm, const struct farm_member *member, const char *path,
                        int *ret_ns_fd, struct error *err)
{
    CLEANUP_FD int ns_fd = -1;
    char name[16];
    int port;
    if (!ns_create(path, &ns_fd, err) || !ns_sysctls(ns_fd, settings, LENGTH(settings), err)) return false;
    const struct link_end near = {.name = rules_port_name(name, member->address), .mtu = (uint32_t)farm->mtu};
    const struct link_end far = {.name = "eth0", .mac = member->mac, .mtu = (uint32_t)farm->mtu};
    link_add_veth(farm->route, &near, &far, ns_fd, NETLINK_FINE_NONE);
    if (!netlink_commit(farm->route, err) || !link_index(farm->route, name, &port, err) ||
        !configure(farm, member, port, ns_fd, err))
        return false;
    *ret_ns_fd = ns_fd;
    ns_fd = -1;
    return true;
}

/* All of it may have been done before. */
static bool configure(struct farm_net *farm, const struct farm_member *member, int port, int ns_fd,
                      struct error *err)
{
    link_set_master(farm->route, port, FARM_BRIDGE);
    link_set_port(farm->route, port, LINK_PORT_BROADCAST | LINK_PORT_LOCKED);
    fdb_add_port(farm->route, port, member->mac);
    link_set_up(farm->route, port);
    CLEANUP_NETLINK struct netlink *inside = NULL;
    int eth0;
    if (!netlink_commit(farm->route, err) || !netlink_open(ns_fd, NETLINK_ROUTE, &inside, err) ||
        !link_index(inside, "eth0", &eth0, err))
        return false;
    link_set_up(inside, 1); /* lo */
    link_set_up(inside, eth0);
    address_add(inside, eth0, member->address, farm->bits, NETLINK_FINE_EXISTS);
    route_add(inside, eth0, 0, 0, farm->gateway, NETLINK_FINE_EXISTS);
    return netlink_commit(inside, err);
}

/* The far end of the instance's eth0, which nobody inside can change. */
static bool find_port(struct farm_net *farm, int ns_fd, struct port_end *ret_end, bool *ret_found,
                      struct error *err)
{
    CLEANUP_NETLINK struct netlink *inside = NULL;
    if (!netlink_open(ns_fd, NETLINK_ROUTE, &inside, err)) return false;
    struct port_end end = {0};
    struct nlmsghdr *message = netlink_begin(inside, RTM_GETLINK, 0, NETLINK_FINE_NONE, "look for", "eth0");
    struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
    if (!netlink_ask(inside, take_peer, &end, err)) {
        if (err->code != ERROR_NOT_FOUND) return false;
        *ret_found = false;
        return true;
    }
    message = netlink_begin(farm->route, RTM_GETLINK, 0, NETLINK_FINE_NONE, "look for", "port");
    header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifi_index = end.index;
    bool there = end.index > 0;
    if (!there)
        netlink_drop(farm->route);
    else if (!netlink_ask(farm->route, take_name, &end, err)) {
        if (err->code != ERROR_NOT_FOUND) return false;
        there = false;
    }
    /* A retired port has another name. */
    *ret_found = there && end.name[0] == 'p';
    *ret_end = end;
    return true;
}

/* Down and renamed at once; the kernel deletes it with the instance's namespace, when it finds the time. */
static bool retire(struct farm_net *farm, int index, struct error *err)
{
    char name[16];
    snprintf(name, sizeof(name), "x%d", index);
    link_set_down(farm->route, index, NETLINK_FINE_NONE);
    link_rename(farm->route, index, name);
    return netlink_commit(farm->route, err);
}

static void take_peer(void *ctx, const struct nlmsghdr *message)
{
    struct port_end *end = ctx;
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct ifinfomsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct ifinfomsg), attr)) {
        if (mnl_attr_get_type(attr) == IFLA_LINK) end->index = (int)mnl_attr_get_u32(attr);
    }
}

static void take_name(void *ctx, const struct nlmsghdr *message)
{
    struct port_end *end = ctx;
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct ifinfomsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct ifinfomsg), attr)) {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME)
            snprintf(end->name, sizeof(end->name), "%s", mnl_attr_get_str(attr));
    }
}

static bool is_not_of(void *ctx, const struct track_entry *entry)
{
    uint32_t address = *(const uint32_t *)ctx;
    return entry->from != address && entry->to != address;
}
