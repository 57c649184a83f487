/* The way to the outside: what the farm's rules allow passes, and nothing else, nor anything inwards. */
#include "packets.h"
#include "stage.h"

#include "base/mem.h"
#include "base/vec.h"
#include "driver/net/ns.h"
#include "driver/net/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything but the last is what a tenant may write; db may ask for whatever it likes. */
static const struct farm_rule rules[] = {
    {"web", "internet", PROTOCOL_TCP, 443, 443},
    {"web", "internet", PROTOCOL_UDP, 53, 53},
    {"db", "internet", PROTOCOL_ANY, 0, 65535},
    {"internet", "web", PROTOCOL_ANY, 0, 65535},
};

/* A farm on both hosts, and the paths of its instances. */
struct scene {
    struct grid *grid;
    struct member members[4];
    struct host_farm farm;
    char web_1[GRID_PATH_SIZE], web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
};

static void make_scene(struct scene *scene, struct grid *grid, const char *name, int64_t vni)
{
    scene->grid = grid;
    scene->farm = usual_farm(grid, name, vni, scene->members, 3, rules, LENGTH(rules));
    grid_set(grid, &scene->farm);
    port_path(grid, &scene->farm, "web-1", scene->web_1);
    port_path(grid, &scene->farm, "web-2", scene->web_2);
    port_path(grid, &scene->farm, "db-1", scene->db_1);
}

/* Somebody listens, nobody is heard, and it is counted. */
static void assert_denied(struct scene *scene, const char *from, const char *who, const char *to,
                          uint32_t address, uint16_t port, const char *reason)
{
    int door = tcp_listen(to, address, port);
    assert_true(door >= 0);
    int64_t before = denied(scene->grid, 0, scene->farm.name, who, reason);
    assert_int_equal(tcp_connect(from, address, port, 100), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(denied_more(scene->grid, 0, scene->farm.name, who, reason, before));
    assert_false(anything_waits(door));
    close(door);
}

static void farm_path(const struct grid *grid, size_t host, const char *file, char *ret_path)
{
    snprintf(ret_path, GRID_PATH_SIZE, "%s/farm/%s", grid->hosts[host].run, file);
}

static void test_allowed_only(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    make_scene(&scene, grid, "acme/shop", 100);
    assert_connects(scene.web_1, grid->outside, OUTSIDE_FAR, 443);
    assert_connects(scene.web_1, grid->outside, OUTSIDE_SERVER, 443);
    assert_connects(scene.web_2, grid->outside, OUTSIDE_FAR, 443); /* by its own host */
    assert_connects(scene.db_1, grid->outside, OUTSIDE_FAR, 22);
    assert_denied(&scene, scene.web_1, "web-1", grid->outside, OUTSIDE_FAR, 444, "policy");
    assert_denied(&scene, scene.web_1, "web-1", scene.db_1, DB_1, 443,
                  "policy"); /* its own farm is not outside */

    /* Datagrams there and back; from outside they come from the host. */
    uint32_t question = 1;
    struct sockaddr_in sender = {0};
    socklen_t sender_size = sizeof(sender);
    int near = udp_open(scene.web_1, WEB_1, 5000), far = udp_open(grid->outside, OUTSIDE_FAR, 53);
    assert_true(udp_send(near, OUTSIDE_FAR, 53, &question, sizeof(question)));
    assert_true(receive(far, &question, 0, 5000) >= 0);
    assert_true(udp_send(near, OUTSIDE_FAR, 53, &question, sizeof(question)));
    for (int i = 0; i < 1000 && !anything_waits(far); i++)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_true(recvfrom(far, &question, sizeof(question), 0, (struct sockaddr *)&sender, &sender_size) > 0);
    assert_int_equal(ntohl(sender.sin_addr.s_addr), OUTSIDE_HOST(0));
    assert_true(udp_send(far, OUTSIDE_HOST(0), ntohs(sender.sin_port), &question, sizeof(question)));
    assert_int_equal(receive(near, &question, sizeof(question), 5000), sizeof(question));
    close(near);
    close(far);
}

/* db may send to everything outside: what is the landlord's is not. */
static void test_boundary(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    make_scene(&scene, grid, "acme/shop", 100);
    const char *host = grid->hosts[0].ns, *other = grid->hosts[1].ns;
    const char *db = scene.db_1;
    assert_denied(&scene, db, "db-1", host, OUTSIDE_HOST(0), 443, "boundary");
    assert_denied(&scene, db, "db-1", host, MANAGEMENT_HOST(0), 443, "boundary");
    assert_denied(&scene, db, "db-1", other, MANAGEMENT_HOST(1), 443, "boundary");
    assert_denied(&scene, db, "db-1", grid->outside, MANAGEMENT_HOST(98), 443, "boundary");
    assert_denied(&scene, db, "db-1", host, grid->hosts[0].underlay, 443, "boundary");
    assert_denied(&scene, db, "db-1", other, grid->hosts[1].underlay, 443, "boundary");
    assert_denied(&scene, db, "db-1", grid->outside, OUTSIDE_PRIVATE + 1, 443, "boundary");
    assert_denied(&scene, db, "db-1", host, UPLINK_FIRST, 443, "boundary"); /* the host's end of its uplink */
}

/* The same again with a farm's own filters out of the way: the host's namespace does not rely on them. */
static void test_host_boundary(void **state)
{
    struct grid *grid = *state;
    struct scene shop, copy;
    char gate[GRID_PATH_SIZE], copy_gate[GRID_PATH_SIZE];
    make_scene(&shop, grid, "acme/shop", 100);
    make_scene(&copy, grid, "evil/copy", 101);
    farm_path(grid, 0, "evil.copy", copy_gate);
    farm_path(grid, 0, "acme.shop", gate);
    run_in(copy_gate, "nft flush chain inet croft output; nft add rule inet croft output accept");
    run_in(gate, "nft flush chain inet croft input; nft add rule inet croft input accept");
    const char *host = grid->hosts[0].ns;
    assert_connects(copy_gate, grid->outside, OUTSIDE_FAR, 443);
    assert_denied(&copy, copy_gate, "", host, OUTSIDE_HOST(0), 443, "boundary");
    assert_denied(&copy, copy_gate, "", host, MANAGEMENT_HOST(0), 443, "boundary");
    assert_denied(&copy, copy_gate, "", host, UPLINK_FIRST + 2, 443, "boundary");
    assert_denied(&copy, copy_gate, "", grid->outside, MANAGEMENT_HOST(98), 443, "boundary");
    assert_denied(&copy, copy_gate, "", grid->hosts[1].ns, grid->hosts[1].underlay, 443, "boundary");
    assert_denied(&copy, copy_gate, "", grid->outside, OUTSIDE_PRIVATE + 1, 443, "boundary");
    assert_denied(&copy, copy_gate, "", gate, UPLINK_FIRST + 1, 443, "boundary"); /* the other farm's end */
}

/* Spoofed packets never get as far as the uplink. */
static void test_spoof(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    make_scene(&scene, grid, "acme/shop", 100);
    int far = udp_open(grid->outside, OUTSIDE_FAR, 53), wire = wire_open(scene.web_1, "eth0");
    assert_true(far >= 0 && wire >= 0);
    int64_t before = denied(grid, 0, "acme/shop", "web-1", "spoof");
    struct frame frame = {0};
    frame_ethernet(&frame, rules_gateway_mac(GATEWAY), mac_of(WEB_1), 0x0800);
    frame_ipv4(&frame, WEB_2, OUTSIDE_FAR, IPPROTO_UDP, 12, 0);
    frame_udp(&frame, 5000, 53, 4);
    frame_pad(&frame, 4);
    assert_true(wire_send(wire, &frame));
    assert_true(denied_more(grid, 0, "acme/shop", "web-1", "spoof", before));
    assert_false(anything_waits(far));
    close(wire);
    close(far);
}

/* Nobody outside can open anything, whichever address he tries: the outside machine learns all ways. */
static void test_inbound(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    char gate[GRID_PATH_SIZE];
    make_scene(&scene, grid, "acme/shop", 100);
    farm_path(grid, 0, "acme.shop", gate);
    run_in(grid->outside, "ip route add 169.254.128.0/17 via 198.51.100.1 && "
                          "ip route add 10.0.0.0/24 via 198.51.100.1 && "
                          "ip route add 192.168.0.0/24 via 198.51.100.1");
    int door = tcp_listen(gate, UPLINK_FIRST + 1, 443), inner = tcp_listen(scene.web_1, WEB_1, 443);
    int under = tcp_listen(grid->hosts[1].ns, grid->hosts[1].underlay, 443);
    assert_true(door >= 0 && inner >= 0 && under >= 0);
    int64_t before = denied(grid, 0, "acme/shop", "", "inbound");
    assert_int_equal(tcp_connect(grid->outside, UPLINK_FIRST + 1, 443, 100), -1);
    assert_true(denied_more(grid, 0, "acme/shop", "", "inbound", before));
    assert_int_equal(tcp_connect(grid->outside, WEB_1, 443, 100), -1);
    /* And the host is no way from the outside into its other networks. */
    assert_int_equal(tcp_connect(grid->outside, grid->hosts[1].underlay, 443, 100), -1);
    assert_false(anything_waits(door) || anything_waits(inner) || anything_waits(under));
    /* Should the host let it pass, the farm does not. */
    run_in(grid->hosts[0].ns,
           "nft flush chain inet croft_outside forward && ip route add 10.0.0.0/24 via 169.254.128.1");
    before = denied(grid, 0, "acme/shop", "web-1", "inbound");
    assert_int_equal(tcp_connect(grid->outside, WEB_1, 443, 100), -1);
    assert_true(denied_more(grid, 0, "acme/shop", "web-1", "inbound", before));
    assert_false(anything_waits(inner));
    close(door);
    close(inner);
    close(under);
}

static void test_rule_goes(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    char word[8];
    make_scene(&scene, grid, "acme/shop", 100);
    int door = tcp_listen(grid->outside, OUTSIDE_FAR, 443);
    int near = tcp_connect(scene.web_1, OUTSIDE_FAR, 443, 5000), far = tcp_accept(door, 5000);
    assert_true(near >= 0 && far >= 0);
    scene.farm.rules = &rules[1];
    scene.farm.rules_length = LENGTH(rules) - 1;
    grid_set(grid, &scene.farm);
    int64_t before = denied(grid, 0, "acme/shop", "web-1", "state");
    assert_int_equal(send(near, "x", 1, 0), 1);
    assert_true(denied_more(grid, 0, "acme/shop", "web-1", "state", before));
    assert_int_equal(receive(far, word, sizeof(word), 0), -1);
    assert_int_equal(send(far, "y", 1, 0), 1);
    assert_true(denied_more(grid, 0, "acme/shop", "", "inbound", 0));
    assert_int_equal(receive(near, word, sizeof(word), 0), -1);
    close(near);
    close(far);

    /* No rule to the internet at all, and back again. */
    scene.farm.rules_length = 0;
    grid_set(grid, &scene.farm);
    before = denied(grid, 0, "acme/shop", "web-1", "boundary");
    assert_int_equal(tcp_connect(scene.web_1, OUTSIDE_FAR, 443, 100), -1);
    assert_true(denied_more(grid, 0, "acme/shop", "web-1", "boundary", before));
    assert_false(anything_waits(door));
    close(door);
    scene.farm.rules = rules;
    scene.farm.rules_length = LENGTH(rules);
    grid_set(grid, &scene.farm);
    assert_connects(scene.web_1, grid->outside, OUTSIDE_FAR, 443);
}

static void test_new_driver_takes_over(void **state)
{
    struct grid *grid = *state;
    struct scene scene, other;
    struct error err;
    char word[8];
    make_scene(&scene, grid, "acme/shop", 100);
    grid_settle();
    int door = tcp_listen(grid->outside, OUTSIDE_FAR, 443);
    int near = tcp_connect(scene.web_1, OUTSIDE_FAR, 443, 5000), far = tcp_accept(door, 5000);
    assert_true(near >= 0 && far >= 0);
    grid_stop(grid, 0);
    grid_start(grid, 0);
    grid_set(grid, &scene.farm);
    assert_int_equal(send(near, "x", 1, 0), 1);
    assert_int_equal(receive(far, word, sizeof(word), 5000), 1);
    close(near);
    close(far);
    close(door);
    make_scene(&other, grid, "evil/copy", 101);
    assert_connects(other.web_1, grid->outside, OUTSIDE_FAR, 443);
    assert_connects(scene.web_1, grid->outside, OUTSIDE_FAR, 443);

    /* A farm that goes and comes back. */
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        struct net_driver *driver = &grid->hosts[i].driver;
        assert_good(driver->farm_remove(driver->self, "acme/shop", &err), &err);
    }
    make_scene(&scene, grid, "acme/shop", 100);
    assert_connects(scene.web_1, grid->outside, OUTSIDE_FAR, 443);
    assert_connects(other.web_1, grid->outside, OUTSIDE_FAR, 443);
}

/* Without an outside device the same rules lead nowhere. */
static void test_shut(void **state)
{
    struct grid *grid = *state;
    struct scene scene;
    make_scene(&scene, grid, "acme/shop", 100);
    assert_denied(&scene, scene.web_1, "web-1", grid->outside, OUTSIDE_FAR, 443, "boundary");
}

static void test_counters_are_cheap(void **state)
{
    struct grid *grid = *state;
    struct net_driver *driver = &grid->hosts[0].driver;
    struct timespec start, end;
    enum { FARMS = 20, ROUNDS = 20 };
    for (int i = 0; i < FARMS; i++) {
        char name[32];
        struct scene scene;
        snprintf(name, sizeof(name), "acme/many-%d", i);
        make_scene(&scene, grid, name, 300 + i);
        grid_settle();
        int64_t before = denied(grid, 0, name, "web-1", "policy");
        assert_int_equal(tcp_connect(scene.web_1, OUTSIDE_FAR, 9, 50), -1);
        assert_true(denied_more(grid, 0, name, "web-1", "policy", before));
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < ROUNDS; i++) {
        struct vec counters = VEC_OF(struct net_counter);
        struct error err;
        assert_good(driver->counters(driver->self, &counters, &err), &err);
        assert_true(counters.length >= FARMS);
        net_counters_free(&counters);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double ms =
        ((double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6) / ROUNDS;
    print_message("# counters of %d farms: %.2f ms of a core\n", FARMS, ms);
    assert_true(ms < 20); /* every 5 s: 0.4 % */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_allowed_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boundary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_boundary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spoof, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rule_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_driver_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shut, setup_shut, teardown),
        cmocka_unit_test_setup_teardown(test_counters_are_cheap, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
