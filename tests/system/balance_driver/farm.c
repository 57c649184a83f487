#include "farm.h"

#include "base/attr.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int bound(uint16_t port, bool listening);

bool farm_enter(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (geteuid() != 0 || access("/usr/sbin/haproxy", X_OK) != 0 || unshare(CLONE_NEWNET) != 0) return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &up) == 0;
    if (fd >= 0) close(fd);
    return done;
}

static pid_t child(void)
{
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void serve(int listener)
{
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int length = epoll_wait(epoll_fd, events, 64, -1);
        for (int i = 0; i < length; i++) {
            char data[8192];
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (event.data.fd >= 0) epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t size = recv(fd, data, sizeof(data), 0);
            if (size <= 0 || send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL) < 0) close(fd);
        }
    }
}

pid_t farm_serve(uint16_t port)
{
    int listener = bound(port, true);
    ASSERT(listener >= 0);
    pid_t pid = child();
    if (pid == 0) serve(listener);
    close(listener);
    return pid;
}

static int bound(uint16_t port, bool listening)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bool done = listening ? bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 1024) == 0
                          : connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    if (done) return fd;
    close(fd);
    return -1;
}

pid_t farm_haproxy(const struct personality *personality, const char *directory, const int *fds,
                   size_t fds_length)
{
    CLEANUP_MEM char *path = mem_printf("%s/haproxy.cfg", directory);
    const char *text = personality->files[personality->files_length - 1].content;
    FILE *file = fopen(path, "we");
    ASSERT(file);
    for (const char *control; (control = strstr(text, "/run/croft")); text = control + strlen("/run/croft"))
        fprintf(file, "%.*s%s", (int)(control - text), text, directory);
    fputs(text, file);
    fclose(file);
    pid_t pid = child();
    if (pid) return pid;
    int copies[16];
    for (size_t i = 0; i < fds_length; i++)
        copies[i] = fcntl(fds[i], F_DUPFD, 32);
    for (size_t i = 0; i < fds_length; i++)
        dup2(copies[i], 3 + (int)i);
    int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDERR_FILENO);
    execl("/usr/bin/setpriv", "setpriv", "--bounding-set", "-all,+net_bind_service", "--no-new-privs",
          "/usr/sbin/haproxy", "-db", "-f", path, (char *)NULL);
    _exit(127);
}

void farm_kill(pid_t pid)
{
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool read_answer(int fd)
{
    char data[4096] = "";
    size_t have = 0;
    while (have < sizeof(data) - 1) {
        ssize_t size = recv(fd, data + have, sizeof(data) - 1 - have, 0);
        if (size <= 0) return false;
        have += (size_t)size;
        data[have] = 0;
        if (text_ends(data, "hello")) break;
        if (strstr(data, "\r\n\r\n") && !text_starts(data, "HTTP/1.1 200")) return false;
    }
    return text_starts(data, "HTTP/1.1 200");
}

/* Rounds of one request on each connection, at least one; after a round that began when a byte came, a byte
 * goes back. */
static struct farm_result load(uint16_t port, int length, int control_fd, int results_fd)
{
    static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct farm_result result = {0};
    struct pollfd control = {.fd = control_fd, .events = POLLIN};
    bool asked = false;
    char byte = 0;
    int fds[64];
    for (int i = 0; i < length; i++)
        fds[i] = bound(port, false);
    for (;;) {
        for (int i = 0; i < length; i++)
            send(fds[i], REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL);
        for (int i = 0; i < length; i++) {
            if (read_answer(fds[i])) {
                result.good++;
                continue;
            }
            result.failed++;
            close(fds[i]);
            fds[i] = bound(port, false);
        }
        if (asked) ASSERT(write(results_fd, &byte, 1) == 1);
        asked = false;
        if (poll(&control, 1, 0) == 0) continue;
        if (read(control_fd, &byte, 1) <= 0) return result;
        asked = true;
    }
}

struct farm_load farm_load_start(uint16_t port, int length)
{
    int control[2], results[2];
    ASSERT(length <= 64 && pipe2(control, O_CLOEXEC) == 0 && pipe2(results, O_CLOEXEC) == 0);
    pid_t pid = child();
    if (pid == 0) {
        close(control[1]);
        struct farm_result result = load(port, length, control[0], results[1]);
        _exit(write(results[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
    }
    close(control[0]);
    close(results[1]);
    return (struct farm_load){pid, control[1], results[0]};
}

void farm_load_round(struct farm_load load)
{
    char byte = 0;
    ASSERT(write(load.control_fd, &byte, 1) == 1 && read(load.result_fd, &byte, 1) == 1);
}

struct farm_result farm_load_end(struct farm_load load)
{
    struct farm_result result;
    close(load.control_fd);
    ASSERT(read(load.result_fd, &result, sizeof(result)) == sizeof(result));
    close(load.result_fd);
    ASSERT(waitpid(load.pid, NULL, 0) == load.pid);
    return result;
}
