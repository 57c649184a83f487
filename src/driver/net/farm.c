#include "driver/net/farm.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/farm_read.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"
#include "driver/net/outside.h"
#include "driver/net/track.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct farm_net *new_farm(const struct net_host *host, const char *name, int ns_fd);
static bool open_tools(struct farm_net *farm, struct error *err);
static bool build(const struct net_host *host, struct farm_net *farm, const struct host_farm *wanted,
                  struct error *err);
static void free_vni(const struct farm_net *farm);
static bool add_vxlan(const struct net_host *host, const struct farm_net *farm, struct error *err);
static bool apply(const struct net_host *host, struct farm_net *farm, const struct host_farm *wanted,
                  struct rules *rules, struct error *err);
static bool swap_filters(struct farm_net *farm, const struct rules *rules, struct error *err);
static void begin_new_members(const struct net_host *host, struct farm_net *farm, const struct vec *from,
                              const struct vec *to);
static void begin_gone_members(const struct net_host *host, struct farm_net *farm, const struct vec *from,
                               const struct vec *to);
static void begin_forget(const struct net_host *host, struct farm_net *farm,
                         const struct farm_member *member);
static const struct farm_member *same_address(const struct vec *members, size_t *cursor, uint32_t address);
static bool same_member(const struct farm_member *a, const struct farm_member *b);
static struct vec copy_members(const struct host_farm *wanted);
static void free_members(struct vec *members);
static int compare_members(const void *a, const void *b);
static bool still_passes(void *ctx, const struct track_entry *entry);
static bool drop_instances(const struct net_host *host, const char *name, struct error *err);
static char *names_path(const struct net_host *host, const char *name);

enum { VNI_PATIENCE_MS = 1000, VNI_STEP_MS = 2 };

static const struct ns_setting settings[] = {
    {"net/ipv6/conf/all/disable_ipv6", "1"},
    {"net/ipv6/conf/default/disable_ipv6", "1"},
    {"net/ipv4/ip_forward", "0"},
    {"net/ipv4/conf/all/arp_ignore", "1"},
    {"net/ipv4/conf/default/arp_ignore", "1"},
    {"net/bridge/bridge-nf-call-iptables", "1"},
    {"net/bridge/bridge-nf-call-ip6tables", "1"},
    {"net/bridge/bridge-nf-filter-vlan-tagged", "1"},
};

bool farm_create(const struct net_host *host, const struct host_farm *wanted, struct farm_net **ret_farm,
                 struct error *err)
{
    CLEANUP_MEM char *path = farm_ns_path(host, wanted->name, NULL);
    int ns_fd = -1;
    if (!ns_create(path, &ns_fd, err)) return false;
    struct farm_net *farm = new_farm(host, wanted->name, ns_fd);
    farm->gateway = wanted->gateway;
    farm->bits = wanted->subnet.bits;
    farm->vni = wanted->vni;
    farm->mtu = wanted->mtu;
    if (!build(host, farm, wanted, err)) {
        struct error ignored; /* the first failure is the one to tell */
        nft_forget(host->nft, ns_fd);
        farm_free(farm);
        (void)!ns_unpin(path, &ignored);
        return error_wrap(err, "cannot make the network of %s", wanted->name);
    }
    *ret_farm = farm;
    return true;
}

bool farm_open(const struct net_host *host, const char *name, struct farm_net **ret_farm, struct error *err)
{
    CLEANUP_MEM char *path = farm_ns_path(host, name, NULL);
    int ns_fd = -1;
    if (!ns_open(path, &ns_fd, err)) return false;
    struct farm_net *farm = new_farm(host, name, ns_fd);
    if (!open_tools(farm, err) || !farm_read(host, farm, err)) {
        farm_free(farm);
        return error_wrap(err, "cannot take over the network of %s", name);
    }
    vec_sort(&farm->members, compare_members);
    *ret_farm = farm;
    return true;
}

void farm_free(struct farm_net *farm)
{
    if (farm == NULL) return;
    names_free(farm->names);
    netlink_close(farm->track);
    netlink_close(farm->route);
    rules_free(farm->rules);
    free_members(&farm->members);
    net_counters_free(&farm->counters);
    ns_close(&farm->ns_fd);
    mem_free(farm->name);
    mem_free(farm);
}

bool farm_drop(const struct net_host *host, const char *name, struct farm_net *farm, struct error *err)
{
    CLEANUP_MEM char *path = farm_ns_path(host, name, NULL);
    CLEANUP_MEM char *directory = names_path(host, name);
    struct names *names = NULL;
    int ns_fd = -1;
    struct error ignored;
    if (farm != NULL) {
        names = farm->names;
        farm->names = NULL;
    } else if (host->resolver && ns_open(path, &ns_fd, &ignored)) { /* not there: no server either */
        names = names_new(host->process, directory, ns_fd);
        ns_close(&ns_fd);
    }
    bool good = farm == NULL || uplink_forget(host, farm, err);
    if (names != NULL) names_end(names);
    if (farm != NULL) free_vni(farm);
    if (farm != NULL) nft_forget(farm->nft, farm->ns_fd);
    farm_free(farm);
    return good && drop_instances(host, name, err) && ns_unpin(path, err);
}

/* The farm's VNI has to be free for when it comes back, and the kernel takes up to a second to do away with a
 * namespace and what is in it. To delete the one device takes it some ten milliseconds, which nobody here has
 * to wait for: a child does. When that fails, the namespace's own end frees the VNI all the same. */
static void free_vni(const struct farm_net *farm)
{
    struct netlink *route = NULL;
    struct error err;

    if (fork() != 0) return;
    if (!netlink_open(farm->ns_fd, NETLINK_ROUTE, &route, &err)) _exit(1);
    link_delete(route, FARM_VXLAN, NETLINK_FINE_MISSING);
    _exit(netlink_commit(route, &err) ? 0 : 1);
}

bool farm_fits(const struct farm_net *farm, const struct host_farm *wanted)
{
    return farm->vni == wanted->vni && farm->gateway == wanted->gateway && farm->bits == wanted->subnet.bits;
}

bool farm_converge(const struct net_host *host, struct farm_net *farm, const struct host_farm *wanted,
                   struct rules *rules, struct error *err)
{
    ASSERT(farm_fits(farm, wanted));
    if (rules_leave(rules) && !uplink_add(host, farm, err)) {
        rules_free(rules);
        return false;
    }
    if (farm->mtu != wanted->mtu) {
        link_set_mtu(farm->route, FARM_VXLAN, (uint32_t)wanted->mtu);
        link_set_mtu(farm->route, FARM_BRIDGE, (uint32_t)wanted->mtu);
        if (farm->uplink >= 0) link_set_mtu(farm->route, FARM_UPLINK, (uint32_t)wanted->mtu);
    }
    bool shrinks = farm->rules == NULL || rules_shrink(farm->rules, rules);
    if (!apply(host, farm, wanted, rules, err)) {
        rules_free(rules);
        return error_wrap(err, "cannot change the network of %s", farm->name);
    }
    farm->mtu = wanted->mtu;
    farm->denials = -1; /* members have come and gone */
    rules_free(farm->rules);
    farm->rules = rules;
    if (shrinks && !track_is_empty(farm->ns_fd) && !track_prune(farm->track, still_passes, rules, err)) {
        /* Next time again. */
        rules_free(farm->rules);
        farm->rules = NULL;
        return false;
    }
    return farm->names == NULL || names_set(farm->names, wanted, err);
}

bool farm_rules(const struct net_host *host, const struct host_farm *wanted, const struct rules *before,
                struct rules **ret_rules, struct error *err)
{
    return rules_compile(wanted, host->underlay_address, host->has_outside ? &host->outside : NULL, before,
                         ret_rules, err);
}

char *farm_ns_path(const struct net_host *host, const char *farm, const char *instance)
{
    char *path = instance == NULL ? mem_printf("%s/farm/%s", host->run_directory, farm)
                                  : mem_printf("%s/instance/%s.%s", host->run_directory, farm, instance);
    /* Names have no dots, so a dot can stand for the slash of "acme/shop". */
    if (strchr(farm, '/') != NULL) *strrchr(path, '/') = '.';
    return path;
}

static struct farm_net *new_farm(const struct net_host *host, const char *name, int ns_fd)
{
    struct farm_net *farm = mem_alloc(sizeof(*farm));
    farm->name = mem_strdup(name);
    farm->ns_fd = ns_fd;
    farm->nft = host->nft;
    farm->uplink = -1;
    farm->denials = -1;
    farm->counters = VEC_OF(struct net_counter);
    farm->members = VEC_OF(struct farm_member);
    if (host->resolver) {
        CLEANUP_MEM char *directory = names_path(host, name);
        farm->names = names_new(host->process, directory, ns_fd);
    }
    return farm;
}

static bool open_tools(struct farm_net *farm, struct error *err)
{
    return netlink_open(farm->ns_fd, NETLINK_ROUTE, &farm->route, err) &&
           netlink_open(farm->ns_fd, NETLINK_NETFILTER, &farm->track, err);
}

/* Filters stand before anything is up; the gateway's address comes last and says that all is there. */
static bool build(const struct net_host *host, struct farm_net *farm, const struct host_farm *wanted,
                  struct error *err)
{
    struct rules *rules = NULL;
    if (!ns_sysctls(farm->ns_fd, settings, LENGTH(settings), err) || !open_tools(farm, err) ||
        !farm_rules(host, wanted, NULL, &rules, err))
        return false;
    if (!swap_filters(farm, rules, err)) {
        rules_free(rules);
        return false;
    }
    farm->rules = rules;
    if (!ns_sysctl(farm->ns_fd, "net/netfilter/nf_conntrack_tcp_loose", "0", err) ||
        !add_vxlan(host, farm, err))
        return false;
    const struct link_end bridge = {.name = "br0",
                                    .index = FARM_BRIDGE,
                                    .mac = rules_gateway_mac(farm->gateway),
                                    .mtu = (uint32_t)farm->mtu};
    struct netlink *route = farm->route;
    link_set_up(route, 1); /* lo */
    link_add_bridge(route, &bridge, NETLINK_FINE_NONE);
    link_set_master(route, FARM_VXLAN, FARM_BRIDGE);
    link_set_port(route, FARM_VXLAN, LINK_PORT_NEIGH_SUPPRESS);
    link_set_up(route, FARM_VXLAN);
    link_set_up(route, FARM_BRIDGE);
    address_add(route, FARM_BRIDGE, farm->gateway, farm->bits, NETLINK_FINE_NONE);
    return netlink_commit(route, err);
}

/* Made over the host's namespace, born in the farm's: so the host's addresses cannot be reached from it. */
static bool add_vxlan(const struct net_host *host, const struct farm_net *farm, struct error *err)
{
    const struct link_end end = {.name = "vx0", .index = FARM_VXLAN, .mtu = (uint32_t)farm->mtu};
    for (int waited_ms = 0;; waited_ms += VNI_STEP_MS) {
        link_add_vxlan(host->route, &end, farm->ns_fd, (uint32_t)farm->vni, host->underlay_address,
                       host->underlay_index, NETLINK_FINE_NONE);
        if (netlink_commit(host->route, err)) return true;
        /* A farm that was removed just now and comes back: the kernel has not yet done away with the device.
         */
        if (err->code != ERROR_CONFLICT || waited_ms >= VNI_PATIENCE_MS) return false;
        const struct timespec step = {.tv_nsec = VNI_STEP_MS * 1000000};
        nanosleep(&step, NULL);
    }
}

/* Ways to new members, then the filters, then the ways to gone members away: what the filters let pass
 * always finds its way, and when something fails all can be put back. */
static bool apply(const struct net_host *host, struct farm_net *farm, const struct host_farm *wanted,
                  struct rules *rules, struct error *err)
{
    struct vec members = copy_members(wanted);
    begin_new_members(host, farm, &farm->members, &members);
    if (!netlink_commit(farm->route, err) || !swap_filters(farm, rules, err)) {
        struct error ignored; /* the first failure is the one to tell */
        begin_new_members(host, farm, &members, &farm->members);
        begin_gone_members(host, farm, &members, &farm->members);
        (void)!netlink_commit(farm->route, &ignored);
        free_members(&members);
        return false;
    }
    begin_gone_members(host, farm, &farm->members, &members);
    free_members(&farm->members);
    farm->members = members;
    return netlink_commit(farm->route, err);
}

static bool swap_filters(struct farm_net *farm, const struct rules *rules, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct vec left = VEC_OF(char *);
    bool good = farm->rules != NULL || farm_read_chains(farm, &left, err);
    if (good && farm->rules == NULL)
        rules_whole(rules, &left, &text);
    else if (good)
        rules_change(farm->rules, rules, &text);
    for (size_t i = 0; i < left.length; i++)
        mem_free(*(char **)vec_at(&left, i));
    vec_free(&left);
    return good && (text.size == 0 || nft_run(farm->nft, farm->ns_fd, buf_text(&text), err));
}

/* Members of `to` that are not, or otherwise, in `from`. */
static void begin_new_members(const struct net_host *host, struct farm_net *farm, const struct vec *from,
                              const struct vec *to)
{
    size_t cursor = 0;
    for (size_t i = 0; i < to->length; i++) {
        const struct farm_member *member = vec_at(to, i);
        const struct farm_member *old = same_address(from, &cursor, member->address);
        if (old != NULL && same_member(old, member)) continue;
        if (old != NULL) begin_forget(host, farm, old);
        neighbour_add(farm->route, FARM_BRIDGE, member->address, member->mac);
        if (member->underlay == host->underlay_address) continue; /* its port's entry comes with the port */
        fdb_add_port(farm->route, FARM_VXLAN, member->mac);
        fdb_add_remote(farm->route, FARM_VXLAN, member->mac, member->underlay);
    }
}

/* Members of `from` whose address nobody has in `to`. */
static void begin_gone_members(const struct net_host *host, struct farm_net *farm, const struct vec *from,
                               const struct vec *to)
{
    size_t cursor = 0;
    for (size_t i = 0; i < from->length; i++) {
        const struct farm_member *member = vec_at(from, i);
        if (same_address(to, &cursor, member->address) == NULL) begin_forget(host, farm, member);
    }
}

static void begin_forget(const struct net_host *host, struct farm_net *farm, const struct farm_member *member)
{
    neighbour_remove(farm->route, FARM_BRIDGE, member->address);
    if (member->underlay == host->underlay_address) return;
    fdb_remove_remote(farm->route, FARM_VXLAN, member->mac);
    fdb_remove_port(farm->route, FARM_VXLAN, member->mac);
}

/* Both walks go up by address, so the cursor never goes back. */
static const struct farm_member *same_address(const struct vec *members, size_t *cursor, uint32_t address)
{
    for (; *cursor < members->length; (*cursor)++) {
        const struct farm_member *member = vec_at(members, *cursor);
        if (member->address == address) return member;
        if (member->address > address) break;
    }
    return NULL;
}

static bool same_member(const struct farm_member *a, const struct farm_member *b)
{
    return a->mac == b->mac && a->underlay == b->underlay;
}

static struct vec copy_members(const struct host_farm *wanted)
{
    struct vec members = VEC_OF(struct farm_member);
    for (size_t i = 0; i < wanted->members_length; i++) {
        const struct member *member = &wanted->members[i];
        *(struct farm_member *)vec_push(&members) =
            (struct farm_member){.instance = mem_strdup(member->instance),
                                 .address = member->address,
                                 .mac = member->mac,
                                 .underlay = member->underlay};
    }
    vec_sort(&members, compare_members);
    return members;
}

static void free_members(struct vec *members)
{
    for (size_t i = 0; i < members->length; i++)
        mem_free(((struct farm_member *)vec_at(members, i))->instance);
    vec_free(members);
}

static int compare_members(const void *a, const void *b)
{
    uint32_t x = ((const struct farm_member *)a)->address, y = ((const struct farm_member *)b)->address;
    return (x > y) - (x < y);
}

static bool still_passes(void *ctx, const struct track_entry *entry)
{
    /* A client that has no address yet talks to the host's DHCP server. */
    if (entry->from == 0) return true;
    const struct rules_flow flow = {entry->from, entry->to, entry->protocol, entry->from_port, entry->port};
    return rules_pass(ctx, &flow);
}

static bool drop_instances(const struct net_host *host, const char *name, struct error *err)
{
    CLEANUP_MEM char *own = farm_ns_path(host, name, "");
    char *prefix = strrchr(own, '/');
    ASSERT(prefix != NULL);
    *prefix++ = '\0';
    DIR *directory = opendir(own);
    if (directory == NULL) return error_errno(err, errno, "cannot read %s", own);
    bool good = true;
    for (const struct dirent *entry = readdir(directory); entry != NULL && good; entry = readdir(directory)) {
        if (!text_starts(entry->d_name, prefix)) continue;
        CLEANUP_MEM char *path = mem_printf("%s/%s", own, entry->d_name);
        good = ns_unpin(path, err);
    }
    closedir(directory);
    return good;
}

static char *names_path(const struct net_host *host, const char *name)
{
    CLEANUP_MEM char *path = farm_ns_path(host, name, NULL);
    return mem_printf("%s/names/%s", host->run_directory, strrchr(path, '/') + 1);
}
