#include "driver/balance/balance_listen.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/socket_ns.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG_LENGTH = 1024 };

static bool open_one(int publish_ns_fd, const char *publish, int *ret_fd, struct error *err);
static bool parse(const char *publish, struct sockaddr_in *ret_name);

bool balance_listen(int publish_ns_fd, const struct personality *personality, struct vec *ret_fds,
                    struct error *err)
{
    struct vec fds = VEC_OF(int);
    bool done = true;
    for (size_t i = 0; done && i < personality->frontends_length; i++) {
        int fd = -1;
        if (!personality->frontends[i].publish[0]) continue;
        done = open_one(publish_ns_fd, personality->frontends[i].publish, &fd, err);
        if (done) *(int *)vec_push(&fds) = fd;
    }
    for (size_t i = 0; i < fds.length; i++) {
        int fd = *(int *)vec_at(&fds, i);
        if (done)
            *(int *)vec_push(ret_fds) = fd;
        else
            close(fd);
    }
    vec_free(&fds);
    return done;
}

/* It listens at once: who connects before HAProxy runs waits in the queue instead of being turned away. */
static bool open_one(int publish_ns_fd, const char *publish, int *ret_fd, struct error *err)
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
        return error_set(err, ERROR_REFUSED,
                         "cannot publish at %s: the address is in use; choose another port", publish);
    if (failure == EADDRNOTAVAIL)
        return error_set(err, ERROR_REFUSED,
                         "cannot publish at %s: no interface of this host has the address", publish);
    return error_errno(err, failure, "cannot publish at %s", publish);
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
