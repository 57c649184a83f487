#include "driver/balance/balance_listen.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/socket_ns.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BACKLOG_LENGTH = 1024, FD_FIRST = 3 };

static bool listens_at(int fd, const struct sockaddr_in *name);
static bool parse(const char *publish, struct sockaddr_in *ret_name);

/* It listens at once: who connects before HAProxy runs waits in the queue instead of being turned away. */
bool balance_listen(int publish_ns_fd, const char *publish, int *ret_fd, struct error *err)
{
    struct sockaddr_in name;
    int fd, on = 1;
    if (!parse(publish, &name))
        return error_set(err, ERROR_INVALID, "cannot publish at '%s': it is not ADDRESS:PORT", publish);
    if (!socket_ns_tcp(publish_ns_fd, -1, &fd, err)) return error_wrap(err, "cannot publish at %s", publish);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (const struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, BACKLOG_LENGTH) == 0) {
        *ret_fd = fd;
        return true;
    }
    int failure = errno;
    close(fd);
    if (failure == EADDRINUSE)
        return error_set(err, ERROR_CONFLICT,
                         "cannot publish at %s: the address is in use; choose another port", publish);
    if (failure == EADDRNOTAVAIL)
        return error_set(err, ERROR_REFUSED,
                         "cannot publish at %s: no interface of this host has the address", publish);
    return error_errno(err, failure, "cannot publish at %s", publish);
}

/* HAProxy keeps the descriptors it was given: 3 and what follows. That it is the right one is looked at, not
 * believed. */
bool balance_take(int64_t pid, size_t rank, const char *publish, int *ret_fd, struct error *err)
{
    struct sockaddr_in name;
    if (!parse(publish, &name)) return error_set(err, ERROR_INVALID, "'%s' is not ADDRESS:PORT", publish);
    int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0U);
    if (pidfd < 0) return error_errno(err, errno, "cannot reach the balancer of %s", publish);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, FD_FIRST + (int)rank, 0U);
    int failure = errno;
    close(pidfd);
    if (fd < 0) return error_errno(err, failure, "cannot take the socket of %s", publish);
    if (listens_at(fd, &name)) {
        *ret_fd = fd;
        return true;
    }
    close(fd);
    return error_set(err, ERROR_NOT_FOUND, "the balancer does not listen at %s", publish);
}

static bool listens_at(int fd, const struct sockaddr_in *name)
{
    struct sockaddr_in found = {0};
    socklen_t size = sizeof(found), listens_size = sizeof(int);
    int listens = 0;
    return getsockname(fd, (struct sockaddr *)&found, &size) == 0 && found.sin_family == AF_INET &&
           found.sin_addr.s_addr == name->sin_addr.s_addr && found.sin_port == name->sin_port &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == 0 && listens;
}

static bool parse(const char *publish, struct sockaddr_in *ret_name)
{
    const char *colon = strrchr(publish, ':');
    uint32_t address;
    uint64_t port;
    if (!colon) return false;
    CLEANUP_MEM char *host = mem_strndup(publish, (size_t)(colon - publish));
    if (!text_parse_ipv4(host, &address)) return false;
    if (!text_parse_u64(colon + 1, &port) || port < 1 || port > 65535) return false;
    socket_ns_name(address, (uint16_t)port, ret_name);
    return true;
}
