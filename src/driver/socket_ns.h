/* Sockets that live in another network namespace than their maker. */
#ifndef CROFT_DRIVER_SOCKET_NS_H
#define CROFT_DRIVER_SOCKET_NS_H

#include "base/error.h"

#include <stdint.h>

/* This thread's network namespace. The caller closes it. */
MUST_CHECK bool socket_ns_home(int *ret_fd, struct error *err);

/* A TCP/IPv4 socket, close-on-exec and non-blocking, made inside the network namespace net_ns_fd (-1: this
 * thread's own). Where a socket lives is settled at its birth: the thread is back at home when this returns,
 * and bind() and connect() act in the other namespace all the same. home_fd: of socket_ns_home(), for who
 * does this often; -1: it is looked up. The caller closes the socket. */
MUST_CHECK bool socket_ns_tcp(int net_ns_fd, int home_fd, int *ret_fd, struct error *err);

struct sockaddr_in;
/* Fills *ret_name from an address and a port in host byte order. */
void socket_ns_name(uint32_t address, uint16_t port, struct sockaddr_in *ret_name);

#endif
