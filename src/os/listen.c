/* Listening sockets. */
#include "base/mem.h"
#include "os/http_inside.h"
#include "os/loop_base.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

/* Out of descriptors: accept fails and the socket stays readable, so wait before the next try. */
#define ACCEPT_PAUSE_MS 100
#define BACKLOG 512

struct http_listener {
    struct http *http;
    struct http_listener *next;
    struct http_listen_options options;
    struct evconnlistener *listener;
    struct event *pause;
};

static bool open_socket(const char *address, int *ret_fd, struct error *err);
static bool adopt_socket(int fd, struct error *err);
static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                     void *ctx);
static void accept_failed(struct evconnlistener *listener, void *ctx);
static void pause_over(evutil_socket_t fd, short what, void *ctx);

bool http_listen(struct http *http, const struct http_listen_options *options,
                 struct http_listener **ret_listener, struct error *err)
{
    ASSERT(options->handler != NULL);
    if (options->tls && options->tls_files == NULL && (http->tls == NULL || !tls_can_serve(http->tls)))
        return error_set(err, ERROR_REFUSED, "cannot serve TLS without a certificate of its own");
    int fd = options->inherited_fd;
    if (options->address != NULL) {
        if (!open_socket(options->address, &fd, err)) return false;
    } else if (!adopt_socket(fd, err)) {
        return false;
    }
    struct http_listener *listener = mem_alloc(sizeof(*listener));
    listener->http = http;
    listener->options = *options;
    listener->options.address = NULL; /* the caller's text */
    listener->listener = evconnlistener_new(loop_base(http->loop), accepted, listener,
                                            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    ASSERT(listener->listener != NULL);
    evconnlistener_set_error_cb(listener->listener, accept_failed);
    listener->pause = timer_event(http, pause_over, listener);
    listener->next = http->listeners;
    http->listeners = listener;
    *ret_listener = listener;
    return true;
}

unsigned http_listener_port(const struct http_listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    int result = getsockname(evconnlistener_get_fd(listener->listener), (struct sockaddr *)&address, &size);
    ASSERT(result == 0);
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

void listeners_free_all(struct http *http)
{
    while (http->listeners != NULL) {
        struct http_listener *listener = http->listeners;
        http->listeners = listener->next;
        evconnlistener_free(listener->listener);
        event_free(listener->pause);
        mem_free(listener);
    }
}

static bool open_socket(const char *text, int *ret_fd, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!socket_parse_address(text, &address, &size, err)) return error_wrap(err, "cannot listen");
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_errno(err, errno, "cannot listen on %s", text);
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0) {
        int failure = errno;
        close(fd);
        return error_errno(err, failure, "cannot listen on %s", text);
    }
    *ret_fd = fd;
    return true;
}

static bool adopt_socket(int fd, struct error *err)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
        return error_errno(err, errno, "cannot use descriptor %d to listen", fd);
    if (listening == 0)
        return error_set(err, ERROR_INVALID, "descriptor %d is a socket that does not listen", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return error_errno(err, errno, "cannot use descriptor %d to listen", fd);
    return true;
}

static void accepted(struct evconnlistener *evlistener, evutil_socket_t fd, struct sockaddr *address,
                     int size, void *ctx)
{
    struct http_listener *listener = ctx;
    server_accept(listener->http, &listener->options, fd);
}

static void accept_failed(struct evconnlistener *evlistener, void *ctx)
{
    struct http_listener *listener = ctx;
    evconnlistener_disable(evlistener);
    timer_start(listener->pause, ACCEPT_PAUSE_MS);
}

static void pause_over(evutil_socket_t fd, short what, void *ctx)
{
    struct http_listener *listener = ctx;
    evconnlistener_enable(listener->listener);
}
