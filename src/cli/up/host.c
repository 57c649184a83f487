#include "cli/up/host.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/up/cgroups.h"
#include "cli/up/child.h"
#include "cli/up/host_init.h"
#include "driver/net/doors_sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOSTS_A_BYTE 250U /* .1 to .250 of each third byte */
#define SWEEP_MS 2000
#define THAW_US ((int64_t)200 * 1000)

struct host {
    const struct host_context *context;
    unsigned number;
    char name[16];
    char zone[64];
    char cgroup[64];
    char doors[64]; /* table of filters in the machine's network */
    enum host_power power;
    bool go;
    bool ordered_off;
    pid_t pid;
    int pidfd;
    int cables;  /* 0: not plugged in */
    int channel; /* to the first process until it said "ok"; else -1 */
    struct loop_watch *exit_watch;
    struct loop_watch *channel_watch;
    struct timer *thaw_timer;
    char failure[1024];
};

static bool start_init(struct host *host, int channel, struct error *err);
static bool plug(struct host *host, struct error *err);
static void unplug(struct host *host);
static void leave_doors(struct host *host);
static void watch(struct host *host);
static const char **agent_argv(const struct host *host, struct arena *arena);
static const char *agent_capacity(const struct up_capacity *capacity, struct arena *arena);
static void on_channel(void *ctx, unsigned ready);
static void on_exit_of_init(void *ctx, unsigned ready);
static void thaw_again(void *ctx);
static void drop_channel(struct host *host);
static void send_go(struct host *host);
static void turn(struct host *host, enum host_power power);
static void name_zone(char *out, size_t size, const struct up_options *options, unsigned number);

struct host *host_new(const struct host_context *context, unsigned number)
{
    ASSERT(number >= 1 && number <= UP_HOSTS_MAX);
    struct host *host = mem_alloc(sizeof(*host));
    *host = (struct host){.context = context, .number = number, .pidfd = -1, .channel = -1};
    snprintf(host->name, sizeof(host->name), "h%u", number);
    snprintf(host->cgroup, sizeof(host->cgroup), "croft/%s/%s", context->place->grid, host->name);
    snprintf(host->doors, sizeof(host->doors), DOORS_TABLE "_%s_%s", context->place->grid, host->name);
    name_zone(host->zone, sizeof(host->zone), context->options, number);
    return host;
}

void host_free(struct host *host)
{
    if (!host) return;
    ASSERT(host->power == POWER_IS_OFF);
    mem_free(host);
}

bool host_on(struct host *host, struct error *err)
{
    ASSERT(host->power == POWER_IS_OFF);
    /* A computer that comes up finds nothing of what ran before. */
    if (!cgroups_remove(host->cgroup, SWEEP_MS, err) || !doors_sweep(host->doors, false, err))
        return error_wrap(err, "host %s", host->name);
    int channel[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
        return error_errno(err, errno, "cannot make a socket");
    host->failure[0] = 0;
    host->go = false;
    host->ordered_off = false;
    bool started = start_init(host, channel[1], err);
    close(channel[1]);
    if (!started) {
        close(channel[0]);
        return error_wrap(err, "host %s", host->name);
    }
    host->channel = channel[0];
    watch(host);
    host->power = POWER_IS_BOOTING;
    if (!plug(host, err)) {
        host_off(host);
        return error_wrap(err, "host %s", host->name);
    }
    host->context->changed(host->context->ctx, host->number);
    return true;
}

void host_go(struct host *host)
{
    if (host->power != POWER_IS_BOOTING || host->go) return;
    host->go = true;
    send_go(host);
}

void host_off(struct host *host)
{
    host->ordered_off = true;
    if (host->power == POWER_IS_OFF || host->power == POWER_IS_ENDING) return;
    child_signal(host->pidfd, SIGKILL);
    drop_channel(host);
    turn(host, POWER_IS_ENDING);
    thaw_again(host);
}

bool host_ordered_off(const struct host *host)
{
    return host->ordered_off;
}

enum host_power host_power(const struct host *host)
{
    return host->power;
}

const char *host_name(const struct host *host)
{
    return host->name;
}

const char *host_zone(const struct host *host)
{
    return host->zone;
}

const char *host_failure(const struct host *host)
{
    return host->failure;
}

pid_t host_pid(const struct host *host)
{
    return host->pid;
}

unsigned host_low16(const struct host *host)
{
    return ((host->number - 1) / HOSTS_A_BYTE + 1) << 8 | ((host->number - 1) % HOSTS_A_BYTE + 1);
}

static bool start_init(struct host *host, int channel, struct error *err)
{
    const struct host_context *context = host->context;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_MEM char *state = mem_printf("%s/hosts/%s", context->place->state, host->name);
    if (mkdirat(AT_FDCWD, state, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot make %s", state);
    CLEANUP_FD int log_fd = -1;
    if (!place_open_log(context->place, host->name, &log_fd, err)) return false;
    /* In the order of HOST_INIT_NET_FD and HOST_INIT_CHANNEL_FD. No cgroup namespace: agents look for the
     * hierarchies by their paths on the machine, and the supervisor sweeps by the same. */
    int keep[] = {wires_machine_fd(context->wires), channel};
    struct child_options options = {
        .program = "/proc/self/exe",
        .argv = agent_argv(host, arena),
        .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
        .net_ns_fd = -1,
        .keep_fds = keep,
        .keep_fds_length = LENGTH(keep),
        .log_fd = log_fd,
    };
    return child_start(&options, &host->pid, &host->pidfd, err);
}

static bool plug(struct host *host, struct error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)host->pid); /* ours until we reap it */
    CLEANUP_FD int net_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (net_fd < 0) return error_errno(err, errno, "cannot open its network namespace");
    struct wires_end end = {.low16 = host_low16(host), .nets = WIRES_NETS};
    return wires_plug(host->context->wires, net_fd, &end, &host->cables, err);
}

/* Its network lives on in the kernel as long as a connection waits for an acknowledgement, and would answer
 * for the address of the host that comes next. A host that is off sends nothing. */
static void unplug(struct host *host)
{
    struct error err;
    if (host->cables && !wires_unplug(host->context->wires, host->cables, WIRES_NETS, &err))
        fprintf(stderr, "croft: host %s: %s\n", host->name, err.message);
    host->cables = 0;
}

/* Its published addresses went with its processes; what judged their callers is in the machine's network. */
static void leave_doors(struct host *host)
{
    struct error err;
    if (!doors_sweep(host->doors, false, &err))
        fprintf(stderr, "croft: host %s: %s\n", host->name, err.message);
}

static void watch(struct host *host)
{
    host->exit_watch = loop_watch_fd(host->context->loop, host->pidfd, LOOP_READ, on_exit_of_init, host);
    host->channel_watch = loop_watch_fd(host->context->loop, host->channel, LOOP_READ, on_channel, host);
}

/* All of host-init's arguments; the agent's come behind its own. */
static const char **agent_argv(const struct host *host, struct arena *arena)
{
    const struct place *place = host->context->place;
    const struct up_options *options = host->context->options;
    char own[WIRES_NETS][32];
    for (unsigned net = 0; net < WIRES_NETS; net++)
        wires_address(own[net], (enum wires_net)net, host_low16(host));
    const char *argv[] = {
        "croft",
        "host-init",
        host->name,
        options->program ? options->program : "/proc/self/exe",
        "croft",
        "agent",
        "--name",
        host->name,
        "--state",
        arena_printf(arena, "%s/hosts/%s", place->state, host->name),
        "--run",
        HOST_INIT_RUN,
        "--join",
        "https://10.90.0.1:7070,https://10.91.0.1:7070",
        "--token-file",
        arena_printf(arena, "%s/controller/join.token", place->state),
        "--listen",
        arena_printf(arena, "%s:7071,%s:7071", own[WIRES_MGMT0], own[WIRES_MGMT1]),
        "--underlay",
        "eth2",
        "--outside",
        "eth3",
        "--outside-refused",
        "10.90.0.0/15,10.92.0.0/16,10.93.1.0/24",
        "--zone",
        host->zone,
        "--capacity",
        agent_capacity(&options->capacity, arena),
        "--hardware",
        options->hardware ? arena_printf(arena, "%s/%s", options->hardware, host->name) : "/sys",
        "--cgroup",
        host->cgroup,
        "--publish-net-fd",
        "3",
        "--publish-table",
        host->doors,
        "--whoami",
        arena_printf(arena, "%s/run/whoami.sock", place->state),
    };
    const char **copy = arena_alloc_array(arena, LENGTH(argv) + 1, sizeof(*copy));
    for (size_t i = 0; i < LENGTH(argv); i++)
        copy[i] = argv[i];
    return copy;
}

static const char *agent_capacity(const struct up_capacity *capacity, struct arena *arena)
{
    char cpus[32], memory[32], disk[32], network[32];
    return arena_printf(
        arena, "cpus=%s,memory=%s,disk=%s,network=%s", text_format_cpus(cpus, capacity->cpus_millis),
        text_format_bytes(memory, capacity->memory_bytes), text_format_bytes(disk, capacity->disk_bytes),
        text_format_rate(network, capacity->network_bits_per_s));
}

static void on_channel(void *ctx, unsigned ready)
{
    struct host *host = ctx;
    char text[sizeof(host->failure)];
    ssize_t size = recv(host->channel, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    text[size > 0 ? size : 0] = 0;
    drop_channel(host);
    if (text_equal(text, "ok")) {
        turn(host, POWER_IS_ON);
        return;
    }
    /* Its end is told by the pidfd. */
    snprintf(host->failure, sizeof(host->failure), "%s",
             text[0] ? text : "its first process ended while it started");
}

static void on_exit_of_init(void *ctx, unsigned ready)
{
    struct host *host = ctx;
    if (host->power == POWER_IS_BOOTING && host->channel >= 0) on_channel(host, ready); /* its last words */
    loop_watch_end(host->exit_watch);
    host->exit_watch = NULL;
    drop_channel(host);
    if (host->power != POWER_IS_ENDING && !host->failure[0])
        snprintf(host->failure, sizeof(host->failure), "its first process ended");
    host->context->clock->cancel(host->context->clock->self, host->thaw_timer);
    host->thaw_timer = NULL;
    child_reap(host->pidfd);
    fd_drop(&host->pidfd);
    host->pid = 0;
    unplug(host);
    leave_doors(host);
    turn(host, POWER_IS_OFF);
}

/* Again and again: a `pause` that was under way when the host was killed may freeze after the first time. */
static void thaw_again(void *ctx)
{
    struct host *host = ctx;
    const struct clock_port *clock = host->context->clock;
    cgroups_thaw(host->cgroup);
    host->thaw_timer = clock->after(clock->self, THAW_US, thaw_again, host);
}

static void drop_channel(struct host *host)
{
    loop_watch_end(host->channel_watch);
    host->channel_watch = NULL;
    fd_drop(&host->channel);
}

static void send_go(struct host *host)
{
    if (host->channel < 0) return; /* it has spoken already: it is about to end */
    ssize_t sent = send(host->channel, "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* a first process that is gone is told by its pidfd */
}

static void turn(struct host *host, enum host_power power)
{
    host->power = power;
    host->context->changed(host->context->ctx, host->number);
}

/* Hosts go round over the racks, racks round over the sites. */
static void name_zone(char *out, size_t size, const struct up_options *options, unsigned number)
{
    static const char *const names[] = {"east", "west", "north", "south"};
    unsigned rack = (number - 1) % (options->racks * options->sites);
    unsigned site = rack % options->sites;
    if (site < LENGTH(names))
        snprintf(out, size, "%s/b1/r%u", names[site], rack / options->sites + 1);
    else
        snprintf(out, size, "s%u/b1/r%u", site + 1, rack / options->sites + 1);
}
