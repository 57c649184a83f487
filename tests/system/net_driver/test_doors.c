/* Callers of published sockets, which are the host's: connections that are really made from many addresses,
 * and what the filters that govern the balancer say of each. */
#include "made_filters.h"
#include "packets.h"
#include "stage.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/doors_sweep.h"
#include "driver/net/ns.h"
#include "model/schemas.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BALANCER MADE_FARM "/balance-1"
#define PLACE "198.51.100.1:8080"
enum { ROUNDS = 60, CALLS = 24, SWAPS = 100, PORT = 7, DOOR_PORT = 8080, BALANCER_ADDRESS = 0x0a000009 };
enum { PATIENCE_MS = 10000 };

/* One has an address that a member of the farm has, too, which makes it no member. */
static const uint32_t callers[] = {OUTSIDE_FAR, OUTSIDE_SERVER, 0x0a000003, 0xc0000207, 0xac1f0001};

struct call {
    uint32_t from;
    uint16_t from_port;
    enum filter_action wanted;
    enum { CALL_OPEN, CALL_CONNECTED, CALL_REFUSED } fate;
    int fd;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void make_callers(const struct grid *grid)
{
    for (size_t i = 0; i < LENGTH(callers); i++) {
        char ip[32];
        CLEANUP_MEM char *command =
            mem_printf("ip addr replace %s/32 dev lo", text_format_ipv4(ip, callers[i]));
        run_in(grid->outside, command);
    }
}

static struct host_farm farm_with(const struct filter *filters, size_t length)
{
    return (struct host_farm){.name = MADE_FARM,
                              .subnet = {0x0a000000U, 24},
                              .gateway = GATEWAY,
                              .filters = filters,
                              .filters_length = length};
}

static void set_door(struct grid *grid, const char *place, const struct host_farm *farm)
{
    const struct net_driver *driver = &grid->hosts[0].driver;
    const struct net_door door = {place, BALANCER, BALANCER_ADDRESS, PORT, farm};
    struct error err;
    assert_good(driver->doors_set(driver->self, &door, place != NULL, &err), &err);
}

/* As model/packet.h has it. */
static enum filter_action verdict(const struct filter *filters, size_t length, const struct call *call)
{
    struct packet packet = {
        .direction = FILTER_IN,
        .family = FAMILY_IPV4,
        .from = {.farm = "", .tier = "", .instance = "", .internet = true, .port = call->from_port},
        .to = {.farm = MADE_FARM,
               .tier = MADE_FARM "/balance",
               .instance = BALANCER,
               .address = {10, 0, 0, 9},
               .port = PORT},
        .protocol = IP_TCP};
    for (unsigned i = 0; i < 4; i++)
        packet.from.address[i] = (unsigned char)(call->from >> (24 - 8 * i));
    for (size_t i = 0; i < length; i++) {
        if (!filter_governs(filters[i].on, NULL, 0, MADE_FARM, MADE_FARM "/balance", BALANCER)) continue;
        enum filter_action action = filter_action_of(&filters[i], filter_deciding_rule(&filters[i], &packet));
        if (action != FILTER_ALLOW) return action;
    }
    return FILTER_ALLOW;
}

/* Begun, and not waited for. In the outside's namespace. */
static int call_from(uint32_t from, uint16_t from_port)
{
    const struct sockaddr_in near = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(from),
                                     .sin_port = htons(from_port)},
                             far = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(OUTSIDE_HOST(0)),
                                    .sin_port = htons(DOOR_PORT)};
    const struct linger at_once = {.l_onoff = 1};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&near, sizeof(near)), 0);
    int result = connect(fd, (const struct sockaddr *)&far, sizeof(far));
    assert_true(result == 0 || errno == EINPROGRESS);
    return fd;
}

static void look(struct call *call)
{
    struct pollfd ready = {.fd = call->fd, .events = POLLOUT};
    int failure = 0;
    socklen_t size = sizeof(failure);
    if (call->fate != CALL_OPEN || poll(&ready, 1, 0) <= 0) return;
    assert_int_equal(getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &failure, &size), 0);
    assert_true(failure == 0 || failure == ECONNREFUSED);
    call->fate = failure == 0 ? CALL_CONNECTED : CALL_REFUSED;
}

/* A denied one is counted, and nobody is told: it stays open. */
static void call_round(struct grid *grid, int door, const struct filter *filters, size_t length,
                       uint64_t *lot, size_t tally[3])
{
    struct call calls[CALLS] = {0};
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    size_t wanted[3] = {0};
    uint64_t start = *lot;
    int64_t before = denied(grid, 0, MADE_FARM, "", "filter"), end = now_ms() + PATIENCE_MS;
    assert_good(ns_open(grid->outside, &ns_fd, &err), &err);
    assert_good(ns_enter(ns_fd, &back, &err), &err);
    for (size_t i = 0; i < CALLS; i++) { /* no two alike */
        calls[i].from = callers[i % LENGTH(callers)];
        calls[i].from_port = (uint16_t)(1 + i / LENGTH(callers) * 8 + made_below(lot, 8));
        calls[i].wanted = verdict(filters, length, &calls[i]);
        wanted[calls[i].wanted]++;
        tally[calls[i].wanted]++;
        calls[i].fd = call_from(calls[i].from, calls[i].from_port);
    }
    ns_leave(back);
    for (bool all = false; !all && now_ms() < end; usleep(1000)) {
        size_t fates[3] = {0};
        for (size_t i = 0; i < CALLS; i++) {
            look(&calls[i]);
            fates[calls[i].fate]++;
        }
        while (anything_waits(door)) /* its queue is short */
            close(tcp_accept(door, PATIENCE_MS));
        int64_t counted = denied(grid, 0, MADE_FARM, "", "filter") - before;
        all = fates[CALL_CONNECTED] + fates[CALL_REFUSED] == wanted[FILTER_ALLOW] + wanted[FILTER_REJECT] &&
              counted >= (int64_t)(wanted[FILTER_DENY] + wanted[FILTER_REJECT]);
    }
    for (size_t i = 0; i < CALLS; i++) {
        static const char *const fates[] = {"nothing", "a connection", "a refusal"};
        static const int expected[] = {
            [FILTER_DENY] = CALL_OPEN, [FILTER_ALLOW] = CALL_CONNECTED, [FILTER_REJECT] = CALL_REFUSED};
        if ((int)calls[i].fate != expected[calls[i].wanted])
            fail_msg("%08x:%u got %s where the filters say %s, lot %llu", calls[i].from, calls[i].from_port,
                     fates[calls[i].fate], filter_action_names[calls[i].wanted], (unsigned long long)start);
        close(calls[i].fd);
    }
    int64_t counted = denied(grid, 0, MADE_FARM, "", "filter") - before;
    assert_true(counted >= (int64_t)(wanted[FILTER_DENY] + wanted[FILTER_REJECT]));
    assert_true(counted == 0 || wanted[FILTER_DENY] + wanted[FILTER_REJECT] > 0);
    while (anything_waits(door))
        close(tcp_accept(door, PATIENCE_MS));
}

static void test_kernel_says_what_the_filters_say(void **state)
{
    static const char *const places[] = {MADE_FARM, MADE_FARM "/balance", BALANCER, MADE_FARM "/web"};
    struct grid *grid = *state;
    uint64_t lot = 21;
    size_t tally[3] = {0};
    make_callers(grid);
    int door = tcp_listen(grid->hosts[0].ns, OUTSIDE_HOST(0), DOOR_PORT);
    assert_true(door >= 0);
    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct filter filters[3];
        char names[3][48];
        size_t length = made_below(&lot, LENGTH(filters) + 1);
        for (size_t i = 0; i < length; i++) {
            filters[i] =
                made_filter(arena, &lot, places[made_below(&lot, LENGTH(places))], round % 4 == 0 ? 60 : 8);
            snprintf(names[i], sizeof(names[i]), "acme/made-%d-%zu", round, i);
            filters[i].full_name = names[i];
        }
        const struct host_farm farm = farm_with(filters, length);
        /* At one of the host's addresses, and at all of them. */
        set_door(grid, round % 3 == 0 ? "0.0.0.0:8080" : PLACE, &farm);
        call_round(grid, door, filters, length, &lot, tally);
    }
    print_message("# %zu callers let in, %zu denied, %zu rejected\n", tally[FILTER_ALLOW], tally[FILTER_DENY],
                  tally[FILTER_REJECT]);
    assert_true(tally[FILTER_ALLOW] > 100 && tally[FILTER_DENY] > 100 && tally[FILTER_REJECT] > 50);
    close(door);
}

static struct filter_rule deny_from(const char *prefix, const struct port_range *port)
{
    struct filter_rule rule = {.action = FILTER_DENY,
                               .direction = FILTER_IN,
                               .from = {.kind = ENDPOINT_PREFIX, .name = ""},
                               .to = {.name = ""},
                               .protocol = IP_TCP,
                               .ports = port,
                               .ports_length = 1};
    assert_true(address_parse(prefix, &rule.from.prefix));
    return rule;
}

static int count_tables(const struct grid *grid)
{
    CLEANUP_MEM char *path = mem_printf("%s/tables", grid->directory);
    CLEANUP_MEM char *command = mem_printf("nft list tables | grep -c ' " DOORS_TABLE "$' >%s || true", path);
    char text[32] = "";
    run_in(grid->hosts[0].ns, command);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    return atoi(text);
}

static int64_t sent_from(const struct grid *grid, uint32_t from, uint16_t port)
{
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    assert_good(ns_open(grid->outside, &ns_fd, &err), &err);
    assert_good(ns_enter(ns_fd, &back, &err), &err);
    int fd = call_from(from, port);
    ns_leave(back);
    return fd;
}

/* What is open ends when a filter comes that would not let it begin; all holds while no agent runs, and a new
 * one goes on with it; what it does not know any more is as it was; and nothing is left. */
static void test_lives_as_long_as_the_door(void **state)
{
    struct grid *grid = *state;
    const struct port_range web = {PORT, PORT}, other = {PORT + 1, PORT + 1};
    const struct filter_rule denies = deny_from("203.0.113.0/24", &web),
                             elsewhere = deny_from("0.0.0.0/0", &other);
    const struct filter filters[] = {
        {"outer", "landlord", "landlord/outer", MADE_FARM, FILTER_ALLOW, &elsewhere, 1},
        {"inner", "acme", "acme/inner", MADE_FARM, FILTER_ALLOW, &denies, 1}};
    const struct host_farm one = farm_with(filters, 1), two = farm_with(filters, 2),
                           none = farm_with(NULL, 0);
    struct error err;
    char word[8];
    int door = tcp_listen(grid->hosts[0].ns, OUTSIDE_HOST(0), DOOR_PORT);
    assert_true(door >= 0);
    set_door(grid, PLACE, &none);
    assert_int_equal(count_tables(grid), 0);
    make_callers(grid);
    set_door(grid, PLACE, &one);
    int near = tcp_connect(grid->outside, OUTSIDE_HOST(0), DOOR_PORT, 5000);
    int cut = (int)sent_from(grid, OUTSIDE_FAR, 40000), far = tcp_accept(door, 5000),
        end = tcp_accept(door, 5000);
    assert_true(near >= 0 && far >= 0 && end >= 0);
    set_door(grid, PLACE, &two);
    int64_t before = denied_by(grid, 0, MADE_FARM, "", "acme/inner");
    assert_int_equal(send(cut, "x", 1, 0), 1);
    assert_true(denied_more(grid, 0, MADE_FARM, "", "filter", before));
    assert_int_equal(denied_by(grid, 0, MADE_FARM, "", "landlord/outer"), 0);
    assert_false(anything_waits(end));
    assert_int_equal(send(near, "y", 1, 0), 1);
    assert_int_equal(receive(far, word, sizeof(word), 5000), 1);

    grid_stop(grid, 0);
    int late = (int)sent_from(grid, OUTSIDE_FAR, 40001);
    assert_int_equal(count_tables(grid), 1);
    grid_start(grid, 0);
    set_door(grid, PLACE, NULL); /* its farm is not known any more */
    assert_int_equal(count_tables(grid), 1);
    set_door(grid, PLACE, &two);
    assert_true(denied_more(grid, 0, MADE_FARM, "", "filter", 0)); /* of before, too */
    assert_false(anything_waits(door));
    set_door(grid, NULL, NULL);
    assert_int_equal(count_tables(grid), 0);
    assert_int_equal(denied(grid, 0, MADE_FARM, "", "filter"), 0);

    /* A host that is gone is tidied up behind. */
    set_door(grid, PLACE, &two);
    CLEANUP_FD int ns_fd = -1;
    int back;
    assert_good(ns_open(grid->hosts[0].ns, &ns_fd, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {DOORS_TABLE "_x", DOORS_TABLE "_", DOORS_TABLE};
        assert_int_equal(count_tables(grid), 1);
        assert_good(ns_enter(ns_fd, &back, &err), &err);
        bool swept = doors_sweep(names[i], i == 1, &err);
        ns_leave(back);
        assert_good(swept, &err);
    }
    assert_int_equal(count_tables(grid), 0);
    const int all[] = {near, far, cut, end, late, door};
    for (size_t i = 0; i < LENGTH(all); i++)
        close(all[i]);
}

/* Until it is ended: the first packet of a connection, again and again, from where none may come. */
static void load(int wire, uint64_t to_mac, volatile uint32_t *sent)
{
    for (uint16_t port = 1024;; port = port == UINT16_MAX ? 1024 : (uint16_t)(port + 1)) {
        struct frame frame = {0};
        frame_ethernet(&frame, to_mac, mac_of(OUTSIDE_FAR), ETH_P_IP);
        frame_ipv4(&frame, OUTSIDE_FAR, OUTSIDE_HOST(0), IP_TCP, 20, 0);
        frame_tcp(&frame, OUTSIDE_FAR, OUTSIDE_HOST(0), port, DOOR_PORT, 2 /* SYN */);
        *sent += wire_send(wire, &frame);
        if (port % 64 == 0) usleep(1000);
    }
}

static uint64_t mac_in(const struct grid *grid, const char *ns, const char *device)
{
    CLEANUP_MEM char *path = mem_printf("%s/mac", grid->directory);
    CLEANUP_MEM char *command =
        mem_printf("ip -br link show %s | awk '{print $3}' | tr -d : >%s", device, path);
    char text[32] = "";
    run_in(ns, command);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    return strtoull(text, NULL, 16);
}

static unsigned long slipped(const struct grid *grid)
{
    CLEANUP_MEM char *path = mem_printf("%s/slipped", grid->directory);
    CLEANUP_MEM char *command = mem_printf("nft list counter ip seen slipped >%s", path);
    char text[256] = "";
    run_in(grid->hosts[0].ns, command);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    const char *packets = strstr(text, "packets ");
    assert_non_null(packets);
    return strtoul(packets + strlen("packets "), NULL, 10);
}

/* From one filter to another that denies as much, to more of them, and from one agent to the next. */
static void test_swaps_leak_nothing(void **state)
{
    struct grid *grid = *state;
    const struct port_range web = {PORT, PORT};
    const struct filter_rule rules[] = {deny_from("203.0.113.0/24", &web), deny_from("203.0.113.4/30", &web)};
    const struct filter filters[] = {{"a", "acme", "acme/a", MADE_FARM, FILTER_ALLOW, &rules[0], 1},
                                     {"b", "acme", "acme/b", BALANCER, FILTER_ALLOW, &rules[1], 1},
                                     {"c", "acme", "acme/c", MADE_FARM, FILTER_DENY, NULL, 0}};
    void *shared = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    volatile uint32_t *sent = shared;
    struct host_farm farm = farm_with(filters, 1);
    set_door(grid, PLACE, &farm);
    run_in(grid->hosts[0].ns, "nft 'add table ip seen; add counter ip seen slipped; "
                              "add chain ip seen input { type filter hook input priority 10; }; "
                              "add rule ip seen input tcp dport 8080 counter name slipped'");
    uint64_t to_mac = mac_in(grid, grid->hosts[0].ns, "out0");
    int wire = wire_open(grid->outside, "out0");
    assert_true(wire >= 0);
    pid_t parent = getpid(), child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) load(wire, to_mac, sent);
        _exit(1);
    }
    close(wire);
    for (int i = 0; i < SWAPS; i++) {
        size_t first = (size_t)i % LENGTH(filters);
        farm.filters = &filters[first];
        farm.filters_length = 1 + (size_t)i % (LENGTH(filters) - first);
        set_door(grid, PLACE, &farm);
        if (i % 10 != 0) continue;
        grid_stop(grid, 0);
        grid_start(grid, 0);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    print_message("# %d swaps, %u packets\n", SWAPS, *sent);
    assert_true(*sent > SWAPS);
    assert_int_equal(slipped(grid), 0);
    /* They did come. */
    set_door(grid, NULL, NULL);
    assert_int_equal(tcp_connect(grid->outside, OUTSIDE_HOST(0), DOOR_PORT, 5000), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_true(slipped(grid) > 0);
    munmap(shared, sizeof(*sent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kernel_says_what_the_filters_say, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lives_as_long_as_the_door, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swaps_leak_nothing, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
