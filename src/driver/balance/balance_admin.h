/* One conversation with HAProxy over its admin socket: commands out, an answer each, in order. Never blocks.
 */
#ifndef CROFT_DRIVER_BALANCE_ADMIN_H
#define CROFT_DRIVER_BALANCE_ADMIN_H

#include "base/error.h"
#include "port/watch.h"

struct balance_admin;

/* text: the answer without the blank line and the prompt behind it. */
typedef void (*balance_answered)(void *ctx, const char *text);

/* Connects to `admin.sock` in the directory. What lies there is an instance's to choose: nothing but a socket
 * is used, and no symbolic link followed. lost(ctx, reason) is called from the loop, at most once, when the
 * other side is gone or talks nonsense; only balance_admin_free() may be called then, also from inside of it.
 */
MUST_CHECK bool balance_admin_new(const struct watch_port *watch, const char *directory,
                                  void (*lost)(void *ctx, const char *reason), void *ctx,
                                  struct balance_admin **ret_admin, struct error *err);
void balance_admin_free(struct balance_admin *admin); /* NULL is fine; nothing is called after */

/* Queues a command line (no newline in it). answered(ctx, …) comes from the loop, in the order of asking. It
 * may ask again but not free. */
void balance_admin_ask(struct balance_admin *admin, const char *command, balance_answered answered,
                       void *ctx);

#endif
