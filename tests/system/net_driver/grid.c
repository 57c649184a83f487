#include "grid.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct process {
    pid_t pid;
    void (*exited)(void *ctx, struct process_exit exit);
    void *ctx;
    struct process *next;
};

static struct process *running; /* of this test program alone */

static void must(bool good, const struct error *err);
static int64_t count(struct grid *grid, size_t host, const char *farm, const char *instance,
                     const char *reason, const char *by);
static void attach(const char *ns, const char *name, const char *device, uint32_t address);
static void make_outside(struct grid *grid);
static void plug(const char *ns, int bridge, int index, const char *device, uint32_t address, unsigned bits);
static void route_by(const char *ns, const char *device, uint32_t gateway);
/* Bridges for the outside and the management network; an outside machine that knows the way to nowhere. */
static void make_outside(struct grid *grid)
{
    struct error err;
    CLEANUP_NETLINK struct netlink *route = NULL;
    CLEANUP_FD int ns_fd = -1;
    must(netlink_open(-1, NETLINK_ROUTE, &route, &err), &err);
    const struct link_end bridges[] = {{.name = "out", .index = 54}, {.name = "mgmt", .index = 55}};
    for (size_t i = 0; i < LENGTH(bridges); i++) {
        link_add_bridge(route, &bridges[i], NETLINK_FINE_NONE);
        link_set_up(route, bridges[i].index);
    }
    must(netlink_commit(route, &err), &err);
    snprintf(grid->outside, sizeof(grid->outside), "%s/outside.ns", grid->directory);
    must(ns_create(grid->outside, &ns_fd, &err), &err);
    plug(grid->outside, 54, 60, "out0", OUTSIDE_SERVER, 24);
    plug(grid->outside, 55, 62, "mgmt0", MANAGEMENT_HOST(98), 24);
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        plug(grid->hosts[i].ns, 54, 64 + 2 * (int)i, "out0", OUTSIDE_HOST(i), 24);
        plug(grid->hosts[i].ns, 55, 70 + 2 * (int)i, "mgmt0", MANAGEMENT_HOST(i), 24);
        route_by(grid->hosts[i].ns, "out0", OUTSIDE_SERVER);
    }
    CLEANUP_NETLINK struct netlink *there = NULL;
    must(netlink_open(ns_fd, NETLINK_ROUTE, &there, &err), &err);
    link_set_up(there, 1);
    address_add(there, 1, OUTSIDE_FAR, 32, NETLINK_FINE_NONE);
    address_add(there, 1, OUTSIDE_PRIVATE + 1, 32, NETLINK_FINE_NONE);
    must(netlink_commit(there, &err), &err);
}

static void plug(const char *ns, int bridge, int index, const char *device, uint32_t address, unsigned bits)
{
    struct error err;
    char name[16];
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_NETLINK struct netlink *here = NULL;
    CLEANUP_NETLINK struct netlink *there = NULL;
    must(ns_open(ns, &ns_fd, &err), &err);
    must(netlink_open(-1, NETLINK_ROUTE, &here, &err), &err);
    must(netlink_open(ns_fd, NETLINK_ROUTE, &there, &err), &err);
    snprintf(name, sizeof(name), "cable%d", index);
    const struct link_end near = {.name = name, .index = index}, far = {.name = device, .index = index + 1};
    link_add_veth(here, &near, &far, ns_fd, NETLINK_FINE_NONE);
    link_set_master(here, index, bridge);
    link_set_up(here, index);
    must(netlink_commit(here, &err), &err);
    link_set_up(there, index + 1);
    address_add(there, index + 1, address, bits, NETLINK_FINE_NONE);
    must(netlink_commit(there, &err), &err);
}

static void route_by(const char *ns, const char *device, uint32_t gateway)
{
    struct error err;
    int index;
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_NETLINK struct netlink *there = NULL;
    must(ns_open(ns, &ns_fd, &err), &err);
    must(netlink_open(ns_fd, NETLINK_ROUTE, &there, &err), &err);
    must(link_index(there, device, &index, &err), &err);
    route_add(there, index, 0, 0, gateway, NETLINK_FINE_NONE);
    must(netlink_commit(there, &err), &err);
}

static bool spawn(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err);
static void detach(void *self, struct process *process);

void grid_isolate(void)
{
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) < 0) {
        perror("unshare");
        exit(1);
    }
    pid_t child = fork();
    if (child != 0) {
        int status = 0;
        waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    /* First process of its pid namespace: when it ends, the kernel ends all others. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child = fork(); /* the leak sanitizer does not work in a first process */
    if (child != 0) {
        int status = 0;
        waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    ASSERT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    ASSERT(mount("proc", "/proc", "proc", 0, NULL) == 0);
    ASSERT(mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755") == 0);
}

void grid_make(struct grid *grid)
{
    struct error err;
    *grid = (struct grid){.process = {.spawn = spawn, .detach = detach}, .shut = grid->shut};
    snprintf(grid->directory, sizeof(grid->directory), "/mnt/grid");
    ASSERT(mkdir(grid->directory, 0755) == 0);
    CLEANUP_NETLINK struct netlink *route = NULL;
    must(netlink_open(-1, NETLINK_ROUTE, &route, &err), &err);
    const struct link_end bridge = {.name = "under", .index = 50};
    link_set_up(route, 1);
    link_add_bridge(route, &bridge, NETLINK_FINE_NONE);
    link_set_up(route, 50);
    must(netlink_commit(route, &err), &err);
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        struct grid_host *host = &grid->hosts[i];
        host->underlay = 0xc0a80001U + (uint32_t)i;
        snprintf(host->ns, sizeof(host->ns), "%s/h%zu.ns", grid->directory, i);
        snprintf(host->run, sizeof(host->run), "%s/h%zu", grid->directory, i);
        char name[16];
        snprintf(name, sizeof(name), "h%zu", i);
        attach(host->ns, name, "under0", host->underlay);
    }
    make_outside(grid);
    for (size_t i = 0; i < GRID_HOSTS; i++)
        grid_start(grid, i);
    snprintf(grid->stranger, sizeof(grid->stranger), "%s/stranger.ns", grid->directory);
    attach(grid->stranger, "stranger", "under0", 0xc0a80063U);
}

void grid_end(struct grid *grid)
{
    struct error err;
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        struct grid_host *host = &grid->hosts[i];
        struct vec names = VEC_OF(char *);
        must(host->driver.farm_list(host->driver.self, &names, &err), &err);
        for (size_t k = 0; k < names.length; k++) {
            char *name = *(char **)vec_at(&names, k);
            must(host->driver.farm_remove(host->driver.self, name, &err), &err);
            mem_free(name);
        }
        vec_free(&names);
        grid_stop(grid, i);
        must(ns_unpin(host->ns, &err), &err);
    }
    must(ns_unpin(grid->stranger, &err), &err);
    must(ns_unpin(grid->outside, &err), &err);
    grid_settle();
    /* Deleted here, so that the next test finds its names free. */
    CLEANUP_NETLINK struct netlink *route = NULL;
    must(netlink_open(-1, NETLINK_ROUTE, &route, &err), &err);
    for (int i = 50; i < 80; i++)
        link_delete(route, i, NETLINK_FINE_MISSING);
    must(netlink_commit(route, &err), &err);
    ASSERT(umount2("/mnt", MNT_DETACH) == 0);
    ASSERT(mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755") == 0);
}

void grid_start(struct grid *grid, size_t index)
{
    struct grid_host *host = &grid->hosts[index];
    struct error err;
    const struct prefix refused = {OUTSIDE_PRIVATE, 25};
    CLEANUP_FD int ns_fd = -1;
    int back;
    must(ns_open(host->ns, &ns_fd, &err), &err);
    must(ns_enter(ns_fd, &back, &err), &err);
    const struct net_driver_options options = {.underlay_device = "under0",
                                               .underlay_address = host->underlay,
                                               .run_directory = host->run,
                                               .outside_device = grid->shut ? NULL : "out0",
                                               .outside_refused = &refused,
                                               .outside_refused_length = 1,
                                               .process = &grid->process,
                                               .doors_ns_fd = -1,
                                               .resolver = true};
    must(net_driver_new(&options, &host->driver, &err), &err);
    ns_leave(back);
    host->open = true;
    uint32_t peers[GRID_HOSTS];
    for (size_t i = 0; i < GRID_HOSTS; i++)
        peers[i] = 0xc0a80001U + (uint32_t)i;
    must(host->driver.underlay_set(host->driver.self, peers, GRID_HOSTS, &err), &err);
}

void grid_stop(struct grid *grid, size_t host)
{
    if (grid->hosts[host].open) grid->hosts[host].driver.destroy(grid->hosts[host].driver.self);
    grid->hosts[host].open = false;
}

void grid_settle(void)
{
    while (running != NULL) {
        struct process *process = running;
        running = process->next;
        int status = 0;
        while (waitpid(process->pid, &status, 0) < 0)
            ASSERT(errno == EINTR);
        ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (process->exited != NULL)
            process->exited(process->ctx, (struct process_exit){.status = WEXITSTATUS(status)});
        mem_free(process);
    }
}

uint64_t mac_of(uint32_t address)
{
    return 0x02cf00000000ULL | address;
}

struct host_farm usual_farm(const struct grid *grid, const char *name, int64_t vni, struct member *members,
                            size_t length, const struct farm_rule *rules, size_t rules_length)
{
    const struct member all[] = {
        {"web-1", "web", WEB_1, mac_of(WEB_1), grid->hosts[0].underlay, false},
        {"web-2", "web", WEB_2, mac_of(WEB_2), grid->hosts[1].underlay, false},
        {"db-1", "db", DB_1, mac_of(DB_1), grid->hosts[0].underlay, false},
        {"cache-1", "cache", CACHE_1, mac_of(CACHE_1), grid->hosts[1].underlay, false},
    };
    ASSERT(length <= LENGTH(all));
    memcpy(members, all, length * sizeof(*members));
    return (struct host_farm){.name = name,
                              .vni = vni,
                              .subnet = {0x0a000000U, 24},
                              .gateway = GATEWAY,
                              .mtu = 1450,
                              .members = members,
                              .members_length = length,
                              .rules = rules,
                              .rules_length = rules_length};
}

void grid_set(struct grid *grid, const struct host_farm *farm)
{
    struct error err;
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        struct grid_host *host = &grid->hosts[i];
        must(host->driver.farm_set(host->driver.self, farm, &err), &err);
        for (size_t k = 0; k < farm->members_length; k++) {
            char path[GRID_PATH_SIZE];
            if (farm->members[k].underlay == host->underlay)
                must(host->driver.port_add(host->driver.self, farm->name, farm->members[k].instance, path,
                                           sizeof(path), &err),
                     &err);
        }
    }
}

void port_path(const struct grid *grid, const struct host_farm *farm, const char *instance, char *ret_path)
{
    for (size_t i = 0; i < farm->members_length; i++) {
        if (!text_equal(farm->members[i].instance, instance)) continue;
        size_t host = farm->members[i].underlay - 0xc0a80001U;
        snprintf(ret_path, GRID_PATH_SIZE, "%s/h%zu/instance/%s.%s", grid->directory, host, farm->name,
                 instance);
        *strchr(ret_path + strlen(grid->directory) + strlen("/h0/instance/"), '/') = '.';
        return;
    }
    UNREACHABLE();
}

int64_t denied(struct grid *grid, size_t host, const char *farm, const char *instance, const char *reason)
{
    return count(grid, host, farm, instance, reason, NULL);
}

int64_t denied_by(struct grid *grid, size_t host, const char *farm, const char *instance, const char *filter)
{
    return count(grid, host, farm, instance, "filter", filter);
}

bool denied_more(struct grid *grid, size_t host, const char *farm, const char *instance, const char *reason,
                 int64_t before)
{
    for (int i = 0; i < 1000; i++) {
        if (denied(grid, host, farm, instance, reason) > before) return true;
        const struct timespec step = {.tv_nsec = 2000000};
        nanosleep(&step, NULL);
    }
    return false;
}

static int64_t count(struct grid *grid, size_t host, const char *farm, const char *instance,
                     const char *reason, const char *by)
{
    struct net_driver *driver = &grid->hosts[host].driver;
    struct vec counters = VEC_OF(struct net_counter);
    struct error err;
    int64_t packets = 0;
    must(driver->counters(driver->self, &counters, &err), &err);
    for (size_t i = 0; i < counters.length; i++) {
        struct net_counter *counter = vec_at(&counters, i);
        if (text_equal(counter->farm, farm) && text_equal(counter->instance, instance) &&
            text_equal(counter->reason, reason) && (by == NULL || text_equal(counter->by, by)))
            packets += counter->packets;
    }
    net_counters_free(&counters);
    return packets;
}

static void must(bool good, const struct error *err)
{
    if (good) return;
    fprintf(stderr, "# %s (%s:%d)\n", err->message, err->source_file, err->source_line);
    abort();
}

static void attach(const char *ns, const char *name, const char *device, uint32_t address)
{
    struct error err;
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_NETLINK struct netlink *here = NULL;
    CLEANUP_NETLINK struct netlink *there = NULL;
    must(ns_create(ns, &ns_fd, &err), &err);
    must(netlink_open(-1, NETLINK_ROUTE, &here, &err), &err);
    must(netlink_open(ns_fd, NETLINK_ROUTE, &there, &err), &err);
    int index = address == 0xc0a80063U ? 53 : 51 + (int)(address - 0xc0a80001U);
    const struct link_end near = {.name = name, .index = index}, far = {.name = device, .index = 60};
    link_add_veth(here, &near, &far, ns_fd, NETLINK_FINE_NONE);
    link_set_master(here, index, 50);
    link_set_up(here, index);
    must(netlink_commit(here, &err), &err);
    link_set_up(there, 1);
    link_set_up(there, 60);
    address_add(there, 60, address, 24, NETLINK_FINE_NONE);
    must(netlink_commit(there, &err), &err);
}

static bool spawn(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err)
{
    pid_t pid = fork();
    if (pid < 0) return error_errno(err, errno, "cannot fork");
    if (pid == 0) {
        if (options->net_ns_fd >= 0 && setns(options->net_ns_fd, CLONE_NEWNET) < 0) _exit(127);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; fd < 3; fd++)
            if (null < 0 || (fd != 2 && dup2(null, fd) < 0)) _exit(127);
        size_t length = 0;
        while (options->argv[length] != NULL)
            length++;
        char **argv = mem_alloc_array(length + 1, sizeof(char *));
        for (size_t i = 0; i < length; i++)
            argv[i] = mem_strdup(options->argv[i]);
        execvp(argv[0], argv);
        _exit(127);
    }
    struct process *process = mem_alloc(sizeof(*process));
    *process = (struct process){.pid = pid, .exited = exited, .ctx = ctx, .next = running};
    running = process;
    *ret_process = process;
    return true;
}

static void detach(void *self, struct process *process)
{
    process->exited = NULL;
}
