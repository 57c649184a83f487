/* The text of haproxy.cfg. Pure. */
#ifndef CROFT_DRIVER_BALANCE_CONFIG_H
#define CROFT_DRIVER_BALANCE_CONFIG_H

#include "base/buf.h"
#include "model/host_document.h"

#define BALANCE_CONFIG_PATH "/etc/haproxy/haproxy.cfg"
#define BALANCE_PROGRAM "/usr/sbin/haproxy"
#define BALANCE_SOCKET_NAME "admin.sock"

enum { BALANCE_SERVER_SIZE = 192 };

/* With the servers as they are now, but for those that drain: whoever shares its sockets with another
 * balancer gets requests as soon as it runs. What changes later goes over the admin socket. */
void balance_config_write(const struct personality *personality, struct buf *ret_text);
/* What stands behind a server's name, here and in "add server". */
void balance_server_words(const struct balance_frontend *frontend, const struct balance_server *server,
                          char ret_words[BALANCE_SERVER_SIZE]);

#endif
