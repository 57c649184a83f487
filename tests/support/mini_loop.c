#include "mini_loop.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct timer {
    int64_t at_us;
    void (*fire)(void *ctx);
    void *ctx;
};

struct fd_watch {
    int fd;
    short events;
    bool stopped;
    void (*ready)(void *ctx);
    void *ctx;
};

struct process {
    struct mini_loop *loop;
    pid_t pid;
    int pid_fd;
    struct fd_watch *watch;
    void (*exited)(void *ctx, struct process_exit exit);
    void *ctx;
};

static int64_t steady_us(void *self)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_ms(void *self)
{
    return (int64_t)time(NULL) * 1000;
}

static struct timer *after(void *self, int64_t delay_us, void (*fire)(void *ctx), void *ctx)
{
    struct mini_loop *loop = self;
    struct timer *timer = mem_alloc(sizeof(*timer));
    *timer = (struct timer){steady_us(NULL) + delay_us, fire, ctx};
    *(struct timer **)vec_push(&loop->timers) = timer;
    return timer;
}

static struct timer *after_together(void *self, int64_t delay_us, int64_t step_us, void (*fire)(void *ctx),
                                    void *ctx)
{
    return after(self, delay_us - (steady_us(NULL) + delay_us) % step_us, fire, ctx);
}

static void cancel(void *self, struct timer *timer)
{
    struct mini_loop *loop = self;
    for (size_t i = 0; i < loop->timers.length; i++) {
        if (*(struct timer **)vec_at(&loop->timers, i) != timer) continue;
        vec_remove(&loop->timers, i);
        mem_free(timer);
        return;
    }
    ASSERT(!timer);
}

static struct fd_watch *start(void *self, int fd, short events, void (*ready)(void *ctx), void *ctx)
{
    struct mini_loop *loop = self;
    struct fd_watch *watch = mem_alloc(sizeof(*watch));
    for (size_t i = 0; i < loop->watches.length; i++) {
        const struct fd_watch *other = *(struct fd_watch **)vec_at(&loop->watches, i);
        ASSERT(other->stopped || other->fd != fd);
    }
    *watch = (struct fd_watch){.fd = fd, .events = events, .ready = ready, .ctx = ctx};
    *(struct fd_watch **)vec_push(&loop->watches) = watch;
    return watch;
}

static struct fd_watch *start_readable(void *self, int fd, void (*readable)(void *ctx), void *ctx)
{
    return start(self, fd, POLLIN, readable, ctx);
}

static struct fd_watch *start_writable(void *self, int fd, void (*writable)(void *ctx), void *ctx)
{
    return start(self, fd, POLLOUT, writable, ctx);
}

static void stop(void *self, struct fd_watch *watch)
{
    if (watch) watch->stopped = true;
}

static void child_ended(void *ctx)
{
    struct process *process = ctx;
    int status = 0;
    if (waitpid(process->pid, &status, 0) != process->pid) return;
    stop(process->loop, process->watch);
    close(process->pid_fd);
    struct process_exit exit = {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
    if (process->exited) process->exited(process->ctx, exit);
    mem_free(process);
}

static bool spawn(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err)
{
    struct process *process = mem_alloc(sizeof(*process));
    static char *const none[] = {NULL};
    CLEANUP_MEM char **argv = NULL;
    size_t length = 0;
    while (options->argv[length])
        length++;
    argv = mem_alloc_array(length + 1, sizeof(*argv));
    for (size_t i = 0; i < length; i++)
        argv[i] = mem_strdup(options->argv[i]);
    int failure = posix_spawnp(&process->pid, argv[0], NULL, NULL, argv, none);
    for (size_t i = 0; i < length; i++)
        mem_free(argv[i]);
    if (failure) {
        mem_free(process);
        return error_errno(err, failure, "cannot start %s", options->argv[0]);
    }
    process->loop = self;
    process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    ASSERT(process->pid_fd >= 0);
    process->exited = exited;
    process->ctx = ctx;
    process->watch = start_readable(self, process->pid_fd, child_ended, process);
    *ret_process = process;
    return true;
}

static void kill_process(void *self, struct process *process, int signal_number)
{
    kill(process->pid, signal_number);
}

static void detach(void *self, struct process *process)
{
    if (process) process->exited = NULL;
}

void mini_loop_start(struct mini_loop *loop)
{
    signal(SIGPIPE, SIG_IGN);
    *loop = (struct mini_loop){
        .clock = {loop, wall_ms, steady_us, after, after_together, cancel},
        .watch = {loop, start_readable, start_writable, stop},
        .process = {.self = loop, .spawn = spawn, .kill = kill_process, .detach = detach},
        .timers = VEC_OF(struct timer *),
        .watches = VEC_OF(struct fd_watch *),
    };
}

static void sweep(struct mini_loop *loop)
{
    for (size_t i = loop->watches.length; i-- > 0;) {
        struct fd_watch *watch = *(struct fd_watch **)vec_at(&loop->watches, i);
        if (!watch->stopped) continue;
        vec_remove(&loop->watches, i);
        mem_free(watch);
    }
}

static void fire_due(struct mini_loop *loop)
{
    int64_t now = steady_us(NULL);
    for (size_t i = 0; i < loop->timers.length;) {
        struct timer *timer = *(struct timer **)vec_at(&loop->timers, i);
        if (timer->at_us > now) {
            i++;
            continue;
        }
        struct timer due = *timer;
        vec_remove(&loop->timers, i);
        mem_free(timer);
        due.fire(due.ctx);
        i = 0;
    }
}

static int wait_ms(const struct mini_loop *loop)
{
    int64_t wait_us = 20000, now = steady_us(NULL);
    for (size_t i = 0; i < loop->timers.length; i++) {
        const struct timer *timer = *(struct timer **)vec_at(&loop->timers, i);
        if (timer->at_us - now < wait_us) wait_us = timer->at_us - now;
    }
    return wait_us <= 0 ? 0 : (int)((wait_us + 999) / 1000);
}

static void turn(struct mini_loop *loop)
{
    struct pollfd polls[64];
    struct fd_watch *watches[64];
    sweep(loop);
    size_t length = loop->watches.length;
    ASSERT(length <= LENGTH(polls));
    for (size_t i = 0; i < length; i++) {
        watches[i] = *(struct fd_watch **)vec_at(&loop->watches, i);
        polls[i] = (struct pollfd){.fd = watches[i]->fd, .events = watches[i]->events};
    }
    if (poll(polls, length, wait_ms(loop)) > 0)
        for (size_t i = 0; i < length; i++)
            if (polls[i].revents && !watches[i]->stopped) watches[i]->ready(watches[i]->ctx);
    fire_due(loop);
    sweep(loop);
}

bool mini_loop_while(struct mini_loop *loop, bool (*until)(void *ctx), void *ctx, int64_t limit_ms)
{
    int64_t end_us = steady_us(NULL) + limit_ms * 1000;
    while (!until(ctx) && steady_us(NULL) < end_us)
        turn(loop);
    return until(ctx);
}

static bool flag_set(void *ctx)
{
    return **(const bool **)ctx;
}

bool mini_loop_until(struct mini_loop *loop, const bool *flag, int64_t limit_ms)
{
    return mini_loop_while(loop, flag_set, &flag, limit_ms);
}

void mini_loop_end(struct mini_loop *loop)
{
    sweep(loop);
    for (size_t i = 0; i < loop->timers.length; i++)
        mem_free(*(struct timer **)vec_at(&loop->timers, i));
    ASSERT(loop->watches.length == 0);
    vec_free(&loop->timers);
    vec_free(&loop->watches);
}
