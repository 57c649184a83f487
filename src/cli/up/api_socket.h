/* The listening socket of the user API: opened here, in the machine's own network, and handed to one
 * controller after the other. */
#ifndef CROFT_CLI_UP_API_SOCKET_H
#define CROFT_CLI_UP_API_SOCKET_H

#include "base/error.h"

/* listen is "ADDR:PORT" (an IPv6 address in brackets). *ret_address is the same with the port that it got;
 * the caller's to mem_free(). patient: a dying predecessor may hold the port for a moment yet. */
MUST_CHECK bool api_socket_open(const char *listen, bool patient, int *ret_fd, char **ret_address,
                                struct error *err);

#endif
