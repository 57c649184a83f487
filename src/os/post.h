/* post_port: libcurl's asynchronous interface on the loop for mail and webhooks, other programs for commands.
 */
#ifndef CROFT_OS_POST_H
#define CROFT_OS_POST_H

#include "base/address.h"
#include "os/loop.h"
#include "port/clock.h"
#include "port/post.h"
#include "port/process.h"

struct os_post;

struct os_post_options {
    struct loop *loop;
    const struct clock_port *clock;
    const struct process_port *process;
    const char *secrets; /* directory: PARTY/SECRET is a file that only its owner reads */
    const char
        *authorities; /* PEM file: whom mail and web servers are believed by, besides the system's; or NULL */
    const struct wide_prefix *reach; /* what confined messages reach although it is near or private */
    size_t reach_length;
};

/* All that is pointed to outlives it. The library is loaded with the first message that needs it. */
struct os_post *os_post_new(const struct os_post_options *options);
void os_post_free(struct os_post *post); /* NULL is fine; letters under way are dropped */
const struct post_port *os_post_port(const struct os_post *post);

#endif
