/* Sockets that live in another network namespace than their maker. */
#ifndef CROFT_DRIVER_SOCKET_NS_H
#define CROFT_DRIVER_SOCKET_NS_H

#include "base/error.h"

#include <stdint.h>

/* A TCP/IPv4 socket, close-on-exec and non-blocking, made inside the network namespace net_ns_fd (-1: this
 * thread's own). Where a socket lives is settled at its birth: the thread is back at home when this returns,
 * and bind() and connect() act in the other namespace all the same. The caller closes it. */
MUST_CHECK bool socket_ns_tcp(int net_ns_fd, int *ret_fd, struct error *err);

struct sockaddr_in;
/* Fills *ret_name from an address and a port in host byte order. */
void socket_ns_name(uint32_t address, uint16_t port, struct sockaddr_in *ret_name);

#endif
