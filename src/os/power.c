#include "os/power.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct os_power {
    struct power_port port;
    struct loop *loop;
    char *socket_path;
    struct vec orders; /* struct order *, under way */
};

struct order {
    struct os_power *power;
    int fd;
    struct loop_watch *watch;
    struct loop_later *later; /* when it failed before anything was asked */
    struct error failure;
    struct buf line;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static void power_order(void *self, const char *host, enum power_order order,
                        void (*done)(void *ctx, const struct error *err), void *ctx);
static bool ask(struct order *order, const char *host, enum power_order what, struct error *err);
static void failed(void *ctx);
static void answered(void *ctx, unsigned ready);
static void end(struct order *order, const struct error *err);
static void order_free(struct order *order);

struct os_power *os_power_new(struct loop *loop, const char *socket_path)
{
    struct os_power *power = mem_alloc(sizeof(*power));
    power->port = (struct power_port){.self = power, .order = power_order};
    power->loop = loop;
    power->socket_path = mem_strdup(socket_path);
    power->orders = VEC_OF(struct order *);
    return power;
}

void os_power_free(struct os_power *power)
{
    if (!power) return;
    while (power->orders.length > 0)
        order_free(*(struct order **)vec_at(&power->orders, 0));
    vec_free(&power->orders);
    mem_free(power->socket_path);
    mem_free(power);
}

const struct power_port *os_power_port(const struct os_power *power)
{
    return &power->port;
}

static void power_order(void *self, const char *host, enum power_order what,
                        void (*done)(void *ctx, const struct error *err), void *ctx)
{
    struct os_power *power = self;
    struct order *order = mem_alloc(sizeof(*order));

    order->power = power;
    order->fd = -1;
    order->done = done;
    order->ctx = ctx;
    *(struct order **)vec_push(&power->orders) = order;
    if (!ask(order, host, what, &order->failure)) order->later = loop_later(power->loop, failed, order);
}

/* The socket is local and the line short: connecting and writing do not wait. */
static bool ask(struct order *order, const char *host, enum power_order what, struct error *err)
{
    static const char *const words[] = {[POWER_ON] = "on", [POWER_OFF] = "off", [POWER_CYCLE] = "cycle"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP_BUF struct buf line = {0};

    if (strlen(order->power->socket_path) >= sizeof(address.sun_path))
        return error_set(err, ERROR_FAILED, "the path %s is too long for a socket",
                         order->power->socket_path);
    strcpy(address.sun_path, order->power->socket_path);
    order->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (order->fd < 0) return error_errno(err, errno, "making a socket");
    if (connect(order->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return error_errno(err, errno, "asking %s for power", address.sun_path);
    buf_printf(&line, "%s %s\n", words[what], host);
    if (send(order->fd, line.data, line.size, MSG_NOSIGNAL) != (ssize_t)line.size)
        return error_errno(err, errno, "asking %s for power", address.sun_path);
    order->watch = loop_watch_fd(order->power->loop, order->fd, LOOP_READ, answered, order);
    return true;
}

static void failed(void *ctx)
{
    struct order *order = ctx;
    order->later = NULL;
    end(order, &order->failure);
}

static void answered(void *ctx, unsigned ready)
{
    struct order *order = ctx;
    struct error err;
    char piece[512];
    ssize_t got = recv(order->fd, piece, sizeof(piece), 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) buf_add(&order->line, piece, (size_t)got);
    char *newline = strchr(buf_text(&order->line), '\n');
    if (got > 0 && !newline) return;
    if (newline) *newline = 0;
    if (newline && text_starts(buf_text(&order->line), "ok")) {
        end(order, NULL);
        return;
    }
    error_set(&err, ERROR_FAILED, "%s",
              newline ? buf_text(&order->line) : "the power socket closed without an answer");
    end(order, &err);
}

static void end(struct order *order, const struct error *err)
{
    void (*done)(void *ctx, const struct error *err) = order->done;
    void *ctx = order->ctx;
    struct error copy;

    if (err) copy = *err;
    order_free(order);
    done(ctx, err ? &copy : NULL);
}

static void order_free(struct order *order)
{
    struct os_power *power = order->power;

    for (size_t i = 0; i < power->orders.length; i++) {
        if (*(struct order **)vec_at(&power->orders, i) != order) continue;
        vec_remove(&power->orders, i);
        break;
    }
    loop_watch_end(order->watch);
    loop_later_cancel(power->loop, order->later);
    if (order->fd >= 0) close(order->fd);
    buf_free(&order->line);
    mem_free(order);
}
