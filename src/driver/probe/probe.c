#include "driver/probe/probe.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "driver/http_path.h"
#include "driver/probe/probe_http.h"
#include "driver/socket_ns.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKOFF_MS_FIRST = 5, START_PERIOD_MS = 30000, REASON_SIZE = 256, READ_SIZE = 4096 };
enum { EVERY_MS_MIN = 5, TIMEOUT_MS_DEFAULT = 500 };
enum { TOGETHER_US = 250000 }; /* as the agent's beats */

enum verdict {
    VERDICT_GOOD,
    VERDICT_BAD,
    VERDICT_ABSENT, /* nobody there: no failure while the instance starts */
};

struct probe {
    struct probe_options options;
    enum health_kind kind;
    uint16_t port;
    int64_t every_us, timeout_us, fails_max;
    int64_t together_us; /* an attempt of the steady pace may come so much earlier; 0: no */
    struct buf title;    /* "GET /healthz" */
    struct buf request;  /* of HEALTH_HTTP */
    char **argv;         /* of HEALTH_EXEC */
    probe_changed changed;
    void *ctx;

    int64_t started_us, start_period_us; /* of the whole probe */
    int64_t backoff_us;
    bool succeeded; /* once, ever */
    bool told, good;
    int64_t fails, fail_counted_us;

    int64_t attempt_us;  /* when the present attempt began */
    struct timer *timer; /* the next attempt, or the time-out of the present one */
    struct fd_watch *watch;
    int fd; /* -1: no connection */
    size_t sent_size;
    struct buf answer;
    struct process *process;
};

struct probe_sockets {
    int home_ns_fd;
};

static void driver_destroy(void *self);
static struct probe *driver_start(void *self, const struct probe_options *options, probe_changed changed,
                                  void *ctx);
static void driver_stop(void *self, struct probe *probe);
static void attempt(void *ctx);
static void attempt_connect(struct probe *probe);
static void attempt_exec(struct probe *probe);
static void on_writable(void *ctx);
static void on_readable(void *ctx);
static void judge_head(struct probe *probe, bool ended);
static void on_exited(void *ctx, struct process_exit exit);
static void on_timeout(void *ctx);
static void end_errno(struct probe *probe, int failure);
static void end_attempt(struct probe *probe, enum verdict verdict, const char *format, ...) PRINTF_LIKE(3, 4);
static void release(struct probe *probe);
static void schedule(struct probe *probe, int64_t now);
static void count_failure(struct probe *probe, enum verdict verdict, int64_t now);
static int64_t now_us(const struct probe *probe);
static void prepare(struct probe *probe);

bool probe_driver_new(struct probe_driver *ret_driver, struct error *err)
{
    int home = -1;
    if (!socket_ns_home(&home, err)) return false;
    struct probe_sockets *self = mem_alloc(sizeof(*self));
    self->home_ns_fd = home;
    *ret_driver = (struct probe_driver){
        .self = self, .destroy = driver_destroy, .start = driver_start, .stop = driver_stop};
    return true;
}

struct probe *probe_start(const struct probe_options *options, probe_changed changed, void *ctx)
{
    const struct health *health = options->health;
    ASSERT(health->kind != HEALTH_NONE);
    ASSERT(health->kind != HEALTH_EXEC || (options->process && options->exec_argv && options->exec_argv[0]));
    struct probe *probe = mem_alloc(sizeof(*probe));
    int64_t start_ms = options->start_period_ms > 0 ? options->start_period_ms : START_PERIOD_MS;
    probe->options = *options;
    probe->kind = health->kind;
    probe->port = health->port;
    probe->every_us = (health->every_ms > EVERY_MS_MIN ? health->every_ms : EVERY_MS_MIN) * 1000;
    if (probe->every_us % TOGETHER_US == 0 && probe->every_us > TOGETHER_US) probe->together_us = TOGETHER_US;
    probe->timeout_us = (health->timeout_ms > 0 ? health->timeout_ms : TIMEOUT_MS_DEFAULT) * 1000;
    probe->fails_max = health->fails > 0 ? health->fails : 1;
    probe->changed = changed;
    probe->ctx = ctx;
    probe->fd = -1;
    probe->started_us = now_us(probe);
    probe->start_period_us = start_ms * 1000;
    probe->backoff_us = BACKOFF_MS_FIRST * 1000;
    prepare(probe);
    probe->options.health = NULL;
    probe->options.exec_argv = NULL;
    probe->timer = options->clock->after(options->clock->self, 0, attempt, probe);
    return probe;
}

void probe_stop(struct probe *probe)
{
    if (!probe) return;
    release(probe);
    for (size_t i = 0; probe->argv && probe->argv[i]; i++)
        mem_free(probe->argv[i]);
    mem_free(probe->argv);
    buf_free(&probe->title);
    buf_free(&probe->request);
    buf_free(&probe->answer);
    mem_free(probe);
}

/* Title, request, argument vector. */
static void prepare(struct probe *probe)
{
    const struct health *health = probe->options.health;
    char address[32];
    text_format_ipv4(address, probe->options.address);
    if (probe->kind == HEALTH_HTTP) {
        buf_add_text(&probe->title, "GET ");
        http_path_add(&probe->title, health->path);
        buf_printf(
            &probe->request,
            "%s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: croft\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            buf_text(&probe->title), address, (unsigned)probe->port);
    } else if (probe->kind == HEALTH_TCP) {
        buf_printf(&probe->title, "port %u", (unsigned)probe->port);
    } else {
        size_t length = 0;
        while (probe->options.exec_argv[length])
            length++;
        probe->argv = mem_alloc_array(length + 1, sizeof(*probe->argv));
        for (size_t i = 0; i < length; i++)
            probe->argv[i] = mem_strdup(probe->options.exec_argv[i]);
        buf_add_text(&probe->title, health->command_length ? health->command[0] : probe->argv[0]);
    }
}

static void driver_destroy(void *self)
{
    struct probe_sockets *sockets = self;
    if (!sockets) return;
    close(sockets->home_ns_fd);
    mem_free(sockets);
}

static struct probe *driver_start(void *self, const struct probe_options *options, probe_changed changed,
                                  void *ctx)
{
    const struct probe_sockets *sockets = self;
    struct probe_options here = *options;
    here.home_ns_fd = sockets->home_ns_fd;
    return probe_start(&here, changed, ctx);
}

static void driver_stop(void *self, struct probe *probe)
{
    probe_stop(probe);
}

static void attempt(void *ctx)
{
    struct probe *probe = ctx;
    const struct clock_port *clock = probe->options.clock;
    probe->attempt_us = now_us(probe);
    buf_clear(&probe->answer);
    probe->sent_size = 0;
    probe->timer = clock->after(clock->self, probe->timeout_us, on_timeout, probe);
    if (probe->kind == HEALTH_EXEC)
        attempt_exec(probe);
    else
        attempt_connect(probe);
}

static void attempt_connect(struct probe *probe)
{
    struct error error;
    struct sockaddr_in name;
    if (!socket_ns_tcp(probe->options.net_ns_fd, probe->options.home_ns_fd, &probe->fd, &error)) {
        end_attempt(probe, VERDICT_BAD, "%.200s", error.message);
        return;
    }
    /* The request carries the handshake's last acknowledgement: a packet less, and the server wakes once. It
     * is only faster, so how this ends does not matter. */
    const int off = 0;
    if (probe->kind == HEALTH_HTTP) setsockopt(probe->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
    socket_ns_name(probe->options.address, probe->port, &name);
    if (connect(probe->fd, (const struct sockaddr *)&name, sizeof(name)) == 0 || errno == EINPROGRESS)
        on_writable(probe); /* an instance is on this machine: most often it has accepted by now */
    else
        end_errno(probe, errno);
}

/* The time-out is ours, so that an instance that hangs in the kernel cannot hold the verdict up; the child is
 * killed and reaped by the port. */
static void attempt_exec(struct probe *probe)
{
    struct error error;
    const struct process_port *process = probe->options.process;
    const struct process_options options = {
        .argv = (const char *const *)probe->argv,
        .in = PROCESS_NULL,
        .out = PROCESS_NULL,
        .err = PROCESS_NULL,
        .net_ns_fd = -1,
        .die_with_parent = true,
    };
    if (!process->spawn(process->self, &options, NULL, on_exited, probe, &probe->process, &error))
        end_attempt(probe, VERDICT_BAD, "%.200s", error.message);
}

/* send() tells all: EAGAIN until the connection stands, then the error why it does not. Also with nothing to
 * be sent, as for HEALTH_TCP. */
static void on_writable(void *ctx)
{
    struct probe *probe = ctx;
    const struct watch_port *watch = probe->options.watch;
    ssize_t size = send(probe->fd, buf_text(&probe->request) + probe->sent_size,
                        probe->request.size - probe->sent_size, MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        end_errno(probe, errno);
        return;
    }
    if (size > 0) probe->sent_size += (size_t)size;
    if (size < 0 || probe->sent_size < probe->request.size) {
        if (!probe->watch) probe->watch = watch->start_writable(watch->self, probe->fd, on_writable, probe);
        return;
    }
    if (probe->kind == HEALTH_TCP) {
        end_attempt(probe, VERDICT_GOOD, "%s: open", buf_text(&probe->title));
        return;
    }
    watch->stop(watch->self, probe->watch);
    probe->watch = watch->start(watch->self, probe->fd, on_readable, probe);
}

static void on_readable(void *ctx)
{
    struct probe *probe = ctx;
    char data[READ_SIZE];
    ssize_t size = recv(probe->fd, data, sizeof(data), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) {
        end_errno(probe, errno);
        return;
    }
    buf_add(&probe->answer, data, (size_t)size);
    judge_head(probe, size == 0);
}

static void judge_head(struct probe *probe, bool ended)
{
    const char *title = buf_text(&probe->title);
    int status = 0;
    switch (probe_head_read(buf_text(&probe->answer), probe->answer.size, &status)) {
    case PROBE_HEAD_MORE:
        if (ended) end_attempt(probe, VERDICT_BAD, "%.200s: connection closed without an answer", title);
        break;
    case PROBE_HEAD_DONE:
        end_attempt(probe, status >= 200 && status < 400 ? VERDICT_GOOD : VERDICT_BAD, "%.200s: %d", title,
                    status);
        break;
    case PROBE_HEAD_GARBAGE:
        end_attempt(probe, VERDICT_BAD, "%.200s: the answer is not HTTP", title);
        break;
    case PROBE_HEAD_TOO_LONG:
        end_attempt(probe, VERDICT_BAD, "%.200s: the answer's head is longer than 16 KiB", title);
        break;
    }
}

static void on_exited(void *ctx, struct process_exit exit)
{
    struct probe *probe = ctx;
    probe->process = NULL;
    end_attempt(probe, exit.status == 0 ? VERDICT_GOOD : VERDICT_BAD, "%.200s: exit code %d",
                buf_text(&probe->title), exit.status);
}

static void on_timeout(void *ctx)
{
    struct probe *probe = ctx;
    char timeout[32];
    probe->timer = NULL;
    end_attempt(probe, VERDICT_BAD, "no answer in %s",
                text_format_duration(timeout, probe->timeout_us / 1000));
}

static void end_errno(struct probe *probe, int failure)
{
    bool absent = failure == ECONNREFUSED || failure == EHOSTUNREACH || failure == ENETUNREACH;
    if (failure == ECONNREFUSED)
        end_attempt(probe, VERDICT_ABSENT, "connection refused");
    else
        end_attempt(probe, absent ? VERDICT_ABSENT : VERDICT_BAD, "%.200s: %s", buf_text(&probe->title),
                    strerror(failure));
}

/* The last thing that a callback does: the probe may be gone when it returns. */
static void end_attempt(struct probe *probe, enum verdict verdict, const char *format, ...)
{
    char reason[REASON_SIZE];
    va_list arguments;
    int64_t now = now_us(probe);
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    release(probe);
    if (verdict == VERDICT_GOOD) {
        probe->succeeded = true;
        probe->fails = 0;
    } else {
        count_failure(probe, verdict, now);
    }
    schedule(probe, now);
    bool good = verdict == VERDICT_GOOD;
    if (!good && probe->fails < probe->fails_max) return;
    if (probe->told && probe->good == good) return;
    probe->told = true;
    probe->good = good;
    probe->changed(probe->ctx, good, reason);
}

/* Timer, connection, child: what an attempt holds. */
static void release(struct probe *probe)
{
    const struct clock_port *clock = probe->options.clock;
    const struct watch_port *watch = probe->options.watch;
    const struct process_port *process = probe->options.process;
    clock->cancel(clock->self, probe->timer);
    probe->timer = NULL;
    watch->stop(watch->self, probe->watch);
    probe->watch = NULL;
    if (probe->fd >= 0) close(probe->fd);
    probe->fd = -1;
    if (!probe->process) return;
    process->kill(process->self, probe->process, 9);
    process->detach(process->self, probe->process);
    probe->process = NULL;
}

static void count_failure(struct probe *probe, enum verdict verdict, int64_t now)
{
    bool starting = !probe->succeeded && now - probe->started_us < probe->start_period_us;
    if (starting && verdict == VERDICT_ABSENT) return;
    /* While it starts attempts come quickly; three failures within 35 ms say nothing about "every 1 s".
     * Attempts of the steady pace are `every` apart at their beginnings, but for the step to the common one.
     */
    int64_t apart_us = probe->every_us - probe->together_us;
    if (probe->fails && probe->attempt_us - probe->fail_counted_us < apart_us) return;
    probe->fail_counted_us = probe->attempt_us;
    if (probe->fails < probe->fails_max) probe->fails++;
}

/* The next attempt. `every` is from beginning to beginning. */
static void schedule(struct probe *probe, int64_t now)
{
    const struct clock_port *clock = probe->options.clock;
    int64_t pause = probe->every_us - (now - probe->attempt_us);
    if (!probe->succeeded) {
        pause = probe->backoff_us;
        probe->backoff_us *= 2;
        if (probe->backoff_us > probe->every_us) probe->backoff_us = probe->every_us;
    }
    if (probe->succeeded && probe->together_us > 0 && pause >= probe->together_us)
        probe->timer = clock->after_together(clock->self, pause, probe->together_us, attempt, probe);
    else
        probe->timer = clock->after(clock->self, pause > 0 ? pause : 0, attempt, probe);
}

static int64_t now_us(const struct probe *probe)
{
    return probe->options.clock->steady_us(probe->options.clock->self);
}
