/* net_port over HTTP/1.1, plain or with mutual TLS. */
#ifndef CROFT_OS_HTTP_H
#define CROFT_OS_HTTP_H

#include "os/loop.h"
#include "os/tls.h"
#include "os/tls_files.h"
#include "port/net.h"

struct http;
struct http_listener;

struct http_listen_options {
    const char
        *address; /* "127.0.0.1:7070", "[::1]:0"; port 0: the kernel chooses, http_listener_port() tells */
    int inherited_fd;     /* with address NULL: a listening socket, which becomes the listener's */
    bool tls;             /* needs the http's tls with a certificate of its own */
    bool allow_anonymous; /* with tls: clients without a certificate may come in too (joining agents) */
    const struct tls_files *tls_files; /* in place of the http's tls; must live as long as the listener */
    net_handler handler;
    void *ctx;
};

/* tls may be NULL when nothing is to be encrypted. It must live until http_free() or http_set_tls(). */
struct http *http_new(struct loop *loop, const struct tls *tls);
/* NULL is fine. Closes everything. Calls and exchanges under way are dropped without a callback. Not from
 * inside a callback of this http. */
void http_free(struct http *http);
const struct net_port *http_port(const struct http *http);
/* For new connections from now on: after joining, and when certificates are renewed. */
void http_set_tls(struct http *http, const struct tls *tls);

MUST_CHECK bool http_listen(struct http *http, const struct http_listen_options *options,
                            struct http_listener **ret_listener, struct error *err);
unsigned http_listener_port(const struct http_listener *listener);

#endif
