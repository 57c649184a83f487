/* Cables and switches: bridges in one network namespace, cables (veth pairs) from there into others.
 * Synchronous, through driver/net; namespaces are descriptors only, never names. */
#ifndef CROFT_CLI_UP_WIRES_H
#define CROFT_CLI_UP_WIRES_H

#include "base/error.h"

#include <stdint.h>

enum wires_net { WIRES_MGMT0, WIRES_MGMT1, WIRES_UNDERLAY, WIRES_OUTSIDE, WIRES_NETS };

/* Addresses behind the outside machine, which stand for the rest of the world (RFC 5737). */
#define WIRES_WORLD "203.0.113.0/24"

struct wires;

/* The switch: a new namespace with one bridge for each network. Lives until wires_free(). */
MUST_CHECK bool wires_new(struct wires **ret_wires, struct error *err);
void wires_free(struct wires *wires); /* NULL is fine */
/* The machine's own network namespace; stays the wires'. */
int wires_machine_fd(const struct wires *wires);

/* A new namespace for a process that is started into it later. The caller closes the descriptor. */
MUST_CHECK bool wires_add_namespace(struct wires *wires, int *ret_net_fd, struct error *err);

/* One end of cables: a computer. Address 10.9x.A.B, interfaces eth0 (mgmt0), eth1 (mgmt1), eth2 (underlay),
 * eth3 (outside), and by that one the way to everything else. */
struct wires_end {
    unsigned low16; /* the last two bytes of its addresses, 1 to 65535 */
    unsigned nets;  /* so many of the networks, from WIRES_MGMT0 on */
};
/* Plugs the computer in, loopback up included. *ret_cables, set also on failure: what wires_unplug() wants.
 */
MUST_CHECK bool wires_plug(struct wires *wires, int net_fd, const struct wires_end *end, int *ret_cables,
                           struct error *err);
/* Nothing comes in or goes out of a computer with as many networks any more, for good. Cables that the kernel
 * took away already are fine. */
MUST_CHECK bool wires_unplug(struct wires *wires, int cables, unsigned nets, struct error *err);
/* The namespace of a machine on the outside network only: 10.93.0.1, and everybody's way to WIRES_WORLD,
 * which it says that it is. Stays the wires'. */
int wires_outside_fd(const struct wires *wires);
/* "10.90.1.3"; `out` holds at least 32 bytes. Returns out. */
char *wires_address(char *out, enum wires_net net, unsigned low16);

#endif
