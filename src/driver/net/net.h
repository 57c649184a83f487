/* The one net driver: namespaces, bridges, VXLAN, nftables, dnsmasq. README.md draws it. */
#ifndef CROFT_DRIVER_NET_NET_H
#define CROFT_DRIVER_NET_NET_H

#include "driver/net.h"
#include "port/process.h"

struct net_driver_options {
    const char *underlay_device; /* that carries the farms' networks between hosts */
    uint32_t underlay_address;   /* of this host */
    const char *outside_device;  /* by which instances reach the internet; NULL: they do not */
    const struct prefix
        *outside_refused; /* what they must not reach by it, besides this host's own networks */
    size_t outside_refused_length;
    const char *run_directory;          /* made when missing; for what lives as long as the machine runs */
    const struct process_port *process; /* starts name servers; may be NULL without resolver */
    int doors_ns_fd;         /* where published sockets are; -1: in the host's namespace. Borrowed */
    const char *doors_table; /* of the filters there, no other host's in that namespace; NULL: DOORS_TABLE */
    bool resolver;           /* a name and address server for each farm */
};

/* The host's namespace is the one this process is in now. Needs root. */
MUST_CHECK bool net_driver_new(const struct net_driver_options *options, struct net_driver *ret_driver,
                               struct error *err);

#endif
