/* Work that takes longer than a turn of the loop may: in a child that shares nothing but the file system. */
#include "os/private_inside.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESULT_FD = 3 };

struct job {
    pid_t pid;
    int result; /* pipe; hung up when the child has ended */
    struct loop_watch *watch;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static void run_child(bool (*work)(const void *what, struct error *err), const void *what, int result,
                      pid_t parent);
static void readable(void *ctx, unsigned ready);
static int job_free(struct job *job);

bool job_start(struct loop *loop, bool (*work)(const void *what, struct error *err), const void *what,
               void (*done)(void *ctx, const struct error *err), void *ctx, struct job **ret_job,
               struct error *err)
{
    int result[2];
    pid_t parent = getpid();
    if (pipe2(result, O_CLOEXEC) < 0) return error_errno(err, errno, "make a pipe");
    pid_t pid = fork();
    if (pid == 0) run_child(work, what, result[1], parent);
    int reason = errno;
    close(result[1]);
    if (pid < 0) {
        close(result[0]);
        return error_errno(err, reason, "start a process");
    }
    struct job *job = mem_alloc(sizeof(*job));
    *job = (struct job){.pid = pid, .result = result[0], .done = done, .ctx = ctx};
    job->watch = loop_watch_fd(loop, job->result, LOOP_READ, readable, job);
    *ret_job = job;
    return true;
}

void job_kill(struct job *job)
{
    if (job == NULL) return;
    kill(job->pid, SIGKILL);
    job_free(job);
}

static void run_child(bool (*work)(const void *what, struct error *err), const void *what, int result,
                      pid_t parent)
{
    sigset_t none;
    struct error err;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (result != RESULT_FD && dup3(result, RESULT_FD, O_CLOEXEC) < 0) _exit(1);
    syscall(SYS_close_range, RESULT_FD + 1U, ~0U, 0U);
    if (!work(what, &err) && write(RESULT_FD, &err, sizeof(err)) != (ssize_t)sizeof(err)) _exit(1);
    _exit(0);
}

static void readable(void *ctx, unsigned ready)
{
    struct job *job = ctx;
    struct error err = {0};
    void (*done)(void *ctx, const struct error *err) = job->done;
    void *done_ctx = job->ctx;
    ssize_t got = read(job->result, &err, sizeof(err));
    int status = job_free(job);
    if (got != (ssize_t)sizeof(err) && status != 0)
        error_set(&err, ERROR_FAILED, "the process for it died (status %d)", status);
    done(done_ctx, err.code != ERROR_NONE ? &err : NULL);
}

static int job_free(struct job *job)
{
    int status = 0;
    loop_watch_end(job->watch);
    close(job->result);
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
    }
    mem_free(job);
    return status;
}
