/* `croft agent`: the machine's ports and drivers, the host's identity, and the loop over them. */
#include "agent/agent.h"
#include "base/text.h"
#include "cli/frugal.h"
#include "cli/join.h"
#include "cli/mains.h"
#include "driver/balance/balance_haproxy.h"
#include "driver/container/container.h"
#include "driver/net/net.h"
#include "driver/probe/probe.h"
#include "model/problem.h"
#include "model/schemas.h"
#include "os/blob.h"
#include "os/clock.h"
#include "os/disk.h"
#include "os/hardware.h"
#include "os/http.h"
#include "os/identity.h"
#include "os/local.h"
#include "os/loop.h"
#include "os/pki.h"
#include "os/private.h"
#include "os/process.h"
#include "os/random.h"
#include "os/seal.h"
#include "os/tls.h"
#include "os/vault.h"
#include "os/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    JOIN_TIMEOUT_MS = 5000,
    JOIN_AGAIN_US = 300 * 1000,
    PRIVATE_RESERVE_BYTES = 256 * 1024 * 1024, /* of the disk, left to all else */
};

/* Everything that runs, in the order in which it is made; ended in the opposite one. */
struct running {
    const struct agent_main_options *options;
    struct loop *loop;
    struct os_clock *clock;
    struct os_disk *disk, *run_disk;
    struct os_blobs *blobs;
    struct os_process *process;
    struct os_watch *watch;
    struct os_local *local;
    struct os_hardware *hardware;
    struct os_identity *identity;
    struct os_vault *vault;
    struct os_private *private;
    struct tls *tls;
    struct http *http;
    struct compute_driver compute;
    struct net_driver network;
    struct balance_driver balance;
    struct probe_driver probe;
    struct agent *agent;
    struct buf authority, certificate, key, boot;
    char addresses[2][64]; /* where this agent listens */
    char controllers[2][64];
    struct peer controller;
    char underlay[32];
    int64_t pid, agent_pid;
    bool stopped;
};

/* The first conversation with the controller, by which a host gets its certificate. */
struct joining {
    struct running *running;
    struct buf body;
    struct error err;
    bool done, good;
};

static bool start(struct running *running, struct error *err);
static bool make_ports(struct running *running, struct error *err);
static bool make_vault(struct running *running, struct error *err);
static bool make_private(struct running *running, struct error *err);
static void say(void *ctx, const char *text);
static bool make_drivers(struct running *running, struct error *err);
static bool make_agent(struct running *running, struct error *err);
static bool split_addresses(const char *text, const char *scheme, char ret_addresses[2][64],
                            size_t *ret_length, struct error *err);
static bool find_underlay(struct running *running, struct error *err);
static bool find_boot(struct running *running, struct error *err);
static bool ask_whoami(struct running *running, struct error *err);
static bool load_identity(struct running *running, struct error *err);
static bool is_ours(struct running *running);
static bool join(struct running *running, struct error *err);
static bool read_token(struct running *running, struct buf *ret_token, struct error *err);
static void join_call(void *ctx);
static void join_done(void *ctx, const struct answer *answer);
static bool take_certificate(struct running *running, const struct answer *answer, struct error *err);
static void stop(struct running *running);
static void signalled(void *ctx, int signal_number);

int agent_main(const struct agent_main_options *options)
{
    struct running running = {.options = options};
    struct error err = {0};
    frugal_memory();
    bool good = start(&running, &err);

    if (good && !running.stopped)
        loop_run(running.loop);
    else if (!good)
        fprintf(stderr, "croft agent: %s\n", err.message);
    stop(&running);
    return good ? 0 : error_exit_code(err.code);
}

static bool start(struct running *running, struct error *err)
{
    const struct agent_main_options *options = running->options;
    size_t length = 0;

    /* crun needs a clean view of the cgroups: before anything else, because it moves this process. */
    if (mkdir(options->run, 0711) != 0 && errno != EEXIST)
        return error_errno(err, errno, "making the directory %s", options->run);
    /* Instances' users pass through it on the way to their roots, and must not see what else is there. */
    if (chmod(options->run, 0711) != 0) return error_errno(err, errno, "%s", options->run);
    if (!container_prepare_cgroups(options->run, err)) return false;
    if (!split_addresses(options->listen, "", running->addresses, &length, err) ||
        !split_addresses(options->join, "https://", running->controllers, &length, err))
        return false;
    running->controller =
        (struct peer){.role = ROLE_CONTROLLER, .addresses_length = length, .tls = true, .only_address = -1};
    for (size_t i = 0; i < length; i++)
        running->controller.addresses[i] = running->controllers[i];
    if (!make_ports(running, err) || !make_vault(running, err) || !make_private(running, err) ||
        !find_underlay(running, err) || !find_boot(running, err) || !ask_whoami(running, err) ||
        !load_identity(running, err))
        return false;
    return running->stopped || (make_drivers(running, err) && make_agent(running, err));
}

static bool make_ports(struct running *running, struct error *err)
{
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", running->options->state);

    if (!loop_new(&running->loop, err) || !loop_on_signal(running->loop, signalled, running, err) ||
        !os_disk_new(running->options->state, &running->disk, err) ||
        !os_disk_new(running->options->run, &running->run_disk, err) ||
        !os_blobs_new(blobs, &running->blobs, err))
        return false;
    running->clock = os_clock_new(running->loop);
    running->process = os_process_new(running->loop);
    running->watch = os_watch_new(running->loop);
    running->local = os_local_new(os_clock_port(running->clock), os_watch_port(running->watch));
    const struct os_hardware_options hardware = {.clock = os_clock_port(running->clock),
                                                 .process = os_process_port(running->process),
                                                 .root = running->options->hardware,
                                                 .state = running->options->state};
    running->hardware = os_hardware_new(&hardware);
    /* The container driver adopts what crun leaves behind. */
    return os_process_reap_orphans(running->process, err);
}

static bool make_vault(struct running *running, struct error *err)
{
    CLEANUP_MEM char *directory = mem_printf("%s/vault", running->options->state);
    CLEANUP_BUF struct buf note = {0};

    if (!seal_harden(err) || !os_vault_new(directory, &running->vault, &note, err))
        return error_wrap(err, "keys of parties");
    if (note.size > 0) fprintf(stderr, "croft agent: %s\n", buf_text(&note));
    return true;
}

/* Mounted below the run directory: there it outlives this process where the process has a mount namespace of
 * its own (container_prepare_cgroups()). */
static bool make_private(struct running *running, struct error *err)
{
    const struct os_private_options options = {.loop = running->loop,
                                               .process = os_process_port(running->process),
                                               .state_directory = running->options->state,
                                               .run_directory = running->options->run,
                                               .reserve_bytes = PRIVATE_RESERVE_BYTES,
                                               .note = say};
    return os_private_new(&options, &running->private, err) || error_wrap(err, "what is stored for parties");
}

static void say(void *ctx, const char *text)
{
    fprintf(stderr, "croft agent: %s\n", text);
}

static bool make_drivers(struct running *running, struct error *err)
{
    const struct agent_main_options *options = running->options;
    CLEANUP_MEM char *network_run = mem_printf("%s/net", options->run);
    CLEANUP_MEM char *compute_run = mem_printf("%s/compute", options->run);
    struct net_driver_options network = {.underlay_device = options->underlay,
                                         .outside_device = options->outside,
                                         .outside_refused = options->outside_refused,
                                         .outside_refused_length = options->outside_refused_length,
                                         .run_directory = network_run,
                                         .process = os_process_port(running->process),
                                         .doors_ns_fd = options->publish_net_fd,
                                         .doors_table = options->publish_table,
                                         .resolver = true};
    const struct container_options compute = {.state_directory = options->state,
                                              .run_directory = compute_run,
                                              .cgroup = options->cgroup,
                                              .clock = os_clock_port(running->clock),
                                              .process = os_process_port(running->process),
                                              .watch = os_watch_port(running->watch)};
    const struct balance_options balance = {.clock = os_clock_port(running->clock),
                                            .watch = os_watch_port(running->watch),
                                            .publish_ns_fd = options->publish_net_fd};

    ASSERT(text_parse_ipv4(running->underlay, &network.underlay_address));
    return net_driver_new(&network, &running->network, err) &&
           container_driver_new(&compute, &running->compute, err) &&
           balance_driver_new(&balance, &running->balance, err) && probe_driver_new(&running->probe, err);
}

static bool make_agent(struct running *running, struct error *err)
{
    const char *measure = getenv("CROFT_MEASURE"); /* bench/ compares with a grid that does not */
    const struct agent_options options = {
        .clock = os_clock_port(running->clock),
        .net = http_port(running->http),
        .disk = os_disk_port(running->disk),
        .identity = os_identity_port(running->identity),
        .blobs = os_blobs_port(running->blobs),
        .process = os_process_port(running->process),
        .watch = os_watch_port(running->watch),
        .random = os_random_port(),
        .hardware = os_hardware_port(running->hardware),
        .vault = os_vault_port(running->vault),
        .local = os_local_port(running->local),
        .private = os_private_port(running->private),
        .compute = &running->compute,
        .network = &running->network,
        .balance = &running->balance,
        .probe = &running->probe,
        .host = &running->options->host,
        .controllers = running->controller,
        .addresses = {running->addresses[0], running->addresses[1]},
        .underlay = running->underlay,
        .outside = running->options->outside,
        .boot = buf_text(&running->boot),
        .pid = running->pid,
        .agent_pid = running->agent_pid,
        .unmeasured = measure != NULL && text_equal(measure, "no"),
    };
    struct http_listener *listener = NULL;

    if (!agent_new(&options, &running->agent, err)) return false;
    for (size_t i = 0; i < 2 && running->addresses[i][0]; i++) {
        const struct http_listen_options listen = {.address = running->addresses[i],
                                                   .inherited_fd = -1,
                                                   .tls = true,
                                                   .handler = agent_serve,
                                                   .ctx = running->agent};
        if (!http_listen(running->http, &listen, &listener, err)) return error_wrap(err, "--listen");
    }
    return true;
}

/* "https://A:P,https://A:P" -> the two "A:P". */
static bool split_addresses(const char *text, const char *scheme, char ret_addresses[2][64],
                            size_t *ret_length, struct error *err)
{
    size_t length = 0;

    for (const char *at = text; *at;) {
        size_t size = strcspn(at, ",");
        if (length == 2 || !text_starts(at, scheme) || size >= strlen(scheme) + sizeof(ret_addresses[0]))
            return error_set(err, ERROR_USAGE, "\"%s\" is not %sADDR:PORT[,%sADDR:PORT]", text, scheme,
                             scheme);
        snprintf(ret_addresses[length++], sizeof(ret_addresses[0]), "%.*s", (int)(size - strlen(scheme)),
                 at + strlen(scheme));
        at += size + (at[size] == ',');
    }
    *ret_length = length;
    return true;
}

static bool find_underlay(struct running *running, struct error *err)
{
    struct ifaddrs *list = NULL;
    bool found = false;

    if (getifaddrs(&list) != 0) return error_errno(err, errno, "listing addresses");
    for (struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET) continue;
        if (!text_equal(at->ifa_name, running->options->underlay)) continue;
        const struct sockaddr_in *address = (const void *)at->ifa_addr;
        found = inet_ntop(AF_INET, &address->sin_addr, running->underlay, sizeof(running->underlay)) != NULL;
    }
    freeifaddrs(list);
    return found || error_set(err, ERROR_FAILED,
                              "device %s has no IPv4 address: --underlay names the device that "
                              "carries the farms' networks",
                              running->options->underlay);
}

/* The run directory is empty after a reboot: what is in it is of this run of the host. */
static bool find_boot(struct running *running, struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->run_disk);
    const struct random_port *random = os_random_port();
    unsigned char bytes[16];
    struct error missing;

    if (disk->read(disk->self, "boot", &running->boot, &missing)) return true;
    if (missing.code != ERROR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    random->fill(random->self, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        buf_printf(&running->boot, "%02x", bytes[i]);
    return disk->write(disk->self, "boot", running->boot.data, running->boot.size, 0600, err);
}

static bool ask_whoami(struct running *running, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[64] = "";
    bool good = false;

    if (!running->options->whoami) return true;
    if (strlen(running->options->whoami) >= sizeof(address.sun_path))
        return error_set(err, ERROR_USAGE, "--whoami: the path is too long for a socket");
    strcpy(address.sun_path, running->options->whoami);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_errno(err, errno, "making a socket");
    good = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
           recv(fd, line, sizeof(line) - 1, MSG_WAITALL) > 0 &&
           sscanf(line, "%" SCNd64 " %" SCNd64, &running->pid, &running->agent_pid) == 2;
    close(fd);
    return good || error_set(err, ERROR_FAILED, "%s does not tell who this host is", address.sun_path);
}

static bool load_identity(struct running *running, struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->disk);
    struct error missing;
    bool found = disk->read(disk->self, "host.crt", &running->certificate, &missing);

    if (!found && missing.code != ERROR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    if (!found || !is_ours(running)) {
        if (!join(running, err) || running->stopped) return running->stopped;
    } else if (!disk->read(disk->self, "host.key", &running->key, err) ||
               !disk->read(disk->self, "authority.crt", &running->authority, err)) {
        return false;
    }
    running->identity = os_identity_new(buf_text(&running->authority), NULL, 0);
    if (!tls_new(buf_text(&running->authority), buf_text(&running->certificate), buf_text(&running->key),
                 &running->tls, err))
        return false;
    running->http = http_new(running->loop, running->tls);
    return true;
}

/* One that was given before certificates named a role, or to another host, is worth nothing: join anew. */
static bool is_ours(struct running *running)
{
    CLEANUP_BUF struct buf identity = {0};
    CLEANUP_MEM char *wanted = mem_printf("host/%s", running->options->host.name);
    struct error err;

    if (pki_certificate_identity(buf_text(&running->certificate), &identity, &err) &&
        text_equal(buf_text(&identity), wanted))
        return true;
    buf_clear(&running->certificate);
    return false;
}

/* Asks until the controller answers: it may be started later than its hosts. */
static bool join(struct running *running, struct error *err)
{
    CLEANUP_BUF struct buf token = {0}, secret = {0}, request = {0};
    struct joining joining = {.running = running};
    struct tls *anonymous = NULL;

    if (!read_token(running, &token, err) ||
        !join_token_read(buf_text(&token), &secret, &running->authority, err) ||
        !pki_make_request(running->options->host.name, &running->key, &request, err) ||
        !tls_new(buf_text(&running->authority), NULL, NULL, &anonymous, err))
        return false;
    running->http = http_new(running->loop, anonymous);
    buf_add_text(&joining.body, "{\"token\":");
    buf_add_json_string(&joining.body, buf_text(&secret));
    buf_add_text(&joining.body, ",\"name\":");
    buf_add_json_string(&joining.body, running->options->host.name);
    buf_add_text(&joining.body, ",\"request\":");
    buf_add_json_string(&joining.body, buf_text(&request));
    buf_add_text(&joining.body, ",\"addresses\":[");
    for (size_t i = 0; i < 2 && running->addresses[i][0]; i++) {
        char host[64];
        snprintf(host, sizeof(host), "%.*s", (int)strcspn(running->addresses[i], ":"), running->addresses[i]);
        if (i) buf_add_char(&joining.body, ',');
        buf_add_json_string(&joining.body, host);
    }
    buf_add_text(&joining.body, "]}");
    join_call(&joining);
    loop_run(running->loop);
    http_free(running->http);
    running->http = NULL;
    tls_free(anonymous);
    buf_free(&joining.body);
    if (joining.done && !joining.good) *err = joining.err;
    return running->stopped || joining.good;
}

static bool read_token(struct running *running, struct buf *ret_token, struct error *err)
{
    const char *path = running->options->token_file;
    char piece[4096];
    size_t got = 0;

    if (running->options->token) {
        buf_add_text(ret_token, running->options->token);
        return true;
    }
    if (!path)
        return error_set(err, ERROR_USAGE, "this host has not joined yet: give --token or --token-file");
    FILE *file = fopen(path, "re");
    if (!file) return error_errno(err, errno, "--token-file %s", path);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(ret_token, piece, got);
    bool good = !ferror(file);
    fclose(file);
    return good || error_set(err, ERROR_FAILED, "--token-file %s cannot be read", path);
}

static void join_call(void *ctx)
{
    struct joining *joining = ctx;
    const struct net_port *net = http_port(joining->running->http);
    struct request request = {
        .method = "POST", .path = "/agent/join", .body = joining->body.data, .body_size = joining->body.size};
    net->call(net->self, &joining->running->controller, &request, JOIN_TIMEOUT_MS, NULL, join_done, joining);
}

static void join_done(void *ctx, const struct answer *answer)
{
    struct joining *joining = ctx;
    const struct clock_port *clock = os_clock_port(joining->running->clock);

    if (answer->status == 0) {
        clock->after(clock->self, JOIN_AGAIN_US, join_call, joining);
        return;
    }
    joining->done = true;
    joining->good = take_certificate(joining->running, answer, &joining->err);
    loop_stop(joining->running->loop);
}

static bool take_certificate(struct running *running, const struct answer *answer, struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->disk);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;

    if (answer->status != 200) {
        if (!problem_read(answer->body, answer->body_size, answer->status, err))
            error_set(err, error_from_http_status(answer->status), "status %d", answer->status);
        return error_wrap(err, "the controller refuses");
    }
    if (!node_from_json(arena, answer->body, answer->body_size, &node, err)) return false;
    buf_add_text(&running->certificate, node_text(&node, "certificate", ""));
    /* The certificate last: with it the host counts as joined. */
    return disk->write(disk->self, "authority.crt", running->authority.data, running->authority.size, 0600,
                       err) &&
           disk->write(disk->self, "host.key", running->key.data, running->key.size, 0600, err) &&
           disk->write(disk->self, "host.crt", running->certificate.data, running->certificate.size, 0600,
                       err);
}

/* Instances, networks and balancers stay as they are. */
static void stop(struct running *running)
{
    struct buf *texts[] = {&running->authority, &running->certificate, &running->key, &running->boot};

    agent_free(running->agent);
    if (running->probe.destroy) running->probe.destroy(running->probe.self);
    if (running->balance.destroy) running->balance.destroy(running->balance.self);
    if (running->compute.destroy) running->compute.destroy(running->compute.self);
    if (running->network.destroy) running->network.destroy(running->network.self);
    http_free(running->http);
    tls_free(running->tls);
    os_identity_free(running->identity);
    os_private_free(running->private);
    os_vault_free(running->vault);
    os_local_free(running->local);
    os_hardware_free(running->hardware);
    os_watch_free(running->watch);
    os_process_free(running->process);
    os_clock_free(running->clock);
    os_blobs_free(running->blobs);
    os_disk_free(running->run_disk);
    os_disk_free(running->disk);
    loop_free(running->loop);
    for (size_t i = 0; i < LENGTH(texts); i++)
        buf_free(texts[i]);
}

static void signalled(void *ctx, int signal_number)
{
    struct running *running = ctx;
    running->stopped = true;
    loop_stop(running->loop);
}
