#include "cli/up/api_socket.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/up/child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 1024
#define PATIENCE_MS 3000
#define PATIENCE_STEP_MS 20

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse(const char *text, union address *ret_address, char **ret_host, struct error *err);
static socklen_t address_size(const union address *address);

bool api_socket_open(const char *text, bool patient, int *ret_fd, char **ret_address, struct error *err)
{
    union address address;
    CLEANUP_MEM char *host = NULL;
    if (!parse(text, &address, &host, err)) return false;
    CLEANUP_FD int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return error_errno(err, errno, "cannot make a socket for the API");
    int64_t deadline_ms = steady_ms() + (patient ? PATIENCE_MS : 0);
    while (bind(fd, &address.any, address_size(&address)) != 0) {
        if (errno == EADDRINUSE && steady_ms() < deadline_ms) {
            poll(NULL, 0, PATIENCE_STEP_MS);
            continue;
        }
        if (errno == EADDRINUSE)
            return error_set(err, ERROR_REFUSED,
                             "%s is in use by another program: stop it, or choose another port with --listen",
                             text);
        return error_errno(err, errno, "cannot listen on %s", text);
    }
    socklen_t size = sizeof(address);
    if (listen(fd, BACKLOG) != 0 || getsockname(fd, &address.any, &size) != 0)
        return error_errno(err, errno, "cannot listen on %s", text);
    unsigned port = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    *ret_address = mem_printf("%s:%u", host, port);
    *ret_fd = fd;
    fd = -1;
    return true;
}

static bool parse(const char *text, union address *ret_address, char **ret_host, struct error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon && text_parse_u64(colon + 1, &port) && port <= 65535) {
        CLEANUP_MEM char *host = mem_strndup(text, (size_t)(colon - text));
        size_t length = strlen(host);
        union address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
        bool good = inet_pton(AF_INET, host, &address.v4.sin_addr) == 1;
        if (!good && length > 2 && host[0] == '[' && host[length - 1] == ']') {
            CLEANUP_MEM char *bare = mem_strndup(host + 1, length - 2);
            address = (union address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)}};
            good = inet_pton(AF_INET6, bare, &address.v6.sin6_addr) == 1;
        }
        if (good) {
            *ret_address = address;
            *ret_host = host;
            host = NULL;
            return true;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "--listen %s: expected ADDRESS:PORT, such as "
                     "127.0.0.1:7070",
                     text);
}

static socklen_t address_size(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}
