#include "cli/up/grid.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/up/api_socket.h"
#include "cli/up/cgroups.h"
#include "cli/up/child.h"
#include "cli/up/controller_part.h"
#include "cli/up/host.h"
#include "cli/up/poller.h"
#include "cli/up/switches.h"
#include "driver/net/doors_sweep.h"
#include "os/clock.h"
#include "os/http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SWEEP_MS 20000
#define READY_US ((int64_t)60 * 1000 * 1000)
#define READY_HOST_US ((int64_t)500 * 1000)

struct grid {
    const struct up_options *options;
    const struct place *place;
    const struct grid_events *events;
    struct loop *loop;
    struct os_clock *os_clock;
    const struct clock_port *clock;
    struct http *http;
    struct wires *wires;
    struct host_context host_context;
    struct host *hosts[UP_HOSTS_MAX];
    unsigned hosts_started;
    struct switches *switches;
    struct controller_part *controller;
    struct poller *poller;
    struct timer *ready_timer;
    struct loop_later *start_later;
    struct loop_later *stop_later;
    int hangup_fd;
    struct loop_watch *hangup_watch;
    int api_fd;
    char *address;
    char *url;
    char *token_path;
    int64_t started_wall_ms;
    bool agents_go; /* the controller has answered once: agents may come */
    bool ready;
    bool stopping;
    bool failed;
    struct error failure; /* with failed: the first */
};

static bool build(struct grid *grid, struct error *err);
static bool watch_signals(struct grid *grid, struct error *err);
static void take_apart(struct grid *grid);
static void start_next_host(void *ctx);
static bool tell(struct grid *grid, struct error *err);
static bool on_answered(void *ctx, const struct poller *poller);
static void on_not_ready(void *ctx);
static void on_host_changed(void *ctx, unsigned number);
static void on_controller_ended(void *ctx, int status);
static void on_signal(void *ctx, int signal_number);
static void on_hangup(void *ctx, unsigned ready);
static void fail(struct grid *grid, const struct error *err);
static void stop(struct grid *grid);
static void stop_parts(void *ctx);
static void check_gone(struct grid *grid);

bool grid_run(const struct up_options *options, const struct place *place, const struct grid_events *events,
              struct error *err)
{
    struct grid *grid = mem_alloc(sizeof(*grid));
    *grid =
        (struct grid){.options = options, .place = place, .events = events, .api_fd = -1, .hangup_fd = -1};
    struct error problem;
    bool good = loop_new(&grid->loop, &problem);
    if (good) {
        grid->os_clock = os_clock_new(grid->loop);
        grid->clock = os_clock_port(grid->os_clock);
        grid->http = http_new(grid->loop, NULL);
        good = build(grid, &problem);
        if (!good) fail(grid, &problem);
        loop_run(grid->loop);
        good = !grid->failed;
        problem = grid->failure;
    }
    take_apart(grid);
    struct error sweep_problem;
    bool swept = grid_sweep(place, &sweep_problem);
    mem_free(grid);
    if (good && swept) return true;
    *err = good ? sweep_problem : problem;
    return false;
}

bool grid_sweep(const struct place *place, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("croft/%s", place->grid);
    bool good = cgroups_remove(path, SWEEP_MS, err);
    cgroups_drop_empty("croft");
    CLEANUP_MEM char *doors = mem_printf(DOORS_TABLE "_%s_", place->grid);
    struct error second;
    good = doors_sweep(doors, true, good ? err : &second) && good;
    place_sweep_files(place);
    return good;
}

/* Everything that can be built at once. Hosts follow one by one from the loop, so that signals are heard. */
static bool build(struct grid *grid, struct error *err)
{
    const struct place *place = grid->place;
    CLEANUP_MEM char *info = place_path(place, "run/grid.json");
    bool crashed = access(info, F_OK) == 0;
    if (!grid_sweep(place, err)) return error_wrap(err, "cleaning up after the grid that ran here before");
    if (!api_socket_open(grid->options->listen, crashed, &grid->api_fd, &grid->address, err)) return false;
    grid->url = mem_printf("http://%s", grid->address);
    grid->token_path = place_path(place, "controller/landlord.token");
    grid->started_wall_ms = grid->clock->wall_ms(grid->clock->self);
    if (!watch_signals(grid, err) || !wires_new(&grid->wires, err)) return false;
    grid->host_context = (struct host_context){
        .loop = grid->loop,
        .clock = grid->clock,
        .wires = grid->wires,
        .place = place,
        .options = grid->options,
        .changed = on_host_changed,
        .ctx = grid,
    };
    for (unsigned i = 0; i < grid->options->hosts; i++)
        grid->hosts[i] = host_new(&grid->host_context, i + 1);
    struct controller_part_options controller = {
        .loop = grid->loop,
        .clock = grid->clock,
        .wires = grid->wires,
        .place = place,
        .program = grid->options->program,
        .contacts_reach = grid->options->contacts_reach,
        .secrets = grid->options->secrets,
        .authorities = grid->options->authorities,
        .api_fd = grid->api_fd,
        .ended = on_controller_ended,
        .ctx = grid,
    };
    if (!tell(grid, err) ||
        !switches_new(&grid->host_context, grid->hosts, grid->options->hosts, &grid->switches, err) ||
        !controller_part_start(&controller, &grid->controller, err))
        return false;
    struct poller_options poller = {
        .clock = grid->clock,
        .net = http_port(grid->http),
        .address = grid->address,
        .token_path = grid->token_path,
        .answered = on_answered,
        .ctx = grid,
    };
    grid->poller = poller_new(&poller);
    grid->ready_timer = grid->clock->after(grid->clock->self, READY_US + READY_HOST_US * grid->options->hosts,
                                           on_not_ready, grid);
    grid->start_later = loop_later(grid->loop, start_next_host, grid);
    return true;
}

static bool watch_signals(struct grid *grid, struct error *err)
{
    if (!loop_on_signal(grid->loop, on_signal, grid, err)) return false;
    /* A terminal that goes away ends the grid in order, too. */
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &hangup, NULL) != 0) return error_errno(err, errno, "cannot block a signal");
    grid->hangup_fd = signalfd(-1, &hangup, SFD_CLOEXEC | SFD_NONBLOCK);
    if (grid->hangup_fd < 0) return error_errno(err, errno, "cannot watch a signal");
    grid->hangup_watch = loop_watch_fd(grid->loop, grid->hangup_fd, LOOP_READ, on_hangup, grid);
    return true;
}

static void take_apart(struct grid *grid)
{
    poller_free(grid->poller);
    switches_free(grid->switches);
    controller_part_free(grid->controller);
    for (unsigned i = 0; i < grid->options->hosts; i++)
        host_free(grid->hosts[i]);
    wires_free(grid->wires);
    if (grid->clock) grid->clock->cancel(grid->clock->self, grid->ready_timer);
    loop_watch_end(grid->hangup_watch);
    fd_drop(&grid->hangup_fd);
    http_free(grid->http);
    os_clock_free(grid->os_clock);
    loop_free(grid->loop);
    fd_drop(&grid->api_fd);
    mem_free(grid->address);
    mem_free(grid->url);
    mem_free(grid->token_path);
}

static void start_next_host(void *ctx)
{
    struct grid *grid = ctx;
    struct error err;
    grid->start_later = NULL;
    struct host *host = grid->hosts[grid->hosts_started++];
    if (host_power(host) == POWER_IS_OFF && !host_ordered_off(host) && !host_on(host, &err)) {
        fail(grid, &err);
        return;
    }
    if (grid->agents_go) host_go(host);
    if (grid->hosts_started < grid->options->hosts)
        grid->start_later = loop_later(grid->loop, start_next_host, grid);
}

/* Writes down what runs here. */
static bool tell(struct grid *grid, struct error *err)
{
    char time[32], address[32];
    struct buf json = {0};
    buf_printf(&json, "{\"pid\": %d, \"start_ticks\": %llu, \"ready\": %s, \"server\": ", (int)getpid(),
               (unsigned long long)process_start_ticks(getpid()), grid->ready ? "true" : "false");
    buf_add_json_string(&json, grid->url);
    buf_add_text(&json, ", \"token_path\": ");
    buf_add_json_string(&json, grid->token_path);
    buf_add_text(&json, ", \"state\": ");
    buf_add_json_string(&json, grid->place->state);
    /* Held by this process only: `nsenter --net=PATH` enters it. */
    buf_printf(&json,
               ", \"outside\": {\"address\": \"203.0.113.1\", \"network\": \"" WIRES_WORLD
               "\", \"namespace\": \"/proc/%d/fd/%d\"}",
               (int)getpid(), wires_outside_fd(grid->wires));
    buf_printf(&json, ", \"grid\": \"%s\", \"started\": \"%s\", \"hosts\": [", grid->place->grid,
               text_format_time(time, grid->started_wall_ms));
    for (unsigned i = 0; i < grid->options->hosts; i++) {
        const struct host *host = grid->hosts[i];
        buf_printf(&json, "%s\n  {\"name\": \"%s\", \"zone\": \"%s\", \"addresses\": [", i == 0 ? "" : ",",
                   host_name(host), host_zone(host));
        for (unsigned net = 0; net < WIRES_NETS; net++)
            buf_printf(&json, "%s\"%s\"", net == 0 ? "" : ", ",
                       wires_address(address, (enum wires_net)net, host_low16(host)));
        buf_add_text(&json, "]}");
    }
    buf_add_text(&json, "]}\n");
    bool good = grid_info_write(grid->place, buf_text(&json), err);
    buf_free(&json);
    return good;
}

static bool on_answered(void *ctx, const struct poller *poller)
{
    struct grid *grid = ctx;
    if (grid->stopping) return false;
    grid->agents_go = true;
    unsigned up = 0, wanted = 0;
    for (unsigned i = 0; i < grid->options->hosts; i++) {
        struct host *host = grid->hosts[i];
        host_go(host);
        /* One that was switched off by order meanwhile is not waited for. */
        if (host_ordered_off(host)) continue;
        wanted++;
        if (host_power(host) == POWER_IS_ON && poller_is_up(poller, host_name(host))) up++;
    }
    grid->events->progress(grid->events->ctx, up, wanted);
    if (up < wanted || grid->hosts_started < grid->options->hosts) return true;
    grid->ready = true;
    grid->clock->cancel(grid->clock->self, grid->ready_timer);
    grid->ready_timer = NULL;
    struct error err;
    if (tell(grid, &err))
        grid->events->ready(grid->events->ctx, grid->url);
    else
        fail(grid, &err);
    return false;
}

static void on_not_ready(void *ctx)
{
    struct grid *grid = ctx;
    struct error err;
    grid->ready_timer = NULL;
    const struct host *missing = NULL;
    for (unsigned i = 0; i < grid->options->hosts && !missing; i++)
        if (!poller_is_up(grid->poller, host_name(grid->hosts[i]))) missing = grid->hosts[i];
    if (!grid->agents_go || !missing)
        error_set(&err, ERROR_TIMEOUT, "the controller does not answer (%s); see %s/log/controller.log",
                  poller_obstacle(grid->poller), grid->place->state);
    else
        error_set(&err, ERROR_TIMEOUT, "host %s (and maybe others) does not come up; see %s/log/%s.log",
                  host_name(missing), grid->place->state, host_name(missing));
    fail(grid, &err);
}

static void on_host_changed(void *ctx, unsigned number)
{
    struct grid *grid = ctx;
    const struct host *host = grid->hosts[number - 1];
    switches_host_changed(grid->switches);
    if (grid->stopping) {
        check_gone(grid);
        return;
    }
    if (host_power(host) != POWER_IS_OFF || !*host_failure(host) || grid->ready) return;
    struct error err;
    error_set(&err, ERROR_FAILED, "host %s: %s; see %s/log/%s.log", host_name(host), host_failure(host),
              grid->place->state, host_name(host));
    fail(grid, &err);
}

static void on_controller_ended(void *ctx, int status)
{
    struct grid *grid = ctx;
    if (grid->stopping) {
        check_gone(grid);
        return;
    }
    if (grid->agents_go) {
        const char *how = status >= 128 ? "was ended by signal" : "ended with status";
        fprintf(stderr, "croft: the controller %s %d, and is started again; see %s/log/controller.log\n", how,
                status >= 128 ? status - 128 : status, grid->place->state);
        return;
    }
    struct error err;
    error_set(&err, ERROR_FAILED, "the controller ended at once with status %d; see %s/log/controller.log",
              status, grid->place->state);
    fail(grid, &err);
}

static void on_signal(void *ctx, int signal_number)
{
    struct grid *grid = ctx;
    struct error err;
    if (grid->ready) {
        stop(grid);
        return;
    }
    error_set(&err, ERROR_FAILED, "stopped by a signal before it was ready");
    fail(grid, &err);
}

static void on_hangup(void *ctx, unsigned ready)
{
    struct grid *grid = ctx;
    struct signalfd_siginfo info;
    if (read(grid->hangup_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) on_signal(grid, SIGHUP);
}

static void fail(struct grid *grid, const struct error *err)
{
    if (!grid->failed && !grid->stopping) {
        grid->failed = true;
        grid->failure = *err;
    }
    stop(grid);
}

/* From the loop, not from inside whatever told us to. */
static void stop(struct grid *grid)
{
    if (grid->stopping) return;
    grid->stopping = true;
    loop_later_cancel(grid->loop, grid->start_later);
    grid->start_later = NULL;
    grid->stop_later = loop_later(grid->loop, stop_parts, grid);
}

static void stop_parts(void *ctx)
{
    struct grid *grid = ctx;
    grid->stop_later = NULL;
    poller_free(grid->poller);
    grid->poller = NULL;
    switches_free(grid->switches);
    grid->switches = NULL;
    if (grid->controller) controller_part_stop(grid->controller);
    for (unsigned i = 0; i < grid->options->hosts; i++)
        if (grid->hosts[i]) host_off(grid->hosts[i]);
    check_gone(grid);
}

static void check_gone(struct grid *grid)
{
    if (grid->stop_later || controller_part_runs(grid->controller)) return;
    for (unsigned i = 0; i < grid->options->hosts; i++)
        if (grid->hosts[i] && host_power(grid->hosts[i]) != POWER_IS_OFF) return;
    loop_stop(grid->loop);
}
