#include "os/http.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/http_inside.h"
#include "os/loop_base.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

static void set_option(int fd, int level, int option, int value);

struct http *http_new(struct loop *loop, const struct tls *tls)
{
    struct http *http = mem_alloc(sizeof(*http));
    http->loop = loop;
    http->tls = tls;
    http->places = map_new();
    http->preferred = map_new();
    http->port = (struct net_port){.self = http,
                                   .call = client_call,
                                   .cancel = client_cancel,
                                   .answer = server_answer,
                                   .start = server_start,
                                   .chunk = server_chunk,
                                   .end = server_end,
                                   .on_gone = server_on_gone};
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL) return;
    listeners_free_all(http);
    server_free_all(http);
    client_free_all(http);
    pool_free_all(http);
    map_free(http->places);
    map_free(http->preferred);
    mem_free(http);
}

const struct net_port *http_port(const struct http *http)
{
    return &http->port;
}

void http_set_tls(struct http *http, const struct tls *tls)
{
    http->tls = tls;
    pool_forget(http, NULL);
}

bool socket_parse_address(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size,
                          struct error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    char host[INET6_ADDRSTRLEN] = "";
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    bool brackets = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (brackets) size -= 2;
    bool good = size > 0 && size < sizeof(host) && text_parse_u64(colon + 1, &port) && port <= UINT16_MAX;
    if (good) memcpy(host, brackets ? text + 1 : text, size);
    struct in_addr v4;
    struct in6_addr v6;
    if (good && !brackets && inet_pton(AF_INET, host, &v4) == 1) {
        *(struct sockaddr_in *)ret_address =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = v4, .sin_port = htons((uint16_t)port)};
        *ret_size = sizeof(struct sockaddr_in);
        return true;
    }
    if (good && brackets && inet_pton(AF_INET6, host, &v6) == 1) {
        *(struct sockaddr_in6 *)ret_address = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_addr = v6, .sin6_port = htons((uint16_t)port)};
        *ret_size = sizeof(struct sockaddr_in6);
        return true;
    }
    return error_set(err, ERROR_INVALID, "not an address with a port: \"%s\" (write 10.0.0.1:7071)", text);
}

void socket_tune(int fd)
{
    /* Answers are small and waited for: never hold one back for more to come. */
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    /* Learn within a minute of a silent stream's peer that lost its power. */
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

void socket_format_peer(int fd, char *out, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t address_size = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "";
    out[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &address_size) < 0) return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        snprintf(out, size, "[%s]:%u", host, ntohs(in->sin6_port));
    }
}

struct bufferevent *socket_bufferevent(struct http *http, int fd, void *ssl, bool server)
{
    struct event_base *base = loop_base(http->loop);
    struct bufferevent *bev;
    if (ssl == NULL) {
        bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    } else {
        bev = bufferevent_openssl_socket_new(base, fd, ssl,
                                             server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
                                             BEV_OPT_CLOSE_ON_FREE);
    }
    ASSERT(bev != NULL);
    return bev;
}

int input_head(struct evbuffer *input, size_t *searched, const char **ret_head, size_t *ret_size)
{
    size_t size = evbuffer_get_length(input);
    size_t from = *searched > 3 ? *searched - 3 : 0; /* the mark may stand across two arrivals */
    struct evbuffer_ptr start;
    if (evbuffer_ptr_set(input, &start, from, EVBUFFER_PTR_SET) < 0) return 0;
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, &start);
    if (end.pos < 0) {
        *searched = size;
        return size > WIRE_HEAD_SIZE_MAX ? -1 : 0;
    }
    *searched = 0;
    *ret_size = (size_t)end.pos + 4;
    if (*ret_size > WIRE_HEAD_SIZE_MAX) return -1;
    *ret_head = (const char *)evbuffer_pullup(input, (ev_ssize_t)*ret_size);
    ASSERT(*ret_head != NULL);
    return 1;
}

struct event *timer_event(struct http *http, void (*fire)(int fd, short what, void *ctx), void *ctx)
{
    struct event *event = event_new(loop_base(http->loop), -1, 0, fire, ctx);
    ASSERT(event != NULL);
    return event;
}

void timer_start(struct event *event, int64_t delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    int result = event_add(event, &delay);
    ASSERT(result == 0);
}

/* Does not look at the result: none of them changes what is right, only how fast it is; and on an inherited
 * socket that is no TCP socket they fail. */
static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}
