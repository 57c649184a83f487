/* post_port: libcurl's asynchronous interface on the loop for mail and webhooks, other programs for commands.
 */
#ifndef CROFT_OS_POST_H
#define CROFT_OS_POST_H

#include "os/loop.h"
#include "port/clock.h"
#include "port/post.h"
#include "port/process.h"

struct os_post;

/* All three outlive it. The library is loaded with the first message that needs it. */
struct os_post *os_post_new(struct loop *loop, const struct clock_port *clock,
                            const struct process_port *process);
void os_post_free(struct os_post *post); /* NULL is fine; letters under way are dropped */
const struct post_port *os_post_port(const struct os_post *post);

#endif
