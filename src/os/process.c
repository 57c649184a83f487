#include "os/process.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "os/loop_base.h"
#include "os/process_child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define READ_SIZE ((size_t)16384)
#define ORPHANS_AFTER_US 250000
#define TERMINAL_END '\4' /* control-D: how a terminal says that no more input comes */
#define READS_A_ROUND 8   /* a child that writes without end must not keep the loop to itself */

struct process {
    struct os_process *owner;
    struct process *next;
    struct process **place;
    pid_t pid;
    int pidfd;
    struct loop_watch *exit_watch;
    int pipes[3]; /* our ends, or -1 */
    struct loop_watch *watches[3];
    bool tty;
    struct buf input; /* not yet written */
    bool input_ended;
    void (*taken)(void *ctx); /* of the newest write; NULL: nobody waits */
    struct loop_later *taken_later;
    struct event *timer;
    bool timed_out;
    bool detached;
    unsigned inside;
    bool freed;
    void (*output)(void *ctx, int stream, const char *data, size_t size);
    void (*exited)(void *ctx, struct process_exit exit);
    void *ctx;
};

struct os_process {
    struct process_port port;
    struct loop *loop;
    struct process *first;
    struct event *child_died; /* SIGCHLD; NULL: orphans are left alone */
    struct event *orphans_timer;
    struct vec dead; /* pid_t: the dead children that were there at the last look */
};

static bool process_spawn(void *self, const struct process_options *options,
                          void (*output)(void *ctx, int stream, const char *data, size_t size),
                          void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                          struct process **ret_process, struct error *err);
static void process_write(void *self, struct process *process, const void *data, size_t size,
                          void (*taken)(void *ctx));
static void process_kill(void *self, struct process *process, int signal_number);
static void process_detach(void *self, struct process *process);
static int64_t process_pid(void *self, const struct process *process);
static char *find_program(const char *name);
static bool is_program(const char *path);
static bool open_streams(const struct process_options *options, struct child_plan *plan, int *ret_ours,
                         int *ret_theirs);
static bool open_terminal(const struct process_options *options, struct child_plan *plan, int *ours,
                          int *theirs);
static bool open_pipe(int stream, struct child_plan *plan, int *ours, int *theirs);
static void close_all(int *fds);
static void watch_process(struct process *process, const struct process_options *options);
static void start_failed(struct error *err, const struct process_options *options, enum child_step step,
                         int failure);
static void input_ready(void *ctx, unsigned ready);
static void tell_taken_later(struct process *process);
static void tell_taken(void *ctx);
static void output_ready(void *ctx, unsigned ready);
static void errors_ready(void *ctx, unsigned ready);
static void read_stream(struct process *process, int stream, int reads_max);
static void close_stream(struct process *process, int stream);
static void child_exited(void *ctx, unsigned ready);
static void timed_out(evutil_socket_t fd, short what, void *ctx);
static void look_later(evutil_socket_t signal_number, short what, void *ctx);
static void look_for_orphans(evutil_socket_t fd, short what, void *ctx);
static bool read_children(struct buf *ret_text);
static bool was_dead(const struct os_process *processes, pid_t pid);
static void process_free(struct process *process);
static bool leave(struct process *process);

struct os_process *os_process_new(struct loop *loop)
{
    struct os_process *processes = mem_alloc(sizeof(*processes));
    processes->loop = loop;
    processes->dead = VEC_OF(pid_t);
    processes->port = (struct process_port){.self = processes,
                                            .spawn = process_spawn,
                                            .write = process_write,
                                            .kill = process_kill,
                                            .detach = process_detach,
                                            .pid = process_pid};
    return processes;
}

void os_process_free(struct os_process *processes)
{
    if (processes == NULL) return;
    while (processes->first != NULL)
        process_free(processes->first);
    if (processes->child_died != NULL) event_free(processes->child_died);
    if (processes->orphans_timer != NULL) event_free(processes->orphans_timer);
    vec_free(&processes->dead);
    mem_free(processes);
}

bool os_process_reap_orphans(struct os_process *processes, struct error *err)
{
    if (processes->child_died != NULL) return true;
    CLEANUP_BUF struct buf children = {0};
    if (!read_children(&children))
        return error_errno(err, errno, "cannot read /proc/thread-self/children (CONFIG_PROC_CHILDREN)");
    struct event_base *base = loop_base(processes->loop);
    struct event *child_died = evsignal_new(base, SIGCHLD, look_later, processes);
    ASSERT(child_died != NULL);
    if (event_add(child_died, NULL) < 0) {
        event_free(child_died);
        return error_set(err, ERROR_FAILED, "cannot catch SIGCHLD");
    }
    processes->child_died = child_died;
    processes->orphans_timer = event_new(base, -1, 0, look_for_orphans, processes);
    ASSERT(processes->orphans_timer != NULL);
    look_later(SIGCHLD, 0, processes); /* for those that died before */
    return true;
}

const struct process_port *os_process_port(const struct os_process *processes)
{
    return &processes->port;
}

static bool process_spawn(void *self, const struct process_options *options,
                          void (*output)(void *ctx, int stream, const char *data, size_t size),
                          void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                          struct process **ret_process, struct error *err)
{
    struct os_process *processes = self;
    ASSERT(options->argv != NULL && options->argv[0] != NULL && exited != NULL);
    ASSERT(output != NULL || !options->tty);
    ASSERT(output != NULL || (options->out != PROCESS_CAPTURE && options->err != PROCESS_CAPTURE));
    CLEANUP_MEM char *program = find_program(options->argv[0]);
    if (program == NULL)
        return error_set(err, ERROR_NOT_FOUND, "there is no program %s in PATH", options->argv[0]);
    CLEANUP_MEM int *copies = mem_alloc_array(3 + options->keep_fds_length, sizeof(*copies));
    struct child_plan plan = {.options = options, .program = program, .copies = copies};
    int ours[3] = {-1, -1, -1};
    int theirs[3] = {-1, -1, -1};
    pid_t pid = -1;
    int pidfd = -1;
    enum child_step step = CHILD_DESCRIPTORS;
    bool started =
        open_streams(options, &plan, ours, theirs) && process_child_start(&plan, &pid, &pidfd, &step);
    int failure = errno;
    close_all(theirs);
    if (!started) {
        close_all(ours);
        start_failed(err, options, step, failure);
        return false;
    }
    struct process *process = mem_alloc(sizeof(*process));
    process->owner = processes;
    process->pid = pid;
    process->pidfd = pidfd;
    memcpy(process->pipes, ours, sizeof(ours));
    process->output = output;
    process->exited = exited;
    process->ctx = ctx;
    process->tty = options->tty;
    watch_process(process, options);
    *ret_process = process;
    return true;
}

static void process_write(void *self, struct process *process, const void *data, size_t size,
                          void (*taken)(void *ctx))
{
    process->taken = taken;
    if (process->input_ended || process->pipes[0] < 0) {
        if (process->input.size == 0) tell_taken_later(process);
        return;
    }
    buf_add(&process->input, data, size);
    if (size == 0) {
        process->input_ended = true;
        if (process->tty) buf_add_char(&process->input, TERMINAL_END);
    }
    loop_watch_change(process->watches[0], LOOP_WRITE);
}

static void process_kill(void *self, struct process *process, int signal_number)
{
    /* ESRCH: it has ended, which is soon to be told. A pidfd never hits a stranger who got the number. */
    if (pidfd_send_signal(process->pidfd, signal_number, NULL, 0) < 0)
        ASSERT(errno == ESRCH || errno == EPERM);
}

static void process_detach(void *self, struct process *process)
{
    if (process == NULL) return;
    process->detached = true;
    if (process->pipes[0] < 0) return;
    process->input_ended = true; /* nobody can add to it now */
    loop_watch_change(process->watches[0], LOOP_WRITE);
}

static int64_t process_pid(void *self, const struct process *process)
{
    return process->pid;
}

/* The path of a program, as execvp() would find it; NULL when there is none. */
static char *find_program(const char *name)
{
    if (strchr(name, '/') != NULL) return mem_strdup(name); /* exec tells when it is missing */
    const char *path = getenv("PATH");
    if (path == NULL) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    while (*name != '\0' && *path != '\0') {
        size_t size = strcspn(path, ":");
        char *candidate = mem_printf("%.*s/%s", (int)size, path, name);
        /* Only absolute directories: what runs must not depend on where we stand. */
        if (*path == '/' && is_program(candidate)) return candidate;
        mem_free(candidate);
        path += size;
        if (*path == ':') path++;
    }
    return NULL;
}

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* Fills plan->streams; pipes' ends go to ret_ours (non-blocking) and ret_theirs. On failure what was opened
 * stands in both, to be closed. */
static bool open_streams(const struct process_options *options, struct child_plan *plan, int *ours,
                         int *theirs)
{
    if (options->tty) return open_terminal(options, plan, ours, theirs);
    const enum process_stream kinds[3] = {options->in, options->out, options->err};
    const int fds[3] = {options->in_fd, options->out_fd, options->err_fd};
    for (int i = 0; i < 3; i++) {
        plan->streams[i] = kinds[i] == PROCESS_FD ? fds[i] : -1;
        if (kinds[i] == PROCESS_CAPTURE && !open_pipe(i, plan, ours, theirs)) return false;
    }
    return true;
}

/* Our end stands twice, for writing and for reading, because each is watched and closed by itself. */
static bool open_terminal(const struct process_options *options, struct child_plan *plan, int *ours,
                          int *theirs)
{
    const struct winsize size = {.ws_row = (unsigned short)options->tty_rows,
                                 .ws_col = (unsigned short)options->tty_columns};

    ours[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ours[1] < 0 || grantpt(ours[1]) < 0 || unlockpt(ours[1]) < 0) return false;
    if (size.ws_row > 0 && ioctl(ours[1], TIOCSWINSZ, &size) < 0) return false;
    theirs[0] = ioctl(ours[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    ours[0] = fcntl(ours[1], F_DUPFD_CLOEXEC, 0);
    if (theirs[0] < 0 || ours[0] < 0 || fcntl(ours[1], F_SETFL, O_NONBLOCK) < 0) return false;
    if (options->tty_raw) {
        struct termios terminal;
        if (tcgetattr(theirs[0], &terminal) < 0) return false;
        cfmakeraw(&terminal);
        if (tcsetattr(theirs[0], TCSANOW, &terminal) < 0) return false;
    }
    for (int i = 0; i < 3; i++)
        plan->streams[i] = theirs[0];
    return !options->tty_err || open_pipe(2, plan, ours, theirs);
}

/* For one of the streams. Only our end does not block: the child expects its own to. */
static bool open_pipe(int stream, struct child_plan *plan, int *ours, int *theirs)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    ours[stream] = ends[stream == 0 ? 1 : 0];
    theirs[stream] = ends[stream == 0 ? 0 : 1];
    plan->streams[stream] = theirs[stream];
    return fcntl(ours[stream], F_SETFL, O_NONBLOCK) == 0;
}

static void close_all(int *fds)
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0) close(fds[i]);
}

static void watch_process(struct process *process, const struct process_options *options)
{
    struct os_process *processes = process->owner;
    void (*const ready[3])(void *ctx, unsigned ready) = {input_ready, output_ready, errors_ready};
    for (int i = 0; i < 3; i++)
        if (process->pipes[i] >= 0)
            process->watches[i] =
                loop_watch_fd(processes->loop, process->pipes[i], i == 0 ? 0 : LOOP_READ, ready[i], process);
    process->exit_watch = loop_watch_fd(processes->loop, process->pidfd, LOOP_READ, child_exited, process);
    if (options->timeout_ms > 0) {
        process->timer = event_new(loop_base(processes->loop), -1, 0, timed_out, process);
        ASSERT(process->timer != NULL);
        struct timeval delay = {.tv_sec = options->timeout_ms / 1000,
                                .tv_usec = options->timeout_ms % 1000 * 1000};
        int result = event_add(process->timer, &delay);
        ASSERT(result == 0);
    }
    process->next = processes->first;
    process->place = &processes->first;
    if (process->next != NULL) process->next->place = &process->next;
    processes->first = process;
}

static void start_failed(struct error *err, const struct process_options *options, enum child_step step,
                         int failure)
{
    const char *program = options->argv[0];
    switch (step) {
    case CHILD_NET_NS:
        (void)error_errno(err, failure, "cannot run %s in its network namespace", program);
        return;
    case CHILD_DIRECTORY:
        (void)error_errno(err, failure, "cannot run %s in the directory %s", program, options->directory);
        return;
    case CHILD_EXEC:
        (void)error_errno(err, failure, "cannot run %s", program);
        if (failure == ENOENT || failure == ENOTDIR) err->code = ERROR_NOT_FOUND;
        return;
    case CHILD_DESCRIPTORS:
    case CHILD_SETTINGS:
        break;
    }
    (void)error_errno(err, failure, "cannot start %s", program);
}

static void input_ready(void *ctx, unsigned ready)
{
    struct process *process = ctx;
    while (process->input.size > 0) {
        ssize_t put = write(process->pipes[0], process->input.data, process->input.size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) { /* EPIPE: it does not read any more; its exit tells the rest */
            buf_free(&process->input);
            close_stream(process, 0);
            tell_taken_later(process);
            return;
        }
        buf_consume(&process->input, (size_t)put);
    }
    if (process->input_ended) {
        close_stream(process, 0);
    } else {
        loop_watch_change(process->watches[0], 0);
    }
    tell_taken_later(process);
}

static void tell_taken_later(struct process *process)
{
    if (process->taken != NULL && process->taken_later == NULL)
        process->taken_later = loop_later(process->owner->loop, tell_taken, process);
}

static void tell_taken(void *ctx)
{
    struct process *process = ctx;
    void (*taken)(void *ctx) = process->taken;
    process->taken_later = NULL;
    if (process->input.size > 0) return; /* more was written meanwhile */
    process->taken = NULL;
    if (taken != NULL && !process->detached) taken(process->ctx);
}

static void output_ready(void *ctx, unsigned ready)
{
    struct process *process = ctx;
    process->inside++;
    read_stream(process, 1, READS_A_ROUND);
    (void)leave(process);
}

static void errors_ready(void *ctx, unsigned ready)
{
    struct process *process = ctx;
    process->inside++;
    read_stream(process, 2, READS_A_ROUND);
    (void)leave(process);
}

static void read_stream(struct process *process, int stream, int reads_max)
{
    for (int i = 0; i < reads_max && !process->freed && process->pipes[stream] >= 0; i++) {
        char data[READ_SIZE];
        ssize_t got = read(process->pipes[stream], data, sizeof(data));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            close_stream(process, stream);
            return;
        }
        /* After detach() read on all the same, so that the child does not stop at a full pipe. */
        if (!process->detached) process->output(process->ctx, stream, data, (size_t)got);
    }
}

static void close_stream(struct process *process, int stream)
{
    loop_watch_end(process->watches[stream]);
    process->watches[stream] = NULL;
    if (process->pipes[stream] >= 0) close(process->pipes[stream]);
    process->pipes[stream] = -1;
}

static void child_exited(void *ctx, unsigned ready)
{
    struct process *process = ctx;
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) < 0) {
        if (errno == EINTR) return;
        /* ECHILD: somebody else took it (SIGCHLD ignored); how it ended is not known. */
        info.si_pid = process->pid;
        info.si_code = CLD_EXITED;
        info.si_status = 255;
    }
    if (info.si_pid == 0) return;
    loop_watch_end(process->exit_watch);
    process->exit_watch = NULL;
    process->inside++;
    /* What it wrote before it ended is in the pipes. What its own children write later is not waited for: a
     * daemon left behind would keep the pipe open for ever. One pipe holds at most 1 MiB (pipe-max-size). */
    read_stream(process, 1, 1024 * 1024 / (int)READ_SIZE);
    read_stream(process, 2, 1024 * 1024 / (int)READ_SIZE);
    if (leave(process)) return;
    struct process_exit exit = {.timed_out = process->timed_out,
                                .status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status};
    void (*exited)(void *ctx, struct process_exit exit) = process->detached ? NULL : process->exited;
    void *exited_ctx = process->ctx;
    process_free(process);
    if (exited != NULL) exited(exited_ctx, exit);
}

static void timed_out(evutil_socket_t fd, short what, void *ctx)
{
    struct process *process = ctx;
    process->timed_out = true;
    process_kill(process->owner, process, SIGKILL);
}

/* The kernel also signals for a dead child that is handed over to us. Many signals, one look. */
static void look_later(evutil_socket_t signal_number, short what, void *ctx)
{
    struct os_process *processes = ctx;
    const struct timeval delay = {.tv_usec = ORPHANS_AFTER_US};
    if (event_pending(processes->orphans_timer, EV_TIMEOUT, NULL)) return;
    int result = event_add(processes->orphans_timer, &delay);
    ASSERT(result == 0);
}

/* Whoever watches a child takes it in the turn of the loop in which it ended. So one that is still there at
 * the next look is nobody's: it was left behind by a child of ours. While one is there, there is a next look.
 * The list is the kernel's, because waitid() shows only the first of those that are dead. */
static void look_for_orphans(evutil_socket_t fd, short what, void *ctx)
{
    struct os_process *processes = ctx;
    CLEANUP_BUF struct buf text = {0};
    struct vec dead = VEC_OF(pid_t);
    char *rest = NULL;
    if (!read_children(&text)) buf_clear(&text); /* out of descriptors; the next SIGCHLD looks again */
    buf_add_char(&text, ' ');
    for (char *word = strtok_r(text.data, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        pid_t pid = (pid_t)strtol(word, NULL, 10);
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) continue;
        if (!was_dead(processes, pid))
            *(pid_t *)vec_push(&dead) = pid;
        else
            (void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
    }
    vec_free(&processes->dead);
    processes->dead = dead;
    if (dead.length > 0) look_later(SIGCHLD, 0, processes);
}

/* "17 23 42 ": proc_pid_children(5). This process has one thread, so those are all. */
static bool read_children(struct buf *ret_text)
{
    char data[4096];
    ssize_t got = -1;
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while ((got = read(fd, data, sizeof(data))) > 0 || (got < 0 && errno == EINTR))
        if (got > 0) buf_add(ret_text, data, (size_t)got);
    close(fd);
    return got == 0;
}

static bool was_dead(const struct os_process *processes, pid_t pid)
{
    for (size_t i = 0; i < processes->dead.length; i++)
        if (*(pid_t *)vec_at(&processes->dead, i) == pid) return true;
    return false;
}

static void process_free(struct process *process)
{
    *process->place = process->next;
    if (process->next != NULL) process->next->place = process->place;
    for (int i = 0; i < 3; i++)
        close_stream(process, i);
    loop_watch_end(process->exit_watch);
    loop_later_cancel(process->owner->loop, process->taken_later);
    if (process->timer != NULL) event_free(process->timer);
    close(process->pidfd);
    buf_free(&process->input);
    process->freed = true;
    if (process->inside == 0) mem_free(process);
}

/* Out of a callback; true: the process was freed from inside it. */
static bool leave(struct process *process)
{
    process->inside--;
    if (!process->freed) return false;
    mem_free(process);
    return true;
}
