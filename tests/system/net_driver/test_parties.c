/* What comes and goes with parties' filters: connections, chains, members; and that no packet slips through
 * while filters are swapped. */
#include "packets.h"
#include "stage.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/ns.h"
#include "model/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SHOP "acme/shop"
enum { SWAPS = 100, LOAD_SHUT = 7000, LOAD_OPEN = 7001 };

static const struct farm_rule all[] = {
    {"web", "db", PROTOCOL_ANY, 0, 65535},
    {"web", "web", PROTOCOL_ANY, 0, 65535},
    {"cache", "db", PROTOCOL_ANY, 0, 65535},
};

static struct filter_rule rule_of(enum filter_action action, enum filter_direction direction,
                                  int64_t protocol, const struct port_range *port)
{
    return (struct filter_rule){.action = action,
                                .direction = direction,
                                .from = {.name = ""},
                                .to = {.name = ""},
                                .protocol = protocol,
                                .ports = port,
                                .ports_length = port != NULL};
}

static struct filter filter_of(const char *on, enum filter_action default_action,
                               const struct filter_rule *rules, size_t length)
{
    return (struct filter){.name = "test",
                           .party = "acme",
                           .full_name = default_action == FILTER_ALLOW ? "acme/test" : "acme/other",
                           .on = on,
                           .default_action = default_action,
                           .rules = rules,
                           .rules_length = length};
}

/* The denial is counted for the member at whose port it was judged, by the host that it lives on. */
static void assert_judged(struct grid *grid, size_t host, const char *who, const char *from, const char *to,
                          uint32_t address, uint16_t port, int fault)
{
    int door = tcp_listen(to, address, port);
    assert_true(door >= 0);
    int64_t before = denied(grid, host, SHOP, who, "filter");
    assert_int_equal(tcp_connect(from, address, port, fault == ETIMEDOUT ? 100 : 5000), -1);
    assert_int_equal(errno, fault);
    assert_true(denied_more(grid, host, SHOP, who, "filter", before));
    assert_false(anything_waits(door));
    close(door);
}

/* Each end is judged where it lives, and who is rejected is told, also by another host. */
static void test_both_ends(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    const struct port_range ports[] = {{81, 81}, {82, 82}, {83, 83}, {84, 84}};
    const struct filter_rule outer[] = {rule_of(FILTER_DENY, FILTER_OUT, IP_TCP, &ports[0]),
                                        rule_of(FILTER_REJECT, FILTER_OUT, IP_TCP, &ports[1])};
    const struct filter_rule inner[] = {rule_of(FILTER_DENY, FILTER_IN, IP_TCP, &ports[2]),
                                        rule_of(FILTER_REJECT, FILTER_IN, IP_TCP, &ports[3])};
    struct filter filters[] = {filter_of(SHOP, FILTER_ALLOW, outer, 2),
                               filter_of(SHOP "/db", FILTER_ALLOW, inner, 2)};
    filters[1].full_name = "acme/inner";
    char web_1[GRID_PATH_SIZE], web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    farm.filters = filters;
    farm.filters_length = LENGTH(filters);
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);

    assert_connects(web_1, db_1, DB_1, 80);
    assert_connects(web_2, db_1, DB_1, 80);
    assert_judged(grid, 0, "web-1", web_1, db_1, DB_1, 81, ETIMEDOUT);
    assert_judged(grid, 1, "web-2", web_2, db_1, DB_1, 81, ETIMEDOUT);
    assert_judged(grid, 0, "web-1", web_1, db_1, DB_1, 82, ECONNREFUSED);
    assert_judged(grid, 1, "web-2", web_2, db_1, DB_1, 82, ECONNREFUSED);
    assert_judged(grid, 0, "db-1", web_1, db_1, DB_1, 83, ETIMEDOUT);
    assert_judged(grid, 0, "db-1", web_2, db_1, DB_1, 83, ETIMEDOUT);
    assert_judged(grid, 0, "db-1", web_1, db_1, DB_1, 84, ECONNREFUSED);
    assert_judged(grid, 0, "db-1", web_2, db_1, DB_1, 84, ECONNREFUSED);
    assert_connects(web_1, web_2, WEB_2, 83); /* is not db's */

    /* Whose filter it was is told, and forgotten with the filter. */
    assert_true(denied_by(grid, 0, SHOP, "web-1", "acme/test") > 0);
    assert_int_equal(denied_by(grid, 0, SHOP, "web-1", "acme/inner"), 0);
    assert_true(denied_by(grid, 0, SHOP, "db-1", "acme/inner") > 0);
    assert_int_equal(denied_by(grid, 0, SHOP, "db-1", ""), 0);
    farm.filters_length = 1;
    grid_set(grid, &farm);
    assert_int_equal(denied(grid, 0, SHOP, "db-1", "filter"), 0);
    assert_true(denied_by(grid, 0, SHOP, "web-1", "acme/test") > 0);
    farm.filters_length = 2;
    grid_set(grid, &farm);
    assert_int_equal(denied(grid, 0, SHOP, "db-1", "filter"), 0);
}

/* By name are told a few at each port, and the rest together, so that a report stays short. */
static void test_few_are_told_by_name(void **state)
{
    enum { MANY = NET_FILTERS_TOLD_MAX + 4 };
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    struct port_range ports[MANY];
    struct filter_rule rules[MANY];
    struct filter filters[MANY];
    char names[MANY][32], web_1[GRID_PATH_SIZE];
    size_t told = 0;
    for (size_t i = 0; i < MANY; i++) {
        ports[i] = (struct port_range){(uint16_t)(7000 + i), (uint16_t)(7000 + i)};
        rules[i] = rule_of(FILTER_DENY, FILTER_OUT, IP_UDP, &ports[i]);
        filters[i] = filter_of(SHOP, FILTER_ALLOW, &rules[i], 1);
        snprintf(names[i], sizeof(names[i]), "acme/f%zu", i);
        filters[i].full_name = names[i];
    }
    farm.filters = filters;
    farm.filters_length = MANY;
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-1", web_1);
    int near = udp_open(web_1, WEB_1, 5000);
    assert_true(near >= 0);
    for (size_t i = 0; i < MANY; i++) {
        int64_t before = denied(grid, 0, SHOP, "web-1", "filter");
        assert_true(udp_send(near, DB_1, ports[i].first, "x", 1));
        assert_true(denied_more(grid, 0, SHOP, "web-1", "filter", before));
    }
    for (size_t i = 0; i < MANY; i++)
        told += denied_by(grid, 0, SHOP, "web-1", names[i]) > 0;
    assert_int_equal(told, NET_FILTERS_TOLD_MAX);
    assert_int_equal(denied_by(grid, 0, SHOP, "web-1", ""), MANY - NET_FILTERS_TOLD_MAX);
    close(near);
}

/* The host asks its instances whether they live, and answers for names and addresses, whatever a party says.
 */
static void test_host_is_not_filtered(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    const struct filter nothing = filter_of(SHOP, FILTER_DENY, NULL, 0);
    char web_1[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], gate[GRID_PATH_SIZE], answer[64];
    farm.filters = &nothing;
    farm.filters_length = 1;
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "db-1", db_1);
    snprintf(gate, sizeof(gate), "%s/farm/acme.shop", grid->hosts[0].run);
    assert_connects(gate, db_1, DB_1, 5432);
    assert_judged(grid, 0, "web-1", web_1, db_1, DB_1, 5432, ETIMEDOUT);
    /* A question to the name server, RFC 1035 section 4.1: what is db? */
    static const char question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\2db\0\0\1\0\1";
    int asker = udp_open(web_1, WEB_1, 5353);
    assert_true(asker >= 0 && udp_send(asker, GATEWAY, 53, question, sizeof(question) - 1));
    assert_true(receive(asker, answer, sizeof(answer), 5000) > 12);
    close(asker);
}

/* A filter comes: what it would not let begin is over on both hosts, and the rest goes on. */
static void test_connections_end(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    char web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE], word[8];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    const struct port_range shut = {5432, 5432};
    struct port_range own = {1, 1023};
    struct filter_rule rule = rule_of(FILTER_DENY, FILTER_IN, IP_TCP, &shut);
    const struct filter filter = filter_of(SHOP "/db-1", FILTER_ALLOW, &rule, 1);
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);
    int doors[2], near[2], far[2];
    for (int i = 0; i < 2; i++) {
        doors[i] = tcp_listen(db_1, DB_1, (uint16_t)(5432 + i));
        assert_true((near[i] = tcp_connect(web_2, DB_1, (uint16_t)(5432 + i), 5000)) >= 0);
        assert_true((far[i] = tcp_accept(doors[i], 5000)) >= 0);
    }
    farm.filters = &filter;
    farm.filters_length = 1;
    grid_set(grid, &farm);
    int64_t before = denied(grid, 0, SHOP, "web-2", "state");
    assert_int_equal(send(near[0], "x", 1, 0), 1);
    assert_int_equal(send(near[1], "y", 1, 0), 1);
    assert_int_equal(receive(far[1], word, sizeof(word), 5000), 1);
    assert_true(denied_more(grid, 0, SHOP, "web-2", "state", before));
    assert_int_equal(receive(far[0], word, sizeof(word), 0), -1);

    /* By the port of the sender too. */
    rule.ports_length = 0;
    rule.from_ports = &own;
    rule.from_ports_length = 1;
    grid_set(grid, &farm);
    assert_int_equal(send(near[1], "y", 1, 0), 1);
    assert_int_equal(receive(far[1], word, sizeof(word), 5000), 1);
    own = (struct port_range){1024, 65535};
    grid_set(grid, &farm);
    before = denied(grid, 0, SHOP, "web-2", "state");
    assert_int_equal(send(near[1], "y", 1, 0), 1);
    assert_true(denied_more(grid, 0, SHOP, "web-2", "state", before));
    assert_int_equal(receive(far[1], word, sizeof(word), 0), -1);
    for (int i = 0; i < 2; i++) {
        close(doors[i]);
        close(near[i]);
        close(far[i]);
    }
}

/* Names mean who is there: a member that comes is meant before it can send. */
static void test_names_follow_members(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    struct filter_rule rules[2] = {rule_of(FILTER_DENY, FILTER_BOTH, IP_TCP, NULL),
                                   rule_of(FILTER_DENY, FILTER_BOTH, IP_UDP, NULL)};
    rules[0].from = (struct endpoint){.kind = ENDPOINT_TIER, .name = SHOP "/cache"};
    rules[1].from = (struct endpoint){.kind = ENDPOINT_INSTANCE, .name = SHOP "/cache-1"};
    const struct filter filter = filter_of(SHOP "/db", FILTER_ALLOW, rules, 2);
    char cache_1[GRID_PATH_SIZE], web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    farm.filters = &filter;
    farm.filters_length = 1;
    grid_set(grid, &farm);
    port_path(grid, &farm, "db-1", db_1);
    port_path(grid, &farm, "web-2", web_2);
    assert_connects(web_2, db_1, DB_1, 80);
    farm = usual_farm(grid, SHOP, 100, members, 4, all, LENGTH(all));
    farm.filters = &filter;
    farm.filters_length = 1;
    grid_set(grid, &farm);
    port_path(grid, &farm, "cache-1", cache_1);
    assert_judged(grid, 0, "db-1", cache_1, db_1, DB_1, 80, ETIMEDOUT);
    int64_t before = denied(grid, 0, SHOP, "db-1", "filter");
    int near = udp_open(cache_1, CACHE_1, 7001);
    assert_true(near >= 0 && udp_send(near, DB_1, 7000, "x", 1));
    assert_true(denied_more(grid, 0, SHOP, "db-1", "filter", before));
    close(near);
    assert_connects(web_2, db_1, DB_1, 80);
}

static size_t count_chains(const struct grid *grid, size_t host)
{
    CLEANUP_FD int ns_fd = -1;
    CLEANUP_MEM char *path = mem_printf("%s/chains", grid->directory);
    CLEANUP_MEM char *farm = mem_printf("%s/farm/acme.shop", grid->hosts[host].run);
    CLEANUP_MEM char *command =
        mem_printf("nft -t list chains inet | grep -cE 'chain [fm][io][0-9a-f]+ ' >%s || true", path);
    struct error err;
    int back;
    char text[32] = "";
    assert_good(ns_open(farm, &ns_fd, &err), &err);
    assert_good(ns_enter(ns_fd, &back, &err), &err);
    int status = system(command); /* NOLINT: made here */
    ns_leave(back);
    assert_int_equal(status, 0);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    return strtoul(text, NULL, 10);
}

/* Nothing of old filters stays, whether this process set them or one before it. */
static void test_chains_go(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    const struct port_range port = {81, 81};
    const struct filter_rule rule = rule_of(FILTER_DENY, FILTER_BOTH, IP_TCP, &port);
    const struct filter two[] = {filter_of(SHOP, FILTER_ALLOW, &rule, 1),
                                 filter_of(SHOP, FILTER_DENY, NULL, 0)};
    char web_2[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-2", web_2);
    port_path(grid, &farm, "db-1", db_1);
    assert_int_equal(count_chains(grid, 0), 0);
    farm.filters = two;
    farm.filters_length = 2;
    grid_set(grid, &farm);
    assert_int_equal(count_chains(grid, 0), 2 * (2 + 2)); /* in and out: filters and members here */
    for (size_t i = 0; i < GRID_HOSTS; i++) {
        grid_stop(grid, i);
        grid_start(grid, i);
    }
    farm.filters_length = 1;
    grid_set(grid, &farm);
    assert_int_equal(count_chains(grid, 0), 2 * (1 + 2));
    assert_judged(grid, 1, "web-2", web_2, db_1, DB_1, 81, ETIMEDOUT);
    assert_connects(web_2, db_1, DB_1, 82);
    farm.filters_length = 0;
    grid_set(grid, &farm);
    assert_int_equal(count_chains(grid, 0), 0);
    assert_connects(web_2, db_1, DB_1, 81);
}

/* What is started from here must not get what can change filters, nor hold a farm's namespace. */
static void test_sockets_stay_here(void **state)
{
    struct grid *grid = *state;
    int sockets = 0;
    for (int i = 0; i < 12; i++) {
        char name[32];
        struct member members[4];
        snprintf(name, sizeof(name), "acme/many-%d", i); /* more than there are seats for */
        struct host_farm farm = usual_farm(grid, name, 300 + i, members, 3, all, LENGTH(all));
        grid_set(grid, &farm);
    }
    for (int fd = 0; fd < FD_SETSIZE; fd++) {
        int domain = 0;
        socklen_t size = sizeof(domain);
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_NETLINK) continue;
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        sockets++;
    }
    assert_true(sockets > 0);
}

/* Until it is ended: datagrams, each of a connection of its own, mostly to where none may go. */
static void load(int wire, volatile uint32_t sent[2])
{
    for (uint16_t port = 1024;; port = port == UINT16_MAX ? 1024 : (uint16_t)(port + 1)) {
        struct frame frame = {0};
        bool open = port % 16 == 0;
        frame_ethernet(&frame, mac_of(DB_1), mac_of(WEB_1), ETH_P_IP);
        frame_ipv4(&frame, WEB_1, DB_1, IP_UDP, 16, 0);
        frame_udp(&frame, port, open ? LOAD_OPEN : LOAD_SHUT, 8);
        frame_pad(&frame, 8);
        sent[open] += wire_send(wire, &frame);
        if (port % 64 == 0) usleep(1000); /* so that it stays below what a port may send a second */
    }
}

static pid_t start_load(const char *ns, volatile uint32_t sent[2])
{
    int wire = wire_open(ns, "eth0");
    assert_true(wire >= 0);
    pid_t parent = getpid(), child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) load(wire, sent);
        _exit(1);
    }
    close(wire);
    return child;
}

/* Packets that came to the instance, by a counter in its namespace. */
static uint32_t arrived(const struct grid *grid, const char *ns, const char *counter)
{
    CLEANUP_MEM char *path = mem_printf("%s/arrived", grid->directory);
    CLEANUP_MEM char *command = mem_printf("nft list counter ip seen %s >%s", counter, path);
    char text[256] = "";
    run_in(ns, command);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    const char *packets = strstr(text, "packets ");
    assert_non_null(packets);
    return (uint32_t)strtoul(packets + strlen("packets "), NULL, 10);
}

static void test_swaps_leak_nothing(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, SHOP, 100, members, 3, all, LENGTH(all));
    const struct port_range shut = {LOAD_SHUT, LOAD_SHUT}, open = {LOAD_OPEN, LOAD_OPEN};
    const struct filter_rule denies = rule_of(FILTER_DENY, FILTER_IN, IP_UDP, &shut);
    const struct filter_rule allows = rule_of(FILTER_ALLOW, FILTER_BOTH, IP_UDP, &open);
    /* Both are on one host: what several do is not done at one instant. From the receiver's port to the
     * sender's, from one filter to another, and another text of the same one.
     */
    const struct filter filters[] = {
        filter_of(SHOP, FILTER_ALLOW, &denies, 1), filter_of(SHOP "/db", FILTER_DENY, &allows, 1),
        filter_of(SHOP "/web", FILTER_DENY, &allows, 1), filter_of(SHOP, FILTER_DENY, &allows, 1)};
    char web_1[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    void *shared =
        mmap(NULL, 2 * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    volatile uint32_t *sent = shared;
    farm.filters = filters;
    farm.filters_length = 1;
    grid_set(grid, &farm);
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "db-1", db_1);
    run_in(db_1, "nft 'add table ip seen; add counter ip seen shut; add counter ip seen open; "
                 "add chain ip seen input { type filter hook input priority 0; }; "
                 "add rule ip seen input udp dport 7000 counter name shut drop; "
                 "add rule ip seen input udp dport 7001 counter name open drop'");
    pid_t child = start_load(web_1, sent);
    for (int i = 0; i < SWAPS; i++) {
        farm.filters = &filters[(size_t)(i + 1) % LENGTH(filters)];
        grid_set(grid, &farm);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (int i = 0; i < 1000 && arrived(grid, db_1, "open") < sent[1]; i++)
        usleep(5000);
    print_message("# %d swaps, %u packets where none may go, %u others\n", SWAPS, sent[0], sent[1]);
    assert_true(sent[0] > SWAPS && sent[1] > SWAPS);
    assert_int_equal(arrived(grid, db_1, "shut"), 0);
    assert_in_range(arrived(grid, db_1, "open"), sent[1],
                    sent[1] + 1); /* it may have ended between the two */
    munmap(shared, 2 * sizeof(*sent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_are_told_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_is_not_filtered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_follow_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chains_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sockets_stay_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swaps_leak_nothing, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
