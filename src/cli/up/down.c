/* `croft down`: stops the grid of a state directory from outside. */
#include "cli/up/child.h"
#include "cli/up/grid.h"

#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STOP_MS 60000
#define CHILDREN_MS 10000

static bool stop_running(const struct place *place, const struct grid_info *info, struct error *err);
static bool stop_by_force(int pidfd, int64_t pid, struct error *err);
static void open_children(int64_t pid, struct vec *ret_fds);
static bool gone(int pidfd, int timeout_ms);
static bool sweep(const struct place *place, bool expect_nothing, struct error *err);
static int give_up(const struct error *err);

int down_main(const struct down_options *options)
{
    struct error err;
    CLEANUP_PLACE struct place place = {0};
    CLEANUP_GRID_INFO struct grid_info info = {0};
    if (geteuid() != 0) {
        error_set(&err, ERROR_DENIED, "only root can stop a grid: run it as root");
        return give_up(&err);
    }
    if (!place_open(options->state, false, &place, &err)) {
        if (err.code != ERROR_NOT_FOUND) return give_up(&err);
        printf("no grid is running in %s\n", options->state);
        return 0;
    }
    bool running = grid_info_of(&place, &info, &err);
    if (running && !stop_running(&place, &info, &err)) return give_up(&err);
    if (!sweep(&place, !running, &err)) return give_up(&err);
    if (running)
        printf("stopped the grid in %s (process %" PRId64 "); its documents stay there\n", place.state,
               info.pid);
    else
        printf("no grid is running in %s\n", place.state);
    return 0;
}

static bool stop_running(const struct place *place, const struct grid_info *info, struct error *err)
{
    CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)info->pid, 0);
    if (pidfd < 0) {
        if (errno == ESRCH) return true; /* it ended just now */
        return error_errno(err, errno, "cannot open process %" PRId64, info->pid);
    }
    /* Looked at again now that the descriptor holds the process: its number cannot have passed on. */
    if (process_start_ticks(info->pid) != info->start_ticks) return true;
    child_signal(pidfd, SIGTERM);
    return gone(pidfd, STOP_MS) || stop_by_force(pidfd, info->pid, err);
}

/* Its children die by its death; wait for them, too. */
static bool stop_by_force(int pidfd, int64_t pid, struct error *err)
{
    struct vec children = VEC_OF(int);
    open_children(pid, &children);
    fprintf(stderr, "croft: the grid does not stop within %d s: killing it\n", STOP_MS / 1000);
    child_signal(pidfd, SIGKILL);
    bool good = gone(pidfd, CHILDREN_MS);
    for (size_t i = 0; i < children.length; i++) {
        const int *child = vec_at(&children, i);
        good = gone(*child, CHILDREN_MS) && good;
        close(*child);
    }
    vec_free(&children);
    return good || error_set(err, ERROR_TIMEOUT, "processes of the grid do not die; see dmesg");
}

static void open_children(int64_t pid, struct vec *ret_fds)
{
    CLEANUP_MEM char *path = mem_printf("/proc/%" PRId64 "/task/%" PRId64 "/children", pid, pid);
    FILE *file = fopen(path, "re");
    int child;
    while (file && fscanf(file, "%d", &child) == 1) {
        int fd = (int)syscall(SYS_pidfd_open, child, 0);
        if (fd >= 0) *(int *)vec_push(ret_fds) = fd;
    }
    if (file) fclose(file);
}

static bool gone(int pidfd, int timeout_ms)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    int64_t deadline_ms = steady_ms() + timeout_ms;
    for (;;) {
        int64_t left_ms = deadline_ms - steady_ms();
        int ready = poll(&fd, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready > 0) return true;
        if (ready == 0 && left_ms <= 0) return false;
    }
}

/* What it should have left, and what one that crashed did leave. Under the lock, so that no grid that starts
 * at this moment is swept away. */
static bool sweep(const struct place *place, bool expect_nothing, struct error *err)
{
    CLEANUP_FD int lock_fd = -1;
    CLEANUP_MEM char *info = place_path(place, "run/grid.json");
    if (!place_lock(place, &lock_fd, err))
        return err->code == ERROR_REFUSED
                   ? error_set(err, ERROR_REFUSED, "a grid is just starting in %s: try again in a moment",
                               place->state)
                   : false;
    if (expect_nothing && access(info, F_OK) == 0)
        printf("taking away what a grid that crashed has left in %s\n", place->state);
    return grid_sweep(place, err);
}

static int give_up(const struct error *err)
{
    fprintf(stderr, "croft: %s\n", err->message);
    return error_exit_code(err->code);
}
