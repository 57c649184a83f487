/* How an instance is asked: by way of the controller in plain words, or, from a desk that has taken its
 * party's keys on its host, by sealed command. Whoever asks does not see which. */
#ifndef CROFT_CLI_WAY_H
#define CROFT_CLI_WAY_H

#include "cli/cli.h"

struct way;
struct way_call;

/* Connects, too. *ret_way is the caller's. */
MUST_CHECK bool way_find(struct cli *cli, const char *instance, struct way **ret_way, struct error *err);
void way_free(struct way *way); /* NULL is fine; after its calls */
/* Of "exec", "exec/ID", "exec/ID/input" or "log", with a query or NULL. In the arena. */
const char *way_path(const struct way *way, struct arena *arena, const char *what, const char *query);
/* As client_start_call(), with a path of way_path(). */
MUST_CHECK bool way_start(struct way *way, const struct client_request *request,
                          void (*done)(void *ctx, const struct answer *answer), void *ctx,
                          struct way_call **ret_call, struct error *err);
void way_drop(struct way *way, struct way_call *call); /* NULL is fine; not after it is done */
/* As client_ask(). */
MUST_CHECK bool way_ask(struct way *way, struct arena *arena, const struct client_request *request,
                        struct client_reply *ret_reply, struct error *err);

#endif
