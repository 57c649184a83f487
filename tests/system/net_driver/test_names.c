/* What an instance is told: its address by DHCP, the members by name. */
#include "packets.h"
#include "stage.h"

#include "base/mem.h"
#include "driver/net/ns.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWERS_OFFSET = 7, CODE_OFFSET = 3, NO_SUCH_NAME = 3 };

/* Number of addresses of a name, or -1 with the server's answer code below zero more. */
static int resolve(const char *ns, uint32_t address, const char *name)
{
    uint8_t query[256] = {0x12, 0x34, 1, 0, 0, 1}, answer[512];
    size_t size = 12;
    for (const char *label = name; *label != '\0';) {
        size_t length = strcspn(label, ".");
        query[size++] = (uint8_t)length;
        memcpy(query + size, label, length);
        size += length;
        label += length + (label[length] == '.');
    }
    static const uint8_t tail[] = {0, 0, 1, 0, 1}; /* end, A, IN */
    memcpy(query + size, tail, sizeof(tail));
    size += sizeof(tail);
    int fd = udp_open(ns, address, 0);
    assert_true(fd >= 0);
    assert_true(udp_send(fd, GATEWAY, 53, query, size));
    long got = receive(fd, answer, sizeof(answer), 5000);
    close(fd);
    assert_true(got > 12);
    int code = answer[CODE_OFFSET] & 15;
    return code == 0 ? answer[ANSWERS_OFFSET] : -code;
}

static void test_resolve(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    char web_1[GRID_PATH_SIZE], db_1[GRID_PATH_SIZE];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-1", web_1);
    port_path(grid, &farm, "db-1", db_1);
    assert_int_equal(resolve(web_1, WEB_1, "web"), 2);
    assert_int_equal(resolve(web_1, WEB_1, "web.shop.acme"), 2);
    assert_int_equal(resolve(db_1, DB_1, "web-2"), 1);
    assert_int_equal(resolve(db_1, DB_1, "web-2.shop.acme"), 1);
    assert_int_equal(resolve(db_1, DB_1, "cache"), -NO_SUCH_NAME);
    assert_int_equal(resolve(db_1, DB_1, "localhost.localdomain"), -NO_SUCH_NAME);
    assert_int_equal(resolve(db_1, DB_1, "example.org"), -NO_SUCH_NAME);

    /* A member more: told to the running server. Asked until it has read it. */
    farm = usual_farm(grid, "acme/shop", 100, members, 4, NULL, 0);
    grid_set(grid, &farm);
    int found = 0;
    for (int i = 0; i < 1000 && found != 1; i++)
        found = resolve(db_1, DB_1, "cache");
    assert_int_equal(found, 1);

    /* One that waits at the door or is drained: nobody comes to it by its tier's name. */
    members[1].aside = true;
    grid_set(grid, &farm);
    for (int i = 0; i < 1000 && found != 2; i++)
        found = resolve(web_1, WEB_1, "web") + 1;
    assert_int_equal(found, 2);
    assert_int_equal(resolve(web_1, WEB_1, "web-2"), 1);
    members[1].aside = false;
    grid_set(grid, &farm);
    for (int i = 0; i < 1000 && found != 3; i++)
        found = resolve(web_1, WEB_1, "web") + 1;
    assert_int_equal(found, 3);
    found = 1;

    /* The server outlives the agent, and the next agent tells the same one. */
    grid_stop(grid, 0);
    assert_int_equal(resolve(db_1, DB_1, "cache"), 1);
    grid_start(grid, 0);
    farm.members_length = 3;
    grid_set(grid, &farm);
    for (int i = 0; i < 1000 && found == 1; i++)
        found = resolve(db_1, DB_1, "cache");
    assert_int_equal(found, -NO_SUCH_NAME);
}

/* The number of the farm's name server; it is the first that runs when `other` is 0, else one after that. */
static pid_t server_pid(const struct grid *grid, pid_t other)
{
    CLEANUP_MEM char *path = mem_printf("%s/names/acme.shop/pid", grid->hosts[0].run);
    for (int i = 0; i < 5000; i++) {
        long pid = 0;
        FILE *file = fopen(path, "re");
        bool good = file != NULL && fscanf(file, "%ld", &pid) == 1;
        if (file != NULL) fclose(file);
        if (good && pid != other) return (pid_t)pid;
        usleep(1000);
    }
    fail_msg("no name server in %s", path);
    return 0;
}

static void test_server_dies(void **state)
{
    struct grid *grid = *state;
    struct net_driver *driver = &grid->hosts[0].driver;
    struct member members[4];
    struct error err;
    char web_1[GRID_PATH_SIZE];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-1", web_1);
    pid_t first = server_pid(grid, 0);
    assert_true(driver->farm_tend(driver->self, &farm, &err));
    grid_settle();
    assert_int_equal(server_pid(grid, 0), first);

    int pidfd = (int)syscall(SYS_pidfd_open, first, 0);
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    assert_true(pidfd >= 0);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(poll(&end, 1, 5000), 1);
    close(pidfd);
    assert_true(driver->farm_tend(driver->self, &farm, &err));
    grid_settle();
    assert_int_not_equal(server_pid(grid, first), first);
    assert_int_equal(resolve(web_1, WEB_1, "web"), 2);

    assert_true(driver->farm_remove(driver->self, farm.name, &err));
    assert_true(driver->farm_tend(driver->self, &farm, &err)); /* nothing is there, nothing comes */
}

static void test_lease(void **state)
{
    struct grid *grid = *state;
    struct member members[4];
    char web_1[GRID_PATH_SIZE], script[128], output[128], text[64] = "";
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    grid_set(grid, &farm);
    grid_settle();
    port_path(grid, &farm, "web-1", web_1);
    snprintf(script, sizeof(script), "%s/lease.sh", grid->directory);
    snprintf(output, sizeof(output), "%s/lease", grid->directory);
    FILE *file = fopen(script, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n[ \"$1\" = bound ] && echo \"$ip/$mask $router $dns $domain\" > %s\nexit 0\n",
            output);
    fclose(file);
    assert_int_equal(chmod(script, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error err;
        int fd, back;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (!ns_open(web_1, &fd, &err) || !ns_enter(fd, &back, &err) || dup2(null, 1) < 0 ||
            dup2(null, 2) < 0)
            _exit(126);
        execlp("busybox", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-s", script, NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    file = fopen(output, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "10.0.0.2/24 10.0.0.1 10.0.0.1 shop.acme\n");
}

static void nothing(int number)
{
}

/* Children of an agent end at any moment, also while nftables waits for the kernel. */
static void test_signals(void **state)
{
    struct grid *grid = *state;
    struct net_driver *driver = &grid->hosts[0].driver;
    const struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    struct sigaction before;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    struct error err = {0};
    bool good = true;

    assert_true(driver->farm_set(driver->self, &farm, &err));
    grid_settle();
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (kill(getppid(), SIGUSR1) == 0)
            usleep(50); /* or the other one comes to nothing else */
        _exit(1);
    }
    for (size_t i = 0; i < 100 && good; i++) {
        farm = usual_farm(grid, "acme/shop", 100, members, 2 + i % 2, NULL, 0);
        good = driver->farm_set(driver->self, &farm, &err);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    if (!good) fail_msg("%s", err.message);
}

/* A host of many farms and instances has more descriptors open than select() can wait for. */
static void test_many_descriptors(void **state)
{
    enum { DESCRIPTORS = FD_SETSIZE + 16 };
    struct grid *grid = *state;
    struct net_driver *driver = &grid->hosts[0].driver;
    struct member members[4];
    struct host_farm farm = usual_farm(grid, "acme/shop", 100, members, 2, NULL, 0);
    struct rlimit before, wide;
    struct error err = {0};
    int fds[DESCRIPTORS];
    size_t length = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    wide = before;
    wide.rlim_cur = 2 * DESCRIPTORS;
    if (wide.rlim_max < wide.rlim_cur) wide.rlim_max = wide.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &wide), 0);
    assert_true(driver->farm_set(driver->self, &farm, &err));
    while (length < DESCRIPTORS)
        fds[length++] = open("/", O_PATH | O_CLOEXEC);
    assert_true(fds[length - 1] >= FD_SETSIZE);
    farm = usual_farm(grid, "acme/shop", 100, members, 3, NULL, 0);
    bool good = driver->farm_set(driver->self, &farm, &err);
    struct host_farm other = usual_farm(grid, "zeta/shop", 101, members, 2, NULL, 0);
    good = good && driver->farm_set(driver->self, &other, &err);
    while (length > 0)
        close(fds[--length]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (!good) fail_msg("%s", err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resolve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_descriptors, setup, teardown),
    };
    if (geteuid() != 0) {
        puts("1..0 # SKIP needs root");
        return 0;
    }
    grid_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
