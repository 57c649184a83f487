/* What the files of `croft key` share. */
#ifndef CROFT_CLI_KEYS_INSIDE_H
#define CROFT_CLI_KEYS_INSIDE_H

#include "cli/cli.h"
#include "cli/desk.h"

enum { KEY_HEX_SIZE = 2 * VAULT_KEY_SIZE };

/* A row of /v1/pairs. */
struct key_row {
    const char *host, *party, *taken; /* "": not taken */
    int64_t generation;
    const struct node *node;
};

struct key_asked {
    struct cli *cli;
    const char *subject; /* HOST or PARTY/FARM; NULL: all */
    struct desk *desk;
    struct node answer;
    struct vec rows;         /* struct key_row */
    struct key_pins *pins;   /* NULL: what the controller tells is believed */
    struct key_guest *guest; /* the other desk (key_desks.c), or NULL */
};

/* keys.c */
/* The rows of the subject; with the desk, if there is one, or is to be made. key_end() in any case. */
MUST_CHECK bool key_ask(struct key_asked *asked, bool make, struct error *err);
void key_end(struct key_asked *asked);
/* Leaves only rows of one party, which it returns: that of --party; of a farm its own; of a host the
 * landlord, who sees its own there, or the one party that asks. */
const char *key_only_party(struct key_asked *asked);
/* All that can be done is; the first failure is the exit code. */
int key_each(struct key_asked *asked,
             bool (*act)(struct key_asked *asked, const struct key_row *row, struct error *err));
/* By the pair that the controller tells, or that is pinned; from then on by one that it is not told. */
MUST_CHECK bool key_take(struct key_asked *asked, const struct key_row *row, struct error *err);
/* Reads seal, sign and fingerprint, which have to belong together. */
MUST_CHECK bool key_told_pair(const struct node *node, struct vault_pair *ret_pair, struct error *err);
bool key_read_hex(const char *text, unsigned char ret_key[VAULT_KEY_SIZE]);
const char *key_hex(struct arena *arena, const unsigned char key[VAULT_KEY_SIZE]);
/* The pair that this desk took there. ERROR_REFUSED, with the mend: it has not. */
MUST_CHECK bool key_target(const struct key_asked *asked, const struct key_row *row,
                           struct desk_target *ret_target, struct error *err);

/* key_desks.c */
int key_show_console(struct cli *cli); /* this desk's own key */
int key_show_desks(struct cli *cli);   /* whose desks the hosts obey */

/* key_pins.c: what somebody knows of pairs by another way than the controller's */
struct key_pins;
/* Of --fingerprint and --pins; *ret_pins is NULL when neither is given. ERROR_USAGE, ERROR_INVALID. */
MUST_CHECK bool key_pins_read(struct cli *cli, const char *party, struct key_pins **ret_pins,
                              struct error *err);
void key_pins_free(struct key_pins *pins); /* NULL is fine */
/* ERROR_DENIED: the pair is another, or none is known. pins NULL: all is believed. */
MUST_CHECK bool key_pins_check(const struct key_pins *pins, const char *host, const char *party,
                               const struct vault_pair *pair, struct error *err);
int key_show_here(struct cli *cli, const char *state); /* of the host whose agent has this state directory */

#endif
