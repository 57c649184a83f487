#include "driver/socket_ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool tcp_here(int *ret_fd, struct error *err);

bool socket_ns_home(int *ret_fd, struct error *err)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open this thread's own network namespace");
    *ret_fd = fd;
    return true;
}

bool socket_ns_tcp(int net_ns_fd, int home_fd, int *ret_fd, struct error *err)
{
    int found = -1;
    if (net_ns_fd < 0) return tcp_here(ret_fd, err);
    if (home_fd < 0 && !socket_ns_home(&found, err)) return false;
    bool done = false;
    if (setns(net_ns_fd, CLONE_NEWNET) == 0) {
        done = tcp_here(ret_fd, err);
        /* Going on in a tenant's namespace would be far worse than stopping. */
        ASSERT(setns(home_fd < 0 ? found : home_fd, CLONE_NEWNET) == 0);
    } else {
        error_errno(err, errno, "cannot enter a network namespace (descriptor %d)", net_ns_fd);
    }
    if (found >= 0) close(found);
    return done;
}

void socket_ns_name(uint32_t address, uint16_t port, struct sockaddr_in *ret_name)
{
    memset(ret_name, 0, sizeof(*ret_name));
    ret_name->sin_family = AF_INET;
    ret_name->sin_addr.s_addr = htonl(address);
    ret_name->sin_port = htons(port);
}

static bool tcp_here(int *ret_fd, struct error *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_errno(err, errno, "cannot make a socket");
    *ret_fd = fd;
    return true;
}
