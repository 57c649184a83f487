/* What parties' filters cost in the kernel, with the net driver alone on a host that ends with this process.
 *
 *   filters swap N RUNS   microseconds from a changed filter to its enforcement, while other tenants' filters
 * on the host have N rules; and the same beside N rules of another party in that farm filters cost N RUNS
 * nanoseconds of a packet from one instance to another on the host: of a connection that lasts, and of one
 * that begins with it; without filters, and with three parties' that have N rules together filters leak N
 * packets that came where neither of two filters lets them, while N times one took the place of the other;
 * and how many were sent */
#include "grid.h"
#include "packets.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/ns.h"
#include "driver/net/track.h"
#include "model/packet.h"

#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PARTIES = 3, SHARE = 4000, PACKETS = 20000, PORT_SHUT = 7000, PORT_OPEN = 7001 };

/* A farm with a filter for each party; what they point to. */
struct scene {
    struct member members[4];
    struct host_farm farm;
    struct filter filters[PARTIES + 1];
    struct filter_rule *rules;
    struct port_range *ports;
};

static const struct farm_rule all[] = {{"web", "db", PROTOCOL_ANY, 0, 65535}};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void must(bool good, const struct error *err)
{
    if (good) return;
    fprintf(stderr, "filters: %s\n", err->message);
    exit(1);
}

/* Rules of two shapes that deny what nobody here sends, so that each packet passes all of them. */
static void make_rules(struct filter_rule *rules, struct port_range *ports, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ports[i] = (struct port_range){(uint16_t)(1 + i % 1000), (uint16_t)(1 + i % 1000)};
        rules[i] = (struct filter_rule){.action = FILTER_DENY,
                                        .direction = FILTER_BOTH,
                                        .from = {.name = ""},
                                        .to = {.name = ""},
                                        .protocol = IP_TCP,
                                        .ports = &ports[i],
                                        .ports_length = 1};
        struct endpoint *end = i < length / 2 ? &rules[i].from : &rules[i].to;
        end->kind = ENDPOINT_PREFIX;
        end->prefix = (struct wide_prefix){
            .family = FAMILY_IPV4,
            .address = {10, (unsigned char)(1 + i / 65536), (unsigned char)(i / 256), (unsigned char)i},
            .bits = 32};
    }
}

static struct filter filter_of(const char *name, enum filter_action default_action,
                               const struct filter_rule *rules, size_t length)
{
    return (struct filter){.name = "f",
                           .party = "p",
                           .full_name = name,
                           .on = "all",
                           .default_action = default_action,
                           .rules = rules,
                           .rules_length = length};
}

static void make_scene(const struct grid *grid, const char *name, int64_t vni, size_t rules,
                       struct scene *ret_scene)
{
    static const char *const names[PARTIES] = {"landlord/outer", "acme/middle", "shop/inner"};
    ret_scene->farm = usual_farm(grid, name, vni, ret_scene->members, 3, all, LENGTH(all));
    ret_scene->rules = mem_alloc_array(rules, sizeof(*ret_scene->rules));
    ret_scene->ports = mem_alloc_array(rules, sizeof(*ret_scene->ports));
    make_rules(ret_scene->rules, ret_scene->ports, rules);
    for (size_t i = 0; i < PARTIES; i++) {
        size_t first = rules * i / PARTIES, last = rules * (i + 1) / PARTIES;
        ret_scene->filters[i] = filter_of(names[i], FILTER_ALLOW, ret_scene->rules + first, last - first);
    }
    ret_scene->farm.filters = ret_scene->filters;
    ret_scene->farm.filters_length = PARTIES;
}

static void set(struct grid *grid, const struct host_farm *farm)
{
    struct net_driver *driver = &grid->hosts[0].driver;
    struct error err;
    must(driver->farm_set(driver->self, farm, &err), &err);
}

/* The change is one of a few words, as somebody makes who shuts a port. */
static void time_swaps(struct grid *grid, struct scene *scene, const char *what, int runs)
{
    static const struct port_range ports[] = {{22, 22}, {8000, 8099}};
    struct filter_rule rule = {.action = FILTER_DENY,
                               .direction = FILTER_IN,
                               .from = {.name = ""},
                               .to = {.name = ""},
                               .protocol = IP_TCP,
                               .ports_length = 1};
    scene->filters[1].rules = &rule;
    scene->filters[1].rules_length = 1;
    for (int i = -2; i < runs; i++) {
        rule.ports = &ports[i & 1];
        double start = now_us();
        set(grid, &scene->farm);
        if (i >= 0) printf("%s %.1f\n", what, now_us() - start);
    }
}

static void swap(struct grid *grid, size_t entries, int runs)
{
    struct scene *scene = mem_alloc(sizeof(*scene));
    for (size_t i = 0; i * SHARE < entries; i++) {
        char name[32];
        size_t left = entries - i * SHARE;
        snprintf(name, sizeof(name), "other/farm-%zu", i);
        make_scene(grid, name, 200 + (int64_t)i, left < SHARE ? left : SHARE, scene);
        set(grid, &scene->farm);
        grid_settle();
        mem_free(scene->rules);
        mem_free(scene->ports);
    }
    make_scene(grid, "acme/shop", 100, 9, scene);
    time_swaps(grid, scene, "others", runs);
    mem_free(scene->rules);
    mem_free(scene->ports);
    make_scene(grid, "acme/shop", 100, entries, scene);
    time_swaps(grid, scene, "own", runs);
    mem_free(scene->rules);
    mem_free(scene->ports);
    mem_free(scene);
}

static bool forget_all(void *ctx, const struct track_entry *entry)
{
    return false;
}

static void forget(struct grid *grid)
{
    struct net_driver *driver = &grid->hosts[0].driver;
    struct error err;
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    must(driver->farm_ns(driver->self, "acme/shop", &ns_fd, &err), &err);
    must(netlink_open(ns_fd, NETLINK_NETFILTER, &netlink, &err), &err);
    must(track_prune(netlink, forget_all, NULL, &err), &err);
}

static void make_datagram(struct frame *ret_frame, uint32_t from, uint32_t to, uint16_t from_port,
                          uint16_t port)
{
    ret_frame->size = 0;
    frame_ethernet(ret_frame, mac_of(to), mac_of(from), ETH_P_IP);
    frame_ipv4(ret_frame, from, to, IP_UDP, 16, 0);
    frame_udp(ret_frame, from_port, port, 8);
    frame_pad(ret_frame, 8);
}

/* A send returns when the packet has gone all its way: the devices are in memory. */
static double time_packets(const int wires[2], bool begin)
{
    enum { FROM_PORT = 5000 };
    struct frame frame = {0};
    make_datagram(&frame, WEB_1, DB_1, FROM_PORT, PORT_OPEN);
    ASSERT(wire_send(wires[0], &frame));
    /* A connection is one when it was answered. */
    make_datagram(&frame, DB_1, WEB_1, PORT_OPEN, FROM_PORT);
    ASSERT(wire_send(wires[1], &frame));
    make_datagram(&frame, WEB_1, DB_1, FROM_PORT, PORT_OPEN);
    double start = now_us();
    for (int i = 0; i < PACKETS; i++) {
        if (begin) make_datagram(&frame, WEB_1, DB_1, (uint16_t)(10000 + i), PORT_OPEN);
        if (!wire_send(wires[0], &frame)) perror("send");
    }
    return (now_us() - start) * 1e3 / PACKETS;
}

static void silence(const char *ns)
{
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    must(ns_open(ns, &ns_fd, &err), &err);
    must(ns_enter(ns_fd, &back, &err), &err);
    int status = system("nft 'add table ip seen; add counter ip seen shut; add chain ip seen input { type "
                        "filter "
                        "hook input priority 0; }; add rule ip seen input udp dport 7000 counter name shut "
                        "drop; "
                        "add rule ip seen input udp dport 7001 drop; add rule ip seen input udp sport 7001 "
                        "drop'"); /* NOLINT:
                                     a
                                     constant
                                   */
    ns_leave(back);
    ASSERT(status == 0);
}

static void cost(struct grid *grid, size_t rules, int runs)
{
    struct scene *scene = mem_alloc(sizeof(*scene));
    char path[GRID_PATH_SIZE];
    make_scene(grid, "acme/shop", 100, rules, scene);
    grid_set(grid, &scene->farm);
    port_path(grid, &scene->farm, "db-1", path);
    silence(path);
    int wires[2] = {-1, wire_open(path, "eth0")};
    port_path(grid, &scene->farm, "web-1", path);
    silence(path);
    wires[0] = wire_open(path, "eth0");
    ASSERT(wires[0] >= 0 && wires[1] >= 0);
    for (int i = -2; i < 2 * runs; i++) {
        bool filtered = i & 1;
        scene->farm.filters_length = filtered ? PARTIES : 0;
        set(grid, &scene->farm);
        forget(grid);
        double lasting = time_packets(wires, false);
        forget(grid);
        double beginning = time_packets(wires, true);
        if (i < 0) continue;
        printf("lasting-%s %.1f\nbeginning-%s %.1f\n", filtered ? "filtered" : "free", lasting,
               filtered ? "filtered" : "free", beginning);
    }
    close(wires[0]);
    close(wires[1]);
    mem_free(scene->rules);
    mem_free(scene->ports);
    mem_free(scene);
}

static void load(int wire, volatile uint32_t *sent)
{
    struct frame frame = {0};
    for (uint16_t port = 1024;; port = port == UINT16_MAX ? 1024 : (uint16_t)(port + 1)) {
        make_datagram(&frame, WEB_1, DB_1, port, port % 16 == 0 ? PORT_OPEN : PORT_SHUT);
        if (wire_send(wire, &frame) && port % 16 != 0) ++*sent;
        if (port % 64 == 0) usleep(500); /* so that it stays below what a port may send a second */
    }
}

static void leak(struct grid *grid, int swaps)
{
    const struct port_range shut = {PORT_SHUT, PORT_SHUT}, open = {PORT_OPEN, PORT_OPEN};
    const struct endpoint any = {.name = ""};
    const struct filter_rule denies = {FILTER_DENY, FILTER_IN, any, any, IP_UDP, NULL, 0, &shut, 1};
    const struct filter_rule allows = {FILTER_ALLOW, FILTER_BOTH, any, any, IP_UDP, NULL, 0, &open, 1};
    const struct filter filters[] = {filter_of("acme/one", FILTER_ALLOW, &denies, 1),
                                     filter_of("acme/other", FILTER_DENY, &allows, 1)};
    struct member members[4];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, all, LENGTH(all));
    char web_1[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    void *shared = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(shared != MAP_FAILED);
    farm.filters_length = 1;
    farm.filters = &filters[0];
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "db-1", db_1);
    silence(db_1);
    int wire = wire_open(web_1, "eth0");
    ASSERT(wire >= 0);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        load(wire, shared);
    }
    for (int i = 0; i < swaps; i++) {
        farm.filters = &filters[i % 2 == 0];
        set(grid, &farm);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    printf("sent %u\nleaked ", *(volatile uint32_t *)shared);
    fflush(stdout);
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    must(ns_open(db_1, &ns_fd, &err), &err);
    must(ns_enter(ns_fd, &back, &err), &err);
    int status =
        system("nft list counter ip seen shut | sed -n 's/.*packets \\([0-9]*\\) .*/\\1/p'"); /* NOLINT */
    ns_leave(back);
    ASSERT(status == 0);
    close(wire);
    munmap(shared, sizeof(uint32_t));
}

int main(int argc, char **argv)
{
    static struct grid grid;
    bool leaks = argc == 3 && strcmp(argv[1], "leak") == 0;
    bool swaps = argc == 4 && strcmp(argv[1], "swap") == 0, costs = argc == 4 && strcmp(argv[1], "cost") == 0;
    if (!leaks && !swaps && !costs) {
        fputs("usage: filters swap N RUNS | filters cost N RUNS | filters leak N\n", stderr);
        return 2;
    }
    grid_isolate();
    grid_make(&grid);
    if (leaks)
        leak(&grid, atoi(argv[2]));
    else
        (swaps ? swap : cost)(&grid, (size_t)atol(argv[2]), atoi(argv[3]));
    fflush(stdout);
    grid_settle();
    grid_end(&grid);
    return 0;
}
