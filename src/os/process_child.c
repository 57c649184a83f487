#include "os/process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)64 * 1024)

/* Shared with the child, which runs in our memory until its exec. */
struct child {
    const struct child_plan *plan;
    pid_t parent;
    sigset_t mask; /* for the program: empty */
    int failure;
    enum child_step step;
};

/* Not watched by AddressSanitizer: these frames are left by exec, never by return, and its marks on the stack
 * would be taken for real ones by the next child that gets the same memory. */
static int child_main(void *ctx) __attribute__((no_sanitize_address));
static bool reset_signals(const sigset_t *mask) __attribute__((no_sanitize_address));
static bool place_descriptors(const struct child_plan *plan) __attribute__((no_sanitize_address));
static bool apply_settings(const struct child *child) __attribute__((no_sanitize_address));

bool process_child_start(const struct child_plan *plan, pid_t *ret_pid, int *ret_pidfd,
                         enum child_step *ret_step)
{
    *ret_step = CHILD_SETTINGS;
    char *stack =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return false;
    struct child child = {.plan = plan, .parent = getpid()};
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigemptyset(&child.mask);
    /* No handler of ours may run in the child: it would do so in our memory. */
    sigprocmask(SIG_BLOCK, &all, &before);
    int pidfd = -1;
    /* As vfork, with a stack of its own: does not copy page tables, so that it takes the same short time
     * however large this process is. The pidfd is close-on-exec. */
    pid_t pid =
        clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child, &pidfd);
    int failure = pid < 0 ? errno : child.failure;
    sigprocmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
    if (pid < 0) {
        errno = failure;
        return false;
    }
    if (failure != 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        close(pidfd);
        *ret_step = child.step;
        errno = failure;
        return false;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return true;
}

/* Only system calls from here on: no memory is taken, no lock, nothing of the parent's is changed. */
static int child_main(void *ctx)
{
    struct child *child = ctx;
    const struct process_options *options = child->plan->options;
    child->step = CHILD_NET_NS;
    bool good = options->net_ns_fd < 0 || setns(options->net_ns_fd, CLONE_NEWNET) == 0;
    if (good) {
        child->step = CHILD_DESCRIPTORS;
        good = place_descriptors(child->plan);
    }
    if (good) {
        child->step = CHILD_DIRECTORY;
        good = options->directory == NULL || chdir(options->directory) == 0;
    }
    if (good) {
        child->step = CHILD_SETTINGS;
        good = apply_settings(child) && reset_signals(&child->mask);
    }
    if (good) {
        child->step = CHILD_EXEC;
        /* execve() takes pointers to non-const for historical reasons and changes nothing. */
        char *const *argv = (char *const *)(uintptr_t)options->argv;
        char *const *env = options->env != NULL ? (char *const *)(uintptr_t)options->env : environ;
        execve(child->plan->program, argv, env);
    }
    child->failure = errno;
    _exit(127);
}

static bool reset_signals(const sigset_t *mask)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        if (number == SIGKILL || number == SIGSTOP) continue;
        /* The C library keeps two for itself: EINVAL. */
        if (sigaction(number, &standard, NULL) < 0 && errno != EINVAL) return false;
    }
    return sigprocmask(SIG_SETMASK, mask, NULL) == 0;
}

/* First all above the places to fill, so that no source is overwritten before it is copied; then each to its
 * place; then everything above is closed. */
static bool place_descriptors(const struct child_plan *plan)
{
    const struct process_options *options = plan->options;
    int count = 3 + (int)options->keep_fds_length;
    for (int i = 0; i < count; i++) {
        int source = i < 3 ? plan->streams[i] : options->keep_fds[i - 3];
        if (source < 0) source = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (source < 0) return false;
        plan->copies[i] = fcntl(source, F_DUPFD_CLOEXEC, count);
        if (plan->copies[i] < 0) return false;
    }
    for (int i = 0; i < count; i++)
        if (dup2(plan->copies[i], i) < 0) return false;
    return close_range((unsigned)count, ~0U, 0) == 0;
}

static bool apply_settings(const struct child *child)
{
    const struct process_options *options = child->plan->options;
    if ((options->new_session || options->tty) && setsid() < 0) return false;
    if (options->tty && ioctl(0, TIOCSCTTY, 0) < 0) return false;
    if (!options->die_with_parent) return true;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return false;
    if (getppid() == child->parent) return true;
    errno = ESRCH; /* it died before that */
    return false;
}
