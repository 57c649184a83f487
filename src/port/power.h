/* Power of hosts: how a host is made sure to run nothing. Twins: os/power (asks `croft up`, which plays the
 * part of the computers' management controllers), later IPMI, Redfish and the simulation. */
#ifndef CROFT_PORT_POWER_H
#define CROFT_PORT_POWER_H

#include "base/error.h"

enum power_order { POWER_ON, POWER_OFF, POWER_CYCLE };

struct power_port {
    void *self;
    /* done is called once, from the loop. After POWER_OFF with err NULL the host provably runs nothing, after
     * POWER_CYCLE nothing of what it ran before the order. Nobody gives a second order for a host before
     * that. ERROR_NOT_FOUND: there is no way to switch this host. */
    void (*order)(void *self, const char *host, enum power_order order,
                  void (*done)(void *ctx, const struct error *err), void *ctx);
};

#endif
