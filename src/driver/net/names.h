/* A farm's names and addresses told to its instances: one dnsmasq in the farm's namespace, on the gateway's
 * address only, that knows nothing but the farm. It outlives the agent and ends with the farm. */
#ifndef CROFT_DRIVER_NET_NAMES_H
#define CROFT_DRIVER_NET_NAMES_H

#include "model/host_document.h"
#include "port/process.h"

struct names;

/* directory: the farm's own, made when missing. ns_fd stays the caller's. */
struct names *names_new(const struct process_port *process, const char *directory, int ns_fd);
/* Leaves the server running. */
void names_free(struct names *names); /* NULL is fine */

/* Tells the server (starts it when it is not there) what the members are. Does not wait for it. */
MUST_CHECK bool names_set(struct names *names, const struct host_farm *farm, struct error *err);
/* Ends the server and removes the directory; frees names. When the server is just being started, that goes
 * on behind the scenes, and the farm's namespace lives on for that long. */
void names_end(struct names *names);

#endif
