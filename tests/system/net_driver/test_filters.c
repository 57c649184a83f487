/* Parties' filters in the kernel against what model/packet.h says of them: filters and packets made by lot,
 * the packets really sent. IPv4 through a farm on two hosts, IPv6, which no farm has, through the same chains
 * in a bridge between two namespaces. */
#include "grid.h"
#include "packets.h"
#include "probes.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/filter.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"
#include "driver/net/rules.h"
#include "driver/net/track.h"
#include "made_filters.h"

#include <linux/netlink.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 40, PACKETS = 120, FILTERS_MAX = 4, PATIENCE_MS = 10000, WIRES = 5, OUTSIDE_WIRE = 4 };

static const struct farm_rule everything[] = {
    {"web", "web", PROTOCOL_ANY, 0, 65535},     {"web", "db", PROTOCOL_ANY, 0, 65535},
    {"web", "cache", PROTOCOL_ANY, 0, 65535},   {"db", "web", PROTOCOL_ANY, 0, 65535},
    {"db", "cache", PROTOCOL_ANY, 0, 65535},    {"cache", "web", PROTOCOL_ANY, 0, 65535},
    {"cache", "db", PROTOCOL_ANY, 0, 65535},    {"web", "internet", PROTOCOL_ANY, 0, 65535},
    {"db", "internet", PROTOCOL_ANY, 0, 65535}, {"cache", "internet", PROTOCOL_ANY, 0, 65535},
};

static int setup(void **state)
{
    static struct grid grid; /* one test at a time */
    grid_make(&grid);
    *state = &grid;
    return 0;
}

static int teardown(void **state)
{
    grid_settle();
    grid_end(*state);
    return 0;
}

static void assert_good(bool good, const struct error *err)
{
    if (!good) fail_msg("%s", err->message);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool forget_all(void *ctx, const struct track_entry *entry)
{
    return false;
}

/* What was let pass before does not count: each packet begins a connection. */
static void forget(const char *ns)
{
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    struct error err;
    assert_good(ns_open(ns, &ns_fd, &err), &err);
    assert_good(netlink_open(ns_fd, NETLINK_NETFILTER, &netlink, &err), &err);
    assert_good(track_prune(netlink, forget_all, NULL, &err), &err);
}

static void farm_path(const struct grid *grid, size_t host, char *ret_path)
{
    snprintf(ret_path, GRID_PATH_SIZE, "%s/farm/acme.shop", grid->hosts[host].run);
}

/* The kernel would tell one sender of one rejected packet a second. */
static void tell_all(const char *ns)
{
    static const struct ns_setting settings[] = {{"net/ipv4/icmp_ratelimit", "0"},
                                                 {"net/ipv4/icmp_msgs_per_sec", "1000000"},
                                                 {"net/ipv4/icmp_msgs_burst", "1000000"},
                                                 {"net/ipv6/icmp/ratelimit", "0"}};
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    assert_good(ns_open(ns, &ns_fd, &err), &err);
    assert_good(ns_sysctls(ns_fd, settings, LENGTH(settings), &err), &err);
}

static size_t number_of(uint32_t address)
{
    for (size_t i = 0; i < MADE_MEMBERS; i++)
        if (made_members[i].address == address) return i;
    UNREACHABLE();
}

/* Denials by filters at the port of each member. */
static void count_denials(struct grid *grid, int64_t counts[MADE_MEMBERS])
{
    for (size_t i = 0; i < MADE_MEMBERS; i++) {
        counts[i] = 0;
        for (size_t host = 0; host < GRID_HOSTS; host++)
            counts[i] += denied(grid, host, MADE_FARM, made_members[i].instance, "filter");
    }
}

/* Looks until each packet has come or was counted as denied, and who was rejected knows it. */
static void await(struct grid *grid, struct vec *probes, const int wires[WIRES],
                  const int64_t before[MADE_MEMBERS], int64_t ret_counts[MADE_MEMBERS])
{
    int64_t end = now_ms() + PATIENCE_MS, gone = 0;
    do {
        struct pollfd wait[WIRES];
        for (size_t i = 0; i < WIRES; i++)
            wait[i] = (struct pollfd){.fd = wires[i], .events = POLLIN};
        int ready = poll(wait, WIRES, 2);
        for (size_t i = 0; i < WIRES; i++)
            probes_look(probes, wires[i]);
        if (ready > 0) continue;
        count_denials(grid, ret_counts);
        gone = 0;
        for (size_t i = 0; i < MADE_MEMBERS; i++)
            gone += ret_counts[i] - before[i];
    } while ((probes_seen(probes) + (size_t)gone < probes->length || !probes_answered(probes)) &&
             now_ms() < end);
    for (size_t i = 0; i < WIRES; i++)
        probes_look(probes, wires[i]);
}

static void send_round(struct grid *grid, const int wires[WIRES], const struct filter *filters, size_t length,
                       uint64_t *lot, size_t tally[3])
{
    uint64_t start = *lot;
    struct vec probes = VEC_OF(struct probe);
    int64_t before[MADE_MEMBERS], after[MADE_MEMBERS], wanted[MADE_MEMBERS] = {0};
    count_denials(grid, before);
    for (size_t i = 0; i < PACKETS; i++) {
        struct probe probe = {.packet = made_packet(lot, FAMILY_IPV4)};
        /* ICMP of the other family belongs to no connection, and never gets as far as the filters. */
        if (probe.packet.protocol == IP_ICMPV6 || !probes_fit(&probes, &probe.packet)) continue;
        probe.wanted = made_verdict(filters, length, &probe.packet, &probe.judge);
        *(struct probe *)vec_push(&probes) = probe;
        tally[probe.wanted]++;
        const struct packet_end *judge = probe.judge == FILTER_OUT ? &probe.packet.from : &probe.packet.to;
        if (probe.wanted != FILTER_ALLOW) wanted[number_of(made_ipv4(judge))]++;
    }
    for (size_t i = 0; i < probes.length; i++) {
        const struct packet *packet = &((struct probe *)vec_at(&probes, i))->packet;
        uint32_t from = made_ipv4(&packet->from), to = made_ipv4(&packet->to);
        probe_send(&probes, i, wires[number_of(from)], mac_of(from),
                   packet->to.internet ? rules_gateway_mac(GATEWAY) : mac_of(to));
    }
    await(grid, &probes, wires, before, after);
    probes_judge(&probes, start);
    for (size_t i = 0; i < MADE_MEMBERS; i++)
        assert_int_equal(after[i] - before[i], wanted[i]);
    vec_free(&probes);
}

static void test_farm(void **state)
{
    struct grid *grid = *state;
    struct member members[MADE_MEMBERS];
    struct host_farm farm =
        usual_farm(grid, MADE_FARM, 100, members, MADE_MEMBERS, everything, LENGTH(everything));
    char paths[MADE_MEMBERS][GRID_PATH_SIZE], farms[GRID_HOSTS][GRID_PATH_SIZE];
    int wires[WIRES];
    size_t tally[3] = {0};
    uint64_t lot = 3;
    grid_set(grid, &farm);
    for (size_t i = 0; i < MADE_MEMBERS; i++) {
        port_path(grid, &farm, made_members[i].instance, paths[i]);
        assert_true((wires[i] = wire_open(paths[i], "eth0")) >= 0);
    }
    assert_true((wires[OUTSIDE_WIRE] = wire_open(grid->outside, "out0")) >= 0);
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        farm_path(grid, i, farms[i]);
        tell_all(farms[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct filter filters[FILTERS_MAX];
        farm.filters_length = made_below(&lot, FILTERS_MAX + 1);
        for (size_t i = 0; i < farm.filters_length; i++)
            filters[i] = made_filter(arena, &lot, made_on(&lot), round % 4 == 0 ? 60 : 8);
        farm.filters = filters;
        grid_set(grid, &farm);
        for (size_t i = 0; i < GRID_HOSTS; i++) {
            forget(farms[i]);
            forget(grid->hosts[i].ns);
        }
        send_round(grid, wires, filters, farm.filters_length, &lot, tally);
    }
    print_message("# %zu packets let pass, %zu denied, %zu rejected\n", tally[FILTER_ALLOW],
                  tally[FILTER_DENY], tally[FILTER_REJECT]);
    for (size_t i = 0; i < WIRES; i++)
        close(wires[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_farm, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
