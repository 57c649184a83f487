#include "cli/up/up.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/up/child.h"
#include "cli/up/grid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_WANTED 65536U
#define DESCRIPTORS_MIN 128U /* less than that and not even the controller can be started */
#define DESCRIPTORS_HOST 8U

/* Where news of a grid goes: to people, or through a pipe to the process that waits for a detached one. */
struct report {
    int pipe_fd; /* -1: to people */
    bool progress_shown;
    bool was_ready;
    const struct up_options *options;
};

static bool check_options(const struct up_options *options, struct error *err);
static bool check_machine(struct error *err);
static bool in_path(const char *program);
static bool raise_descriptors(const struct up_options *options, struct error *err);
static void hint_at_others(const struct up_options *options, const struct place *place);
static int run_here(const struct up_options *options, const struct place *place, int pipe_fd);
static void tell_ready(void *ctx, const char *url);
static void tell_progress(void *ctx, unsigned up, unsigned of);
static void end_progress(struct report *report);
static int run_detached(const struct up_options *options);
static bool detach(const struct up_options *options, int *ret_pipe_fd, pid_t *ret_pid, struct error *err);
static bool turn_into_daemon(const struct up_options *options, struct place *ret_place, struct error *err);
static int wait_for_detached(int pipe_fd, pid_t pid);
static int give_up(const struct error *err);

struct up_options up_options_default(void)
{
    return (struct up_options){
        .hosts = 4,
        .racks = 1,
        .sites = 1,
        .state = UP_STATE_DEFAULT,
        .listen = UP_LISTEN_DEFAULT,
        .capacity = {.cpus_millis = 8000,
                     .memory_bytes = 32LL << 30,
                     .disk_bytes = 400LL << 30,
                     .network_bits_per_s = 10LL * 1000 * 1000 * 1000},
    };
}

int up_main(const struct up_options *options)
{
    struct error err;
    if (!check_options(options, &err) || !check_machine(&err) || !raise_descriptors(options, &err))
        return give_up(&err);
    if (options->detach) return run_detached(options);
    CLEANUP_PLACE struct place place = {0};
    return place_open(options->state, true, &place, &err) ? run_here(options, &place, -1) : give_up(&err);
}

static bool check_options(const struct up_options *options, struct error *err)
{
    if (options->hosts < 1 || options->hosts > UP_HOSTS_MAX)
        return error_set(err, ERROR_USAGE, "--hosts %u: from 1 to %u", options->hosts, UP_HOSTS_MAX);
    if (options->racks < 1 || options->racks > UP_HOSTS_MAX)
        return error_set(err, ERROR_USAGE, "--racks %u: from 1 to %u", options->racks, UP_HOSTS_MAX);
    if (options->sites < 1 || options->sites > UP_HOSTS_MAX)
        return error_set(err, ERROR_USAGE, "--sites %u: from 1 to %u", options->sites, UP_HOSTS_MAX);
    return true;
}

static bool check_machine(struct error *err)
{
    static const char *const programs[] = {"crun", "haproxy", "dnsmasq"};
    static const char *const packages[] = {"crun", "haproxy", "dnsmasq-base"};
    if (geteuid() != 0)
        return error_set(err, ERROR_DENIED, "croft up makes namespaces and networks: run it as root");
    for (size_t i = 0; i < LENGTH(programs); i++)
        if (!in_path(programs[i]))
            return error_set(err, ERROR_FAILED, "the program %s is missing: apt-get install %s", programs[i],
                             packages[i]);
    return true;
}

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    CLEANUP_MEM char *copy = mem_strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
    char *rest = copy;
    for (const char *directory; (directory = strsep(&rest, ":")) != NULL;) {
        CLEANUP_MEM char *file = mem_printf("%s/%s", *directory ? directory : ".", program);
        if (access(file, X_OK) == 0) return true;
    }
    return false;
}

/* Some for each host, and agents inherit the limit and keep some for each instance. */
static bool raise_descriptors(const struct up_options *options, struct error *err)
{
    struct rlimit limit;
    rlim_t least = DESCRIPTORS_MIN + (rlim_t)options->hosts * DESCRIPTORS_HOST;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return error_errno(err, errno, "cannot read limits");
    if (limit.rlim_cur < DESCRIPTORS_WANTED) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return error_errno(err, errno, "cannot raise limits");
    }
    if (limit.rlim_cur >= least) return true;
    return error_set(err, ERROR_FAILED,
                     "at most %llu open files are allowed here, %u hosts need %llu: raise it with ulimit -n",
                     (unsigned long long)limit.rlim_cur, options->hosts, (unsigned long long)least);
}

static void hint_at_others(const struct up_options *options, const struct place *place)
{
    CLEANUP_MEM char *path = place_path(place, "hosts");
    DIR *directory = opendir(path);
    unsigned others = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        uint64_t number;
        if (entry->d_name[0] == 'h' && text_parse_u64(entry->d_name + 1, &number) && number > options->hosts)
            others++;
    }
    if (directory) closedir(directory);
    if (others > 0)
        fprintf(stderr, "croft: %s knows %u more hosts than --hosts %u starts; they stay off\n", place->state,
                others, options->hosts);
}

static int run_here(const struct up_options *options, const struct place *place, int pipe_fd)
{
    struct error err;
    CLEANUP_FD int lock_fd = -1;
    struct report report = {.pipe_fd = pipe_fd, .options = options};
    struct grid_events events = {.ready = tell_ready, .progress = tell_progress, .ctx = &report};
    if (place_lock(place, &lock_fd, &err)) {
        hint_at_others(options, place);
        bool good = grid_run(options, place, &events, &err);
        end_progress(&report);
        if (good) return 0;
        if (!report.was_ready) place_take_back(place, err.message);
    }
    if (pipe_fd < 0) return give_up(&err);
    fprintf(stderr, "croft: %s\n", err.message);
    dprintf(report.pipe_fd, "error %d %s\n", error_exit_code(err.code), err.message);
    return error_exit_code(err.code);
}

static void tell_ready(void *ctx, const char *url)
{
    struct report *report = ctx;
    report->was_ready = true;
    end_progress(report);
    if (report->pipe_fd >= 0) {
        dprintf(report->pipe_fd, "ready %s\n", url); /* nobody waits any more: no matter */
        fd_drop(&report->pipe_fd);
        return;
    }
    printf("ready %s\n", url);
    fflush(stdout);
}

static void tell_progress(void *ctx, unsigned up, unsigned of)
{
    struct report *report = ctx;
    if (report->pipe_fd >= 0 || !isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r%u of %u hosts are up", up, of);
    report->progress_shown = true;
}

static void end_progress(struct report *report)
{
    if (report->progress_shown) fputs("\r\033[K", stderr);
    report->progress_shown = false;
}

static int run_detached(const struct up_options *options)
{
    struct error err;
    int pipe_fd = -1;
    pid_t pid = 0;
    if (!detach(options, &pipe_fd, &pid, &err)) return give_up(&err);
    if (pid != 0) return wait_for_detached(pipe_fd, pid);
    CLEANUP_PLACE struct place place = {0};
    if (turn_into_daemon(options, &place, &err)) return run_here(options, &place, pipe_fd);
    dprintf(pipe_fd, "error %d %s\n", error_exit_code(err.code), err.message);
    return error_exit_code(err.code);
}

/* In the parent *ret_pid is the child and the pipe what it tells; in the child 0 and where to tell. */
static bool detach(const struct up_options *options, int *ret_pipe_fd, pid_t *ret_pid, struct error *err)
{
    int fds[2];
    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) != 0) return error_errno(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) {
        int fork_errno = errno;
        close(fds[0]);
        close(fds[1]);
        return error_errno(err, fork_errno, "cannot start a process");
    }
    close(fds[pid == 0 ? 0 : 1]);
    *ret_pipe_fd = fds[pid == 0 ? 1 : 0];
    *ret_pid = pid;
    return true;
}

static bool turn_into_daemon(const struct up_options *options, struct place *ret_place, struct error *err)
{
    CLEANUP_FD int log_fd = -1;
    CLEANUP_FD int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setsid();
    if (!place_open(options->state, true, ret_place, err) || !place_open_log(ret_place, "up", &log_fd, err))
        return false;
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        return error_errno(err, errno, "cannot leave the terminal");
    return true;
}

/* Interrupted while it waits, it takes the half-built grid along. */
static int wait_for_detached(int pipe_fd, pid_t pid)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    CLEANUP_FD int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    CLEANUP_FD int from_fd = pipe_fd;
    char text[2048];
    size_t size = 0;
    for (ssize_t got = 1; got > 0 && size < sizeof(text) - 1 && !memchr(text, '\n', size);) {
        struct pollfd fds[] = {{.fd = from_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
        poll(fds, 2, -1);
        struct signalfd_siginfo info;
        if (fds[1].revents && read(signal_fd, &info, sizeof(info)) > 0) kill(pid, SIGTERM);
        if (!fds[0].revents) continue;
        got = read(from_fd, text + size, sizeof(text) - 1 - size);
        if (got > 0) size += (size_t)got;
    }
    text[size] = 0;
    if (text_starts(text, "ready ")) {
        fputs(text, stdout);
        fflush(stdout);
        return 0;
    }
    char *message = text_starts(text, "error ") ? text + strlen("error ") : NULL;
    long code = message ? strtol(message, &message, 10) : 1;
    fprintf(stderr, "croft:%s", message ? message : " the grid's process ended without a word\n");
    waitpid(pid, NULL, 0); /* it has taken everything down before it spoke */
    return (int)code;
}

static int give_up(const struct error *err)
{
    fprintf(stderr, "croft: %s\n", err->message);
    return error_exit_code(err->code);
}
