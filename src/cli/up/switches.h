/* The two sockets of the supervisor in STATE/run.
 *
 * power.sock: what a computer's management controller is elsewhere. A line in, a line out: `off h3`, `on h3`,
 * `cycle h3`, `status h3` -> `ok …` or `error …`. `ok off` means that no process of the host is left.
 * whoami.sock: who connects gets one line `PID AGENT_PID`: its host's first process and itself, as the
 * machine numbers them. */
#ifndef CROFT_CLI_UP_SWITCHES_H
#define CROFT_CLI_UP_SWITCHES_H

#include "cli/up/host.h"

struct switches;

/* hosts[0] is h1. Everything has to outlive the switches. */
MUST_CHECK bool switches_new(const struct host_context *context, struct host *const *hosts,
                             size_t hosts_length, struct switches **ret_switches, struct error *err);
void switches_free(struct switches *switches); /* NULL is fine */
/* The power of some host changed: answers who waits for that. */
void switches_host_changed(struct switches *switches); /* NULL is fine */

#endif
