/* Messages to people, out of the grid: mail by SMTP, a POST to a URL, a program's input. Twins: os/post
 * (libcurl, and programs), sim/post (keeps what it is given). */
#ifndef CROFT_PORT_POST_H
#define CROFT_PORT_POST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum post_way { POST_MAIL, POST_WEBHOOK, POST_COMMAND, POST_WAYS };

struct post_message {
    enum post_way way;
    const char *id;     /* the same whenever the message is sent again: who gets it twice can tell */
    int64_t at_ms;      /* wall clock */
    const char *server; /* POST_MAIL: "smtp://HOST:PORT", "smtps://…"; POST_WEBHOOK: the URL */
    const char *from;   /* POST_MAIL */
    const char *const *to;
    size_t to_length;
    const char *subject;        /* POST_MAIL: one line, UTF-8 */
    const char *const *command; /* POST_COMMAND: its words */
    size_t command_length;
    const char *body; /* UTF-8: of mail plain text, else JSON */
    /* POST_MAIL: who logs in, and the name PARTY/SECRET of the password, which is read when the message is
     * sent, and given over TLS only, or not at all; NULL or "": nobody does. */
    const char *user, *secret;
    /* Not to this machine itself, its networks, nor to addresses that only neighbours have: who may name a
     * server may not by that reach what only the controller reaches. */
    bool confined;
};

struct letter;

struct post_port {
    void *self;
    /* Sends; calls done once, from the loop, never from inside this, unless cancelled. err NULL: the other
     * side took it (SMTP 250, HTTP 2xx, exit status 0). All that is pointed to is copied. */
    struct letter *(*send)(void *self, const struct post_message *message, int64_t timeout_ms,
                           void (*done)(void *ctx, const struct error *err), void *ctx);
    void (*cancel)(void *self, struct letter *letter); /* may be NULL; it may have got there all the same */
};

#endif
