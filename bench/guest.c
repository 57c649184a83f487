/* The one program of the image that bench/run uses, and its measuring ends. Static: it is all of a root.
 *
 *   guest serve PORT               HTTP on PORT (answers the host name), a sink on PORT+1, an echo on PORT+2
 *   guest stream ADDR PORT SECONDS sends to a sink; prints bits a second that arrived
 *   guest ping ADDR PORT COUNT     64 bytes to an echo and back; prints microseconds: median, 99th percentile
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_SIZE = 128 * 1024, PING_SIZE = 64, EVENTS_MAX = 64, PINGS_MAX = 1000000 };

static int serve(int port);
static void serve_http(int listener);
static void answer(int fd, const char *host);
static void serve_each(int listener, void (*talk)(int fd));
static void sink(int fd);
static void echo(int fd);
static int stream(const char *address, int port, double seconds);
static int ping(const char *address, int port, size_t count);
static void pin(int cpu);
static int listen_on(int port);
static int connect_to(const char *address, int port);
static double now_s(void);
static int compare_double(const void *a, const void *b);
static void end(int signal_number);
static void give_up(const char *what);

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "stream") == 0) return stream(argv[2], atoi(argv[3]), atof(argv[4]));
    if (argc == 5 && strcmp(argv[1], "ping") == 0)
        return ping(argv[2], atoi(argv[3]), (size_t)strtoul(argv[4], NULL, 10));
    fputs("usage: guest serve PORT | stream ADDR PORT SECONDS | ping ADDR PORT COUNT\n", stderr);
    return 2;
}

static int serve(int port)
{
    int http = listen_on(port), to_sink = listen_on(port + 1), to_echo = listen_on(port + 2);

    signal(SIGTERM,
           end); /* the first process of a namespace does not die of a signal that it does not catch */
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) serve_each(to_sink, sink);
    if (fork() == 0) serve_each(to_echo, echo);
    serve_http(http);
    return 0;
}

static void serve_http(int listener)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS_MAX];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    char host[65] = "";

    gethostname(host, sizeof(host) - 1);
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) < 0) give_up("epoll");
    for (;;) {
        int length = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < length; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                answer(fd, host);
                continue;
            }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            if (fd >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) close(fd);
        }
    }
}

/* One request a read: what the load generator, the balancer and the probes send. */
static void answer(int fd, const char *host)
{
    char request[8192], reply[256];
    ssize_t size = recv(fd, request, sizeof(request) - 1, 0);

    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        close(fd);
        return;
    }
    request[size] = '\0';
    int length = snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(host), host);
    bool once = strstr(request, "HTTP/1.0\r\n") != NULL || strcasestr(request, "connection: close") != NULL;
    if (send(fd, reply, (size_t)length, MSG_NOSIGNAL) != length || once) close(fd);
}

static void serve_each(int listener, void (*talk)(int fd))
{
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        if (fork() == 0) {
            talk(fd);
            _exit(0);
        }
        close(fd);
    }
}

/* Takes all, and says at the end how much it was. */
static void sink(int fd)
{
    static char chunk[CHUNK_SIZE];
    unsigned long long total = 0;
    ssize_t size = 0;
    char text[32];

    while ((size = recv(fd, chunk, sizeof(chunk), 0)) > 0)
        total += (unsigned long long)size;
    int length = snprintf(text, sizeof(text), "%llu\n", total);
    (void)!write(fd, text, (size_t)length);
}

static void echo(int fd)
{
    char data[PING_SIZE];
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (recv(fd, data, sizeof(data), MSG_WAITALL) == sizeof(data))
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL) != sizeof(data)) return;
}

static int stream(const char *address, int port, double seconds)
{
    static char chunk[CHUNK_SIZE];
    char text[32] = "";
    int fd = connect_to(address, port);
    double begin = now_s();

    pin(1);
    while (now_s() - begin < seconds)
        if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0) give_up("send");
    shutdown(fd, SHUT_WR);
    if (recv(fd, text, sizeof(text) - 1, MSG_WAITALL) <= 0) give_up("the sink's answer");
    printf("%.0f\n", atof(text) * 8 / (now_s() - begin));
    return 0;
}

static int ping(const char *address, int port, size_t count)
{
    char data[PING_SIZE] = {0};
    double *took_us = NULL;
    int fd = connect_to(address, port), one = 1;

    if (count == 0 || count > PINGS_MAX) give_up("that count");
    took_us = calloc(count, sizeof(*took_us));
    if (!took_us) give_up("memory");
    pin(0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (size_t i = 0; i < count; i++) {
        double begin = now_s();
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL) != sizeof(data) ||
            recv(fd, data, sizeof(data), MSG_WAITALL) != sizeof(data))
            give_up("the echo");
        took_us[i] = (now_s() - begin) * 1e6;
    }
    qsort(took_us, count, sizeof(*took_us), compare_double);
    printf("%.2f %.2f\n", took_us[count / 2], took_us[count * 99 / 100]);
    free(took_us);
    return 0;
}

/* Whether two ends happen to share a processor changes a round trip threefold. Here the ends of a ping do,
 * and those of a stream do not. Where that is not allowed, they are where they are. */
static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static int listen_on(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0) give_up("listen");
    return fd;
}

static int connect_to(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || fd < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        give_up("connect");
    return fd;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void end(int signal_number)
{
    _exit(0);
}

static void give_up(const char *what)
{
    fprintf(stderr, "guest: %s: %s\n", what, strerror(errno));
    exit(1);
}
