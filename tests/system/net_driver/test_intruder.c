/* An instance that tries everything: each forged packet is sent for real, and is seen denied and counted. */
#include "grid.h"
#include "packets.h"

#include "base/mem.h"
#include "driver/net/ns.h"
#include "driver/net/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct farm_rule web_to_db[] = {{"web", "db", PROTOCOL_TCP, 5432, 5432},
                                             {"web", "db", PROTOCOL_UDP, 7000, 7000}};
static const uint64_t everybody = 0xffffffffffffULL;

enum { TCP_ACK = 0x10, MORE_FRAGMENTS = 0x2000 };

struct scene {
    struct grid grid;
    struct member members[4];
    struct host_farm farm;
    char web_1[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], web_2[GRID_PATH_SIZE];
    int wire; /* of web-1, the intruder */
};

static int setup(void **state)
{
    static struct scene scene; /* one test at a time */
    grid_make(&scene.grid);
    scene.farm = usual_farm(&scene.grid, "acme/shop", 100, scene.members, 3, web_to_db, LENGTH(web_to_db));
    grid_set(&scene.grid, &scene.farm);
    grid_settle();
    port_path(&scene.grid, &scene.farm, "web-1", scene.web_1);
    port_path(&scene.grid, &scene.farm, "web-2", scene.web_2);
    port_path(&scene.grid, &scene.farm, "db-1", scene.db_1);
    scene.wire = wire_open(scene.web_1, "eth0");
    *state = &scene;
    return scene.wire < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    close(scene->wire);
    grid_settle();
    grid_end(&scene->grid);
    return 0;
}

/* Sends web-1's frame, and sees it counted under that reason and nothing arrive at `listener`. */
static void assert_caught(struct scene *scene, const struct frame *frame, const char *reason, int listener)
{
    char rest[2048];
    while (listener >= 0 && receive(listener, rest, sizeof(rest), 0) >= 0)
        continue;
    int64_t before = denied(&scene->grid, 0, "acme/shop", "web-1", reason);
    assert_true(wire_send(scene->wire, frame));
    if (!denied_more(&scene->grid, 0, "acme/shop", "web-1", reason, before))
        fail_msg("not counted as %s", reason);
    if (listener >= 0) assert_false(anything_waits(listener));
}

/* A datagram in a frame. */
static struct frame datagram(uint64_t to_mac, uint64_t from_mac, uint32_t from, uint32_t to,
                             uint16_t from_port, uint16_t to_port)
{
    struct frame frame = {.size = 0};
    frame_ethernet(&frame, to_mac, from_mac, ETH_P_IP);
    frame_ipv4(&frame, from, to, IPPROTO_UDP, 8 + 20, 0);
    frame_udp(&frame, from_port, to_port, 20);
    frame_pad(&frame, 20);
    return frame;
}

static void test_honest_datagram_passes(void **state)
{
    struct scene *scene = *state;
    char data[64];
    int ear = udp_open(scene->db_1, DB_1, 7000);
    struct frame frame = datagram(mac_of(DB_1), mac_of(WEB_1), WEB_1, DB_1, 9, 7000);
    assert_true(wire_send(scene->wire, &frame));
    assert_int_equal(receive(ear, data, sizeof(data), 5000), 20);
    close(ear);
}

static void test_forged_sender(void **state)
{
    struct scene *scene = *state;
    int ear = udp_open(scene->db_1, DB_1, 7000);
    struct frame address = datagram(mac_of(DB_1), mac_of(WEB_1), WEB_2, DB_1, 9, 7000);
    assert_caught(scene, &address, "spoof", ear);
    struct frame mac = datagram(mac_of(DB_1), mac_of(WEB_2), WEB_1, DB_1, 9, 7000);
    assert_caught(scene, &mac, "spoof", ear);
    struct frame both = datagram(mac_of(DB_1), mac_of(WEB_2), WEB_2, DB_1, 9, 7000);
    assert_caught(scene, &both, "spoof", ear);
    struct frame gateway = datagram(mac_of(DB_1), rules_gateway_mac(GATEWAY), GATEWAY, DB_1, 9, 7000);
    assert_caught(scene, &gateway, "spoof", ear);
    /* A later fragment has no port to be looked at, but a sender. */
    struct frame fragment = {.size = 0};
    frame_ethernet(&fragment, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
    frame_ipv4(&fragment, WEB_2, DB_1, IPPROTO_UDP, 16, 1);
    frame_pad(&fragment, 16);
    assert_caught(scene, &fragment, "spoof", ear);
    close(ear);
}

static void test_forged_arp(void **state)
{
    struct scene *scene = *state;
    int ear = wire_open(scene->db_1, "eth0");
    const uint32_t claimed[] = {GATEWAY, WEB_2, DB_1};
    for (size_t i = 0; i < LENGTH(claimed); i++) {
        for (uint16_t operation = 1; operation <= 2; operation++) {
            struct frame frame = {.size = 0};
            frame_ethernet(&frame, everybody, mac_of(WEB_1), ETH_P_ARP);
            frame_arp(&frame, operation, mac_of(WEB_1), claimed[i], DB_1);
            assert_caught(scene, &frame, "arp", ear);
        }
    }
    struct frame inner = {.size = 0};
    frame_ethernet(&inner, everybody, mac_of(WEB_1), ETH_P_ARP);
    frame_arp(&inner, 2, mac_of(WEB_2), WEB_1, DB_1);
    assert_caught(scene, &inner, "arp", ear);
    close(ear);
}

/* An instance that is being stopped is no member of its farm any more, and its kernel still asks for
 * neighbours. That is not let through, and nobody is told of it: neither now, nor when another one gets the
 * address. */
static void test_stopping_is_no_intruder(void **state)
{
    struct scene *scene = *state;
    struct frame frame = {.size = 0};
    struct host_farm rest = scene->farm;
    frame_ethernet(&frame, everybody, mac_of(WEB_1), ETH_P_ARP);
    frame_arp(&frame, 1, mac_of(WEB_1), WEB_1, DB_1);
    rest.members++; /* web-1 is the first */
    rest.members_length--;
    grid_set(&scene->grid, &rest);
    int64_t before = denied(&scene->grid, 0, "acme/shop", "", "arp");
    assert_true(wire_send(scene->wire, &frame));
    /* One of whom it is told comes behind it. */
    struct frame other = {.size = 0};
    CLEANUP_FD int wire = wire_open(scene->db_1, "eth0");
    frame_ethernet(&other, everybody, mac_of(DB_1), ETH_P_ARP);
    frame_arp(&other, 1, mac_of(DB_1), WEB_2, GATEWAY);
    int64_t others = denied(&scene->grid, 0, "acme/shop", "db-1", "arp");
    assert_true(wire_send(wire, &other));
    assert_true(denied_more(&scene->grid, 0, "acme/shop", "db-1", "arp", others));
    assert_int_equal(denied(&scene->grid, 0, "acme/shop", "", "arp"), before);
    grid_set(&scene->grid, &scene->farm);
    assert_int_equal(denied(&scene->grid, 0, "acme/shop", "web-1", "arp"), 0);
}

static void test_other_protocols(void **state)
{
    struct scene *scene = *state;
    int ear = wire_open(scene->db_1, "eth0");
    /* IPv6: a router advertisement and a neighbour advertisement are frames of this type. */
    static const uint8_t types[] = {134, 136};
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct frame frame = {.size = 0};
        uint8_t ipv6[48] = {0x60, 0, 0, 0, 0, 8, 58, 255, 0xfe, 0x80};
        ipv6[40] = types[i];
        frame_ethernet(&frame, 0x333300000001ULL, mac_of(WEB_1), ETH_P_IPV6);
        frame_add(&frame, ipv6, sizeof(ipv6));
        assert_caught(scene, &frame, "ethertype", ear);
    }
    /* An allowed datagram and a forbidden one, in a frame tagged for VLAN 0, which receivers ignore. */
    for (uint16_t port = 7000; port <= 7001; port++) {
        struct frame plain = datagram(mac_of(DB_1), mac_of(WEB_1), WEB_1, DB_1, 9, port);
        struct frame tagged = {.size = 0};
        static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x00};
        frame_add(&tagged, plain.data, 12);
        frame_add(&tagged, tag, sizeof(tag));
        frame_add(&tagged, plain.data + 12, plain.size - 12);
        assert_caught(scene, &tagged, "ethertype", ear);
    }
    close(ear);
}

static void test_rogue_dhcp(void **state)
{
    struct scene *scene = *state;
    int ear = wire_open(scene->db_1, "eth0");
    struct frame offer = datagram(everybody, mac_of(WEB_1), WEB_1, INADDR_BROADCAST, 67, 68);
    assert_caught(scene, &offer, "dhcp", ear);
    struct frame direct = datagram(mac_of(DB_1), mac_of(WEB_1), WEB_1, DB_1, 67, 68);
    assert_caught(scene, &direct, "dhcp", ear);
    struct frame odd = datagram(mac_of(DB_1), mac_of(WEB_1), WEB_1, DB_1, 99, 68);
    assert_caught(scene, &odd, "dhcp", ear);
    /* A client's question with another's MAC, and one that is meant for nobody but a rogue server. */
    struct frame other = datagram(everybody, mac_of(WEB_2), 0, INADDR_BROADCAST, 68, 67);
    assert_caught(scene, &other, "spoof", ear);
    close(ear);
}

static void test_host_is_out_of_reach(void **state)
{
    struct scene *scene = *state;
    char gate[GRID_PATH_SIZE];
    uint64_t gateway_mac = rules_gateway_mac(GATEWAY);
    uint32_t underlay = scene->grid.hosts[0].underlay;
    snprintf(gate, sizeof(gate), "%s/farm/acme.shop", scene->grid.hosts[0].run);
    int host_ear = udp_open(scene->grid.hosts[0].ns, underlay, 7000);
    int gate_ear = udp_open(gate, GATEWAY, 7000);
    assert_true(host_ear >= 0 && gate_ear >= 0);
    struct frame to_underlay = datagram(gateway_mac, mac_of(WEB_1), WEB_1, underlay, 9, 7000);
    assert_caught(scene, &to_underlay, "boundary", host_ear);
    struct frame to_gateway = datagram(gateway_mac, mac_of(WEB_1), WEB_1, GATEWAY, 9, 7000);
    assert_caught(scene, &to_gateway, "boundary", gate_ear);
    close(host_ear);
    close(gate_ear);
}

/* VXLAN around an allowed datagram for db-1. */
static void put_vxlan(struct frame *frame, uint32_t vni)
{
    struct frame inner = datagram(mac_of(DB_1), mac_of(WEB_2), WEB_2, DB_1, 9, 7000);
    const uint8_t header[8] = {8, 0, 0, 0, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8), (uint8_t)vni, 0};
    frame_add(frame, header, sizeof(header));
    frame_add(frame, inner.data, inner.size);
}

static void test_vxlan_of_ones_own(void **state)
{
    struct scene *scene = *state;
    struct frame inner = {.size = 0}, outer = {.size = 0};
    char data[64];
    int ear = udp_open(scene->db_1, DB_1, 7000);
    put_vxlan(&inner, 100);
    frame_ethernet(&outer, rules_gateway_mac(GATEWAY), mac_of(WEB_1), ETH_P_IP);
    frame_ipv4(&outer, WEB_1, scene->grid.hosts[0].underlay, IPPROTO_UDP, 8 + inner.size, 0);
    frame_udp(&outer, 40000, 4789, inner.size);
    frame_add(&outer, inner.data, inner.size);
    assert_caught(scene, &outer, "boundary", ear);

    /* From the underlay: a stranger's is dropped, a host's passes, so the packet itself is good. The stranger
     * sends first, on the same way, so it would have come first. */
    int stranger = udp_open(scene->grid.stranger, 0xc0a80063U, 40000);
    int host = udp_open(scene->grid.hosts[1].ns, scene->grid.hosts[1].underlay, 40000);
    assert_true(stranger >= 0 && host >= 0);
    assert_true(udp_send(stranger, scene->grid.hosts[0].underlay, 4789, inner.data, inner.size));
    assert_int_equal(receive(ear, data, sizeof(data), 100), -1);
    assert_true(udp_send(host, scene->grid.hosts[0].underlay, 4789, inner.data, inner.size));
    assert_int_equal(receive(ear, data, sizeof(data), 5000), 20);
    close(stranger);
    close(host);
    close(ear);
}

static void test_unasked_ack(void **state)
{
    struct scene *scene = *state;
    int ear = wire_open(scene->db_1, "eth0");
    struct frame frame = {.size = 0};
    frame_ethernet(&frame, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
    frame_ipv4(&frame, WEB_1, DB_1, IPPROTO_TCP, 20, 0);
    frame_tcp(&frame, WEB_1, DB_1, 40000, 5432, TCP_ACK);
    assert_caught(scene, &frame, "state", ear);
    close(ear);
}

/* An error about a connection of two others would end it: only they themselves may send one. */
static void test_forged_icmp_error(void **state)
{
    struct scene *scene = *state;
    struct frame forged = {.size = 0};
    char data[64];
    int near = udp_open(scene->web_2, WEB_2, 5555), far = udp_open(scene->db_1, DB_1, 7000);
    assert_true(udp_send(near, DB_1, 7000, "hi", 2));
    assert_int_equal(receive(far, data, sizeof(data), 5000), 2);
    struct frame answer = datagram(mac_of(WEB_2), mac_of(DB_1), DB_1, WEB_2, 7000, 5555);
    frame_ethernet(&forged, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
    frame_ipv4(&forged, WEB_1, DB_1, IPPROTO_ICMP, 8 + 28, 0);
    frame_icmp_error(&forged, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, &answer);
    int ear = wire_open(scene->db_1, "eth0");
    assert_caught(scene, &forged, "state", ear);
    close(ear);
    /* The one that comes from the other end is heard: nobody listens there any more. */
    close(far);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7000), .sin_addr = {htonl(DB_1)}};
    assert_int_equal(connect(near, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(near, "hi", 2, 0), 2);
    assert_int_equal(receive(near, data, sizeof(data), 5000), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(near);
}

/* A datagram for a forbidden port in two pieces: judged as a whole. An allowed one passes in two. */
static void test_fragments(void **state)
{
    struct scene *scene = *state;
    char data[64];
    int ear = udp_open(scene->db_1, DB_1, 7001), good_ear = udp_open(scene->db_1, DB_1, 7000);
    for (uint16_t port = 7001; port >= 7000; port--) {
        struct frame first = {.size = 0}, second = {.size = 0};
        frame_ethernet(&first, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
        frame_ipv4(&first, WEB_1, DB_1, IPPROTO_UDP, 8, MORE_FRAGMENTS);
        frame_udp(&first, 9, port, 16);
        frame_ethernet(&second, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
        frame_ipv4(&second, WEB_1, DB_1, IPPROTO_UDP, 16, 1);
        frame_pad(&second, 16);
        assert_true(wire_send(scene->wire, &first));
        if (port == 7001) {
            assert_caught(scene, &second, "policy", ear);
        } else {
            assert_true(wire_send(scene->wire, &second));
            assert_int_equal(receive(good_ear, data, sizeof(data), 5000), 16);
        }
    }
    close(ear);
    close(good_ear);
}

static void test_arp_flood_is_limited(void **state)
{
    struct scene *scene = *state;
    struct frame frame = {.size = 0};
    frame_ethernet(&frame, everybody, mac_of(WEB_1), ETH_P_ARP);
    frame_arp(&frame, 1, mac_of(WEB_1), WEB_1, DB_1);
    for (int i = 0; i < 300; i++)
        assert_true(wire_send(scene->wire, &frame));
    assert_true(denied_more(&scene->grid, 0, "acme/shop", "web-1", "rate", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_honest_datagram_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_sender, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_arp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopping_is_no_intruder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_protocols, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rogue_dhcp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_is_out_of_reach, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vxlan_of_ones_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unasked_ack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_icmp_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arp_flood_is_limited, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
