#include "driver/balance/balance_config.h"

#include "base/text.h"
#include "driver/balance/balance_log.h"
#include "driver/http_path.h"

#include <stdio.h>

enum { EVERY_MS_DEFAULT = 1000, FAILS_DEFAULT = 3, QUICK_MS = 200, ERRORS_MAX = 2, LINES_A_SECOND = 100 };

static void write_frontend(const struct personality *personality, const struct balance_frontend *frontend,
                           int publish_fd, struct buf *ret_text);
static void write_log(const struct balance_frontend *frontend, size_t frontends, struct buf *ret_text);
static void write_backend(const struct balance_frontend *frontend, struct buf *ret_text);

/* Memory: 14 MB when idle. Of a connection's memory the buffers are the bulk, three in the worst case
 * (request, answer, copy for a retry). So 1,000 connections fit into 64 MiB, and a request's head may have 9
 * KiB. Not with tune.buffers.limit: in 2.6.12 connections are dropped where they should wait for a buffer
 * (seen with 950). */
static const char GLOBAL[] = "global\n"
                             "    nbthread 1\n"
                             "    maxconn 1000\n"
                             "    no strict-limits\n"
                             "    tune.bufsize 10240\n"
                             "    tune.maxaccept 64\n"
                             "    stats socket /run/croft/" BALANCE_SOCKET_NAME " mode 600 level admin\n"
                             "    stats timeout 1h\n"
                             "    log /run/croft/" BALANCE_LOG_NAME " len 256 format raw local0\n"
                             "\n"
                             "defaults\n"
                             "    timeout connect 300ms\n"
                             "    timeout http-request 10s\n"
                             "    timeout http-keep-alive 60s\n"
                             "    timeout client 60s\n"
                             "    timeout server 60s\n"
                             "    timeout tunnel 1h\n"
                             "    retries 3\n"
                             "    option redispatch 1\n";

void balance_config_write(const struct personality *personality, struct buf *ret_text)
{
    int publish_fd = 3;
    buf_add_text(ret_text, GLOBAL);
    for (size_t i = 0; i < personality->frontends_length; i++) {
        const struct balance_frontend *frontend = &personality->frontends[i];
        bool published = frontend->publish[0] != 0;
        write_frontend(personality, frontend, published ? publish_fd : -1, ret_text);
        write_backend(frontend, ret_text);
        if (published) publish_fd++;
    }
}

/* One refused connection is retried elsewhere, the second in a row takes the server out without waiting for
 * its next check; checks of a server that is out come quickly. */
void balance_server_words(const struct balance_frontend *frontend, const struct balance_server *server,
                          char ret_words[BALANCE_SERVER_SIZE])
{
    char address[32];
    int64_t every_ms = frontend->health_every_ms > 0 ? frontend->health_every_ms : EVERY_MS_DEFAULT;
    int64_t fails = frontend->health_fails > 0 ? frontend->health_fails : FAILS_DEFAULT;
    int64_t quick_ms = every_ms < QUICK_MS ? every_ms : QUICK_MS;
    int length =
        snprintf(ret_words, BALANCE_SERVER_SIZE,
                 "%s:%u check inter %lld fastinter %lld downinter %lld rise 1 fall %lld"
                 " observe layer4 error-limit %d on-error mark-down",
                 text_format_ipv4(address, server->address), (unsigned)server->port, (long long)every_ms,
                 (long long)quick_ms, (long long)quick_ms, (long long)fails, ERRORS_MAX);
    ASSERT(length > 0 && length < BALANCE_SERVER_SIZE);
}

static void write_frontend(const struct personality *personality, const struct balance_frontend *frontend,
                           int publish_fd, struct buf *ret_text)
{
    char address[32] = "";
    /* A name goes into configuration and commands as it is. */
    ASSERT(text_is_name(frontend->name));
    if (personality->address) text_format_ipv4(address, personality->address);
    buf_printf(ret_text, "\nfrontend %s\n    mode %s\n", frontend->name,
               frontend->mode == BALANCE_HTTP ? "http" : "tcp");
    buf_printf(ret_text, "    bind %s:%u\n", address, (unsigned)frontend->port);
    if (publish_fd >= 0) buf_printf(ret_text, "    bind fd@%d\n", publish_fd);
    /* A balancer on its last connections lets idle clients ask once more, and then says that it closes:
     * closed at once, a request that is on its way would be lost. */
    buf_add_text(ret_text, frontend->mode == BALANCE_HTTP
                               ? "    option forwardfor\n    option idle-close-on-response\n"
                               : "    timeout client 1h\n    option clitcpka\n");
    write_log(frontend, personality->frontends_length, ret_text);
    buf_printf(ret_text, "    default_backend %s\n", frontend->name);
}

/* One of w requests is logged, by chance, where w follows the rate: a share of so many lines a second, each
 * with its w, so that sums stay true in the mean whatever the rate. The others cost a random number. */
static void write_log(const struct balance_frontend *frontend, size_t frontends, struct buf *ret_text)
{
    bool http = frontend->mode == BALANCE_HTTP;
    const char *rule = http ? "http-request" : "tcp-request content";
    size_t share = frontends < LINES_A_SECOND ? LINES_A_SECOND / frontends : 1;

    buf_add_text(ret_text, "    log global\n    log-format \"");
    balance_line_format(frontend->mode, ret_text);
    buf_printf(ret_text,
               "\"\n    %s set-var(txn.t0) date(0,us)\n"
               "    %s set-var(txn.w) %s,div(%zu),add(1)\n"
               "    %s set-var(txn.chance) rand,mod(txn.w)\n"
               "    %s set-log-level silent if { var(txn.chance) -m int gt 0 }\n",
               rule, rule, http ? "fe_req_rate" : "fe_sess_rate", share, rule, rule);
    if (http) buf_add_text(ret_text, "    http-response set-var(txn.t1) date(0,us)\n");
}

static void write_backend(const struct balance_frontend *frontend, struct buf *ret_text)
{
    buf_printf(ret_text, "\nbackend %s\n    mode %s\n    balance leastconn\n", frontend->name,
               frontend->mode == BALANCE_HTTP ? "http" : "tcp");
    if (frontend->mode == BALANCE_HTTP)
        /* A server that dies loses the requests it was working on unless they are sent again. Only methods
         * that may be repeated (RFC 9110 section 9.2.2) are, after more than a failed connection. */
        buf_add_text(ret_text, "    option http-keep-alive\n"
                               "    http-reuse safe\n"
                               "    retry-on conn-failure empty-response\n"
                               "    http-request disable-l7-retry unless"
                               " { method GET HEAD PUT DELETE OPTIONS TRACE }\n");
    else
        buf_add_text(ret_text, "    timeout server 1h\n    option srvtcpka\n");
    if (frontend->health_path[0]) {
        buf_add_text(ret_text, "    option httpchk\n    http-check send meth GET uri '");
        http_path_add(ret_text, frontend->health_path);
        buf_add_text(ret_text, "' ver HTTP/1.1 hdr Host croft\n    http-check expect status 200-399\n");
    }
    for (size_t i = 0; i < frontend->servers_length; i++) {
        char words[BALANCE_SERVER_SIZE];
        const struct balance_server *server = &frontend->servers[i];
        ASSERT(text_is_name(server->instance));
        if (server->drain) continue;
        balance_server_words(frontend, server, words);
        buf_printf(ret_text, "    server %s %s\n", server->instance, words);
    }
}
