/* The farms' networks on one host: a namespace per farm with a bridge, its way to the other hosts (VXLAN), a
 * port per instance, filters, addresses and names. isolation.md and src/driver/net/README.md say why so.
 *
 * Calls do not wait for anything but the kernel, except where they have a done. */
#ifndef CROFT_DRIVER_NET_H
#define CROFT_DRIVER_NET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/host_document.h"

struct net_counter {
    char *farm;     /* caller's to mem_free() */
    char *instance; /* short name of the port, or "" for the farm's */
    char *reason;   /* "spoof", "boundary", "policy", "dhcp", "rate", … */
    char *by; /* of "filter": the full name of the one that denied, or "": one of many, or of those gone */
    int64_t packets;
};
enum { NET_FILTERS_TOLD_MAX = 8 };
/* Frees the items (struct net_counter) and the vector. Here, for callers that link no net driver. */
static inline void net_counters_free(struct vec *counters)
{
    for (size_t i = 0; i < counters->length; i++) {
        const struct net_counter *counter = (const struct net_counter *)vec_at(counters, i);
        mem_free(counter->farm);
        mem_free(counter->instance);
        mem_free(counter->reason);
        mem_free(counter->by);
    }
    vec_free(counters);
}

/* A published socket of this host. To its farm it is the balancer's port, and callers are the internet. */
struct net_door {
    const char *publish;          /* "ADDR:PORT"; 0.0.0.0: all addresses */
    const char *balancer;         /* full name of the instance */
    uint32_t address;             /* of it in the farm */
    uint16_t port;                /* of its frontend there */
    const struct host_farm *farm; /* whose filters judge who comes; NULL: those that do so now go on */
};

struct net_driver {
    void *self;
    void (*destroy)(void *self); /* leaves networks as they are */

    /* Who may send VXLAN to this host: the underlay addresses of all hosts. Until the first call nothing is
     * filtered; after it, anybody else's is dropped. */
    bool (*underlay_set)(void *self, const uint32_t *peers, size_t length, struct error *err);

    /* Makes the host's part of the farm's network what `farm` says: creates it or changes the difference.
     * Filters change atomically; new members are known before and gone members forgotten with the same
     * change. On failure the farm is as before (or not there). A farm whose VNI, subnet or gateway differ is
     * another one of the same name: the old one is removed with its ports. */
    bool (*farm_set)(void *self, const struct host_farm *farm, struct error *err);
    /* Looks after what a farm needs besides the kernel: a name server that has ended is started again. `farm`
     * is as last set. Cheap, to be called every few seconds; nothing to do when the farm is not there. */
    bool (*farm_tend)(void *self, const struct host_farm *farm, struct error *err);
    /* Whole removal, with all ports, connection tracking, names. No error when it is not there. Does not
     * wait for the kernel to have finished tidying up. */
    bool (*farm_remove)(void *self, const char *farm, struct error *err);
    /* Names of the farms that are there (char *, the caller's to mem_free()): after an agent's restart. */
    bool (*farm_list)(void *self, struct vec *ret_names, struct error *err);

    /* All published sockets that are here or about to be: the filters that govern the balancers' ports judge
     * who comes to them, by the real source of each packet. In force when it returns, at one instant; what
     * judged at doors that are not in the list ends. On failure all is as before. Cheap when nothing changed.
     */
    bool (*doors_set)(void *self, const struct net_door *doors, size_t length, struct error *err);

    /* A namespace for the instance with lo and eth0 up: its address and MAC, the gateway as default route. It
     * can send nothing but what its identity and the farm's filters allow from the first packet on. The farm
     * is there, the instance is one of its members. ret_ns_path: path_size bytes. Idempotent. */
    bool (*port_add)(void *self, const char *farm, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err);
    /* Takes the namespace's name away, with the instance's connection tracking entries; the port goes with
     * the namespace, when nothing is in it and the kernel finds the time. No error when it is not there. */
    bool (*port_remove)(void *self, const char *farm, const char *instance, struct error *err);

    /* Descriptor of the farm's namespace, for probes from the gateway's address; the caller closes it. */
    bool (*farm_ns)(void *self, const char *farm, int *ret_fd, struct error *err);
    /* Packets that were denied, by port, reason and filter (of each port NET_FILTERS_TOLD_MAX by name, the
     * rest together): items are struct net_counter. */
    bool (*counters)(void *self, struct vec *ret_counters, struct error *err);
};

#endif
