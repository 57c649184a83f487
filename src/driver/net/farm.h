/* One farm's network on this host: its namespace, links, filters and names. For net.c only. */
#ifndef CROFT_DRIVER_NET_FARM_H
#define CROFT_DRIVER_NET_FARM_H

#include "base/vec.h"
#include "driver/net.h"
#include "driver/net/names.h"
#include "driver/net/netlink.h"
#include "driver/net/nft.h"
#include "driver/net/rules.h"
#include "model/host_document.h"

/* What all farms of a host share. */
struct net_host {
    char *run_directory;
    int ns_fd;             /* the host's own namespace */
    struct netlink *route; /* in it */
    struct netlink *track; /* connection tracking and filters there */
    int underlay_index;
    uint32_t underlay_address;
    bool has_outside;
    struct rules_outside outside; /* with has_outside */
    struct vec refused;           /* struct rules_range: what outside points to */
    struct nft *nft;
    const struct process_port *process;
    bool resolver;
};

/* A member as the kernel knows it. */
struct farm_member {
    char *instance; /* NULL when not known: read from the kernel after a restart */
    uint32_t address;
    uint64_t mac;
    uint32_t underlay;
};

struct farm_net {
    char *name;
    int ns_fd;
    struct netlink *route; /* in its namespace */
    struct netlink *track; /* connection tracking there */
    struct nft *nft;       /* the host's */
    struct names *names;   /* NULL without resolver */
    uint32_t gateway;
    unsigned bits;
    int64_t vni;
    int64_t mtu;
    int uplink;          /* number of its link to the host's namespace, or -1 */
    struct vec members;  /* struct farm_member, by address */
    struct rules *rules; /* NULL: what the kernel has is not known */
    int64_t denials;     /* all packets that were denied when `counters` was read; -1: never */
    struct vec counters; /* struct net_counter */
};

/* Links of a farm's namespace have numbers of our choice, so that nothing has to be looked up. */
enum { FARM_BRIDGE = 1000, FARM_VXLAN = 1001, FARM_UPLINK = 1002 };

/* Makes the namespace and all that the farm needs before its first member. */
MUST_CHECK bool farm_create(const struct net_host *host, const struct host_farm *wanted,
                            struct farm_net **ret_farm, struct error *err);
/* Takes over what an earlier process made. ERROR_NOT_FOUND when it is not there or was never finished. */
MUST_CHECK bool farm_open(const struct net_host *host, const char *name, struct farm_net **ret_farm,
                          struct error *err);
/* Leaves the network as it is. NULL is fine. */
void farm_free(struct farm_net *farm);
/* Removes all of the farm that is on the host, whether it could be opened or not; frees farm (may be NULL).
 */
MUST_CHECK bool farm_drop(const struct net_host *host, const char *name, struct farm_net *farm,
                          struct error *err);

/* Its filters on this host; before: those it has, or NULL. */
MUST_CHECK bool farm_rules(const struct net_host *host, const struct host_farm *wanted,
                           const struct rules *before, struct rules **ret_rules, struct error *err);
/* Is it the same network, so that it can be changed into what is wanted? */
bool farm_fits(const struct farm_net *farm, const struct host_farm *wanted);
/* With those filters, which it takes, whatever comes of it. */
MUST_CHECK bool farm_converge(const struct net_host *host, struct farm_net *farm,
                              const struct host_farm *wanted, struct rules *rules, struct error *err);

MUST_CHECK bool farm_port_add(const struct net_host *host, struct farm_net *farm, const char *instance,
                              struct error *err);
MUST_CHECK bool farm_port_remove(const struct net_host *host, struct farm_net *farm, const char *instance,
                                 struct error *err);

/* Paths below the run directory; the caller's to mem_free(). instance NULL: the farm's own. */
char *farm_ns_path(const struct net_host *host, const char *farm, const char *instance);

#endif
