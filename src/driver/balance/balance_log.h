/* What HAProxy says of single requests: lines in datagrams to a socket in the balancer's control directory.
 * Whoever runs inside the balancer's instance can send them too: a line is a claim, read strictly, and so
 * many of them that they would cost something are left to the kernel, which drops them. */
#ifndef CROFT_DRIVER_BALANCE_LOG_H
#define CROFT_DRIVER_BALANCE_LOG_H

#include "driver/balance.h"
#include "port/clock.h"
#include "port/watch.h"

#define BALANCE_LOG_NAME "log.sock"

enum { BALANCE_LINE_SIZE = 256 }; /* longer ones are cut by HAProxy, and then are none */

/* Adds to `log-format` what balance_line_read() reads; mode http or tcp. */
void balance_line_format(enum balance_mode mode, struct buf *ret_text);
/* One line without its end. Cuts it into pieces: ret_sample's texts point into it. False: it is none. */
MUST_CHECK bool balance_line_read(char *line, struct balance_sample *ret_sample);

struct balance_log;
/* Opens the socket, in the place of one that was there, and calls line() for each line from the loop; line()
 * must not free the log. */
MUST_CHECK bool balance_log_new(const struct clock_port *clock, const struct watch_port *watch,
                                const char *directory,
                                void (*line)(void *ctx, const struct balance_sample *sample), void *ctx,
                                struct balance_log **ret_log, struct error *err);
void balance_log_free(struct balance_log *log); /* NULL is fine */

#endif
