/* A desk: the console key of who sits there, and the pairs of hosts that it took, in files that only its
 * owner may read
 * ($XDG_CONFIG_HOME/croft/keys). From it sealed commands go to hosts; controllers only carry them. */
#ifndef CROFT_CLI_DESK_H
#define CROFT_CLI_DESK_H

#include "cli/client.h"
#include "port/vault.h"

struct desk;

/* Whose pair on which host. */
struct desk_target {
    const char *host, *party;
    struct vault_pair pair;
    int64_t generation;
};

/* *ret_desk is NULL when there is no console key, and none is to be made. Files of another kind, or that
 * others may read, are refused by name. The client outlives it; NULL: nothing is said by this desk. */
MUST_CHECK bool desk_open(struct client *client, bool make, struct desk **ret_desk, struct error *err);
void desk_free(struct desk *desk); /* NULL is fine; wipes */
/* Of which grid the pairs are: hosts of different grids have the same names. Before those below.
 * ERROR_DENIED: this server was another grid when keys were taken by it. */
MUST_CHECK bool desk_set_grid(struct desk *desk, const char *grid, struct error *err);
/* ERROR_NOT_FOUND: this desk has not taken it. Its texts are those given here. */
MUST_CHECK bool desk_recall(const struct desk *desk, const char *host, const char *party,
                            struct desk_target *ret_target, struct error *err);
/* It has taken the party's keys on some host of the grid: nothing of it is said in plain words from here. */
bool desk_has_party(const struct desk *desk, const char *party);
MUST_CHECK bool desk_remember(const struct desk *desk, const struct desk_target *target, struct error *err);
MUST_CHECK bool desk_forget(const struct desk *desk, const char *host, const char *party, struct error *err);

/* The secret with which hosts encrypt what they store for the party, VAULT_SECRET_SIZE bytes in memory of
 * seal_secret_new() that is the caller's: one for all hosts of the grid, made when there is none. */
MUST_CHECK bool desk_secret(const struct desk *desk, const char *party, void **ret_secret, struct error *err);

/* The desk's own public halves. */
const struct vault_pair *desk_own(const struct desk *desk);
/* With the console key. data begins with words that nothing else signed by it begins with. */
void desk_sign(const struct desk *desk, const void *data, size_t size,
               unsigned char ret_signature[VAULT_SIGNATURE_SIZE]);
/* What somebody sealed to this desk. As seal_open(). */
MUST_CHECK bool desk_unseal(const struct desk *desk, const void *box, size_t size, struct buf *ret_data,
                            struct error *err);

/* A command to the target's host, as an agent's own message ("POST", "/agent/exec?…"), sealed, and its
 * answer, opened. done gets the agent's answer, or that of who did not carry it; status 0 also when the
 * answer is not that host's. Once, from the loop; not after desk_drop(). */
struct desk_call;
MUST_CHECK bool desk_start_call(struct desk *desk, const struct desk_target *target,
                                const struct client_request *request,
                                void (*done)(void *ctx, const struct answer *answer), void *ctx,
                                struct desk_call **ret_call, struct error *err);
void desk_drop(struct desk_call *call); /* NULL is fine */
/* The same, waited for. As client_ask(). */
MUST_CHECK bool desk_ask(struct desk *desk, struct arena *arena, const struct desk_target *target,
                         const struct client_request *request, struct client_reply *ret_reply,
                         struct error *err);

#endif
