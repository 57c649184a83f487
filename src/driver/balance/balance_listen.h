/* The listening sockets of published addresses. */
#ifndef CROFT_DRIVER_BALANCE_LISTEN_H
#define CROFT_DRIVER_BALANCE_LISTEN_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* As balance_driver.listen; the socket is made in publish_ns_fd (-1: here). */
MUST_CHECK bool balance_listen(int publish_ns_fd, const char *publish, int *ret_fd, struct error *err);
/* As balance_driver.take. */
MUST_CHECK bool balance_take(int64_t pid, size_t rank, const char *publish, int *ret_fd, struct error *err);

#endif
