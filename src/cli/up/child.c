#include "cli/up/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEP_FDS_MAX 8
#define FD_PARKED_MIN 64 /* above every number that a child is given */

/* What went wrong in the child before exec. */
struct child_failure {
    int step;
    int errno_value;
};

enum child_step { STEP_PARENT, STEP_NET, STEP_DESCRIPTORS, STEP_EXEC };

NORETURN static void child_run(const struct child_options *options, int parent_pidfd, int failure_fd);
NORETURN static void child_fail(int failure_fd, enum child_step step);
static bool child_arrange_fds(const struct child_options *options);
static const char *step_text(int step);

void fd_closep(int *fd)
{
    if (*fd >= 0) close(*fd);
}

void fd_drop(int *fd)
{
    fd_closep(fd);
    *fd = -1;
}

bool child_start(const struct child_options *options, pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
    ASSERT(options->keep_fds_length <= KEEP_FDS_MAX);
    CLEANUP_FD int parent_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (parent_pidfd < 0) return error_errno(err, errno, "cannot open a descriptor of this process");
    int failure_fds[2];
    if (pipe2(failure_fds, O_CLOEXEC) != 0) return error_errno(err, errno, "cannot make a pipe");
    CLEANUP_FD int failure_read = failure_fds[0];
    int pidfd = -1;
    struct clone_args args = {
        .flags = options->namespaces | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) child_run(options, parent_pidfd, failure_fds[1]);
    int clone_errno = errno;
    close(failure_fds[1]);
    if (pid < 0)
        return error_errno(
            err, clone_errno,
            "cannot start a process in namespaces of its own (this needs root and a kernel with "
            "mount, pid, net, ipc and uts namespaces)");
    struct child_failure failure;
    ssize_t got = read(failure_read, &failure, sizeof(failure)); /* ends when exec closes the pipe */
    if (got == (ssize_t)sizeof(failure)) {
        child_reap(pidfd);
        close(pidfd);
        return error_errno(err, failure.errno_value, "cannot start %s: %s", options->program,
                           step_text(failure.step));
    }
    *ret_pid = (pid_t)pid;
    *ret_pidfd = pidfd;
    return true;
}

void child_signal(int pidfd, int signal_number)
{
    syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0); /* ESRCH: it is gone already */
}

int child_reap(int pidfd)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
        ASSERT(errno == EINTR);
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int64_t backoff_delay_ms(struct backoff *backoff, int64_t lived_ms)
{
    if (lived_ms >= 1000) backoff->next_ms = 0;
    int64_t delay_ms = backoff->next_ms;
    backoff->next_ms = delay_ms == 0 ? 100 : delay_ms * 2;
    if (backoff->next_ms > 5000) backoff->next_ms = 5000;
    return delay_ms;
}

int64_t steady_ms(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between clone and exec: system calls only. */
static void child_run(const struct child_options *options, int parent_pidfd, int failure_fd)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) child_fail(failure_fd, STEP_PARENT);
    /* A parent that died before the line above sends nothing more. In a new pid namespace getppid() says 0
     * either way; the parent's descriptor tells. */
    struct pollfd parent = {.fd = parent_pidfd, .events = POLLIN};
    if (poll(&parent, 1, 0) != 0) _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL); /* the event loop ignores it, and exec would hand that on */
    setsid();
    if (options->net_ns_fd >= 0 && setns(options->net_ns_fd, CLONE_NEWNET) != 0)
        child_fail(failure_fd, STEP_NET);
    int parked_fd = fcntl(failure_fd, F_DUPFD_CLOEXEC, FD_PARKED_MIN);
    if (parked_fd < 0) child_fail(failure_fd, STEP_DESCRIPTORS);
    if (!child_arrange_fds(options)) child_fail(parked_fd, STEP_DESCRIPTORS);
    /* argv is not written to by exec; its type is older than const. */
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = options->argv};
    execv(options->program, argv.out);
    child_fail(parked_fd, STEP_EXEC);
}

static void child_fail(int failure_fd, enum child_step step)
{
    struct child_failure failure = {.step = (int)step, .errno_value = errno};
    ssize_t written = write(failure_fd, &failure, sizeof(failure));
    _exit(written == (ssize_t)sizeof(failure) ? 1 : 2);
}

static bool child_arrange_fds(const struct child_options *options)
{
    int parked[KEEP_FDS_MAX];
    int log_fd = fcntl(options->log_fd, F_DUPFD_CLOEXEC, FD_PARKED_MIN);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log_fd < 0 || null_fd < 0) return false;
    for (size_t i = 0; i < options->keep_fds_length; i++) {
        parked[i] = fcntl(options->keep_fds[i], F_DUPFD_CLOEXEC, FD_PARKED_MIN);
        if (parked[i] < 0) return false;
    }
    if (null_fd == 0 ? fcntl(0, F_SETFD, 0) != 0 : dup2(null_fd, 0) < 0) return false;
    if (dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) return false;
    for (size_t i = 0; i < options->keep_fds_length; i++)
        if (dup2(parked[i], (int)i + 3) < 0) return false;
    return close_range((unsigned)options->keep_fds_length + 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static const char *step_text(int step)
{
    switch ((enum child_step)step) {
    case STEP_PARENT:
        return "it cannot be tied to this process";
    case STEP_NET:
        return "it cannot enter its network";
    case STEP_DESCRIPTORS:
        return "its descriptors cannot be arranged";
    case STEP_EXEC:
        return "the program cannot be executed";
    }
    UNREACHABLE();
}
