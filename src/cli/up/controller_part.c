#include "cli/up/controller_part.h"

#include "base/mem.h"
#include "cli/up/child.h"

#include <signal.h>
#include <stdio.h>

#define CONTROLLER_LOW16 1U /* 10.90.0.1 and 10.91.0.1 */
#define STOP_US ((int64_t)5 * 1000 * 1000)
#define ARGV_MAX 24

struct controller_part {
    struct controller_part_options options;
    int net_fd; /* its network, which stays when it is started again */
    pid_t pid;
    int pidfd; /* -1: does not run */
    struct loop_watch *watch;
    struct timer *timer; /* to start it again, or to stop it by force */
    struct backoff backoff;
    int64_t started_ms;
    bool stopping;
};

static bool start(struct controller_part *part, struct error *err);
static void on_exit_of_controller(void *ctx, unsigned ready);
static void start_again(void *ctx);
static void stop_by_force(void *ctx);

bool controller_part_start(const struct controller_part_options *options, struct controller_part **ret_part,
                           struct error *err)
{
    struct controller_part *part = mem_alloc(sizeof(*part));
    *part = (struct controller_part){.options = *options, .net_fd = -1, .pidfd = -1};
    int cables = 0; /* they stay as long as the wires do */
    struct wires_end end = {.low16 = CONTROLLER_LOW16, .nets = WIRES_UNDERLAY};
    if (!wires_add_namespace(options->wires, &part->net_fd, err) ||
        !wires_plug(options->wires, part->net_fd, &end, &cables, err) || !start(part, err)) {
        controller_part_free(part);
        return error_wrap(err, "controller");
    }
    *ret_part = part;
    return true;
}

void controller_part_stop(struct controller_part *part)
{
    if (part->stopping) return;
    const struct clock_port *clock = part->options.clock;
    part->stopping = true;
    clock->cancel(clock->self, part->timer);
    part->timer = NULL;
    if (part->pidfd < 0) return;
    child_signal(part->pidfd, SIGTERM);
    part->timer = clock->after(clock->self, STOP_US, stop_by_force, part);
}

bool controller_part_runs(const struct controller_part *part)
{
    return part && part->pidfd >= 0;
}

void controller_part_free(struct controller_part *part)
{
    if (!part) return;
    ASSERT(part->pidfd < 0);
    part->options.clock->cancel(part->options.clock->self, part->timer);
    fd_drop(&part->net_fd);
    mem_free(part);
}

static bool start(struct controller_part *part, struct error *err)
{
    const struct controller_part_options *options = &part->options;
    CLEANUP_MEM char *state = place_path(options->place, "controller");
    CLEANUP_MEM char *power = mem_printf("unix:%s/run/power.sock", options->place->state);
    CLEANUP_FD int log_fd = -1;
    if (!place_open_log(options->place, "controller", &log_fd, err)) return false;
    const char *argv[ARGV_MAX] = {"croft",       "controller", "--state",  state,
                                  "--listen-fd", "3",          "--agents", "10.90.0.1:7070,10.91.0.1:7070",
                                  "--power",     power};
    const char *const more[][2] = {{"--contacts-reach", options->contacts_reach},
                                   {"--secrets", options->secrets},
                                   {"--authorities", options->authorities}};
    size_t length = 10;
    for (size_t i = 0; i < LENGTH(more); i++) {
        if (!more[i][1]) continue;
        argv[length++] = more[i][0];
        argv[length++] = more[i][1];
    }
    struct child_options child = {
        .program = options->program ? options->program : "/proc/self/exe",
        .argv = argv,
        .net_ns_fd = part->net_fd,
        .keep_fds = &options->api_fd,
        .keep_fds_length = 1,
        .log_fd = log_fd,
    };
    if (!child_start(&child, &part->pid, &part->pidfd, err)) return false;
    part->started_ms = steady_ms();
    part->watch = loop_watch_fd(options->loop, part->pidfd, LOOP_READ, on_exit_of_controller, part);
    return true;
}

static void on_exit_of_controller(void *ctx, unsigned ready)
{
    struct controller_part *part = ctx;
    const struct clock_port *clock = part->options.clock;
    loop_watch_end(part->watch);
    part->watch = NULL;
    int status = child_reap(part->pidfd);
    fd_drop(&part->pidfd);
    clock->cancel(clock->self, part->timer);
    part->timer = NULL;
    if (!part->stopping) {
        int64_t delay_ms = backoff_delay_ms(&part->backoff, steady_ms() - part->started_ms);
        part->timer = clock->after(clock->self, delay_ms * 1000, start_again, part);
    }
    part->options.ended(part->options.ctx, status);
}

static void start_again(void *ctx)
{
    struct controller_part *part = ctx;
    const struct clock_port *clock = part->options.clock;
    struct error err;
    part->timer = NULL;
    if (start(part, &err)) return;
    fprintf(stderr, "croft: controller: %s; trying again\n", err.message);
    part->timer = clock->after(clock->self, backoff_delay_ms(&part->backoff, 0) * 1000, start_again, part);
}

static void stop_by_force(void *ctx)
{
    struct controller_part *part = ctx;
    part->timer = NULL;
    child_signal(part->pidfd, SIGKILL);
}
