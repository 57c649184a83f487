/* The listening sockets of published addresses. */
#ifndef CROFT_DRIVER_BALANCE_LISTEN_H
#define CROFT_DRIVER_BALANCE_LISTEN_H

#include "base/error.h"
#include "base/vec.h"
#include "model/host_document.h"

/* As balance_driver.listen; sockets are made in publish_ns_fd (-1: here). All or none. */
MUST_CHECK bool balance_listen(int publish_ns_fd, const struct personality *personality, struct vec *ret_fds,
                               struct error *err);

#endif
