/* The world of these tests: a network namespace of its own, small HTTP servers, HAProxy, clients. */
#ifndef CROFT_TESTS_SYSTEM_BALANCE_DRIVER_FARM_H
#define CROFT_TESTS_SYSTEM_BALANCE_DRIVER_FARM_H

#include "base/mem.h"
#include "model/host_document.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* False when this machine cannot: not root, no haproxy. Leaves the old network namespace for good. */
bool farm_enter(void);
/* A process that serves HTTP/1.1 with keep-alive on 127.0.0.1:port, 200 to everything. */
pid_t farm_serve(uint16_t port);
/* Writes the personality's configuration into directory (paths moved there) and starts haproxy with fds as 3…
 */
pid_t farm_haproxy(const struct personality *personality, const char *directory, const int *fds,
                   size_t fds_length);
void farm_kill(pid_t pid); /* SIGKILL and reaped; 0 is fine */

/* A process with `length` connections that asks as fast as it can until it is ended, once at least. */
struct farm_load {
    pid_t pid;
    int control_fd, result_fd;
};
struct farm_result {
    uint64_t good, failed;
};
struct farm_load farm_load_start(uint16_t port, int length);
void farm_load_round(struct farm_load load); /* until it has asked on every connection once more */
struct farm_result farm_load_end(struct farm_load load);

#endif
