/* Netlink in batches: messages are gathered, sent in few system calls, and each one's answer is looked at.
 * A socket belongs to the namespace it was opened for. link.h has the messages themselves. */
#ifndef CROFT_DRIVER_NET_NETLINK_H
#define CROFT_DRIVER_NET_NETLINK_H

#include "base/error.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink;

/* Answers that count as done. */
enum netlink_fine {
    NETLINK_FINE_NONE = 0,
    NETLINK_FINE_EXISTS = 1,  /* EEXIST */
    NETLINK_FINE_MISSING = 2, /* ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL */
};

/* bus is NETLINK_ROUTE or NETLINK_NETFILTER; ns_fd -1: where this process is. */
MUST_CHECK bool netlink_open(int ns_fd, int bus, struct netlink **ret_netlink, struct error *err);
void netlink_close(struct netlink *netlink); /* NULL is fine */
void netlink_closep(struct netlink **netlink);
#define CLEANUP_NETLINK CLEANUP(netlink_closep)

/* Starts a message; what and object ("set link", "br0") name it in errors. Attributes of at most 2 KiB are
 * added with libmnl until the next begin or commit. */
struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags, enum netlink_fine fine,
                               const char *what, const char *object);
/* Sends all that was begun. All messages are tried, in order; the error tells of the first that failed, with
 * the kernel's own words. Nothing is begun any more after. */
MUST_CHECK bool netlink_commit(struct netlink *netlink, struct error *err);
/* Drops what was begun. */
void netlink_drop(struct netlink *netlink);

/* Walks: the attribute behind `last` (NULL: the first), or NULL. Of a message behind its fixed header of that
 * size, and inside an attribute. */
const struct nlattr *netlink_attr(const struct nlmsghdr *message, size_t header_size,
                                  const struct nlattr *last);
const struct nlattr *netlink_nested(const struct nlattr *outer, const struct nlattr *last);

/* Calls each() with every message of the answer to a dump request with this fixed header. */
MUST_CHECK bool netlink_dump(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
                             void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx,
                             struct error *err);
/* One request without dump; each() gets the one message of the answer. */
MUST_CHECK bool netlink_ask(struct netlink *netlink, void (*each)(void *ctx, const struct nlmsghdr *message),
                            void *ctx, struct error *err);

#endif
