#include "base/mem.h"
#include "base/text.h"
#include "driver/container/files.h"
#include "driver/container/inside.h"
#include "driver/container/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin_stop(struct held *instance, int64_t grace_ms);
static void stop_grace_over(void *ctx);
static bool hears_sigterm(int64_t pid);
static bool send_signal(const struct held *instance, int number);
static void thaw(const struct held *instance);
static int reap(const struct held *instance);
static void wipe_step(void *ctx);
static bool still_alive(struct held *instance);
static bool kill_strays(const struct held *instance);
static bool names_argument(const struct buf *command_line, const char *argument);
static bool remove_traces(struct held *instance, struct error *err);

void container_stop(void *self, const char *name, int64_t grace_ms, compute_done done, void *ctx)
{
    struct container *container = self;
    struct error err;
    struct held *instance = instance_find(container, name);
    bool known = instance != NULL;
    if (!known) instance = instance_new(container, name);
    ASSERT(instance != NULL);
    instance_begin(instance, OPERATION_STOP, done, ctx);
    if (!known) {
        error_set(&err, ERROR_NOT_FOUND, "no instance %s here", name);
        instance_end_later(instance, &err);
    } else if (instance->pid == 0) {
        instance_end_later(instance, NULL);
    } else {
        begin_stop(instance, grace_ms);
    }
}

void container_wipe(void *self, const char *name, compute_done done, void *ctx)
{
    struct container *container = self;
    struct held *instance = instance_find(container, name);
    if (instance == NULL) instance = instance_new(container, name);
    ASSERT(instance != NULL);
    const struct container_options *options = &container->options;
    instance_begin(instance, OPERATION_WIPE, done, ctx);
    instance->give_up_us = options->clock->steady_us(options->clock->self) + WIPE_TIME_MAX_US;
    if (instance->crun != NULL) options->process->kill(options->process->self, instance->crun, SIGKILL);
    if (instance->pid > 0 && send_signal(instance, SIGKILL)) thaw(instance);
    instance->timer = container_after(container, 0, wipe_step, instance);
}

void instance_ended(void *ctx)
{
    struct held *instance = ctx;
    struct container *container = instance->container;
    int status = reap(instance);
    int64_t kills = cgroup_oom_kills(container->cgroups, instance->id);
    bool out_of_memory = kills > instance->oom_kills;
    instance->oom_kills = kills;
    instance_drop_process(instance);
    if (instance->operation == OPERATION_STOP) {
        instance_end(instance, NULL);
    } else if (instance->operation == OPERATION_WIPE) {
        const struct clock_port *clock = container->options.clock;
        clock->cancel(clock->self, instance->timer);
        instance->timer = container_after(container, 0, wipe_step, instance);
    } else if (container->events.exited != NULL) {
        container->events.exited(container->events.ctx, instance->name, instance->incarnation, status,
                                 out_of_memory);
    }
}

void instance_drop_process(struct held *instance)
{
    const struct watch_port *watch = instance->container->options.watch;
    watch->stop(watch->self, instance->watch);
    instance->watch = NULL;
    file_close(&instance->pidfd);
    file_close(&instance->log); /* or its file system would stay */
    instance->pid = 0;
}

static void begin_stop(struct held *instance, int64_t grace_ms)
{
    bool heard = grace_ms > 0 && hears_sigterm(instance->pid) && send_signal(instance, SIGTERM);
    thaw(instance);
    if (heard) {
        instance->timer = container_after(instance->container, grace_ms * 1000, stop_grace_over, instance);
    } else {
        stop_grace_over(instance);
    }
}

/* With the first process of its PID namespace the kernel kills all others; instance_ended() tells the end. */
static void stop_grace_over(void *ctx)
{
    struct held *instance = ctx;
    instance->timer = NULL;
    if (!send_signal(instance, SIGKILL)) return; /* ended at this moment: the watch tells */
    thaw(instance);
}

/* The first process of a PID namespace gets only signals that it handles or blocks (pid_namespaces(7)): when
 * it does neither, to wait for an effect of SIGTERM would be to wait for nothing. */
static bool hears_sigterm(int64_t pid)
{
    struct error err;
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_MEM char *path = mem_printf("/proc/%lld/status", (long long)pid);
    if (!bundle_file_read(path, &text, &err)) return false;
    static const char *const keys[] = {"SigBlk:\t", "SigCgt:\t"};
    for (size_t i = 0; i < LENGTH(keys); i++) {
        const char *at = strstr(buf_text(&text), keys[i]);
        if (at != NULL && (strtoull(at + strlen(keys[i]), NULL, 16) & (1ULL << (SIGTERM - 1))) != 0)
            return true;
    }
    return false;
}

static bool send_signal(const struct held *instance, int number)
{
    return instance->pidfd >= 0 && syscall(SYS_pidfd_send_signal, instance->pidfd, number, NULL, 0U) == 0;
}

/* Best effort: what stays frozen shows as not ended. */
static void thaw(const struct held *instance)
{
    struct error ignored;
    if (!cgroup_freeze(instance->container->cgroups, instance->id, false, &ignored)) return;
}

/* Exit status as a shell tells it; -1 when the process is not our child: an earlier agent started it. */
static int reap(const struct held *instance)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)instance->pidfd, &info, WEXITED | WNOHANG) < 0) {
        if (errno != EINTR) return -1;
    }
    if (info.si_pid == 0) return -1;
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* Again and again until nothing is left: each step is idempotent, and finds what an earlier process left,
 * too. */
static void wipe_step(void *ctx)
{
    struct held *instance = ctx;
    const struct clock_port *clock = instance->container->options.clock;
    struct error err;
    instance->timer = NULL;
    bool gone = !still_alive(instance);
    if (!gone) error_set(&err, ERROR_TIMEOUT, "its processes do not end");
    if (gone && remove_traces(instance, &err)) {
        instance_end(instance, NULL);
        return;
    }
    if (clock->steady_us(clock->self) > instance->give_up_us) {
        error_wrap(&err, "wipe %s", instance->name);
        instance_end(instance, &err);
        return;
    }
    instance->timer = container_after(instance->container, WIPE_RETRY_US, wipe_step, instance);
}

static bool still_alive(struct held *instance)
{
    if (instance->id != NULL && cgroup_kill(instance->container->cgroups, instance->id) > 0) return true;
    if (instance->strays && kill_strays(instance)) return true;
    return instance->crun != NULL || instance->pid > 0;
}

/* A crun whose driver died (its own death follows, but when?) could make things behind our back. It is known
 * by the bundle in its arguments; so are its children until they run the command. */
static bool kill_strays(const struct held *instance)
{
    DIR *directory = opendir("/proc");
    if (directory == NULL) return false;
    bool found = false;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        uint64_t pid;
        struct error err;
        CLEANUP_BUF struct buf text = {0};
        if (!text_parse_u64(entry->d_name, &pid) || pid <= 1 || (pid_t)pid == getpid()) continue;
        CLEANUP_MEM char *path = mem_printf("/proc/%llu/cmdline", (unsigned long long)pid);
        if (!bundle_file_read(path, &text, &err) || !names_argument(&text, instance->directory)) continue;
        if (!names_argument(&text, instance->id)) continue;
        kill((pid_t)pid, SIGKILL);
        found = true;
    }
    closedir(directory);
    return found;
}

/* The arguments stand one behind the other, each ended by a zero byte. */
static bool names_argument(const struct buf *command_line, const char *argument)
{
    for (size_t at = 0; at < command_line->size; at += strlen(command_line->data + at) + 1) {
        if (text_equal(command_line->data + at, argument)) return true;
    }
    return false;
}

static bool remove_traces(struct held *instance, struct error *err)
{
    if (!root_unmount(instance->directory, err)) return false;
    if (instance->id != NULL) {
        CLEANUP_MEM char *state =
            mem_printf("%s/crun/%s", instance->container->options.run_directory, instance->id);
        if (!cgroup_remove(instance->container->cgroups, instance->id, err) ||
            !file_remove_tree(state, err)) {
            return false;
        }
    }
    return file_remove_tree(instance->directory, err);
}
