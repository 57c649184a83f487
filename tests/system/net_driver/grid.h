/* A small grid inside one process: an underlay bridge, hosts as namespaces, a driver for each. All of it is
 * in namespaces of this process (network, mounts, pids) and ends with it, however it ends. */
#ifndef CROFT_TESTS_NET_DRIVER_GRID_H
#define CROFT_TESTS_NET_DRIVER_GRID_H

#include "driver/net/net.h"

enum { GRID_HOSTS = 2, GRID_PATH_SIZE = 512 };

/* Addresses of the tests' farms. */
#define GATEWAY 0x0a000001U
#define WEB_1 0x0a000002U
#define WEB_2 0x0a000003U
#define DB_1 0x0a000004U
#define CACHE_1 0x0a000005U

/* The outside: a network that hosts are on, and an address somewhere behind it. */
#define OUTSIDE_SERVER 0xc6336463U /* 198.51.100.99: also the way to everything else */
#define OUTSIDE_FAR 0xcb007105U    /* 203.0.113.5 */
#define OUTSIDE_HOST(host) (0xc6336401U + (uint32_t)(host))
#define OUTSIDE_PRIVATE 0xc6336480U /* 198.51.100.128/25 is the grid's: not to be reached */
#define MANAGEMENT_HOST(host) (0xac100001U + (uint32_t)(host)) /* 172.16.0.1 */

struct grid_host {
    char ns[GRID_PATH_SIZE];
    char run[128];
    uint32_t underlay;
    struct net_driver driver;
    bool open;
};

struct grid {
    char directory[64];
    struct process_port process;
    struct grid_host hosts[GRID_HOSTS];
    char stranger[GRID_PATH_SIZE]; /* a namespace on the underlay that is no host */
    char outside[GRID_PATH_SIZE];  /* a namespace on the outside network */
    bool shut;                     /* drivers are started without a way to the outside */
};

/* Enters namespaces of its own, in a child; returns there. In the parent it does not return: it ends as the
 * child does. */
void grid_isolate(void);
void grid_make(struct grid *grid);
void grid_end(struct grid *grid);
/* The agent of a host starts (again). */
void grid_start(struct grid *grid, size_t host);
void grid_stop(struct grid *grid, size_t host);
/* Waits until all programs that were started have gone into the background. */
void grid_settle(void);

uint64_t mac_of(uint32_t address);
/* The usual farm: web-1 and db-1 on host 0, web-2 on host 1 (and cache-1 there when length is 4). */
struct host_farm usual_farm(const struct grid *grid, const char *name, int64_t vni, struct member *members,
                            size_t length, const struct farm_rule *rules, size_t rules_length);
/* Sets the farm on all hosts and makes the ports. */
void grid_set(struct grid *grid, const struct host_farm *farm);
/* Path of an instance's namespace. */
void port_path(const struct grid *grid, const struct host_farm *farm, const char *instance, char *ret_path);
int64_t denied(struct grid *grid, size_t host, const char *farm, const char *instance, const char *reason);
/* Of those by a filter, by its full name. */
int64_t denied_by(struct grid *grid, size_t host, const char *farm, const char *instance, const char *filter);
/* Waits until the counter is above `before`; false when it is not within some seconds. */
bool denied_more(struct grid *grid, size_t host, const char *farm, const char *instance, const char *reason,
                 int64_t before);

#endif
