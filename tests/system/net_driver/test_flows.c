/* What passes, what does not, and what lasts: streams and datagrams between instances on two hosts. */
#include "packets.h"
#include "stage.h"

#include "base/mem.h"
#include "base/vec.h"
#include "driver/net/ns.h"
#include "driver/net/track.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct farm_rule web_to_db[] = {
    {"web", "db", PROTOCOL_TCP, 5432, 5440},
    {"web", "db", PROTOCOL_UDP, 7000, 7000},
    {"web", "web", PROTOCOL_ANY, 0, 65535},
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void assert_denied(struct grid *grid, size_t host, const char *who, const char *from, const char *to,
                          uint32_t address, uint16_t port)
{
    int door = tcp_listen(to, address, port);
    assert_true(door >= 0);
    int64_t before = denied(grid, host, "acme/shop", who, "policy");
    assert_int_equal(tcp_connect(from, address, port, 100), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(denied_more(grid, host, "acme/shop", who, "policy", before));
    assert_false(anything_waits(door));
    close(door);
}

static void test_allowed_only(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, web_to_db, LENGTH(web_to_db));
    char web_1[GRID_PATH_SIZE], web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);

    assert_connects(web_1, db_1, DB_1, 5432); /* on one host */
    assert_connects(web_2, db_1, DB_1, 5432); /* between hosts */
    assert_connects(web_2, db_1, DB_1, 5440); /* last of a range */
    assert_connects(web_1, web_2, WEB_2, 9);  /* any */
    assert_denied(grid, 0, "web-1", web_1, db_1, DB_1, 5441);
    assert_denied(grid, 1, "web-2", web_2, db_1, DB_1, 5431);
    assert_denied(grid, 0, "db-1", db_1, web_1, WEB_1, 5432);
    assert_denied(grid, 0, "db-1", db_1, web_2, WEB_2, 5432);
}

static void test_host_probes(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    char db_1[GRID_PATH_SIZE], gate[GRID_PATH_SIZE];
    grid_set(grid, &farm);
    port_path(grid, &farm, "db-1", db_1);
    snprintf(gate, sizeof(gate), "%s/farm/acme.shop", grid->hosts[0].run);
    assert_connects(gate, db_1, DB_1, 5432);
}

static void test_farms_apart(void **state)
{
    struct grid *grid = *state;
    struct member members[4], others[4];
    struct host_farm shop = usual_farm(grid, "acme/shop", 100, members, 3, web_to_db, LENGTH(web_to_db));
    struct host_farm copy = usual_farm(grid, "evil/copy", 101, others, 3, web_to_db, LENGTH(web_to_db));
    char shop_web[GRID_PATH_SIZE], shop_db[GRID_PATH_SIZE], copy_db[GRID_PATH_SIZE], copy_web[GRID_PATH_SIZE];
    grid_set(grid, &shop);
    grid_set(grid, &copy);
    port_path(grid, &shop, "web-2", shop_web);
    port_path(grid, &shop, "db-1", shop_db);
    port_path(grid, &copy, "db-1", copy_db);
    port_path(grid, &copy, "web-2", copy_web);

    int wrong = tcp_listen(copy_db, DB_1, 5432);
    assert_int_equal(tcp_connect(shop_web, DB_1, 5432, 5000), -1);
    assert_int_equal(errno, ECONNREFUSED); /* by its own db, where nobody listens */
    assert_false(anything_waits(wrong));
    close(wrong);
    assert_connects(shop_web, shop_db, DB_1, 5432);
    assert_connects(copy_web, copy_db, DB_1, 5432);
}

/* Datagrams there and back while filters and members change: none may be lost. */
static void test_swap_loses_nothing(void **state)
{
    struct grid *grid = *state;
    struct member members[4], more[4];
    struct error err;
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, web_to_db, LENGTH(web_to_db));
    struct host_farm big = usual_farm(grid, "acme/shop", 100, more, 4, web_to_db, 2);
    char web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], data[64];
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);
    int near = udp_open(web_2, WEB_2, 7001), far = udp_open(db_1, DB_1, 7000);
    int door = tcp_listen(db_1, DB_1, 5432);
    int stream = tcp_connect(web_2, DB_1, 5432, 5000);
    assert_true(near >= 0 && far >= 0 && stream >= 0);
    int peer = tcp_accept(door, 5000);
    for (int i = 0; i < 200; i++) {
        assert_true(udp_send(near, DB_1, 7000, &i, sizeof(i)));
        struct net_driver *driver = &grid->hosts[i % 2].driver;
        assert_good(driver->farm_set(driver->self, (i / 2) % 2 == 0 ? &big : &farm, &err), &err);
        assert_int_equal(receive(far, data, sizeof(data), 5000), sizeof(i));
        assert_true(udp_send(far, WEB_2, 7001, &i, sizeof(i)));
        assert_int_equal(receive(near, data, sizeof(data), 5000), sizeof(i));
        assert_int_equal(send(stream, "x", 1, 0), 1);
        assert_int_equal(receive(peer, data, sizeof(data), 5000), 1);
    }
    close(near);
    close(far);
    close(door);
    close(stream);
    close(peer);
}

static bool count_entry(void *ctx, const struct track_entry *entry)
{
    if (entry->from == WEB_2 || entry->to == WEB_2) ++*(int *)ctx;
    return true;
}

static int tracked(struct grid *grid, size_t host)
{
    struct error err;
    CLEANUP_FD int ns_fd = -1;
    int count = 0;
    struct net_driver *driver = &grid->hosts[host].driver;
    assert_good(driver->farm_ns(driver->self, "acme/shop", &ns_fd, &err), &err);
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    assert_good(netlink_open(ns_fd, NETLINK_NETFILTER, &netlink, &err), &err);
    assert_good(track_prune(netlink, count_entry, &count, &err), &err);
    return count;
}

static void test_gone_is_forgotten(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct error err;
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, web_to_db, LENGTH(web_to_db));
    char web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], word[8];
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);
    int door = tcp_listen(db_1, DB_1, 5432);
    int near = tcp_connect(web_2, DB_1, 5432, 5000);
    assert_true(near >= 0);
    int far = tcp_accept(door, 5000);
    assert_int_equal(tracked(grid, 0), 1);

    /* A rule goes: what it let pass is over too. */
    farm.rules_length = 0;
    grid_set(grid, &farm);
    assert_int_equal(tracked(grid, 0), 0);
    int64_t before = denied(grid, 1, "acme/shop", "web-2", "state");
    assert_int_equal(send(near, "x", 1, 0), 1);
    assert_true(denied_more(grid, 1, "acme/shop", "web-2", "state", before));
    assert_int_equal(receive(far, word, sizeof(word), 0), -1);
    close(near);
    close(far);

    /* A member goes. */
    farm.rules_length = LENGTH(web_to_db);
    grid_set(grid, &farm);
    near = tcp_connect(web_2, DB_1, 5432, 5000);
    assert_true(near >= 0);
    assert_int_equal(tracked(grid, 0), 1);
    members[1] = members[2];
    farm.members_length = 2;
    grid_set(grid, &farm);
    assert_int_equal(tracked(grid, 0), 0);
    assert_int_equal(tracked(grid, 1), 0);
    struct net_driver *driver = &grid->hosts[1].driver;
    CLEANUP_FD int held =
        open(web_2, O_RDONLY | O_CLOEXEC); /* the kernel takes its time with the namespace */
    assert_true(held >= 0);
    assert_good(driver->port_remove(driver->self, "acme/shop", "web-2", &err), &err);
    assert_good(driver->port_remove(driver->self, "acme/shop", "web-2", &err), &err);
    assert_int_not_equal(access(web_2, F_OK), 0);
    close(near);
    close(door);

    /* Its address is given away again at once. */
    struct host_farm again = usual_farm(grid, "acme/shop", 100, members, 3, web_to_db, LENGTH(web_to_db));
    grid_set(grid, &again);
    assert_connects(web_2, db_1, DB_1, 5432);
}

static void test_new_driver_takes_over(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct error err;
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 4, web_to_db, LENGTH(web_to_db));
    char web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], word[8];
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);
    int door = tcp_listen(db_1, DB_1, 5432);
    int near = tcp_connect(web_2, DB_1, 5432, 5000);
    int far = tcp_accept(door, 5000);
    assert_true(near >= 0 && far >= 0);

    for (size_t i = 0; i < GRID_HOSTS; i++) {
        grid_stop(grid, i);
        grid_start(grid, i);
        struct vec names = VEC_OF(char *);
        struct net_driver *driver = &grid->hosts[i].driver;
        assert_good(driver->farm_list(driver->self, &names, &err), &err);
        assert_int_equal(names.length, 1);
        assert_string_equal(*(char **)vec_at(&names, 0), "acme/shop");
        mem_free(*(char **)vec_at(&names, 0));
        vec_free(&names);
    }
    farm.members_length = 3; /* one went meanwhile */
    grid_set(grid, &farm);
    assert_int_equal(send(near, "x", 1, 0), 1);
    assert_int_equal(receive(far, word, sizeof(word), 5000), 1);
    assert_connects(web_2, db_1, DB_1, 5433);
    close(near);
    close(far);
    close(door);

    /* Another farm of the same name, and the same farm back at once. */
    farm.vni = 200;
    grid_set(grid, &farm);
    assert_connects(web_2, db_1, DB_1, 5433);
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        struct net_driver *driver = &grid->hosts[i].driver;
        assert_good(driver->farm_remove(driver->self, "acme/shop", &err), &err);
        assert_good(driver->farm_remove(driver->self, "acme/shop", &err), &err);
        assert_int_equal(access(i == 0 ? db_1 : web_2, F_OK), -1);
    }
    grid_set(grid, &farm);
    assert_connects(web_2, db_1, DB_1, 5433);
}

static void test_refusals(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct error err;
    char path[GRID_PATH_SIZE];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    struct net_driver *driver = &grid->hosts[0].driver;
    assert_good(driver->farm_set(driver->self, &farm, &err), &err);
    assert_false(driver->port_add(driver->self, "acme/shop", "web-2", path, sizeof(path), &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_false(driver->port_add(driver->self, "acme/shop", "web-9", path, sizeof(path), &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(driver->port_add(driver->self, "acme/none", "web-1", path, sizeof(path), &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    members[1].address = WEB_1;
    assert_false(driver->farm_set(driver->self, &farm, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

static void test_speed(void **state)
{
    struct grid *grid = *state;
    struct net_driver *driver = &grid->hosts[0].driver;
    struct error err;
    double first = 0, port = 0, more = 0;
    enum { ROUNDS = 10 };
    for (int i = 0; i < ROUNDS; i++) {
        char name[32], path[GRID_PATH_SIZE];
        struct member members[4];
        snprintf(name, sizeof(name), "acme/speed-%d", i);
        struct host_farm farm = usual_farm(grid, name, 300 + i, members, 3, web_to_db, LENGTH(web_to_db));
        double start = now_ms();
        assert_good(driver->farm_set(driver->self, &farm, &err), &err);
        first += now_ms() - start;
        start = now_ms();
        assert_good(driver->port_add(driver->self, name, "web-1", path, sizeof(path), &err), &err);
        port += now_ms() - start;
        grid_settle();
        farm = usual_farm(grid, name, 300 + i, members, 4, web_to_db, LENGTH(web_to_db));
        start = now_ms();
        assert_good(driver->farm_set(driver->self, &farm, &err), &err);
        more += now_ms() - start;
    }
    print_message("# farm_set first %.2f ms, port_add %.2f ms, farm_set with one more %.2f ms\n",
                  first / ROUNDS, port / ROUNDS, more / ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_allowed_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_probes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_farms_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swap_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_driver_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
