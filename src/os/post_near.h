/* Which servers who is not the landlord does not reach by naming them to the controller: those that it is
 * near to and others may not be. Internal to os/. */
#ifndef CROFT_OS_POST_NEAR_H
#define CROFT_OS_POST_NEAR_H

#include "base/address.h"

#include <stddef.h>
#include <sys/socket.h>

struct near {
    const struct wide_prefix *reach; /* may be reached all the same */
    size_t reach_length;
    const struct wide_prefix *links; /* networks that this machine is on: near, whatever their addresses */
    size_t links_length;
};

/* Of an address that is really connected to. What is neither IPv4 nor IPv6 is near. An IPv4 address that is
 * wrapped in an IPv6 one counts as itself. near: its texts are not kept; lengths may be 0. */
bool near_is(const struct near *near, const struct sockaddr *address);

enum { NEAR_LINKS_MAX = 256 };
/* The networks that this machine's devices are on at this moment, and its own addresses. Returns how many;
 * SIZE_MAX: there are more than fit, or they are not known. */
size_t near_links(struct wide_prefix ret_links[NEAR_LINKS_MAX]);

#endif
