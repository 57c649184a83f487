/* Network namespaces as files: made, pinned to a path, entered and left again. One thread: whoever enters
 * leaves before anything else runs. */
#ifndef CROFT_DRIVER_NET_NS_H
#define CROFT_DRIVER_NET_NS_H

#include "base/error.h"

#include <stdbool.h>

void ns_close(int *fd); /* for CLEANUP: closes when >= 0, and sets -1 */
#define CLEANUP_FD CLEANUP(ns_close)

/* The namespace this process is in. */
MUST_CHECK bool ns_current(int *ret_fd, struct error *err);
/* Makes a namespace and pins it to `path` (its directory is there; a left-over plain file is taken over). */
MUST_CHECK bool ns_create(const char *path, int *ret_fd, struct error *err);
/* ERROR_NOT_FOUND when nothing is pinned there: no file, or a plain one. */
MUST_CHECK bool ns_open(const char *path, int *ret_fd, struct error *err);
/* Takes the name away; the kernel tidies up by itself when nobody else is inside. No error when not there. */
MUST_CHECK bool ns_unpin(const char *path, struct error *err);

/* Enters; *ret_back is to be given to ns_leave(), which does not return elsewhere than where one came from.
 */
MUST_CHECK bool ns_enter(int fd, int *ret_back, struct error *err);
void ns_leave(int back);

/* Writes a value below /proc/sys of the namespace: "net/ipv4/ip_forward", "0". */
MUST_CHECK bool ns_sysctl(int fd, const char *name, const char *value, struct error *err);

struct ns_setting {
    const char *name, *value;
};
MUST_CHECK bool ns_sysctls(int fd, const struct ns_setting *settings, size_t length, struct error *err);

#endif
