/* What the supervisor and the first process of a host agree on.
 *
 * argv: host-init NAME PROGRAM croft agent …   The channel is a socket of messages: one byte comes when the
 * cables are plugged in and the agent may start; the answer is "ok", or the error. */
#ifndef CROFT_CLI_UP_HOST_INIT_H
#define CROFT_CLI_UP_HOST_INIT_H

#define HOST_INIT_NET_FD 3 /* the machine's network namespace; the agent gets it under the same number */
#define HOST_INIT_CHANNEL_FD 4
#define HOST_INIT_RUN "/run/croft" /* a host's own tmpfs; short, because paths of sockets are */

#endif
