/* The text of haproxy.cfg. Pure. */
#ifndef CROFT_DRIVER_BALANCE_CONFIG_H
#define CROFT_DRIVER_BALANCE_CONFIG_H

#include "base/buf.h"
#include "model/host_document.h"

#define BALANCE_CONFIG_PATH "/etc/haproxy/haproxy.cfg"
#define BALANCE_PROGRAM "/usr/sbin/haproxy"
#define BALANCE_SOCKET_NAME "admin.sock"

/* Depends on the balancer's address and its frontends' names, modes, ports, health paths and on which are
 * published: never on servers. */
void balance_config_write(const struct personality *personality, struct buf *ret_text);

#endif
