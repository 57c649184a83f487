/* The first process of a host: makes the inside of it, runs its agent, and reaps. */
#include "cli/up/host_init.h"
#include "cli/up/child.h"
#include "cli/up/place.h"
#include "cli/up/up.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct init {
    char **agent_argv; /* [0] is the path of the program, the rest the arguments from "croft" on */
    int signal_fd;
    pid_t agent; /* 0: none */
    int64_t agent_started_ms;
    int64_t restart_ms; /* when to start it, with agent 0 */
    struct backoff backoff;
};

static bool wait_for_go(struct error *err);
static bool make_inside(const char *name, struct error *err);
static bool watch_signals(int *ret_signal_fd, struct error *err);
static void start_agent(struct init *init);
NORETURN static void run_agent(char **agent_argv);
static void reap(struct init *init);

int host_init_main(int argc, char **argv)
{
    struct error err;
    struct init init = {.agent_argv = argv + 2, .signal_fd = -1};
    if (argc < 4 || getpid() != 1) {
        fputs("croft host-init: is started by croft up only\n", stderr);
        return 2;
    }
    bool good = watch_signals(&init.signal_fd, &err) && make_inside(argv[1], &err) && wait_for_go(&err);
    const char *answer = good ? "ok" : err.message;
    if (send(HOST_INIT_CHANNEL_FD, answer, strlen(answer), MSG_NOSIGNAL) < 0 || !good) return 1;
    close(HOST_INIT_CHANNEL_FD);
    for (;;) {
        int64_t left_ms = init.restart_ms - steady_ms();
        if (init.agent == 0 && left_ms <= 0) start_agent(&init);
        struct pollfd fd = {.fd = init.signal_fd, .events = POLLIN};
        poll(&fd, 1, init.agent != 0 ? -1 : left_ms > 0 ? (int)left_ms : 0);
        struct signalfd_siginfo info;
        if (!(fd.revents & POLLIN) || read(init.signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (info.ssi_signo != SIGCHLD) return 0; /* the kernel ends everything else of the host */
        reap(&init);
    }
}

/* The cables are plugged in from outside meanwhile. */
static bool wait_for_go(struct error *err)
{
    char byte;
    ssize_t size = recv(HOST_INIT_CHANNEL_FD, &byte, 1, 0);
    if (size == 1) return true;
    return size == 0 ? error_set(err, ERROR_FAILED, "the supervisor gave up")
                     : error_errno(err, errno, "cannot hear the supervisor");
}

static bool make_inside(const char *name, struct error *err)
{
    if (sethostname(name, strlen(name)) != 0) return error_errno(err, errno, "cannot set the host's name");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return error_errno(err, errno, "cannot make the host's mounts its own");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return error_errno(err, errno, "cannot mount the host's /proc");
    /* Not NOEXEC or NODEV: root file systems of instances may be put together here. */
    if (mount("croft", HOST_INIT_RUN, "tmpfs", MS_NOSUID, "mode=0700") != 0)
        return error_errno(err, errno, "cannot mount %s of the host", HOST_INIT_RUN);
    return true;
}

static bool watch_signals(int *ret_signal_fd, struct error *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return error_errno(err, errno, "cannot block signals");
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot watch signals");
    *ret_signal_fd = fd;
    return true;
}

static void start_agent(struct init *init)
{
    init->agent_started_ms = steady_ms();
    pid_t pid = fork();
    if (pid == 0) run_agent(init->agent_argv);
    if (pid > 0) {
        init->agent = pid;
        return;
    }
    fprintf(stderr, "croft host-init: cannot start the agent: %s\n", strerror(errno));
    init->restart_ms = steady_ms() + backoff_delay_ms(&init->backoff, 0);
}

static void run_agent(char **agent_argv)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    /* HOST_INIT_NET_FD, the machine's network, is the one descriptor that goes on. */
    if (fcntl(HOST_INIT_NET_FD, F_SETFD, 0) == 0) execv(agent_argv[0], agent_argv + 1);
    fprintf(stderr, "croft host-init: cannot execute %s: %s\n", agent_argv[0], strerror(errno));
    _exit(127);
}

/* A first process inherits every orphan of its host. */
static void reap(struct init *init)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != init->agent) continue;
        int64_t delay_ms = backoff_delay_ms(&init->backoff, steady_ms() - init->agent_started_ms);
        fprintf(stderr, "croft host-init: the agent ended (%s %d); starting it again in %d ms\n",
                WIFSIGNALED(status) ? "signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (int)delay_ms);
        init->agent = 0;
        init->restart_ms = steady_ms() + delay_ms;
    }
}
