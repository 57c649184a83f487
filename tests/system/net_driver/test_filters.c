/* Parties' filters in the kernel against what model/packet.h says of them: filters and packets made by lot,
 * the packets really sent. IPv4 through a farm on two hosts, IPv6, which no farm has, through the same chains
 * in a bridge between two namespaces. */
#include "packets.h"
#include "probes.h"
#include "stage.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/filter.h"
#include "driver/net/link.h"
#include "driver/net/nft.h"
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
    count_denials(grid, ret_counts); /* when all passed nobody has counted yet */
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

/* A bridge between two namespaces, with the tables of a farm in its own. */
struct bridged {
    char ends[2][GRID_PATH_SIZE], middle[GRID_PATH_SIZE];
};
#define END_MAC(end) mac_of(1U + (uint32_t)(end))

static void make_pair(const struct grid *grid, struct bridged *ret_pair)
{
    /* The senders' addresses are the even ones; nobody has to ask for them. */
    static const char commands[] =
        "ip link add br0 type bridge mcast_snooping 0 && ip link set p0 master "
        "br0 && ip link set p1 master br0 && "
        "ip link set br0 up && ip link set p0 up && ip link set p1 up && "
        "echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables && "
        "ip -6 addr add 2001:db8:1::1/64 dev br0 nodad && ip -6 route add 2001:db8::/64 dev br0 && "
        "for i in 2 4 6; do ip -6 neigh add 2001:db8::$i lladdr "
        "02:cf:00:00:00:01 dev br0 nud permanent; done";
    struct bridged pair;
    struct error err;
    CLEANUP_FD int middle_fd = -1;
    snprintf(pair.middle, sizeof(pair.middle), "%s/middle.ns", grid->directory);
    assert_good(ns_create(pair.middle, &middle_fd, &err), &err);
    CLEANUP_NETLINK struct netlink *route = NULL;
    assert_good(netlink_open(middle_fd, NETLINK_ROUTE, &route, &err), &err);
    for (int i = 0; i < 2; i++) {
        CLEANUP_FD int ns_fd = -1;
        char name[16];
        snprintf(pair.ends[i], sizeof(pair.ends[i]), "%s/end%d.ns", grid->directory, i);
        snprintf(name, sizeof(name), "p%d", i);
        assert_good(ns_create(pair.ends[i], &ns_fd, &err), &err);
        const struct link_end near = {.name = name, .index = 10 + 2 * i},
                              far = {.name = "eth0", .index = 11 + 2 * i, .mac = END_MAC(i)};
        link_add_veth(route, &near, &far, ns_fd, NETLINK_FINE_NONE);
        assert_good(netlink_commit(route, &err), &err);
        run_in(pair.ends[i], "ip link set eth0 up");
    }
    run_in(pair.middle, commands);
    tell_all(pair.middle);
    *ret_pair = pair;
}

static void load(const char *ns, const struct buf *text)
{
    CLEANUP_FD int ns_fd = -1;
    struct nft *nft = NULL;
    struct error err;
    assert_good(ns_open(ns, &ns_fd, &err), &err);
    assert_good(nft_new(&nft, &err), &err);
    assert_good(nft_run(nft, ns_fd, buf_text(text), &err), &err);
    nft_free(nft);
}

static uint32_t no_tier(const void *ctx, const char *name)
{
    return 0; /* of IPv6 nobody has one */
}

static bool no_instance(const void *ctx, const char *name, uint32_t *ret_address)
{
    return false;
}

/* The tables of a farm without members; what is forwarded goes through these filters, as for its sender and
 * for its receiver, and then passes. */
static void load_chains(const struct bridged *pair, const struct filter *filters, size_t length)
{
    static const struct filter_place place = {
        .farm = MADE_FARM, .subnet = {0x0a000000U, 24}, .tier = no_tier, .instance = no_instance};
    static const struct vec none_left = VEC_OF(char *);
    const struct host_farm farm = {.name = MADE_FARM, .subnet = {0x0a000000U, 24}, .gateway = GATEWAY};
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_BUF struct buf forward = {0};
    struct rules *rules = NULL;
    struct error err;
    buf_add_text(&text, "add table inet croft\ndelete table inet croft\n");
    assert_good(rules_compile(&farm, 1, NULL, NULL, &rules, &err), &err);
    rules_whole(rules, &none_left, &text);
    rules_free(rules);
    buf_add_text(&text, "delete table bridge croft\nflush chain inet croft forward\n");
    for (size_t k = 0; k < 2 * length; k++) {
        enum filter_direction direction = k < length ? FILTER_OUT : FILTER_IN;
        struct filter_program *program = filter_program_new(&filters[k % length], direction, &place);
        buf_printf(&text, "table inet croft {\n chain t%zu {\n", k);
        filter_program_text(program, &text);
        buf_add_text(&text, " }\n}\n");
        buf_printf(&forward, "  jump t%zu\n", k);
        filter_program_free(program);
    }
    buf_printf(&text, "table inet croft {\n chain forward {\n  meta mark set 0\n%s  accept\n }\n}\n",
               buf_text(&forward));
    load(pair->middle, &text);
}

static size_t count_denials_of(const struct bridged *pair)
{
    CLEANUP_MEM char *command = mem_printf("nft list counter inet croft denials >%s.count", pair->middle);
    CLEANUP_MEM char *path = mem_printf("%s.count", pair->middle);
    char text[256] = "";
    run_in(pair->middle, command);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    const char *packets = strstr(text, "packets ");
    assert_non_null(packets);
    return strtoul(packets + strlen("packets "), NULL, 10);
}

static enum filter_action pair_verdict(const struct filter *filters, size_t length, struct packet packet)
{
    for (size_t k = 0; k < 2 * length; k++) {
        const struct filter *filter = &filters[k % length];
        packet.direction = k < length ? FILTER_OUT : FILTER_IN;
        enum filter_action action = filter_action_of(filter, filter_deciding_rule(filter, &packet));
        if (action != FILTER_ALLOW) return action;
    }
    return FILTER_ALLOW;
}

static void send_pair_round(const struct bridged *pair, const int wires[2], const struct filter *filters,
                            size_t length, uint64_t *lot, size_t tally[3])
{
    uint64_t start = *lot;
    struct vec probes = VEC_OF(struct probe);
    for (size_t i = 0; i < PACKETS; i++) {
        struct probe probe = {.packet = made_packet(lot, FAMILY_IPV6)};
        if (!probes_fit(&probes, &probe.packet)) continue;
        probe.wanted = pair_verdict(filters, length, probe.packet);
        tally[probe.wanted]++;
        *(struct probe *)vec_push(&probes) = probe;
    }
    for (size_t i = 0; i < probes.length; i++)
        probe_send(&probes, i, wires[0], END_MAC(0), END_MAC(1));
    int64_t end = now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd wait[2] = {{.fd = wires[0], .events = POLLIN}, {.fd = wires[1], .events = POLLIN}};
        int ready = poll(wait, 2, 2);
        probes_look(&probes, wires[0]);
        probes_look(&probes, wires[1]);
        if (ready > 0) continue;
        if (probes_seen(&probes) + count_denials_of(pair) >= probes.length && probes_answered(&probes)) break;
        if (now_ms() > end) break;
    }
    probes_look(&probes, wires[1]);
    probes_judge(&probes, start);
    vec_free(&probes);
}

static void test_pair(void **state)
{
    struct bridged pair;
    int wires[2];
    size_t tally[3] = {0};
    uint64_t lot = 4;
    make_pair(*state, &pair);
    for (size_t i = 0; i < 2; i++)
        assert_true((wires[i] = wire_open(pair.ends[i], "eth0")) >= 0);
    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct filter filters[FILTERS_MAX];
        size_t length = 1 + made_below(&lot, FILTERS_MAX);
        for (size_t i = 0; i < length; i++)
            filters[i] = made_filter(arena, &lot, MADE_FARM, round % 4 == 0 ? 60 : 8);
        load_chains(&pair, filters, length);
        forget(pair.middle);
        send_pair_round(&pair, wires, filters, length, &lot, tally);
    }
    print_message("# %zu packets let pass, %zu denied, %zu rejected\n", tally[FILTER_ALLOW],
                  tally[FILTER_DENY], tally[FILTER_REJECT]);
    struct error err;
    close(wires[0]);
    close(wires[1]);
    for (size_t i = 0; i < 2; i++)
        assert_good(ns_unpin(pair.ends[i], &err), &err);
    assert_good(ns_unpin(pair.middle, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_farm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pair, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
