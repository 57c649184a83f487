#include "cli/up/switches.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/up/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_SIZE_MAX 256U
#define CLIENTS_MAX 1024U /* a controller may switch all hosts at once, each over a connection */

enum order { ORDER_NONE, ORDER_ON, ORDER_OFF, ORDER_CYCLE };

struct client {
    struct switches *switches;
    struct client *next;
    int fd; /* -1: it left before the cycle was through */
    struct loop_watch *watch;
    struct buf input;
    struct host *host; /* of the order under way */
    enum order order;
    uint64_t turn; /* of the order */
    bool begun;
    bool started; /* the order switched the host on */
};

struct switches {
    const struct host_context *context;
    struct host *const *hosts;
    size_t hosts_length;
    int power_fd;
    int whoami_fd;
    struct loop_watch *power_watch;
    struct loop_watch *whoami_watch;
    struct client *clients;
    size_t clients_length;
    uint64_t turns;
    struct loop_later *later; /* answers are given from the loop, not from inside a change */
};

static bool listen_unix(const struct place *place, const char *name, int *ret_fd, struct error *err);
static void accept_power(void *ctx, unsigned ready);
static void accept_whoami(void *ctx, unsigned ready);
static struct host *host_of_process(const struct switches *switches, pid_t pid);
static ino_t pid_namespace(pid_t pid);
static void client_ready(void *ctx, unsigned ready);
static void client_free(struct client *client);
static void client_leaves(struct client *client);
static bool client_waits(const struct client *client);
static void client_end(struct client *client);
static bool client_lines(struct client *client);
static bool client_line(struct client *client, char *line);
static bool client_progress(struct client *client);
static bool client_say(struct client *client, const char *format, ...) PRINTF_LIKE(2, 3);
static void progress_all(void *ctx);
static const char *power_text(enum host_power power);

bool switches_new(const struct host_context *context, struct host *const *hosts, size_t hosts_length,
                  struct switches **ret_switches, struct error *err)
{
    struct switches *switches = mem_alloc(sizeof(*switches));
    *switches = (struct switches){
        .context = context, .hosts = hosts, .hosts_length = hosts_length, .power_fd = -1, .whoami_fd = -1};
    if (!listen_unix(context->place, "power.sock", &switches->power_fd, err) ||
        !listen_unix(context->place, "whoami.sock", &switches->whoami_fd, err)) {
        switches_free(switches);
        return false;
    }
    switches->power_watch =
        loop_watch_fd(context->loop, switches->power_fd, LOOP_READ, accept_power, switches);
    switches->whoami_watch =
        loop_watch_fd(context->loop, switches->whoami_fd, LOOP_READ, accept_whoami, switches);
    *ret_switches = switches;
    return true;
}

void switches_free(struct switches *switches)
{
    if (!switches) return;
    while (switches->clients)
        client_free(switches->clients);
    loop_later_cancel(switches->context->loop, switches->later);
    loop_watch_end(switches->power_watch);
    loop_watch_end(switches->whoami_watch);
    fd_closep(&switches->power_fd);
    fd_closep(&switches->whoami_fd);
    mem_free(switches);
}

void switches_host_changed(struct switches *switches)
{
    if (!switches || switches->later) return;
    switches->later = loop_later(switches->context->loop, progress_all, switches);
}

static bool listen_unix(const struct place *place, const char *name, int *ret_fd, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/run/%s", place->state, name);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ASSERT(strlen(path) < sizeof(address.sun_path)); /* place_open() saw to it */
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path); /* we hold the lock: it is a dead predecessor's */
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The directory is 0700, so nobody gets in between bind and chmod. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, 256) != 0)
        return error_errno(err, errno, "cannot listen on %s", path);
    *ret_fd = fd;
    fd = -1;
    return true;
}

static void accept_power(void *ctx, unsigned ready)
{
    struct switches *switches = ctx;
    int fd = accept4(switches->power_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (switches->clients_length >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    struct client *client = mem_alloc(sizeof(*client));
    *client = (struct client){.switches = switches, .next = switches->clients, .fd = fd};
    switches->clients = client;
    switches->clients_length++;
    client->watch = loop_watch_fd(switches->context->loop, fd, LOOP_READ, client_ready, client);
}

static void accept_whoami(void *ctx, unsigned ready)
{
    struct switches *switches = ctx;
    CLEANUP_FD int fd = accept4(switches->whoami_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred who;
    socklen_t size = sizeof(who);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.pid <= 0) return;
    const struct host *host = host_of_process(switches, who.pid);
    if (!host) return; /* closed without a word */
    char line[64];
    int length = snprintf(line, sizeof(line), "%d %d\n", (int)host_pid(host), (int)who.pid);
    ssize_t sent = send(fd, line, (size_t)length, MSG_NOSIGNAL);
    (void)sent; /* who left does not want it */
}

/* The host in whose process namespace it is. */
static struct host *host_of_process(const struct switches *switches, pid_t pid)
{
    ino_t wanted = pid_namespace(pid);
    for (size_t i = 0; wanted != 0 && i < switches->hosts_length; i++) {
        struct host *host = switches->hosts[i];
        if (host_pid(host) != 0 && pid_namespace(host_pid(host)) == wanted) return host;
    }
    return NULL;
}

static ino_t pid_namespace(pid_t pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

static void client_ready(void *ctx, unsigned ready)
{
    struct client *client = ctx;
    char piece[LINE_SIZE_MAX];
    ssize_t size = recv(client->fd, piece, sizeof(piece), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0) buf_add(&client->input, piece, (size_t)size);
    bool too_long = client->order != ORDER_NONE && client->input.size > LINE_SIZE_MAX;
    if (size <= 0 || too_long)
        client_leaves(client);
    else if (!client_lines(client))
        client_free(client);
}

/* A host is not left off half-way through a cycle. */
static void client_leaves(struct client *client)
{
    if (!client->begun || client->order != ORDER_CYCLE) {
        client_free(client);
        return;
    }
    loop_watch_end(client->watch);
    client->watch = NULL;
    fd_drop(&client->fd);
}

static void client_free(struct client *client)
{
    struct client **link = &client->switches->clients;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    client->switches->clients_length--;
    loop_watch_end(client->watch);
    fd_drop(&client->fd);
    if (client->order != ORDER_NONE) switches_host_changed(client->switches); /* who waits for it */
    buf_free(&client->input);
    mem_free(client);
}

/* One order after the other. False: the client is to be dropped. */
static bool client_lines(struct client *client)
{
    while (client->order == ORDER_NONE && client->input.size > 0) {
        char line[LINE_SIZE_MAX];
        const char *end = memchr(client->input.data, '\n', client->input.size);
        if (!end) return client->input.size < sizeof(line);
        size_t size = (size_t)(end - client->input.data);
        if (size >= sizeof(line)) return false;
        memcpy(line, client->input.data, size);
        line[size] = 0;
        buf_consume(&client->input, size + 1);
        if (!client_line(client, line)) return false;
    }
    return true;
}

static bool client_line(struct client *client, char *line)
{
    const struct switches *switches = client->switches;
    char *rest = line;
    const char *word = strsep(&rest, " ");
    client->host = NULL;
    for (size_t i = 0; rest && i < switches->hosts_length; i++)
        if (text_equal(host_name(switches->hosts[i]), rest)) client->host = switches->hosts[i];
    if (!rest) return client_say(client, "error an order is: on, off, cycle or status, and a host");
    if (!client->host) return client_say(client, "error there is no host %s here", rest);
    if (text_equal(word, "status"))
        return host_power(client->host) == POWER_IS_OFF
                   ? client_say(client, "ok off")
                   : client_say(client, "ok %s pid %d", power_text(host_power(client->host)),
                                (int)host_pid(client->host));
    client->order = text_equal(word, "on")      ? ORDER_ON
                    : text_equal(word, "off")   ? ORDER_OFF
                    : text_equal(word, "cycle") ? ORDER_CYCLE
                                                : ORDER_NONE;
    if (client->order == ORDER_NONE) return client_say(client, "error there is no order %s", word);
    client->turn = ++client->switches->turns;
    client->begun = client->started = false;
    return client_progress(client);
}

/* For an earlier order: of two at once it would be open which is last. But not for a start, which may fail
 * late: who switches off then ends it. */
static bool client_waits(const struct client *client)
{
    for (const struct client *other = client->switches->clients; other; other = other->next) {
        bool starts = other->order == ORDER_ON && other->begun;
        if (other->order != ORDER_NONE && !starts && other->host == client->host &&
            other->turn < client->turn)
            return true;
    }
    return client->order == ORDER_ON && host_power(client->host) == POWER_IS_ENDING;
}

static void client_end(struct client *client)
{
    client->order = ORDER_NONE;
    switches_host_changed(client->switches);
}

/* Goes on with the order under way as far as the host's power allows. */
static bool client_progress(struct client *client)
{
    if (!client->begun && client_waits(client)) return true;
    if (!client->begun && client->order != ORDER_ON) host_off(client->host);
    if (!client->begun) switches_host_changed(client->switches); /* who waits for that */
    client->begun = true;
    enum host_power power = host_power(client->host);
    if (client->order == ORDER_CYCLE && power == POWER_IS_OFF) {
        client->order = ORDER_ON;
        switches_host_changed(client->switches); /* who waits for that */
    }
    if (client->order == ORDER_OFF && power == POWER_IS_OFF) {
        client_end(client);
        return client_say(client, "ok off");
    }
    if (client->order != ORDER_ON) return true;
    if (power == POWER_IS_ON) {
        client_end(client);
        return client_say(client, "ok on");
    }
    if (power == POWER_IS_OFF && client->started) {
        client_end(client);
        const char *failure = host_failure(client->host);
        return client_say(client, "error %s went off again%s%s", host_name(client->host),
                          *failure ? ": " : "", failure);
    }
    if (power == POWER_IS_OFF) {
        struct error err;
        client->started = true;
        if (!host_on(client->host, &err)) {
            client_end(client);
            return client_say(client, "error %s", err.message);
        }
        host_go(client->host);
    }
    return true;
}

static bool client_say(struct client *client, const char *format, ...)
{
    struct buf line = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&line, format, arguments);
    va_end(arguments);
    buf_add_char(&line, '\n');
    ssize_t sent = send(client->fd, line.data, line.size, MSG_NOSIGNAL);
    bool whole = sent == (ssize_t)line.size; /* else it asks without reading: dropped */
    buf_free(&line);
    return whole;
}

static void progress_all(void *ctx)
{
    struct switches *switches = ctx;
    switches->later = NULL;
    for (struct client *client = switches->clients, *next; client; client = next) {
        next = client->next;
        if (client->order == ORDER_NONE) continue;
        if (!client_progress(client) || !client_lines(client)) client_free(client);
    }
}

static const char *power_text(enum host_power power)
{
    switch (power) {
    case POWER_IS_OFF:
        return "off";
    case POWER_IS_BOOTING:
        return "booting";
    case POWER_IS_ON:
        return "on";
    case POWER_IS_ENDING:
        return "ending";
    }
    UNREACHABLE();
}
