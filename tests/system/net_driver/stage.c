#include "stage.h"

#include "base/mem.h"
#include "driver/net/ns.h"
#include "packets.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int make(void **state, bool shut)
{
    static struct grid grid; /* one test at a time */
    grid = (struct grid){.shut = shut};
    grid_make(&grid);
    *state = &grid;
    return 0;
}

int setup(void **state)
{
    return make(state, false);
}

int setup_shut(void **state)
{
    return make(state, true);
}

int teardown(void **state)
{
    grid_settle();
    grid_end(*state);
    return 0;
}

void assert_good(bool good, const struct error *err)
{
    if (!good) fail_msg("%s", err->message);
}

void assert_connects(const char *from, const char *to, uint32_t address, uint16_t port)
{
    char word[8];
    int door = tcp_listen(to, address, port);
    assert_true(door >= 0);
    int near = tcp_connect(from, address, port, 5000);
    if (near < 0) fail_msg("cannot connect: %s", strerror(errno));
    int far = tcp_accept(door, 5000);
    assert_true(far >= 0);
    assert_int_equal(send(near, "hi", 2, 0), 2);
    assert_int_equal(receive(far, word, sizeof(word), 5000), 2);
    assert_int_equal(send(far, "you", 3, 0), 3);
    assert_int_equal(receive(near, word, sizeof(word), 5000), 3);
    close(near);
    close(far);
    close(door);
}

void run_in(const char *ns, const char *command)
{
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    assert_good(ns_open(ns, &ns_fd, &err), &err);
    assert_good(ns_enter(ns_fd, &back, &err), &err);
    int status = system(command); /* NOLINT: made by a test */
    ns_leave(back);
    assert_int_equal(status, 0);
}
